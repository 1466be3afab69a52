"""The calendar, terms, carriers and regions: pure answers that need no card."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.domain.vocabulary import Carrier, Supplier
from app.routers.http.deps import Ctx, TermsReader
from app.routers.http.responses import json_response
from app.texts.catalogue import language_of, text, texts
from app.usecases.catalogue.calendar import (
    cycle_view,
    due_view,
    expiry_view,
    forced_activation_view,
    high_risk_view,
    renewal_view,
    terms_view,
    workdays_view,
)
from app.usecases.catalogue.carriers import capabilities_view, carriers_view
from app.usecases.errors import Fault, InvalidArgument, NotFound

from .actions import instant_of

router = APIRouter(prefix="/v1", tags=["calendar and terms"])

Day = Annotated[date, Query(ge=date(1990, 1, 1), le=date(2200, 1, 1))]
Months = Annotated[int, Query(ge=1, le=1200)]


@router.get("/calendar/cycle")
async def cycle(carrier: Carrier, on: Day, caller: TermsReader) -> Response:
    """The billing cycle a day belongs to; at Unicom the 27th to the 26th."""
    return json_response(cycle_view(carrier, on))


@router.get("/calendar/expiry")
async def expiry(terms: Supplier, carrier: Carrier, activated_on: Day, months: Months, caller: TermsReader) -> Response:
    """The last valid day of a card, and when it is cancelled."""
    return json_response(expiry_view(terms, carrier, activated_on, months))


@router.get("/calendar/renewal")
async def renewal(
    request: Request, terms: Supplier, carrier: Carrier, expires_on: Day, on: Day, caller: TermsReader
) -> Response:
    """Whether a card may be renewed on a day, and until when."""
    answer = renewal_view(terms, carrier, expires_on, on)
    language = language_of(request.headers.get("accept-language"))
    return json_response(answer | {"text": text(f"renewal.{answer['reason']}", language)})


@router.get("/calendar/due")
async def due(
    request: Request, ctx: Ctx, terms: Supplier, carrier: Carrier, kind: str, at: str, caller: TermsReader
) -> Response:
    """By when the carrier is done with something handed in at an instant."""
    instant = instant_of(at.replace(" ", "+"), "query:at")
    if instant is None:
        raise InvalidArgument([Fault(code="REQUIRED", detail="RFC 3339 with offset", pointer="query:at")])
    answer = due_view(ctx, terms, carrier, kind, instant)
    language = language_of(request.headers.get("accept-language"))
    answer["because"] = [
        step | {"text": text(f"because.{step['key']}", language, day=step["day"] or "")} for step in answer["because"]
    ]
    return json_response(answer)


@router.get("/calendar/forced-activation")
async def forced(
    terms: Supplier,
    carrier: Carrier,
    opened_on: Day,
    caller: TermsReader,
    test_months: Annotated[int, Query(ge=0, le=9)] = 0,
) -> Response:
    """When an unused card becomes active by itself."""
    return json_response(forced_activation_view(terms, carrier, opened_on, test_months))


@router.get("/calendar/workdays")
async def workdays(
    ctx: Ctx, first: Annotated[Day, Query(alias="from")], last: Annotated[Day, Query(alias="to")], caller: TermsReader
) -> Response:
    """Mainland China's workdays, with public holidays and make-up workdays."""
    return json_response(workdays_view(ctx, first, last))


@router.get("/terms/{supplier}/{carrier}")
async def terms(ctx: Ctx, supplier: Supplier, carrier: Carrier, caller: TermsReader, on: Day | None = None) -> Response:
    """The terms in force, every value with its source."""
    return json_response(terms_view(supplier, carrier, on or ctx.now().date()))


@router.get("/carriers")
async def carriers(ctx: Ctx, caller: TermsReader) -> Response:
    """Every carrier, with the accounts open to the tenant."""
    return json_response({"items": carriers_view(ctx, caller.tenant), "next_cursor": None})


@router.get("/carriers/{code}/capabilities")
async def capabilities(ctx: Ctx, code: str, caller: TermsReader) -> Response:
    """What each account and protocol of a carrier can do."""
    return json_response(capabilities_view(ctx, caller.tenant, code))


@router.get("/regions/high-risk")
async def high_risk(carrier: Carrier, caller: TermsReader) -> Response:
    """Regions where only local cards may be used."""
    return json_response(high_risk_view(carrier))


@router.get("/rules/{rule_id}")
async def rule(rule_id: str, caller: TermsReader) -> Response:
    """One rule of the catalogue, in both languages."""
    known = texts().get(f"rule.{rule_id}")
    if known is None:
        raise NotFound("rule")
    return json_response({"id": rule_id, "text": dict(known)})
