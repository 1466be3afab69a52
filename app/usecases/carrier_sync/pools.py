"""Pools refresh hourly (US-2): counters follow their cards, and carriers are asked about pools near their end.

A pool's numbers are its members' sum whenever they are read, so what can be old is the carrier's part. It is asked for
where many cards are one call and the answer is of now; elsewhere the members come first in the daily pull.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from app.carriers.errors import CarrierError
from app.carriers.http.throttle import in_background
from app.db.usage import pulls as rows
from app.domain.calendar.cycles import cycle_number, cycle_on
from app.domain.usage.sync_policy import CURRENT_FIGURES_IN_BATCHES, may_have_used
from app.telemetry import get_logger
from app.usecases.carrier_sync.resilient_batch import Page, ResilientBatch
from app.usecases.carrier_sync.usage_page import AccountPull, PullReport, current_carrier_state, pull_usage
from app.usecases.context import Context
from app.usecases.limits.upkeep import move_counters
from app.usecases.pools.views import running_pools
from app.usecases.usage.carrier_usage import chunks

PAGE = 100
MOST_MEMBERS = 3_000
"""Members of one account asked about in an hour, the longest unasked first: 30 or 60 calls."""

log = get_logger("pool_refresh")


async def refresh_pools(ctx: Context) -> dict[str, int]:
    """One look; without a pool, or where no counter moved and none is near its end, nothing is done."""
    async with ctx.pool.acquire() as connection:
        running = await running_pools(ctx, connection)
        near = await rows.near_pools(connection, running) if running else []
    if not running:
        return {}
    followed = await move_counters(ctx, running)
    report = {"followed": followed, "near": len(near), "figures": 0}
    for account, client in ctx.clients.items() if near else ():
        if client.protocol in CURRENT_FIGURES_IN_BATCHES and account in ctx.accounts:
            report["figures"] += await _ask_members(ctx, account, near)
    return report


async def no_pool_near_its_end(ctx: Context) -> bool:
    """Whether no pool is near its end."""
    async with ctx.pool.acquire() as connection:
        running = await running_pools(ctx, connection)
        return not running or not await rows.near_pools(connection, running)


async def _ask_members(ctx: Context, account: str, pools: Sequence[int]) -> int:
    """Ask for the use of an account's members of these pools; gives how many figures changed."""
    run = AccountPull(ctx, account, set(), ResilientBatch(account), PullReport())
    cycle = cycle_on(run.carrier, run.today())
    members = await _members(run, pools, cycle_number(cycle))
    try:
        with in_background():
            for page in chunks(members, PAGE):
                if await run.is_paused():
                    break
                await run.batch.run(page, partial(pull_usage, run, cycle))
    except CarrierError as error:
        log.warning("pool_refresh.stopped", account=account, error=type(error).__name__)
    return run.done.figures


async def _members(run: AccountPull, pools: Sequence[int], cycle: int) -> Page:
    ctx = run.ctx
    async with ctx.pool.acquire() as connection:
        ids = await rows.members(connection, pools, run.account, cycle, MOST_MEMBERS)
    if not ids:
        return []
    async with ctx.work() as work:
        found = await work.sims.by_ids(ids)
    records = [found[sim_id] for sim_id in ids if sim_id in found]
    return [record for record in records if may_have_used(record.sim, current_carrier_state(record), ctx.now())]
