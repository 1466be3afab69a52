"""What a SIM can say of itself: whether it is online, and its deadlines."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.domain.identifiers import parse_iccid
from app.routers.http.contract import Parameters, TypedRoute
from app.routers.http.deps import Ctx, SimsReader
from app.routers.http.errors.codes import refusals
from app.routers.http.responses import json_response, while_connected
from app.routers.schemas.base import AsOf
from app.routers.schemas.sims import insight as schemas
from app.usecases.as_of import moment_of
from app.usecases.sims.insight import deadlines_of, session_of
from app.usecases.sims.past import deadlines_at

from .actions import Iccid
from .sims import refuse_as_of

router = APIRouter(prefix="/v1/sims", tags=["sims"], route_class=TypedRoute)

CARRIER_FAILURES = ("CARRIER_REJECTED", "NOT_SUPPORTED_BY_CARRIER", "CARRIER_QUOTA_EXCEEDED", "UNAVAILABLE")
AsOfQuery = Annotated[AsOf, Depends(Parameters(AsOf))]


@router.get(
    "/{iccid}/session", response_model=schemas.Session, responses=refusals("NOT_FOUND", "NOT_AS_OF", *CARRIER_FAILURES)
)
async def get_sim_session(request: Request, iccid: Iccid, ctx: Ctx, caller: SimsReader, query: AsOfQuery) -> Response:
    """Whether the SIM is online now; queries the carrier, within its call budget and ten seconds."""
    refuse_as_of(query, "the carrier is asked now; what it last said is the SIM's `session`, also as of an instant")
    return json_response(await while_connected(request, session_of(ctx, caller.tenant, parse_iccid(iccid))))


@router.get("/{iccid}/deadlines", response_model=schemas.Deadlines, responses=refusals("NOT_FOUND", "BEFORE_RECORDS"))
async def get_sim_deadlines(iccid: Iccid, ctx: Ctx, caller: SimsReader, query: AsOfQuery) -> Response:
    """The days that lie ahead of the SIM, each with its rule; also those that lay ahead at an instant."""
    if (moment := moment_of(ctx, query.as_of, query.known_at)) is not None:
        return json_response(await deadlines_at(ctx, caller.tenant, parse_iccid(iccid), moment))
    return json_response(await deadlines_of(ctx, caller.tenant, parse_iccid(iccid)))
