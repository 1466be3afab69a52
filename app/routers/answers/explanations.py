"""Why SIMs are as they are: the explanation of one, and of many by cause."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.domain.identifiers import parse_iccid
from app.routers.actions import Iccid
from app.routers.answers.explanation_views import explanation_view
from app.routers.answers.fleet_views import fleet_view
from app.routers.bulk import MAX_BULK_BYTES, selector_of
from app.routers.http.contract import JsonBody, Parameters, TypedRoute
from app.routers.http.deps import Ctx, SimsReader
from app.routers.http.errors.codes import refusals
from app.routers.http.idempotency import Idempotent, commit_response, stored_response
from app.routers.http.responses import json_response, while_connected
from app.routers.schemas.sims import fleet
from app.routers.schemas.sims import insight as schemas
from app.routers.schemas.sims.requests import SimFilters
from app.texts.catalogue import language_of
from app.usecases.as_of import moment_of, read_as_of_view
from app.usecases.bulk.explain import explain_fleet
from app.usecases.sims.explain import explain
from app.usecases.sims.explain_past import explain_at

router = APIRouter(prefix="/v1", tags=["sims"], route_class=TypedRoute)

FleetBody = Annotated[
    fleet.FleetExplanationRequest,
    Depends(JsonBody(fleet.FleetExplanationRequest, max_bytes=MAX_BULK_BYTES, parts=(SimFilters,))),
]


@router.get(
    "/sims/{iccid}/explanation", response_model=schemas.Explanation, responses=refusals("NOT_FOUND", "BEFORE_RECORDS")
)
async def explain_sim(
    request: Request,
    iccid: Iccid,
    ctx: Ctx,
    caller: SimsReader,
    query: Annotated[schemas.DeviceFacts, Depends(Parameters(schemas.DeviceFacts))],
) -> Response:
    """Why the SIM is as it is: every hold with rule, evidence and remedies, and the three checklists.

    What you know of the device fills the checklists: `?apn=cmiot&restarted=true&province=…`. With `as_of` or `known_at`
    it explains the SIM as it was: `allowed_now` and the dates of a plan are those of that instant.
    """
    language = language_of(request.headers.get("accept-language"))
    facts = query.model_dump(exclude_unset=True, exclude={"as_of", "known_at", "target"})
    facts["targets"] = tuple(query.target)
    if (moment := moment_of(ctx, query.as_of, query.known_at)) is not None:
        past = await explain_at(ctx, caller.tenant, parse_iccid(iccid), facts, moment)
        shown = explanation_view(past.explanation, language)
        return json_response(shown | {"read_as_of": read_as_of_view(moment, past.not_kept)})
    found = await explain(ctx, caller.tenant, parse_iccid(iccid), facts)
    return json_response(explanation_view(found, language))


@router.post("/explanations", response_model=fleet.FleetExplanation, responses=refusals("RULE_VIOLATION"))
async def explain_sims(request: Request, ctx: Ctx, caller: SimsReader, body: FleetBody, key: Idempotent) -> Response:
    """Why SIMs are stopped, by cause and remedy, with the bulk operation that helps each group; nothing is changed."""
    language = language_of(request.headers.get("accept-language"))
    found = await while_connected(request, explain_fleet(ctx, caller.tenant, selector_of(body.selector)))
    response = json_response(fleet_view(found, language))
    if key is None:
        return response
    async with ctx.work() as work:  # only now: no transaction is open while a fleet is read
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        await commit_response(ctx, work, key, response)
    return response
