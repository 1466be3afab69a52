"""The calendar, terms, carriers and regions: pure answers that need no SIM."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.domain.operation.service_levels import Circumstances
from app.domain.vocabulary import Carrier, Supplier
from app.routers.http.contract import Parameters, TypedRoute
from app.routers.http.deps import Ctx, TermsReader, page_of
from app.routers.http.errors.codes import refusals
from app.routers.http.errors.problems import Unreadable
from app.routers.http.responses import json_response
from app.routers.schemas import calendar as schemas
from app.routers.schemas import catalogue
from app.routers.schemas.capabilities import Capabilities
from app.texts.catalogue import language_of, text
from app.usecases.catalogue import calendar as views
from app.usecases.catalogue.carriers import capabilities_view, carriers_view
from app.usecases.catalogue.freshness import freshness_view
from app.usecases.catalogue.rules import found_rules, rule_view, rules_page

router = APIRouter(prefix="/v1", tags=["calendar and terms"], route_class=TypedRoute)

CycleQuery = Annotated[schemas.CycleQuery, Depends(Parameters(schemas.CycleQuery))]
ExpiryQuery = Annotated[schemas.ExpiryQuery, Depends(Parameters(schemas.ExpiryQuery))]
RenewalQuery = Annotated[schemas.RenewalQuery, Depends(Parameters(schemas.RenewalQuery))]
DueQuery = Annotated[schemas.DueQuery, Depends(Parameters(schemas.DueQuery))]
ForcedQuery = Annotated[schemas.ForcedActivationQuery, Depends(Parameters(schemas.ForcedActivationQuery))]
WorkdaysQuery = Annotated[schemas.WorkdaysQuery, Depends(Parameters(schemas.WorkdaysQuery))]
OnQuery = Annotated[schemas.OnQuery, Depends(Parameters(schemas.OnQuery))]
CarrierQuery = Annotated[schemas.CarrierQuery, Depends(Parameters(schemas.CarrierQuery))]
RulesQuery = Annotated[catalogue.RuleQuery, Depends(Parameters(catalogue.RuleQuery))]
SupplierPath = Annotated[Supplier, Path(description="Supplier.", examples=["gsl"])]
CarrierPath = Annotated[Carrier, Path(description="Carrier.", examples=["cmcc"])]
CarrierCode = Annotated[str, Path(description="Carrier.", examples=["cmcc"])]
RuleId = Annotated[str, Path(description="The rule's id.", examples=["RN-2"])]


@router.get("/calendar/cycle", response_model=schemas.CycleAnswer)
async def get_cycle(caller: TermsReader, query: CycleQuery) -> Response:
    """The billing cycle a day belongs to; at Unicom the 27th to the 26th."""
    return json_response(views.cycle_view(query.carrier, query.on))


@router.get("/calendar/expiry", response_model=schemas.ExpiryAnswer)
async def get_expiry(caller: TermsReader, query: ExpiryQuery) -> Response:
    """The last valid day of a SIM, and when it is cancelled."""
    return json_response(views.expiry_view(query.terms, query.carrier, query.activated_on, query.months))


@router.get("/calendar/renewal", response_model=schemas.RenewalAnswer)
async def get_renewal(request: Request, caller: TermsReader, query: RenewalQuery) -> Response:
    """Whether a SIM may be renewed on a day, and until when."""
    answer = views.renewal_view(query.terms, query.carrier, query.expires_on, query.on)
    language = language_of(request.headers.get("accept-language"))
    return json_response(answer | {"text": text(f"renewal.{answer['reason']}", language)})


@router.get("/calendar/due", response_model=schemas.DueAnswer)
async def get_due(request: Request, ctx: Ctx, caller: TermsReader, query: DueQuery) -> Response:
    """By when the carrier completes something handed in at an instant."""
    case = Circumstances(industrial_allowance=query.industrial_allowance)
    answer = views.due_view(ctx, query.terms, query.carrier, query.kind, query.at, case)
    language = language_of(request.headers.get("accept-language"))
    answer["because"] = [
        step | {"text": text(f"because.{step['key']}", language, day=step["day"] or "")} for step in answer["because"]
    ]
    return json_response(answer)


@router.get("/calendar/forced-activation", response_model=schemas.ForcedActivationAnswer)
async def get_forced_activation(caller: TermsReader, query: ForcedQuery) -> Response:
    """When an unused SIM becomes active by itself."""
    return json_response(views.forced_activation_view(query.terms, query.carrier, query.opened_on, query.test_months))


@router.get("/calendar/workdays", response_model=schemas.WorkdaysAnswer)
async def list_workdays(ctx: Ctx, caller: TermsReader, query: WorkdaysQuery) -> Response:
    """Mainland China's workdays, with public holidays and make-up workdays."""
    return json_response(views.workdays_view(ctx, query.first, query.last))


@router.get("/terms/{supplier}/{carrier}", response_model=catalogue.Terms)
async def get_terms(
    ctx: Ctx, supplier: SupplierPath, carrier: CarrierPath, caller: TermsReader, query: OnQuery
) -> Response:
    """The terms in force, every value with its source."""
    return json_response(views.terms_view(supplier, carrier, query.on or ctx.now().date()))


@router.get("/carriers", response_model=catalogue.CarrierPage)
async def list_carriers(ctx: Ctx, caller: TermsReader) -> Response:
    """Every carrier, with the accounts open to the tenant."""
    return json_response({"items": carriers_view(ctx, caller.tenant), "next_cursor": None})


@router.get("/carriers/{code}/capabilities", response_model=Capabilities, responses=refusals("NOT_FOUND"))
async def get_capabilities(ctx: Ctx, code: CarrierCode, caller: TermsReader) -> Response:
    """What each account and protocol of a carrier can do."""
    return json_response(capabilities_view(ctx, caller.tenant, code))


@router.get("/carriers/{code}/freshness", response_model=catalogue.CarrierFreshness, responses=refusals("NOT_FOUND"))
async def get_carrier_freshness(ctx: Ctx, code: CarrierCode, caller: TermsReader) -> Response:
    """How old a carrier's figures are per account, how fresh they can be, and which limit binds."""
    return json_response(await freshness_view(ctx, caller.tenant, code))


@router.get("/regions/high-risk", response_model=catalogue.HighRiskRegions)
async def list_high_risk_regions(caller: TermsReader, query: CarrierQuery) -> Response:
    """Regions where only local SIMs may be used."""
    return json_response(views.high_risk_view(query.carrier))


@router.get("/rules", response_model=catalogue.RulePage, responses=refusals("UNREADABLE"))
async def list_rules(ctx: Ctx, caller: TermsReader, query: RulesQuery) -> Response:
    """The rule catalogue; with `q` the rules that answer a word, a symptom or a question, the best first."""
    page, found = page_of(query), found_rules(query.q, query.section)
    positions = {rule.id: position for position, rule in enumerate(found)}
    if page.after is not None and page.after not in positions:
        raise Unreadable("invalid cursor")
    start = 0 if page.after is None else positions[page.after] + 1
    items, last = rules_page(found, start, page.limit, ctx.now().date())
    return json_response({"items": items, "next_cursor": page.next_cursor(last)})


@router.get("/rules/{rule_id}", response_model=catalogue.Rule, responses=refusals("NOT_FOUND"))
async def get_rule(rule_id: RuleId, ctx: Ctx, caller: TermsReader) -> Response:
    """One rule of the catalogue, in both languages."""
    return json_response(rule_view(rule_id, ctx.now().date()))
