"""Daily upkeep of usage: what is kept for a time only is deleted, counters follow their SIMs to other pools."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from app.db.commerce import overruns
from app.db.pools import cycles as pool_cycles
from app.db.usage import allowances, limit_checks, past, shares, unmatched
from app.db.usage import brake as rule_stops
from app.domain.calendar.cycles import cycle_at, cycle_number
from app.usecases.context import Context
from app.usecases.limits.partitions import MARGIN
from app.usecases.pools.views import running_pools
from app.usecases.usage.ingest.service import oldest_accepted

UNMATCHED_KEPT = timedelta(days=90)
STOPS_KEPT = timedelta(days=200)
CHUNK = 10_000
"""Unmatched reports deleted by one statement, SIMs whose shares are looked at by one."""

POOLS_AT_ONCE = 20
"""Pools whose counters are moved in one transaction."""


async def delete_unmatched(ctx: Context) -> int:
    """Delete reports of unknown SIMs that came longer than `UNMATCHED_KEPT` ago; gives how many."""
    total = 0
    async with ctx.pool.acquire() as connection:
        while deleted := await unmatched.delete_before(connection, ctx.now() - UNMATCHED_KEPT, CHUNK):
            total += deleted
    return total


async def delete_old_figures(ctx: Context) -> int:
    """Delete replaced figures, allowances and overruns of cycles whose reports are gone; gives how many figures."""
    oldest, total = oldest_accepted(ctx), 0
    kept_from = oldest - MARGIN
    async with ctx.pool.acquire() as connection:
        await allowances.delete_before(connection, oldest)
        await overruns.delete_before(connection, kept_from.year * 100 + kept_from.month)
        while deleted := await past.delete_figures_before(connection, kept_from, CHUNK):
            total += deleted
    return total


async def delete_old_stops(ctx: Context) -> int:
    """Delete the brake's records of stops wanted longer than `STOPS_KEPT` ago; gives how many."""
    async with ctx.pool.acquire() as connection:
        return await rule_stops.delete_before(connection, ctx.now() - STOPS_KEPT)


async def restate_shares(ctx: Context) -> int:
    """Restate the shares that are behind their counters, or of a former allowance; gives how many (ADR 39).

    There are some where a process of a release without shares has counted, and of SIMs whose limits nobody evaluates.
    """
    running = (cycle_at(one.carrier, ctx.now(), ctx.zone(code)) for code, one in ctx.accounts.items())
    cycles, total = sorted(set(map(cycle_number, running))), 0
    async with ctx.pool.acquire() as connection:
        highest = await shares.highest_sim(connection)
        for after in range(0, highest, CHUNK):
            behind = sorted(await shares.unstated(connection, after, after + CHUNK, cycles))
            total += len(behind)
            async with connection.transaction():
                await shares.restate(connection, behind)
    return total


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
