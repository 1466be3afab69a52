"""Move the gateway's clock forwards, in sandbox mode (`docs/api.md`, One clock)."""

from __future__ import annotations

from datetime import datetime, timedelta

from app.db.access import AuditRow
from app.usecases.context import Context


async def audit_clock_move(ctx: Context, tenant: str, *, target: datetime, actor: str) -> None:
    """Record in the audit trail who moved the clock to which instant."""
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
    """Move the clock forwards to an instant (never back): the row first, then this process.

    Other processes, and this one after a crash in between, read the row.
    """
    offset = ctx.clock.offset + max(instant - ctx.now(), timedelta())
    async with ctx.work() as work:
        await work.clock_offset.move(offset)
        await work.commit()
    ctx.clock.adopt(offset)
