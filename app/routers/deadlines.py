"""`/v1/deadlines`: the days that lie ahead of a fleet, as a list and as calendar feeds."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.db.deadlines.search import DeadlinePosition
from app.domain.calendar.days import day_named
from app.domain.sim.deadlines import OF_FLEET, DeadlineKind
from app.routers.http.contract import JsonBody, Parameters, TypedRoute
from app.routers.http.deps import MAX_BIGINT, Ctx, Page, SimsReader, SimsWriter, page_of, trail_of
from app.routers.http.errors.codes import refusals
from app.routers.http.errors.problems import Unreadable
from app.routers.http.idempotency import Idempotent, commit_response, stored_response
from app.routers.http.responses import encoded, json_response
from app.routers.schemas import deadlines as schemas
from app.routers.schemas.base import Paging
from app.routers.schemas.operations import OPERATION_ID
from app.routers.schemas.sims.requests import SimFilters
from app.usecases.deadlines import calendar, feeds, fleet
from app.usecases.errors import NotFound

from .bulk import MAX_BULK_BYTES, selector_of

router = APIRouter(prefix="/v1/deadlines", tags=["deadlines"], route_class=TypedRoute)

FeedId = Annotated[str, Path(description="The feed's id.", examples=[OPERATION_ID])]
Secret = Annotated[str, Path(description="The feed's secret, from its address.", examples=["Jx0…"])]
FeedBody = Annotated[
    schemas.FeedRequest, Depends(JsonBody(schemas.FeedRequest, max_bytes=MAX_BULK_BYTES, parts=(SimFilters,)))
]
ICS = "text/calendar"
CALENDAR: dict[int | str, dict[str, Any]] = {
    200: {"content": {ICS: {"schema": {"type": "string"}}}},
    304: {"description": "As it was when its `ETag` or `Last-Modified` was given."},
}
MAX_AGE_S = 900


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


@router.post("/feeds", status_code=201, response_model=schemas.FeedWithAddress)
async def create_deadline_feed(
    request: Request, ctx: Ctx, caller: SimsWriter, body: FeedBody, key: Idempotent
) -> Response:
    """Add a calendar feed. Its address is in this answer and in no other, nor in one replayed under its key."""
    command = feeds.CreateFeed(
        tenant=caller.tenant,
        kinds=tuple(DeadlineKind(kind) for kind in body.kinds),
        selector=selector_of(body.selector),
        language=body.language,
        requested_by=trail_of(request, caller).actor,
    )
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        record, secret = await feeds.create_feed(ctx, work, command)
        view, headers = feeds.feed_view(record), {"Cache-Control": "no-store"}
        url = f"{_base(request)}/v1/deadlines/feeds/{secret}.ics"
        response = json_response(view | {"url": url}, status=201, headers=headers)
        await commit_response(ctx, work, key, response, body=encoded(view | {"url": None}))
    return response


@router.get("/feeds", response_model=schemas.FeedPage)
async def list_deadline_feeds(
    ctx: Ctx, caller: SimsReader, query: Annotated[Paging, Depends(Parameters(Paging))]
) -> Response:
    """The tenant's calendar feeds, newest first, without their addresses."""
    page = page_of(query)
    async with ctx.work() as work:
        found = await work.deadline_feeds.page(caller.tenant, before=page.id, limit=page.limit + 1)
    return json_response(page.answer(found, feeds.feed_view))


@router.get("/feeds/{secret}.ics", response_class=Response, responses=CALENDAR | refusals("NOT_FOUND"))
async def read_deadline_feed(request: Request, secret: Secret, ctx: Ctx) -> Response:
    """A calendar feed (iCalendar): an event for each kind and day, with alarms and a link. Its address is the key."""
    content = await calendar.read_feed(ctx, secret)
    base = _base(request)
    changed_at = content.feed.changed_at.astimezone(UTC)
    parts = content.feed.content_hash or b"", changed_at.isoformat().encode(), base.encode()
    named = hashlib.sha256(b"|".join(parts))
    headers = {
        "ETag": f'"{named.hexdigest()[:32]}"',
        "Last-Modified": format_datetime(changed_at, usegmt=True),
        "Cache-Control": f"private, max-age={MAX_AGE_S}",
    }
    if _unchanged(request, headers["ETag"], changed_at):
        return Response(status_code=304, headers=headers)
    from app.usecases.deadlines import ics  # noqa: PLC0415 - icalendar: 2 MB, where a feed is read

    return Response(ics.calendar_of(content, base), media_type=f"{ICS}; charset=utf-8", headers=headers)


@router.delete("/feeds/{feed_id}", status_code=204, responses=refusals("NOT_FOUND"))
async def delete_deadline_feed(request: Request, feed_id: FeedId, ctx: Ctx, caller: SimsWriter) -> Response:
    """Revoke a calendar feed: its address is not found from now on."""
    try:
        wanted = UUID(feed_id)
    except ValueError:
        raise NotFound("feed") from None
    await feeds.delete_feed(ctx, caller.tenant, wanted, actor=trail_of(request, caller).actor)
    return Response(status_code=204)


def _base(request: Request) -> str:
    """Where the caller finds this API."""
    return str(request.base_url).rstrip("/")


def _unchanged(request: Request, etag: str, changed_at: datetime) -> bool:
    """Whether the reader has what a feed shows (RFC 9110, 13.2.2): by its `ETag`, else since its `Last-Modified`."""
    known = request.headers.get("if-none-match")
    if known is not None:
        return known.strip() == "*" or etag in {one.strip().removeprefix("W/") for one in known.split(",")}
    try:
        since = parsedate_to_datetime(request.headers.get("if-modified-since", ""))
    except (ValueError, TypeError):
        return False
    return since.tzinfo is not None and changed_at <= since
