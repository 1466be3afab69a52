"""The daily pull of usage and state from the carriers (US-2), each account within its own call budget.

SIMs near a limit come first, then all in turn, page by page from where the last run stopped, so that none is starved.
`resilient_batch` bounds what one SIM's error costs. Where the carrier limits the rate, the run ends and an hourly slot
continues it. No transaction is open during a carrier call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from app.carriers.base import Failures, SimRef
from app.carriers.errors import CarrierAuthFailed, CarrierError, CarrierUnavailable, UnsupportedOperation
from app.carriers.http.slots import in_background
from app.db.usage import pulls
from app.db.usage.pulls import Leg, Phase
from app.domain.calendar.cycles import cycle_number, cycle_on
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


async def pull_all(ctx: Context, accounts: Sequence[str] | None = None) -> dict[str, int]:
    """Run the daily pull for these accounts (None: for all) that are not paused; returns the totals.

    An account that has SIMs and is no longer configured is set aside.
    """
    if accounts is None:
        accounts = [*ctx.accounts, *await unconfigured_accounts(ctx)]
    return await _pull_accounts(ctx, accounts, pull_account)


async def unconfigured_accounts(ctx: Context) -> list[str]:
    """The accounts that have SIMs and are not configured."""
    async with ctx.work() as work:
        return [code for code in await work.sims.accounts() if code not in ctx.accounts]


async def resume_pulls(ctx: Context, accounts: Sequence[str] | None = None) -> dict[str, int]:
    """Continue interrupted runs of these accounts (None: of all); without any, this is one statement."""
    async with ctx.pool.acquire() as connection:
        codes = await pulls.interrupted(connection, ctx.now() - STALLED_AFTER)
    wanted = [code for code in codes if accounts is None or code in accounts]
    return await _pull_accounts(ctx, wanted, partial(pull_account, rest=True)) if wanted else {}


async def has_no_unfinished_pull(ctx: Context, account: str) -> bool:
    """Whether the account's run is complete."""
    async with ctx.pool.acquire() as connection:
        return account not in await pulls.interrupted(connection, ctx.now())


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

    `rest`: only what an interrupted run has left. A run ends at its next page if another of the account has begun.
    """
    report, batch = PullReport(), ResilientBatch(account)
    began = ctx.now()
    async with ctx.pool.acquire() as connection:
        legs = await pulls.begin(connection, account, began, rest=rest)
    run = Run(ctx, account, page, moved=began)
    try:
        with in_background():
            pull = AccountPull(ctx, account, await _changed_iccids(ctx, account, batch), batch, report)
            near = [] if rest else await _near_limits(ctx, account)
            report.completed = await _pull_near(run, pull, near) and await _pull_legs(run, pull, legs, near)
    except CarrierError as error:
        report.completed = False
        log.warning("usage_pull.stopped", account=account, error=type(error).__name__)
    if report.completed:
        await _finish(run, None if rest else began)
    return report


@dataclass(slots=True)
class Run:
    """A run under way: SIMs a page, and when it last moved its account's cursor."""

    ctx: Context
    account: str
    size: int
    moved: datetime

    async def move_cursor(self, sim_id: int, phase: Phase) -> bool:
        """Store that all SIMs up to this row id were queried; False: another run of the account has begun."""
        now = self.ctx.now()
        async with self.ctx.pool.acquire() as connection:
            ours = await pulls.move_cursor(connection, self.account, sim_id, moved=self.moved, at=now, phase=phase)
        self.moved = now
        return ours


async def _pull_near(run: Run, pull: AccountPull, near: Sequence[int]) -> bool:
    """The SIMs near a limit, page by page; False where the account was paused."""
    for start in range(0, len(near), run.size):
        if await pull.is_paused():
            return False
        await pull_page(pull, near[start : start + run.size])
    return True


async def _pull_legs(run: Run, pull: AccountPull, legs: Sequence[Leg], near: Sequence[int]) -> bool:
    """All SIMs that were not pulled first, leg by leg; False where the account was paused, or another run has begun."""
    done = set(near)
    for leg in legs:
        cursor, ended = leg.after, False
        while not ended:
            if await pull.is_paused():
                return False
            page = await _read_page(pull, leg, cursor, run.size)
            ended = len(page) < run.size
            upto = leg.upto if ended else page[-1]
            await pull_page(pull, [sim_id for sim_id in page if sim_id not in done])
            await pull_final_figures(pull, cursor, upto)
            cursor = page[-1] if page else cursor
            # The cursor moves only after the page is stored: a run that dies here repeats at most one page.
            if not await run.move_cursor(cursor, leg.phase):
                log.info("usage_pull.left_to_a_newer_run", account=run.account)
                return False
    return True


async def _read_page(pull: AccountPull, leg: Leg, after: int, size: int) -> list[int]:
    async with pull.ctx.work() as work:
        found = await work.sims.ids_of_account(pull.account, after=after, limit=size)
    return [sim_id for sim_id in found if leg.upto is None or sim_id <= leg.upto]


async def _finish(run: Run, began: datetime | None) -> None:
    """The run is complete: the next one starts at the first SIM, its change list where this run began.

    `began` None: only the rest of an interrupted run was pulled, whose earlier SIMs may have changed since it began.
    """
    if began is not None:
        async with run.ctx.work() as work:
            await work.account_states.set(run.account, changes_seen_at=began)
            await work.commit()
    await run.move_cursor(0, Phase.FINISHED)


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
    number = cycle_number(cycle_on(known.carrier, ctx.today(account)))
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
    cycle = cycle_on(carrier, ctx.today(account))
    try:
        figures = await ctx.clients[account].usage(refs, cycle, failures=failures)
    except UnsupportedOperation:
        return 0
    return await apply_cycle_figures(ctx, account, figures, cycle)
