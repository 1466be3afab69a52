"""The daily pull of usage and state from the carriers (US-2), each account within its own call budget.

SIMs near a limit come first, then all in turn, page by page from where the last run stopped, so that none is starved.
`resilient_batch` bounds what one SIM's error costs. Where the carrier limits the rate, the run ends and an hourly slot
continues it. No transaction is open during a carrier call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta, tzinfo
from functools import partial
from typing import Any

from app.carriers.base import Failures, SimRef
from app.carriers.errors import CarrierAuthFailed, CarrierError, CarrierUnavailable, UnsupportedOperation
from app.carriers.http.slots import in_background
from app.db.usage import pulls
from app.db.usage.pulls import Leg, Phase
from app.domain.calendar.cycles import cycle_number, cycle_on
from app.domain.calendar.days import local
from app.domain.vocabulary import Carrier
from app.telemetry import get_logger
from app.usecases.accounts import require_unused
from app.usecases.carrier_sync.final_figures import pull_final_figures
from app.usecases.carrier_sync.resilient_batch import ResilientBatch
from app.usecases.carrier_sync.usage_page import AccountPull, PullReport, pull_page
from app.usecases.context import Context
from app.usecases.pools.near import pools_near_limit
from app.usecases.quarantine import SubjectKind, Task, handle_isolated
from app.usecases.usage.carrier_usage import apply_cycle_figures

PAGE = 200
NEAR_LIMIT = 500
STALLED_AFTER = timedelta(minutes=30)
"""A run whose cursor has not moved for so long was interrupted; before that, a process may still be at it."""

CHANGES_OVERLAP = timedelta(minutes=10)
"""How far a change list reaches back before the last run, for changes that the carrier lists late."""

log = get_logger("usage_pull")


async def pull_all(ctx: Context, zone: tzinfo | None = None) -> dict[str, int]:
    """Run the daily pull for every account of a zone (None: of all) that is not paused; returns the totals.

    An account that has SIMs and is no longer configured is set aside.
    """
    async with ctx.work() as work:
        codes = list(dict.fromkeys([*ctx.accounts, *await work.sims.accounts()]))
    here = [code for code in codes if zone is None or str(ctx.zone(code)) == str(zone)]
    return await _pull_accounts(ctx, here, pull_account)


async def resume_pulls(ctx: Context) -> dict[str, int]:
    """Continue interrupted runs; without any, this is one statement."""
    async with ctx.pool.acquire() as connection:
        codes = await pulls.interrupted(connection, ctx.now() - STALLED_AFTER)
    return await _pull_accounts(ctx, codes, partial(pull_account, rest=True)) if codes else {}


async def no_unfinished_pull(ctx: Context) -> bool:
    """Whether every account's run is complete."""
    async with ctx.pool.acquire() as connection:
        return not await pulls.interrupted(connection, ctx.now())


async def _pull_accounts(
    ctx: Context, codes: Sequence[str], pull: Callable[[Context, str], Awaitable[PullReport]]
) -> dict[str, int]:
    """Pull several accounts concurrently, each at its own pace."""
    async with ctx.work() as work:
        states = await work.account_states.all()
    paused = {code for code, state in states.items() if state["paused_at"] is not None}
    wanted = [code for code in codes if code not in paused]
    reports = await asyncio.gather(*(_isolated(ctx, code, pull) for code in wanted))
    return {
        "accounts": len(wanted),
        "sims": sum(one.sims for one in reports),
        "figures": sum(one.figures for one in reports),
        "changed": sum(one.changed for one in reports),
        "unfinished": sum(not one.completed for one in reports),
    }


async def _isolated(ctx: Context, account: str, pull: Callable[[Context, str], Awaitable[PullReport]]) -> PullReport:
    """One account's pull; any failure is that account's alone, to be continued by the hourly slot."""
    reports: list[PullReport] = []

    async def pull_it(_: Sequence[str]) -> int:
        if account not in ctx.clients:
            return await require_unused(ctx, account)
        reports.append(await pull(ctx, account))
        return 0

    try:
        await handle_isolated(ctx, Task.USAGE_PULL, [account], pull_it, kind=SubjectKind.ACCOUNT)
    except Exception:
        log.exception("usage_pull.failed", account=account)
    return reports[0] if reports else PullReport(completed=False)


async def pull_again(ctx: Context, kind: SubjectKind, keys: Sequence[Any]) -> None:
    """Pull SIMs that were set aside, by row id, or look whether an account can be pulled. Raises: carrier errors.

    What an account's run has left is then pulled by the hourly slot: it may take hours.
    """
    if kind is SubjectKind.ACCOUNT:
        await handle_isolated(ctx, Task.USAGE_PULL, keys, partial(_begin_accounts, ctx), kind=kind)
        return
    async with ctx.work() as work:
        by_account = await work.sims.by_account(keys)
        states = await work.account_states.all()
    for account, ids in by_account.items():
        if account not in ctx.clients or states.get(account, {}).get("paused_at"):
            raise CarrierUnavailable("the account is paused or not configured")
        pull = AccountPull(ctx, account, None, ResilientBatch(account), PullReport())
        with in_background():
            await pull_page(pull, ids)
            for sim_id in ids:
                await pull_final_figures(pull, sim_id - 1, sim_id)


