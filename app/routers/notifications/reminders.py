"""Reminders: a tenant's defaults and quiet hours, and thresholds of many SIMs at once (RM-1, RM-2)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.db.access import AuditRow
from app.db.reminders import ReminderSettings
from app.routers.bulk import MAX_BULK_BYTES, selector_of
from app.routers.http.contract import JsonBody, TypedRoute
from app.routers.http.deps import Ctx, SimsReader, SimsWriter, trail_of
from app.routers.http.errors.codes import refusals
from app.routers.http.idempotency import Idempotent, commit_response, held, stored_response
from app.routers.http.responses import json_response
from app.routers.schemas.notifications import reminders as schemas
from app.routers.schemas.sims.requests import SimFilters
from app.usecases.access import Caller
from app.usecases.context import Context
from app.usecases.reminders import settings
from app.usecases.reminders.apply import apply_reminders

router = APIRouter(prefix="/v1/reminders", tags=["reminders"], route_class=TypedRoute)

SettingsBody = Annotated[schemas.ReminderSettingsRequest, Depends(JsonBody(schemas.ReminderSettingsRequest))]
ApplyBody = Annotated[
    schemas.ApplyReminders, Depends(JsonBody(schemas.ApplyReminders, max_bytes=MAX_BULK_BYTES, parts=(SimFilters,)))
]


def _actor(ctx: Context, request: Request, caller: Caller) -> AuditRow:
    return AuditRow(tenant=caller.tenant, at=ctx.now(), actor=trail_of(request, caller).actor, action="")


def _levels(given: list[int] | None) -> tuple[int, ...] | None:
    return None if given is None else tuple(given)


@router.get("", response_model=schemas.ReminderSettings)
async def get_reminders(ctx: Ctx, caller: SimsReader) -> Response:
    """What SIMs and pools without reminders of their own are reminded of, and when channels send nothing."""
    return json_response(settings.settings_view(await settings.read_settings(ctx, caller.tenant)))


@router.put("", response_model=schemas.ReminderSettings)
async def replace_reminders(request: Request, ctx: Ctx, caller: SimsWriter, body: SettingsBody) -> Response:
    """Replace them. A threshold that is reached already fires at once, one that has fired does not fire again."""
    quiet = body.quiet_hours
    given = ReminderSettings(
        usage_mb=_levels(body.usage_mb),
        expiry_days=_levels(body.expiry_days),
        pool_percent=_levels(body.pool_percent),
        quiet_from=quiet.start if quiet else None,
        quiet_to=quiet.end if quiet else None,
        language=body.language,
    )
    saved = await settings.change_settings(ctx, given, actor=_actor(ctx, request, caller))
    return json_response(settings.settings_view(saved))


@router.post("/apply", response_model=schemas.RemindersApplied, responses=refusals("TOO_LARGE"))
async def apply_reminders_to_sims(
    request: Request, ctx: Ctx, caller: SimsWriter, body: ApplyBody, key: Idempotent
) -> Response:
    """Set the thresholds of many SIMs."""
    thresholds = body.reminders.model_dump(exclude_unset=True)
    async with held(ctx, key) as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        done = await apply_reminders(ctx, selector_of(body.selector), thresholds, actor=_actor(ctx, request, caller))
        response = json_response({"selected": done.selected, "changed": done.changed})
        await commit_response(ctx, work, key, response)
    return response
