"""`/v1/deadlines`: the days that lie ahead of a fleet."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from app.db.deadlines.search import DeadlinePosition
from app.domain.calendar.days import day_named
from app.domain.sim.deadlines import OF_FLEET, DeadlineKind
from app.routers.http.codes import refusals
from app.routers.http.contract import Parameters, TypedRoute
from app.routers.http.deps import MAX_BIGINT, Ctx, Page, SimsReader, page_of
from app.routers.http.problems import Unreadable
from app.routers.http.responses import json_response
from app.routers.schemas import deadlines as schemas
from app.usecases.deadlines import fleet

router = APIRouter(prefix="/v1/deadlines", tags=["deadlines"], route_class=TypedRoute)


def _position(page: Page) -> DeadlinePosition | None:
    """The place that a cursor names. Raises `Unreadable` for one that this list did not make."""
    if page.after is None:
        return None
    try:
        day, kind, group, row = str(page.after).split("|")
        numbers = int(group), int(row)
        position = DeadlinePosition(day=day_named(day), kind=DeadlineKind(kind).value, group=numbers[0], row=numbers[1])
    except ValueError:
        raise Unreadable("invalid cursor") from None
    if not all(0 <= number <= MAX_BIGINT for number in numbers):
        raise Unreadable("invalid cursor")
    return position


def _cursor(one: fleet.FleetDeadline) -> str:
    place = one.position
    return f"{place.day.isoformat()}|{place.kind}|{place.group}|{place.row}"


def _view(one: fleet.FleetDeadline) -> dict[str, Any]:
    return {
        "kind": one.position.kind,
        "on": one.position.day.isoformat(),
        "iccid": one.iccid,
        "pool": one.pool,
        "rule": one.rule,
        "assumed": list(one.assumed),
    }


@router.get("", response_model=schemas.FleetDeadlinePage, responses=refusals())
async def list_deadlines(
    ctx: Ctx, caller: SimsReader, query: Annotated[schemas.DeadlineQuery, Depends(Parameters(schemas.DeadlineQuery))]
) -> Response:
    """The days that lie ahead of the SIMs and pools, by day: ends of test and silent periods, forced activations,
    expiries, last days for a renewal, cancellations, ends of number retentions, ends of the pools' cycles.
    """
    page = page_of(query)
    found = await fleet.list_deadlines(
        ctx,
        caller.tenant,
        kinds=OF_FLEET if query.kind is None else (DeadlineKind(query.kind),),
        first=query.first,
        before=query.before,
        after=_position(page),
        limit=page.limit + 1,
    )
    items = found[: page.limit]
    cursor = page.next_cursor(_cursor(items[-1]) if len(found) > page.limit else None)
    return json_response({"items": [_view(one) for one in items], "next_cursor": cursor})
