"""Webhooks: receivers, their secrets, their delivery log; and the feed of events for those who would rather ask."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.db.events.feed import FeedPosition
from app.db.uow import UnitOfWork
from app.routers.http.deps import Ctx, Page, Paged, SimsReader, WebhooksWriter, json_object, once_key, trail_of
from app.routers.http.problems import UnreadableFile
from app.routers.http.responses import encoded, json_response
from app.usecases.errors import Fault, InvalidArgument, NotFound
from app.usecases.idempotency import Answer, once
from app.usecases.webhooks import deliveries as log
from app.usecases.webhooks import endpoints
from app.usecases.webhooks.feed import feed

from .actions import answered, instant_of

router = APIRouter(prefix="/v1", tags=["webhooks"])

LONGEST_URL = 2_000
LONGEST_TEXT = 500
MOST_TYPES = 20


def _id_of(text: str) -> UUID:
    """The id in a path; one that is none of ours names nothing."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("webhook") from None


def _fault(pointer: str, detail: str) -> InvalidArgument:
    return InvalidArgument([Fault(pointer=pointer, code="WRONG_TYPE", detail=detail)])


def _changes(given: Mapping[str, Any], *, known: tuple[str, ...]) -> dict[str, Any]:
    """The fields of a receiver, each of its type. Raises `InvalidArgument`."""
    for name in given:
        if name not in known:
            raise InvalidArgument([Fault(pointer=f"/{name}", code="UNKNOWN_FIELD", detail="not a field of a webhook")])
    changes: dict[str, Any] = dict(given)
    if "url" in given and not (isinstance(given["url"], str) and len(given["url"]) <= LONGEST_URL):
        raise _fault("/url", f"a text of at most {LONGEST_URL} characters")
    if "types" in given:
        types = given["types"] if given["types"] is not None else []
        if not isinstance(types, list) or not all(isinstance(name, str) for name in types):
            raise _fault("/types", "a list of texts")
        changes["types"] = tuple(dict.fromkeys(types))
    text = given.get("description")
    if text is not None and not (isinstance(text, str) and len(text) <= LONGEST_TEXT):
        raise _fault("/description", f"a text of at most {LONGEST_TEXT} characters")
    if "enabled" in given and not isinstance(given["enabled"], bool):
        raise _fault("/enabled", "true or false")
    return changes


@router.post("/webhooks", status_code=201)
async def webhook_create(request: Request, ctx: Ctx, caller: WebhooksWriter) -> Response:
    """Add a receiver. Its secret is in this answer and in no other."""
    body, given = await json_object(request)
    changes = _changes(given, known=("url", "types", "description"))
    if "url" not in changes:
        raise InvalidArgument([Fault(pointer="/url", code="REQUIRED", detail="required")])
    wanted = endpoints.EndpointRequest(**changes)
    await endpoints.permit(ctx, wanted)
    actor = trail_of(request, caller).actor

    async def act(work: UnitOfWork) -> Answer:
        endpoint, secret = await endpoints.create(ctx, work, caller.tenant, wanted, actor=actor)
        location = {"Location": f"/v1/webhooks/{endpoint.id}"}
        return Answer(status=201, body=encoded(endpoints.shown(endpoint, secret=secret)), headers=location)

    return answered(await once(ctx, once_key(request, caller, body), act))


@router.get("/webhooks")
async def webhook_list(ctx: Ctx, caller: SimsReader, page: Paged) -> Response:
    """The receivers of the tenant."""
    async with ctx.work() as work:
        found = await work.webhooks.endpoints(caller.tenant, after=page.id, limit=page.limit + 1)
    items = [endpoints.shown(endpoint) for endpoint in found[: page.limit]]
    cursor = page.next_cursor(items[-1]["id"] if len(found) > page.limit else None)
    return json_response({"items": items, "next_cursor": cursor})


@router.get("/webhooks/{webhook_id}")
async def webhook_read(webhook_id: str, ctx: Ctx, caller: SimsReader) -> Response:
    """One receiver."""
    async with ctx.work() as work:
        found = await endpoints.find(work, caller.tenant, _id_of(webhook_id))
    return json_response(endpoints.shown(found))


@router.patch("/webhooks/{webhook_id}")
async def webhook_change(request: Request, webhook_id: str, ctx: Ctx, caller: WebhooksWriter) -> Response:
    """Change a receiver, or enable one that was disabled."""
    _, given = await json_object(request)
    changes = _changes(given, known=("url", "types", "description", "enabled"))
    async with ctx.work() as work:
        known = await endpoints.find(work, caller.tenant, _id_of(webhook_id))
    target = endpoints.EndpointRequest(url=changes.get("url", known.url), types=changes.get("types", ()))
    await endpoints.permit(ctx, target)
    changed = await endpoints.change(ctx, caller.tenant, known.id, changes, actor=trail_of(request, caller).actor)
    return json_response(endpoints.shown(changed))


@router.delete("/webhooks/{webhook_id}", status_code=204)
async def webhook_delete(request: Request, webhook_id: str, ctx: Ctx, caller: WebhooksWriter) -> Response:
    """Forget a receiver and its deliveries."""
    await endpoints.delete(ctx, caller.tenant, _id_of(webhook_id), actor=trail_of(request, caller).actor)
    return Response(status_code=204)


