"""The age of carrier figures: per account, of the oldest in use in its running cycle (US-2)."""

from __future__ import annotations

from datetime import datetime, timedelta

from app.db.usage import lag as rows
from app.db.usage.audit import highest_card
from app.domain.calendar.cycles import cycle_at, cycle_number, preceding, start_instant
from app.domain.sim.snapshot import STOPPED_STATES
from app.usecases.context import Context

RANGE = 20_000
"""SIMs in one statement."""


async def usage_lags(ctx: Context) -> dict[str, timedelta]:
    """The age of the oldest figure by account, over the SIMs that are pulled; accounts without figures are left out."""
    now, oldest = ctx.now(), dict[str, datetime]()
    accounts, stopped = [_running(ctx, code) for code in ctx.accounts], sorted(state.value for state in STOPPED_STATES)
    async with ctx.pool.acquire() as connection:
        for after in range(0, await highest_card(connection), RANGE):
            found = await rows.oldest_figures(connection, accounts, stopped, after=after, through=after + RANGE)
            oldest |= {account: min(at, oldest.get(account, at)) for account, at in found.items()}
    return {account: max(now - at, timedelta()) for account, at in oldest.items()}


def _running(ctx: Context, account: str) -> rows.Running:
    carrier, zone = ctx.accounts[account].carrier, ctx.zone(account)
    cycle = cycle_at(carrier, ctx.now(), zone)
    return rows.Running(
        account=account,
        cycle=cycle_number(cycle),
        before=cycle_number(preceding(carrier, cycle)),
        opens=start_instant(cycle, zone),
    )
