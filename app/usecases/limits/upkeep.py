"""Daily upkeep of usage: partitions created and dropped, unmatched reports deleted, counters moved to their pools."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from app.db.commerce import overruns
from app.db.pools import cycles as pool_cycles
from app.db.usage import allowances, limit_checks, past, unmatched
from app.db.usage import brake as rule_stops
from app.db.usage.partitions import drop_partitions
from app.usecases.context import Context
from app.usecases.pools.views import running_pools
from app.usecases.usage.ingest.service import oldest_accepted, prepare_partitions

UNMATCHED_KEPT = timedelta(days=90)
STOPS_KEPT = timedelta(days=200)
PARTITION_MARGIN = timedelta(days=32)
"""A partition is kept a month longer than any of its reports is accepted: zones differ, and clocks may be wrong."""

CHUNK = 10_000
"""Unmatched reports deleted by one statement."""

POOLS_AT_ONCE = 20
"""Pools whose counters are moved in one transaction."""


async def clean_up_usage(ctx: Context) -> dict[str, int]:
    """Create the next partitions of reports, drop the old ones, delete what is kept for a time only."""
    now = ctx.now()
    oldest = oldest_accepted(ctx)
    async with ctx.pool.acquire() as connection:
        created = await prepare_partitions(ctx, connection)
        dropped = await drop_partitions(connection, oldest - PARTITION_MARGIN)
        deleted = 0
        while chunk := await unmatched.delete_before(connection, now - UNMATCHED_KEPT, CHUNK):
            deleted += chunk
        await allowances.delete_before(connection, oldest)
        kept_from = oldest - PARTITION_MARGIN
        await overruns.delete_before(connection, kept_from.year * 100 + kept_from.month)
        figures = 0
        while chunk := await past.delete_figures_before(connection, kept_from, CHUNK):
            figures += chunk
        stops = await rule_stops.delete_before(connection, now - STOPS_KEPT)
    return {
        "partitions_created": len(created),
        "partitions_dropped": len(dropped),
        "unmatched_deleted": deleted,
        "stops_deleted": stops,
        "figures_deleted": figures,
    }


async def check_all_pools(ctx: Context) -> dict[str, int]:
    """Move counters to the pools their SIMs have joined, and queue every pool: daily, whatever changed."""
    async with ctx.pool.acquire() as connection:
        running = await running_pools(ctx, connection)
    return {"followed": await move_counters(ctx, running, check_all=True), "pools": len(running)}


async def move_counters(ctx: Context, running: Sequence[tuple[int, int]], *, check_all: bool = False) -> int:
    """Move the counters of these (pool ref, running cycle) to the pools their SIMs have joined; gives how many moved.

    Queues the limits of the pools that got one, with `check_all` of every pool. Counters of a closed cycle stay with
    the pool they were in (PL-6). A few pools per transaction, since ingest waits for the locked counters.
    """
    moved = 0
    for start in range(0, len(running), POOLS_AT_ONCE):
        chunk = running[start : start + POOLS_AT_ONCE]
        async with ctx.work() as work:
            connection = await work.driver()
            receiving = await pool_cycles.move_pool_counters(connection, chunk)
            refs = [ref for ref, _ in chunk] if check_all else receiving
            await limit_checks.queue_checks(connection, pool_refs=refs)
            await work.commit()
        moved += len(receiving)
    return moved
