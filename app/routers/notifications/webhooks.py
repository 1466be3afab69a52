"""Webhooks: receivers, their secrets, their delivery log; and the feed of events for those who would rather poll."""

from __future__ import annotations

import re
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.routers.http.contract import JsonBody, NoBody, Parameters, TypedRoute
from app.routers.http.deps import Ctx, SimsReader, WebhooksWriter, page_of, trail_of
from app.routers.http.errors.codes import refusals
from app.routers.http.idempotency import Idempotent, commit_response, stored_response
from app.routers.http.responses import encoded, json_response
from app.routers.schemas.base import Paging
from app.routers.schemas.notifications import webhooks as schemas
from app.routers.schemas.operations import OPERATION_ID
from app.usecases.errors import Fault, InvalidArgument, NotFound
from app.usecases.webhooks import deliveries as log
from app.usecases.webhooks import endpoints
from app.usecases.webhooks.feed import feed

router = APIRouter(prefix="/v1", tags=["webhooks"], route_class=TypedRoute)

MAX_TYPES = 20
NO_STORE = {"Cache-Control": "no-store"}
_BIGINT = re.compile("[0-9]{1,18}")

WebhookId = Annotated[str, Path(description="The webhook's id.", examples=[OPERATION_ID])]
DeliveryId = Annotated[str, Path(description="The delivery's id.", examples=["4711"])]
CreateBody = Annotated[schemas.WebhookCreate, Depends(JsonBody(schemas.WebhookCreate))]
PatchBody = Annotated[schemas.WebhookPatch, Depends(JsonBody(schemas.WebhookPatch))]
ReplayBody = Annotated[schemas.ReplayRequest, Depends(JsonBody(schemas.ReplayRequest))]
NOT_FOUND = refusals("NOT_FOUND")


