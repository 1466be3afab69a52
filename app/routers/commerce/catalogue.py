"""The catalogue: `/v1/plans`, `/v1/addons`, and what a SIM may buy of them (RN-10, QT-7)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.domain.commerce.offers import Offers
from app.domain.identifiers import parse_iccid
from app.domain.operation.refusal import Refusal
from app.domain.sim.renewal import RenewalAnswer
from app.routers.actions import Iccid
from app.routers.http.bodies import parsed
from app.routers.http.contract import TypedRoute, Upload, UploadBody, validated
from app.routers.http.deps import Ctx, SimsReader, SimsWriter, trail_of
from app.routers.http.errors.codes import refusals
from app.routers.http.errors.problems import Unreadable
from app.routers.http.errors.refusals import refusal_view
from app.routers.http.idempotency import Idempotent, commit_response, stored_response
from app.routers.http.responses import json_response
from app.routers.schemas.commerce import catalogue as schemas
from app.texts.catalogue import language_of
from app.usecases.catalogue import addons as packs
from app.usecases.catalogue import plans as tariffs
from app.usecases.catalogue.offers import read_offers
from app.usecases.sims.renewing import renewal_view

router = APIRouter(prefix="/v1", tags=["catalogue"], route_class=TypedRoute)

MAX_FILE_BYTES = 1 << 20
JSON, CSV = "application/json", "text/csv"

PLANS = UploadBody(
    {JSON: schemas.PlanRequest, CSV: f"a header of {', '.join(tariffs.COLUMNS)}; lists as `12;24`"},
    max_bytes=MAX_FILE_BYTES,
    default=JSON,
)
ADDONS = UploadBody(
    {JSON: schemas.AddonRequest, CSV: f"a header of {', '.join(packs.COLUMNS)}"}, max_bytes=MAX_FILE_BYTES, default=JSON
)


def _fields(model: type[BaseModel], body: bytes) -> dict[str, Any]:
    """The fields given in a JSON body. Raises `Unreadable`, `InvalidArgument`."""
    value = parsed(body or b"{}")
    if not isinstance(value, dict) or not value:
        raise Unreadable("the body is not a JSON object with the fields of one entry")
    return validated(model, value).model_dump(exclude_unset=True)


@router.get("/plans", response_model=schemas.PlanPage)
async def list_plans(ctx: Ctx, caller: SimsReader) -> Response:
    """Every plan of the tenant."""
    async with ctx.work() as work:
        known = await work.plans.all(caller.tenant)
    return json_response({"items": [tariffs.plan_view(plan) for plan in known.values()], "next_cursor": None})


@router.post("/plans", status_code=201, response_model=schemas.PlanAnswer)
async def put_plan(
    request: Request, ctx: Ctx, caller: SimsWriter, upload: Annotated[Upload, Depends(PLANS)], key: Idempotent
) -> Response:
    """Add one plan (JSON) or many (CSV); the same id replaces."""
    if upload.media_type == CSV:
        plans = tariffs.plans_from_csv(upload.content)
    else:
        plans = [tariffs.read_plan(_fields(schemas.PlanRequest, upload.content))]
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        await tariffs.put_plans(ctx, work, caller.tenant, plans, actor=trail_of(request, caller).actor)
        items = [tariffs.plan_view(plan) for plan in plans]
        response = json_response({"items": items} if upload.media_type == CSV else items[0], status=201)
        await commit_response(ctx, work, key, response)
    return response


@router.get("/addons", response_model=schemas.AddonPage)
async def list_addons(ctx: Ctx, caller: SimsReader) -> Response:
    """Every add-on pack of the tenant."""
    async with ctx.work() as work:
        known = await work.addons.all(caller.tenant)
    return json_response({"items": [packs.addon_view(addon) for addon in known.values()], "next_cursor": None})


@router.post("/addons", status_code=201, response_model=schemas.AddonAnswer)
async def put_addon(
    request: Request, ctx: Ctx, caller: SimsWriter, upload: Annotated[Upload, Depends(ADDONS)], key: Idempotent
) -> Response:
    """Add one add-on pack (JSON) or many (CSV); the same id replaces."""
    if upload.media_type == CSV:
        addons = packs.addons_from_csv(upload.content)
    else:
        addons = [packs.read_addon(_fields(schemas.AddonRequest, upload.content))]
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        await packs.put_addons(ctx, work, caller.tenant, addons, actor=trail_of(request, caller).actor)
        items = [packs.addon_view(addon) for addon in addons]
        response = json_response({"items": items} if upload.media_type == CSV else items[0], status=201)
        await commit_response(ctx, work, key, response)
    return response


@router.get("/sims/{iccid}/offers", response_model=schemas.Offers, responses=refusals("NOT_FOUND"))
async def list_sim_offers(request: Request, iccid: Iccid, ctx: Ctx, caller: SimsReader) -> Response:
    """What the SIM may buy now: renewals, add-on packs and plan changes, each as its operation would be decided."""
    language = language_of(request.headers.get("accept-language"))
    found = await read_offers(ctx, caller.tenant, parse_iccid(iccid))
    head = {
        "iccid": found.sim.iccid,
        "plan": found.sim.plan.id,
        "expires_on": found.sim.expires_on.isoformat() if found.sim.expires_on else None,
        "as_of": found.at.isoformat(),
        "renewal": renewal_view(found.renewal),
    }
    return json_response(head | _offers_view(found.offers, language))


def _offers_view(offers: Offers, language: str) -> dict[str, Any]:
    window = _window_view(offers.window)
    renewals = [
        {
            "kind": "renew",
            "months": offer.months,
            "window": window,
            "last_valid_day": offer.last_valid_day.isoformat() if offer.last_valid_day else None,
        }
        | _terms_view(offer.price_fen, offer.refusal, language)
        for offer in offers.renewals
    ]
    addons = [
        {"addon": offer.addon.id, "bytes": offer.addon.bytes} | _terms_view(offer.price_fen, offer.refusal, language)
        for offer in offers.addons
    ]
    changes = [
        {"plan": offer.plan.id, "allowance": offer.plan.allowance}
        | _terms_view(offer.price_fen, offer.refusal, language)
        for offer in offers.plan_changes
    ]
    return {"renewals": renewals, "addons": addons, "plan_changes": changes}


def _terms_view(price_fen: int | None, refusal: Refusal | None, language: str) -> dict[str, Any]:
    """The price of an offer, and whether it would be accepted now."""
    refused = None if refusal is None else refusal_view(refusal, language)
    return {"price_fen": price_fen, "allowed": refusal is None, "refusal": refused}


def _window_view(window: RenewalAnswer | None) -> dict[str, Any] | None:
    if window is None:
        return None
    return {
        "renewable": window.renewable,
        "opens_on": window.opens_on.isoformat() if window.opens_on else None,
        "closes_on": window.closes_on.isoformat() if window.closes_on else None,
        "rule": window.rule,
        "assumed": list(window.assumed),
    }
