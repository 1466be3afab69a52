"""What has had its time leaves, what will be needed is there: leaves of reports, reports kept aside, pools."""

from __future__ import annotations

from datetime import timedelta

from app.db import allowances, pool_cycles, rule_stops
from app.db import unknown_reports as aside
from app.db import usage as rows
from app.db.partitions import drop_leaves
from app.usecases.context import Context
from app.usecases.ingest import oldest_accepted, prepare_leaves
from app.usecases.pool_views import running_pools

KEPT_ASIDE = timedelta(days=90)
STOPS_KEPT = timedelta(days=200)
EDGE = timedelta(days=32)
"""A leaf stays a month longer than any report in it could be sent again: zones differ, and clocks are wrong."""

CHUNK = 10_000


async def tidy_usage(ctx: Context) -> dict[str, int]:
    """Make the next leaves, drop the old ones, forget reports that nobody's card came for (90 days)."""
    now = ctx.now()
    oldest = oldest_accepted(ctx)
    async with ctx.pool.acquire() as connection:
        made = await prepare_leaves(ctx, connection)
        dropped = await drop_leaves(connection, oldest - EDGE)
        forgotten = 0
        while gone := await aside.forget_before(connection, now - KEPT_ASIDE, CHUNK):
            forgotten += gone
        await allowances.forget_before(connection, oldest)
        stops = await rule_stops.forget_before(connection, now - STOPS_KEPT)
    return {"leaves_made": len(made), "leaves_dropped": len(dropped), "unknown_forgotten": forgotten, "stops": stops}


async def look_at_pools(ctx: Context) -> dict[str, int]:
    """Counters follow their cards into pools joined since, and every pool is looked at: daily, whatever moved.

    Only those of the cycle that each pool is in: what a card used in a cycle that is over stays where it was (PL-6).
    """
    async with ctx.work() as work:
        connection = await aside.driver(work)
        running = await running_pools(ctx, connection)
        followed = await pool_cycles.follow_members(connection, running)
        await rows.queue_checks(connection, pool_refs=[ref for ref, _ in running])
        await work.commit()
    return {"followed": followed, "pools": len(running)}
