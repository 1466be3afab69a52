"""The daily pull of usage and state from the carriers (US-2), each account within its own call budget.

All SIMs are queried in turn, page by page from where the last run stopped, so that none is starved; between the pages
the urgent ones that are due (`urgent`). `resilient_batch` bounds what one SIM's error costs. A turn lasts an hour at
most; what is left then, or where the carrier limits the rate, an hourly slot continues. No transaction is open during
a carrier call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import partial

from app.carriers.base import Failures, SimRef
from app.carriers.errors import CarrierAuthFailed, CarrierError, CarrierUnavailable, UnsupportedOperation
from app.carriers.http.slots import in_background
from app.db.mapping import SimRecord
from app.db.usage import pulls
from app.db.usage.pulls import Leg, Phase
from app.domain.calendar.cycles import cycle_on
from app.domain.calendar.days import local
from app.domain.usage.freshness import UrgentRota, page_size
from app.domain.vocabulary import Carrier
from app.telemetry import get_logger
from app.usecases.carrier_sync.final_figures import pull_final_figures
from app.usecases.carrier_sync.resilient_batch import ResilientBatch
from app.usecases.carrier_sync.urgent import budget_of, open_rota, pull_urgent
from app.usecases.carrier_sync.usage_page import AccountPull, PullReport, pull_page
from app.usecases.context import Context
from app.usecases.usage.carrier_usage import apply_cycle_figures

PAGE = 200
TURN = timedelta(hours=1)
"""A run ends after so long, so that no account's run holds up the job; the next hourly slot continues it."""

STALLED_AFTER = timedelta(minutes=30)
"""A run whose cursor has not moved for so long was interrupted; before that, a process may still be at it."""

CHANGES_OVERLAP = timedelta(minutes=10)
"""How far a change list reaches back before the last run, for changes that the carrier lists late."""

log = get_logger("usage_pull")


async def pull_all(ctx: Context, zone: tzinfo | None = None) -> dict[str, int]:
    """Run the daily pull for every account of a zone (None: of all) that is not paused; returns the totals.

    An account whose last run is still under way is left to it.
    """
    async with ctx.pool.acquire() as connection:
        busy = await pulls.under_way(connection, ctx.now() - STALLED_AFTER)
    here = [code for code in ctx.accounts if code not in busy and zone in (None, ctx.zone(code))]
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
    wanted = [code for code in codes if code in ctx.clients and code not in paused]
    reports = await asyncio.gather(*(_isolated(ctx, code, pull) for code in wanted))
    return {
        "accounts": len(wanted),
        "sims": sum(one.sims for one in reports),
        "urgent": sum(one.urgent for one in reports),
        "figures": sum(one.figures for one in reports),
        "changed": sum(one.changed for one in reports),
        "unfinished": sum(not one.completed for one in reports),
    }


async def _isolated(ctx: Context, account: str, pull: Callable[[Context, str], Awaitable[PullReport]]) -> PullReport:
    """One account's pull; any failure is logged and is that account's alone, to be continued by the hourly slot."""
    try:
        return await pull(ctx, account)
    except Exception:
        log.exception("usage_pull.failed", account=account)
        return PullReport(completed=False)


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
            turn = Turn(
                pull=pull, rota=await open_rota(ctx, account), size=_size(ctx, account, page), until=began + TURN
            )
            report.completed = await _pull_legs(turn, legs)
    except CarrierError as error:
        report.completed = False
        log.warning("usage_pull.stopped", account=account, error=type(error).__name__)
    if report.completed:
        await _finish(ctx, account, None if rest else began)
    return report


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One account's run until an instant. `rota`: its urgent SIMs; `size`: SIMs of a page."""

    pull: AccountPull
    rota: UrgentRota | None
    size: int
    until: datetime

    async def goes_on(self) -> bool:
        """Whether the run continues: not where the account is paused, nor when its time is over."""
        if await self.pull.is_paused():
            return False
        if self.pull.ctx.now() < self.until:
            return True
        async with self.pull.ctx.pool.acquire() as connection:
            await pulls.release(connection, self.pull.account, self.pull.ctx.now() - STALLED_AFTER)
        return False


def _size(ctx: Context, account: str, largest: int) -> int:
    budget = budget_of(ctx.accounts[account])
    return page_size(budget, largest) if budget else largest


async def _pull_legs(turn: Turn, legs: Sequence[Leg]) -> bool:
    """All SIMs, leg by leg, the urgent ones that are due before each page; False where the run is to end."""
    for leg in legs:
        cursor, ended = leg.after, False
        while not ended:
            if not await _pull_due(turn, cursor, leg) or not await turn.goes_on():
                return False
            cursor, ended = await _pull_next(turn, leg, cursor)
    return True


async def _pull_due(turn: Turn, cursor: int, leg: Leg) -> bool:
    """The urgent SIMs that are due; False where the run is to end.

    The cursor is stored to show that the run is alive.
    """
    while turn.rota is not None and await pull_urgent(turn.pull, turn.rota, turn.size):
        await _store(turn.pull, cursor, leg)
        if not await turn.goes_on():
            return False
    return True


async def _pull_next(turn: Turn, leg: Leg, cursor: int) -> tuple[int, bool]:
    """The next page of a leg; gives the cursor after it, and whether it was the leg's last."""
    page = await _read_page(turn.pull, leg, cursor, turn.size)
    ended = len(page) < turn.size
    await pull_page(turn.pull, [record for record in page if record.id not in turn.pull.done])
    await pull_final_figures(turn.pull, cursor, leg.upto if ended else page[-1].id)
    cursor = page[-1].id if page else cursor
    # The cursor moves only after the page is stored: a run that dies here repeats at most one page.
    await _store(turn.pull, cursor, leg)
    return cursor, ended


async def _store(pull: AccountPull, cursor: int, leg: Leg) -> None:
    async with pull.ctx.pool.acquire() as connection:
        await pulls.set_cursor(connection, pull.account, cursor, pull.ctx.now(), leg.phase)


async def _read_page(pull: AccountPull, leg: Leg, after: int, size: int) -> list[SimRecord]:
    async with pull.ctx.work() as work:
        found = await work.sims.of_account(pull.account, after=after, limit=size)
    return [record for record in found if leg.upto is None or record.id <= leg.upto]


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