def _id_of(text: str) -> UUID:
    """The id in a path. Raises `NotFound` for what is no id."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("webhook") from None


def _types(given: list[str] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(given or ()))


@router.post("/webhooks", status_code=201, response_model=schemas.WebhookWithSecret)
async def create_webhook(
    request: Request, ctx: Ctx, caller: WebhooksWriter, body: CreateBody, key: Idempotent
) -> Response:
    """Add a receiver. Its secret is in this answer and in no other, nor in one replayed under its key."""
    wanted = endpoints.EndpointRequest(url=body.url, types=_types(body.types), description=body.description)
    await endpoints.permit(ctx, wanted)
    actor = trail_of(request, caller).actor
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        endpoint, secret = await endpoints.create(ctx, work, caller.tenant, wanted, actor=actor)
        view, headers = endpoints.endpoint_view(endpoint), {"Location": f"/v1/webhooks/{endpoint.id}", **NO_STORE}
        response = json_response(view | {"secret": secret}, status=201, headers=headers)
        await commit_response(ctx, work, key, response, body=encoded(view | {"secret": None}))
    return response


@router.get("/webhooks", response_model=schemas.WebhookPage)
async def list_webhooks(
    ctx: Ctx, caller: SimsReader, query: Annotated[Paging, Depends(Parameters(Paging))]
) -> Response:
    """The receivers of the tenant."""
    page = page_of(query)
    async with ctx.work() as work:
        found = await work.webhooks.endpoints(caller.tenant, after=page.id, limit=page.limit + 1)
    return json_response(page.answer(found, endpoints.endpoint_view))


@router.get("/webhooks/{webhook_id}", response_model=schemas.Webhook, responses=NOT_FOUND)
async def get_webhook(webhook_id: WebhookId, ctx: Ctx, caller: SimsReader) -> Response:
    """One receiver."""
    async with ctx.work() as work:
        found = await endpoints.find(work, caller.tenant, _id_of(webhook_id))
    return json_response(endpoints.endpoint_view(found))


@router.patch("/webhooks/{webhook_id}", response_model=schemas.Webhook, responses=NOT_FOUND)
async def patch_webhook(
    request: Request, webhook_id: WebhookId, ctx: Ctx, caller: WebhooksWriter, body: PatchBody
) -> Response:
    """Change a receiver, or enable one that was disabled."""
    given: dict[str, Any] = body.model_dump(exclude_unset=True)
    changes = {name: value for name, value in given.items() if value is not None or name == "description"}
    if "types" in changes:
        changes["types"] = _types(changes["types"])
    async with ctx.work() as work:
        known = await endpoints.find(work, caller.tenant, _id_of(webhook_id))
    target = endpoints.EndpointRequest(url=changes.get("url", known.url), types=changes.get("types", ()))
    await endpoints.permit(ctx, target)
    changed = await endpoints.change(ctx, caller.tenant, known.id, changes, actor=trail_of(request, caller).actor)
    return json_response(endpoints.endpoint_view(changed))


@router.delete("/webhooks/{webhook_id}", status_code=204, responses=NOT_FOUND)
async def delete_webhook(request: Request, webhook_id: WebhookId, ctx: Ctx, caller: WebhooksWriter) -> Response:
    """Delete a receiver and its deliveries."""
    await endpoints.delete(ctx, caller.tenant, _id_of(webhook_id), actor=trail_of(request, caller).actor)
    return Response(status_code=204)


@router.post(
    "/webhooks/{webhook_id}/rotate",
    response_model=schemas.WebhookWithSecret,
    responses=refusals("NOT_FOUND", "ROTATION_IN_PROGRESS"),
)
async def rotate_webhook_secret(
    request: Request, webhook_id: WebhookId, ctx: Ctx, caller: WebhooksWriter, body: NoBody, key: Idempotent
) -> Response:
    """Make a new secret, shown this once; for a day the old one signs beside it."""
    actor = trail_of(request, caller).actor
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        endpoint, secret = await endpoints.rotate(ctx, work, caller.tenant, _id_of(webhook_id), actor=actor)
        view = endpoints.endpoint_view(endpoint)
        response = json_response(view | {"secret": secret}, headers=NO_STORE)
        await commit_response(ctx, work, key, response, body=encoded(view | {"secret": None}))
    return response


@router.post("/webhooks/{webhook_id}/test", status_code=202, response_model=schemas.DeliveryBegun, responses=NOT_FOUND)
async def test_webhook(
    webhook_id: WebhookId, ctx: Ctx, caller: WebhooksWriter, body: NoBody, key: Idempotent
) -> Response:
    """Send a test event to this receiver."""
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        delivery = await endpoints.test(ctx, work, caller.tenant, _id_of(webhook_id))
        response = json_response({"delivery": str(delivery)}, status=202)
        await commit_response(ctx, work, key, response)
    return response


@router.get("/webhooks/{webhook_id}/deliveries", response_model=schemas.DeliveryPage, responses=NOT_FOUND)
async def list_webhook_deliveries(
    webhook_id: WebhookId,
    ctx: Ctx,
    caller: SimsReader,
    query: Annotated[schemas.DeliveryQuery, Depends(Parameters(schemas.DeliveryQuery))],
) -> Response:
    """The delivery log, newest first."""
    page = page_of(query)
    rows = await log.deliveries(
        ctx, caller.tenant, _id_of(webhook_id), status=query.status, before=page.number, limit=page.limit + 1
    )
    items = [log.delivery_view(row) for row in rows[: page.limit]]
    cursor = page.next_cursor(int(items[-1]["id"]) if len(rows) > page.limit else None)
    return json_response({"items": items, "next_cursor": cursor})


@router.post(
    "/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver",
    status_code=202,
    response_model=schemas.DeliveryBegun,
    responses=NOT_FOUND,
)
async def redeliver_webhook(
    webhook_id: WebhookId, delivery_id: DeliveryId, ctx: Ctx, caller: WebhooksWriter, body: NoBody, key: Idempotent
) -> Response:
    """Send the event of one delivery again."""
    if not _BIGINT.fullmatch(delivery_id):
        raise NotFound("delivery")
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        delivery = await log.redeliver(ctx, work, caller.tenant, _id_of(webhook_id), int(delivery_id))
        response = json_response({"delivery": str(delivery)}, status=202)
        await commit_response(ctx, work, key, response)
    return response


@router.post("/webhooks/{webhook_id}/replay", status_code=202, response_model=schemas.Replayed, responses=NOT_FOUND)
async def replay_webhook(
    webhook_id: WebhookId, ctx: Ctx, caller: WebhooksWriter, body: ReplayBody, key: Idempotent
) -> Response:
    """Send the events of a period again: `from` included, `to` not, by when the gateway learned of them."""
    if body.start >= body.end:
        raise InvalidArgument([Fault(pointer="/to", code="PERIOD_MALFORMED", detail="to lies after from")])
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        count = await log.replay(ctx, work, caller.tenant, _id_of(webhook_id), body.start, body.end)
        response = json_response({"deliveries": count}, status=202)
        await commit_response(ctx, work, key, response)
    return response


@router.get("/events", response_model=schemas.EventPage)
async def list_events(
    ctx: Ctx,
    caller: SimsReader,
    query: Annotated[schemas.EventListQuery, Depends(Parameters(schemas.EventListQuery))],
) -> Response:
    """Events as CloudEvents, after one already read; each at least once."""
    types = tuple(name for name in (query.type or "").split(",") if name)
    if len(types) > MAX_TYPES:
        raise InvalidArgument([Fault(pointer="query:type", code="TOO_MANY", detail=f"at most {MAX_TYPES} types")])
    page = page_of(query)
    found = await feed(ctx, caller.tenant, after=query.after, position=page.number, types=types, limit=page.limit)
    return json_response({"items": found.items, "next_cursor": page.next_cursor(found.next_position)})
