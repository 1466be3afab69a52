"""What has had its time leaves, what will be needed is there: leaves of reports, reports kept aside, pools."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from app.db.pools import cycles as pool_cycles
from app.db.usage import allowances
from app.db.usage import brake as rule_stops
from app.db.usage import counters as rows
from app.db.usage import unmatched as aside
from app.db.usage.partitions import drop_partitions
from app.usecases.context import Context
from app.usecases.pools.views import running_pools
from app.usecases.usage.ingest.service import oldest_accepted, prepare_partitions

UNMATCHED_KEPT = timedelta(days=90)
STOPS_KEPT = timedelta(days=200)
EDGE = timedelta(days=32)
"""A leaf stays a month longer than any report in it could be sent again: zones differ, and clocks are wrong."""

CHUNK = 10_000
POOLS_AT_ONCE = 20


async def clean_up_usage(ctx: Context) -> dict[str, int]:
    """Make the next leaves, drop the old ones, forget reports that nobody's card came for (90 days)."""
    now = ctx.now()
    oldest = oldest_accepted(ctx)
    async with ctx.pool.acquire() as connection:
        made = await prepare_partitions(ctx, connection)
        dropped = await drop_partitions(connection, oldest - EDGE)
        forgotten = 0
        while gone := await aside.forget_before(connection, now - UNMATCHED_KEPT, CHUNK):
            forgotten += gone
        await allowances.forget_before(connection, oldest)
        stops = await rule_stops.forget_before(connection, now - STOPS_KEPT)
    return {"leaves_made": len(made), "leaves_dropped": len(dropped), "unknown_forgotten": forgotten, "stops": stops}


async def check_all_pools(ctx: Context) -> dict[str, int]:
    """Counters follow their cards into pools joined since, and every pool is looked at: daily, whatever moved."""
    async with ctx.pool.acquire() as connection:
        running = await running_pools(ctx, connection)
    return {"followed": await move_counters(ctx, running, look=True), "pools": len(running)}


async def move_counters(ctx: Context, running: Sequence[tuple[int, int]], *, look: bool = False) -> int:
    """Counters follow their cards into these (pool, running cycle); gives how many moved.

    A pool that got one is looked at, with `look` every one. What a card used in a cycle that is over stays where it was
    (PL-6). Some pools at a time, each time a transaction of its own: ingest waits for the counters meanwhile.
    """
    followed = 0
    for start in range(0, len(running), POOLS_AT_ONCE):
        some = running[start : start + POOLS_AT_ONCE]
        async with ctx.work() as work:
            connection = await work.driver()
            moved = await pool_cycles.move_pool_counters(connection, some)
            await rows.queue_checks(connection, pool_refs=[ref for ref, _ in some] if look else moved)
            await work.commit()
        followed += len(moved)
    return followed
