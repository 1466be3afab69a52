"""A tenant's reminder settings: what SIMs and pools without their own are reminded of, and when nothing is sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from app.db.access import AuditRow
from app.db.reminders import ReminderSettings, save_settings, settings_of
from app.usecases.context import Context
from app.usecases.errors import Fault, InvalidArgument


def settings_view(given: ReminderSettings) -> dict[str, Any]:
    """Settings as a JSON object; null: not set."""
    quiet = None
    if given.quiet_from is not None and given.quiet_to is not None:
        quiet = {"from": f"{given.quiet_from:%H:%M}", "to": f"{given.quiet_to:%H:%M}"}
    levels = {name: getattr(given, name) for name in ("usage_mb", "expiry_days", "pool_percent")}
    return {
        **{name: None if value is None else list(value) for name, value in levels.items()},
        "quiet_hours": quiet,
        "language": given.language,
        "updated_at": given.updated_at.isoformat() if given.updated_at else None,
    }


async def read_settings(ctx: Context, tenant: str) -> ReminderSettings:
    """The settings of a tenant."""
    async with ctx.pool.acquire() as connection:
        return await settings_of(connection, tenant)


async def change_settings(ctx: Context, given: ReminderSettings, *, actor: AuditRow) -> ReminderSettings:
    """Replace a tenant's settings; every SIM and pool that follows them is looked at anew. Raises `InvalidArgument`."""
    if given.quiet_from is not None and given.quiet_from == given.quiet_to:
        detail = "from and to differ: the same time is neither no hour nor the whole day"
        raise InvalidArgument([Fault(pointer="/quiet_hours/to", code="QUIET_HOURS_MALFORMED", detail=detail)])
    saved = replace(given, updated_at=ctx.now())
    async with ctx.work() as work:
        connection = await work.driver()
        before = await settings_of(connection, actor.tenant)
        await save_settings(connection, actor.tenant, saved)
        audit = replace(actor, action="reminders.changed", before=settings_view(before), after=settings_view(saved))
        await work.access.add_audit([audit])
        await work.commit()
    return saved
