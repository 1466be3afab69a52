"""Hourly refresh of pools (US-2): member counters follow their SIMs, and members of pools near their end are pulled.

A pool's usage is the sum of its members' whenever it is read, so only the carrier's figures can be old. They are pulled
where one call covers many SIMs and the answer is current; elsewhere members come first in the daily pull.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from app.carriers.errors import CarrierError
from app.carriers.http.slots import in_background
from app.db.usage import pulls
from app.domain.calendar.cycles import Cycle, cycle_number, cycle_on
from app.domain.usage.sync_policy import CURRENT_FIGURES_IN_BATCHES, may_have_used
from app.telemetry import get_logger
from app.usecases.carrier_sync.freshness import capacity_of
from app.usecases.carrier_sync.resilient_batch import ResilientBatch
from app.usecases.carrier_sync.usage_page import AccountPull, PullReport, current_carrier_state, pull_usage
from app.usecases.context import Context
from app.usecases.limits.upkeep import move_counters
from app.usecases.pools.near import pools_near_limit
from app.usecases.pools.views import running_pools
from app.usecases.quarantine import Task, handle_isolated
from app.usecases.usage.carrier_usage import chunks

PAGE = 100
MAX_MEMBERS = 3_000
"""Members of one account pulled in an hour, those with the oldest figures first: 30 or 60 calls."""

log = get_logger("pool_refresh")


async def refresh_pools(ctx: Context) -> dict[str, int]:
    """Refresh once; returns what was done. Nothing is done without a pool."""
    async with ctx.pool.acquire() as connection:
        running = await running_pools(ctx, connection)
    if not running:
        return {}
    near = await pools_near_limit(ctx)
    followed = await move_counters(ctx, running)
    report = {"followed": followed, "near": len(near), "figures": 0}
    for account, client in ctx.clients.items() if near else ():
        if client.protocol in CURRENT_FIGURES_IN_BATCHES and account in ctx.accounts:
            report["figures"] += await _pull_members(ctx, account, near)
    return report


async def no_pool_to_refresh(ctx: Context) -> bool:
    """Whether no pool is near its end, or none of the accounts has members pulled before the daily pull for it."""
    pulled = (client.protocol in CURRENT_FIGURES_IN_BATCHES for client in ctx.clients.values())
    if not any(pulled) and all(capacity_of(ctx, account) is None for account in ctx.clients):
        return True
    return not await pools_near_limit(ctx)


async def _pull_members(ctx: Context, account: str, pools: Sequence[int]) -> int:
    """Pull the usage of an account's members of these pools; returns how many figures changed."""
    pull = AccountPull(ctx, account, set(), ResilientBatch(account), PullReport())
    cycle = cycle_on(pull.carrier, pull.today())
    async with ctx.pool.acquire() as connection:
        members = await pulls.members(connection, pools, account, cycle_number(cycle), MAX_MEMBERS)
    try:
        with in_background():
            for page in chunks(members, PAGE):
                if await pull.is_paused():
                    break
                await handle_isolated(ctx, Task.USAGE_PULL, page, partial(_pull_page, pull, cycle))
    except CarrierError as error:
        log.warning("pool_refresh.stopped", account=account, error=type(error).__name__)
    return pull.report.figures


async def _pull_page(pull: AccountPull, cycle: Cycle, ids: Sequence[int]) -> int:
    ctx = pull.ctx
    async with ctx.work() as work:
        found = await work.sims.by_ids(ids)
    records = [found[sim_id] for sim_id in ids if sim_id in found]
    using = [record for record in records if may_have_used(record.sim, current_carrier_state(record), ctx.now())]
    await pull.batch.run(using, partial(pull_usage, pull, cycle))
    return pull.settled(using)