@router.post("/webhooks/{webhook_id}/rotate")
async def webhook_rotate(request: Request, webhook_id: str, ctx: Ctx, caller: WebhooksWriter) -> Response:
    """A new secret; for a day the old one signs beside it."""
    body, _ = await json_object(request)
    actor = trail_of(request, caller).actor

    async def act(work: UnitOfWork) -> Answer:
        endpoint, secret = await endpoints.rotate(ctx, work, caller.tenant, _id_of(webhook_id), actor=actor)
        return Answer(status=200, body=encoded(endpoints.shown(endpoint, secret=secret)), headers={})

    return answered(await once(ctx, once_key(request, caller, body), act))


@router.post("/webhooks/{webhook_id}/test", status_code=202)
async def webhook_test(request: Request, webhook_id: str, ctx: Ctx, caller: WebhooksWriter) -> Response:
    """Send a test event to this receiver alone."""
    body, _ = await json_object(request)

    async def act(work: UnitOfWork) -> Answer:
        made = await endpoints.test(ctx, work, caller.tenant, _id_of(webhook_id))
        return Answer(status=202, body=encoded({"delivery": str(made)}), headers={})

    return answered(await once(ctx, once_key(request, caller, body), act))


@router.get("/webhooks/{webhook_id}/deliveries")
async def webhook_deliveries(
    webhook_id: str, ctx: Ctx, caller: SimsReader, page: Paged, status: str | None = None
) -> Response:
    """The delivery log, newest first."""
    if status is not None and status not in log.STATUSES:
        words = ", ".join(log.STATUSES)
        raise InvalidArgument([Fault(pointer="query:status", code="UNKNOWN_WORD", detail=f"one of {words}")])
    rows = await log.deliveries(
        ctx, caller.tenant, _id_of(webhook_id), status=status, before=page.number, limit=page.limit + 1
    )
    items = [log.shown(row) for row in rows[: page.limit]]
    cursor = page.next_cursor(int(items[-1]["id"]) if len(rows) > page.limit else None)
    return json_response({"items": items, "next_cursor": cursor})


@router.post("/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver", status_code=202)
async def webhook_redeliver(
    request: Request, webhook_id: str, delivery_id: str, ctx: Ctx, caller: WebhooksWriter
) -> Response:
    """Send the event of one delivery again."""
    body, _ = await json_object(request)
    if not delivery_id.isascii() or not delivery_id.isdigit() or len(delivery_id) > 18:  # noqa: PLR2004 - a bigint
        raise NotFound("delivery")

    async def act(work: UnitOfWork) -> Answer:
        made = await log.redeliver(ctx, work, caller.tenant, _id_of(webhook_id), int(delivery_id))
        return Answer(status=202, body=encoded({"delivery": str(made)}), headers={})

    return answered(await once(ctx, once_key(request, caller, body), act))


@router.post("/webhooks/{webhook_id}/replay", status_code=202)
async def webhook_replay(request: Request, webhook_id: str, ctx: Ctx, caller: WebhooksWriter) -> Response:
    """Send again what happened in a period: `from` included, `to` not, by when the gateway learned of it."""
    body, given = await json_object(request)
    start, end = _instant(given, "from"), _instant(given, "to")
    if start >= end:
        raise InvalidArgument([Fault(pointer="/to", code="PERIOD_MALFORMED", detail="to lies after from")])

    async def act(work: UnitOfWork) -> Answer:
        made = await log.replay(ctx, work, caller.tenant, _id_of(webhook_id), start, end)
        return Answer(status=202, body=encoded({"deliveries": made}), headers={})

    return answered(await once(ctx, once_key(request, caller, body), act))


def _instant(given: Mapping[str, Any], name: str) -> datetime:
    found = instant_of(given.get(name), f"/{name}")
    if found is None:
        raise InvalidArgument([Fault(pointer=f"/{name}", code="REQUIRED", detail="required")])
    return found


@router.get("/events")
async def events(
    ctx: Ctx,
    caller: SimsReader,
    page: Paged,
    after: UUID | None = None,
    type: str | None = None,  # noqa: A002
) -> Response:
    """Events as CloudEvents, after one already read; each at least once. `type`: some of them, joined by commas."""
    types = tuple(name for name in (type or "").split(",") if name)
    if len(types) > MOST_TYPES:
        raise InvalidArgument([Fault(pointer="query:type", code="TOO_MANY", detail=f"at most {MOST_TYPES} types")])
    found = await feed(ctx, caller.tenant, after=after, place=_place(page), types=types, limit=page.limit)
    following = found.next_place
    cursor = page.next_cursor(_written(following) if following else None)
    return json_response({"items": found.items, "next_cursor": cursor})


def _written(place: FeedPosition) -> str:
    numbers = (place.start, place.end or 0, place.after, *(place.seen or (0, 0)))
    return ".".join(str(number) for number in numbers)


def _place(page: Page) -> FeedPosition | None:
    if page.after is None:
        return None
    parts = str(page.after).split(".")
    if len(parts) != 5 or not all(p.isascii() and p.isdigit() and len(p) < 19 for p in parts):  # noqa: PLR2004
        raise UnreadableFile("the cursor is none of ours")
    start, end, last, xact, seen = (int(part) for part in parts)
    return FeedPosition(start=start, end=end, after=last, seen=(xact, seen))
