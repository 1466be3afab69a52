"""Notification channels: e-mail, SMS by webhook and chat robots, their tests and their deliveries."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.db.access import AuditRow
from app.domain.notifications.channels import ChannelKind
from app.routers.http.contract import JsonBody, NoBody, Parameters, TypedRoute
from app.routers.http.deps import Ctx, SimsReader, WebhooksWriter, page_of, trail_of
from app.routers.http.errors.codes import refusals
from app.routers.http.idempotency import Idempotent, commit_response, stored_response
from app.routers.http.responses import encoded, json_response
from app.routers.schemas.base import Paging
from app.routers.schemas.notifications import channels as schemas
from app.routers.schemas.operations import OPERATION_ID
from app.usecases.access import Caller
from app.usecases.context import Context
from app.usecases.errors import NotFound
from app.usecases.notifications import channels

router = APIRouter(prefix="/v1/notification-channels", tags=["reminders"], route_class=TypedRoute)

NO_STORE = {"Cache-Control": "no-store"}
ChannelId = Annotated[str, Path(description="The channel's id.", examples=[OPERATION_ID])]
CreateBody = Annotated[schemas.NotificationChannelCreate, Depends(JsonBody(schemas.NotificationChannelCreate))]
PatchBody = Annotated[schemas.NotificationChannelPatch, Depends(JsonBody(schemas.NotificationChannelPatch))]
PageQuery = Annotated[Paging, Depends(Parameters(Paging))]
NOT_FOUND = refusals("NOT_FOUND")


def _id_of(text: str) -> UUID:
    """The id in a path. Raises `NotFound` for what is no id."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("notification channel") from None


def _given(body: BaseModel) -> dict[str, Any]:
    return body.model_dump(exclude_unset=True, by_alias=True)


def _actor(ctx: Context, request: Request, caller: Caller) -> AuditRow:
    return AuditRow(tenant=caller.tenant, at=ctx.now(), actor=trail_of(request, caller).actor, action="")


@router.post(
    "", status_code=201, response_model=schemas.NotificationChannelCreated, responses=refusals("INCOMPATIBLE_STATE")
)
async def create_notification_channel(
    request: Request, ctx: Ctx, caller: WebhooksWriter, body: CreateBody, key: Idempotent
) -> Response:
    """Add a place where reminders go. A secret made here is in this answer and in no other."""
    channel = channels.new_channel(ctx, caller.tenant, ChannelKind(body.kind), _given(body))
    await channels.permit(ctx, channel)
    made = channel.secrets.get("secret") if body.secret is None else None
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        await channels.create(ctx, work, channel, actor=_actor(ctx, request, caller))
        view = channels.channel_view(channel)
        headers = {"Location": f"/v1/notification-channels/{channel.id}", **NO_STORE}
        response = json_response(view | {"secret": made}, status=201, headers=headers)
        await commit_response(ctx, work, key, response, body=encoded(view | {"secret": None}))
    return response


@router.get("", response_model=schemas.NotificationChannelPage)
async def list_notification_channels(ctx: Ctx, caller: SimsReader, query: PageQuery) -> Response:
    """The channels of the tenant."""
    page = page_of(query)
    async with ctx.work() as work:
        found = await work.notification_channels.page(caller.tenant, after=page.id, limit=page.limit + 1)
    return json_response(page.answer(found, channels.channel_view))


@router.get("/{channel_id}", response_model=schemas.NotificationChannel, responses=NOT_FOUND)
async def get_notification_channel(channel_id: ChannelId, ctx: Ctx, caller: SimsReader) -> Response:
    """One channel, without its secrets."""
    async with ctx.work() as work:
        found = await channels.find(work, caller.tenant, _id_of(channel_id))
    return json_response(channels.channel_view(found))


@router.patch("/{channel_id}", response_model=schemas.NotificationChannel, responses=NOT_FOUND)
async def patch_notification_channel(
    request: Request, channel_id: ChannelId, ctx: Ctx, caller: WebhooksWriter, body: PatchBody
) -> Response:
    """Change a channel, or enable one that was disabled: it takes what becomes due from then on."""
    actor = _actor(ctx, request, caller)
    changed = await channels.change(ctx, caller.tenant, _id_of(channel_id), _given(body), actor=actor)
    return json_response(channels.channel_view(changed))


@router.delete("/{channel_id}", status_code=204, responses=NOT_FOUND)
async def delete_notification_channel(
    request: Request, channel_id: ChannelId, ctx: Ctx, caller: WebhooksWriter
) -> Response:
    """Delete a channel, what waits for it and its deliveries."""
    await channels.delete(ctx, caller.tenant, _id_of(channel_id), actor=_actor(ctx, request, caller))
    return Response(status_code=204)


@router.post(
    "/{channel_id}/test",
    status_code=202,
    response_model=schemas.NotificationTestBegun,
    responses=refusals("NOT_FOUND", "INCOMPATIBLE_STATE"),
)
async def test_notification_channel(
    channel_id: ChannelId, ctx: Ctx, caller: WebhooksWriter, body: NoBody, key: Idempotent
) -> Response:
    """Send a test message to this channel, one to each recipient, also within quiet hours."""
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        begun = await channels.test(ctx, work, caller.tenant, _id_of(channel_id))
        response = json_response({"deliveries": [str(one) for one in begun]}, status=202)
        await commit_response(ctx, work, key, response)
    return response


@router.get("/{channel_id}/deliveries", response_model=schemas.NotificationDeliveryPage, responses=NOT_FOUND)
async def list_notification_deliveries(
    channel_id: ChannelId, ctx: Ctx, caller: SimsReader, query: PageQuery
) -> Response:
    """What was sent to this channel, newest first; kept for 30 days."""
    page = page_of(query)
    async with ctx.work() as work:
        channel = await channels.find(work, caller.tenant, _id_of(channel_id))
        found = await work.notifications.page(channel.id, before=page.id, limit=page.limit + 1)
    return json_response(page.answer(found, channels.delivery_view))
