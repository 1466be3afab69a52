"""The one clock's row: moved forwards by one, seen by all (`docs/api.md`, One clock)."""

from __future__ import annotations

from datetime import datetime, timedelta

from app.db.access import AuditRow
from app.usecases.context import Context


async def audit_clock_move(ctx: Context, tenant: str, *, target: datetime, actor: str) -> None:
    """Keep in the audit trail who moved the clock, and whereto."""
    row = AuditRow(
        tenant=tenant,
        at=ctx.now(),
        actor=actor,
        action="clock.moved",
        before={"now": ctx.now().isoformat()},
        after={"now": target.isoformat()},
    )
    async with ctx.work() as work:
        await work.access.add_audit([row])
        await work.commit()


async def move_clock(ctx: Context, instant: datetime) -> None:
    """Move the clock to an instant: the row first, then this process; who dies in between finds the row."""
    offset = ctx.clock.offset + max(instant - ctx.now(), timedelta())
    async with ctx.work() as work:
        await work.clock_offset.move(offset)
        await work.commit()
    ctx.clock.adopt(offset)
