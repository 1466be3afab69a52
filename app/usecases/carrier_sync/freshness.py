"""Keep watched SIMs fresh where an account's calls are limited (US-2): the planner's turns, beside the daily pull.

A SIM is claimed before it is queried, so that of several processes one queries it; no transaction is open meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from app.carriers.errors import CarrierError, CarrierUnavailable
from app.carriers.http.slots import in_background
from app.db.mapping import SimRecord
from app.db.usage import watched
from app.domain.calendar.cycles import cycle_at, cycle_number, cycle_on
from app.domain.operation.capabilities import CAPABILITIES
from app.domain.operation.pace import SECONDS_AN_HOUR
from app.domain.usage.freshness import STOPPED_LATELY, WATCHED_AGE, Capacity, due_until, plan_watched
from app.domain.usage.sync_policy import may_have_used
from app.telemetry import get_logger
from app.usecases.carrier_sync.resilient_batch import ResilientBatch
from app.usecases.carrier_sync.usage_page import (
    AccountPull,
    PullReport,
    current_carrier_state,
    pull_snapshots,
    pull_usage,
)
from app.usecases.context import Context
from app.usecases.pools.near import pools_near_limit
from app.usecases.quarantine import SubjectKind, Task, handle_isolated, release

TURN = timedelta(seconds=10)
"""Of whose call budget one turn uses its share."""

SLICE = 20_000
SLICE_EVERY = timedelta(seconds=5)
"""A slice of the fleet is looked through so often: a million SIMs in four minutes."""

log = get_logger("freshness")


def capacity_of(ctx: Context, account: str) -> Capacity | None:
    """What an account's call budget allows its pulls; None where calls are not limited or no API has usage."""
    known = ctx.accounts[account]
    used = [entry for entry in known.protocols if entry.covers("usage")]
    named = sorted(used, key=lambda entry: "usage" not in entry.uses)
    if not named or named[0].settings.per_second is None:
        return None
    batch = CAPABILITIES[named[0].protocol].read_batch.value or 1
    per_hour = named[0].settings.per_second * SECONDS_AN_HOUR
    return Capacity(per_hour=per_hour, batch=batch, calls_per_batch=1 if batch == 1 else 2)


async def keep_fresh(ctx: Context) -> int:
    """One turn: look through a slice of the fleet, then query the watched SIMs that are due; gives how many were."""
    limited = {code: capacity for code in ctx.clients if (capacity := capacity_of(ctx, code)) is not None}
    if not limited:
        return 0
    await _look_through(ctx, list(limited))
    async with ctx.work() as work:
        paused = {code for code, state in (await work.account_states.all()).items() if state["paused_at"]}
    wanted = [code for code in limited if code not in paused]
    return sum(await asyncio.gather(*(_isolated(ctx, code, limited[code]) for code in wanted)))


async def _isolated(ctx: Context, account: str, capacity: Capacity) -> int:
    async def query(_: Sequence[str]) -> int:
        return await _query_due(ctx, account, capacity)

    return await handle_isolated(ctx, Task.FRESHNESS, [account], query, kind=SubjectKind.ACCOUNT)


async def query_again(ctx: Context, kind: SubjectKind, keys: Sequence[Any]) -> None:
    """Query what was set aside: an account's next turn, or SIMs by row id. Raises: carrier errors."""
    if kind is SubjectKind.ACCOUNT:
        for account in keys:
            capacity = capacity_of(ctx, account) if account in ctx.clients else None
            if capacity is None:
                await release(ctx, Task.FRESHNESS, kind, [account])
            else:
                await _isolated(ctx, account, capacity)
        return
    async with ctx.work() as work:
        by_account = await work.sims.by_account(keys)
        states = await work.account_states.all()
    for account, ids in by_account.items():
        if account not in ctx.clients or states.get(account, {}).get("paused_at"):
            raise CarrierUnavailable("the account is paused or not configured")
        with in_background():
            await handle_isolated(ctx, Task.FRESHNESS, ids, partial(_query, ctx, account, with_states=True))


async def watch_pools(ctx: Context) -> None:
    """Watch the members of pools near their limit, where calls are limited."""
    limited = [code for code in ctx.clients if capacity_of(ctx, code) is not None]
    if not limited:
        return
    near = await pools_near_limit(ctx, sorted({ctx.accounts[code].carrier for code in limited}))
    async with ctx.pool.acquire() as connection:
        await watched.watch_pools(connection, near, limited, ctx.now() - WATCHED_AGE)


async def _look_through(ctx: Context, accounts: Sequence[str]) -> None:
    now = ctx.now()
    cycles = [(code, cycle_number(cycle_at(ctx.accounts[code].carrier, now, ctx.zone(code)))) for code in accounts]
    async with ctx.pool.acquire() as connection:
        part = await watched.next_slice(connection, now, now - SLICE_EVERY, SLICE)
        if part is not None:
            stopped_after, never = now - STOPPED_LATELY, now - WATCHED_AGE
            await watched.watch_slice(connection, part, cycles, stopped_after=stopped_after, never_polled=never)


async def _query_due(ctx: Context, account: str, capacity: Capacity) -> int:
    now = ctx.now()
    most = plan_watched(capacity, due=SLICE, elapsed=TURN)
    async with ctx.pool.acquire() as connection:
        due = await watched.count_due(connection, account, due_until(now), most)
        wanted = plan_watched(capacity, due=due, elapsed=TURN) if due else 0
        # In autocommit, before the carrier is called: what a process that dies has claimed is left for the next hour.
        ids = await watched.claim(connection, account, now, wanted) if wanted else []
    if not ids:
        return 0
    try:
        with in_background():
            query = partial(_query, ctx, account, with_states=capacity.batch > 1)
            await handle_isolated(ctx, Task.FRESHNESS, ids, query)
    except CarrierError as error:
        log.warning("freshness.stopped", account=account, error=type(error).__name__)
        async with ctx.pool.acquire() as connection:
            await watched.give_back(connection, ids, due_until(now))
        return 0
    return len(ids)


async def _query(ctx: Context, account: str, ids: Sequence[int], *, with_states: bool) -> int:
    """Usage of these SIMs, and their states where a call carries many; elsewhere the change list has the states."""
    async with ctx.work() as work:
        page: list[SimRecord] = list((await work.sims.by_ids(ids)).values())
    pull = AccountPull(ctx, account, set(), ResilientBatch(account), PullReport())
    using = [record for record in page if may_have_used(record.sim, current_carrier_state(record), ctx.now())]
    await pull.batch.run(using, partial(pull_usage, pull, cycle_on(pull.carrier, pull.today())))
    if with_states:
        await pull.batch.run(page, partial(pull_snapshots, pull))
    return pull.settled(page)