async def _begin_accounts(ctx: Context, accounts: Sequence[str]) -> int:
    """Do what comes first in these accounts' runs."""
    for account in accounts:
        if account not in ctx.clients:
            await require_unused(ctx, account)
        else:
            with in_background():
                await _changed_iccids(ctx, account, ResilientBatch(account))
                await _near_limits(ctx, account)
    return len(accounts)


async def pull_account(ctx: Context, account: str, *, page: int = PAGE, rest: bool = False) -> PullReport:
    """One account's run, from where the last one stopped until all SIMs were queried or the carrier ends it.

    `rest`: only what an interrupted run has left.
    """
    report, batch = PullReport(), ResilientBatch(account)
    began = ctx.now()
    async with ctx.pool.acquire() as connection:
        legs = await pulls.begin(connection, account, began, rest=rest)
    try:
        with in_background():
            pull = AccountPull(ctx, account, await _changed_iccids(ctx, account, batch), batch, report)
            near = [] if rest else await _near_limits(ctx, account)
            report.completed = await _pull_near(pull, near, page) and await _pull_legs(pull, legs, near, page)
    except CarrierError as error:
        report.completed = False
        log.warning("usage_pull.stopped", account=account, error=type(error).__name__)
    if report.completed:
        await _finish(ctx, account, None if rest else began)
    return report


async def _pull_near(pull: AccountPull, near: Sequence[int], size: int) -> bool:
    """The SIMs near a limit, page by page; False where the account was paused."""
    for start in range(0, len(near), size):
        if await pull.is_paused():
            return False
        await pull_page(pull, near[start : start + size])
    return True


async def _pull_legs(pull: AccountPull, legs: Sequence[Leg], near: Sequence[int], size: int) -> bool:
    """All SIMs that were not pulled first, leg by leg; False where the account was paused."""
    done = set(near)
    for leg in legs:
        cursor, ended = leg.after, False
        while not ended:
            if await pull.is_paused():
                return False
            page = await _read_page(pull, leg, cursor, size)
            ended = len(page) < size
            upto = leg.upto if ended else page[-1]
            await pull_page(pull, [sim_id for sim_id in page if sim_id not in done])
            await pull_final_figures(pull, cursor, upto)
            cursor = page[-1] if page else cursor
            # The cursor moves only after the page is stored: a run that dies here repeats at most one page.
            async with pull.ctx.pool.acquire() as connection:
                await pulls.set_cursor(connection, pull.account, cursor, pull.ctx.now(), leg.phase)
    return True


async def _read_page(pull: AccountPull, leg: Leg, after: int, size: int) -> list[int]:
    async with pull.ctx.work() as work:
        found = await work.sims.ids_of_account(pull.account, after=after, limit=size)
    return [sim_id for sim_id in found if leg.upto is None or sim_id <= leg.upto]


async def _finish(ctx: Context, account: str, began: datetime | None) -> None:
    """The run is complete: the next one starts at the first SIM, its change list where this run began.

    `began` None: only the rest of an interrupted run was pulled, whose earlier SIMs may have changed since it began.
    """
    if began is not None:
        async with ctx.work() as work:
            await work.account_states.set(account, changes_seen_at=began)
            await work.commit()
    async with ctx.pool.acquire() as connection:
        await pulls.set_cursor(connection, account, 0, ctx.now(), Phase.FINISHED)


async def _changed_iccids(ctx: Context, account: str, batch: ResilientBatch) -> set[str] | None:
    """The ICCIDs on the carrier's change list since the last complete run; None: there is no list, or was no run."""
    async with ctx.work() as work:
        state = (await work.account_states.all()).get(account)
    seen = state["changes_seen_at"] if state else None
    if seen is None:
        return None
    try:
        changed = await batch.call(lambda: ctx.clients[account].changed_since(seen - CHANGES_OVERLAP))
    except (CarrierUnavailable, CarrierAuthFailed):
        raise
    except CarrierError as error:
        log.warning("usage_pull.no_change_list", account=account, error=type(error).__name__)
        return None
    return None if changed is None else set(changed)


async def _near_limits(ctx: Context, account: str) -> list[int]:
    """Where calls are limited: the SIMs nearest to their limits, then members of pools near theirs."""
    known = ctx.accounts[account]
    if all(entry.settings.per_second is None for entry in known.protocols):
        return []
    number = cycle_number(cycle_on(known.carrier, local(ctx.now(), ctx.zone(account)).date()))
    pools = await pools_near_limit(ctx, [known.carrier])
    async with ctx.pool.acquire() as connection:
        ids = await pulls.near_limits(connection, account, number, NEAR_LIMIT)
        if pools:
            ids += await pulls.members(connection, pools, account, number, NEAR_LIMIT)
    return list(dict.fromkeys(ids))


async def refresh_usage(
    ctx: Context, account: str, carrier: Carrier, refs: Sequence[SimRef], *, failures: Failures | None = None
) -> int:
    """Query these SIMs' usage of the running cycle now (US-2, refresh on demand); returns how many figures changed.

    Raises: carrier errors of a query. An account without usage has nothing to refresh.
    """
    cycle = cycle_on(carrier, local(ctx.now(), ctx.zone(account)).date())
    try:
        figures = await ctx.clients[account].usage(refs, cycle, failures=failures)
    except UnsupportedOperation:
        return 0
    return await apply_cycle_figures(ctx, account, figures, cycle)
