"""Ask the carriers (US-2): usage and state as of yesterday's end, each account within its own call budget.

Cards near a limit come first, then everybody in turn, page by page from where the last run stopped, so that nobody is
starved. What one card's error costs is in `app.usecases.carrier_sync.resilient_batch`. When the carrier limits the
rate, the run stops and an hourly slot continues with the rest. No transaction is open during a carrier call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta, tzinfo
from functools import partial

from app.carriers.base import SimRef
from app.carriers.errors import CarrierAuthFailed, CarrierError, CarrierUnavailable, UnsupportedOperation
from app.carriers.http.throttle import in_background
from app.db.mapping import SimRecord
from app.db.usage import pulls as rows
from app.db.usage.pulls import Leg, Phase
from app.domain.calendar.cycles import cycle_number, cycle_on
from app.domain.calendar.days import local
from app.domain.vocabulary import Carrier
from app.telemetry import get_logger
from app.usecases.carrier_sync.final_figures import pull_final_figures
from app.usecases.carrier_sync.resilient_batch import ResilientBatch
from app.usecases.carrier_sync.usage_page import AccountPull, PullReport, pull_page
from app.usecases.context import Context
from app.usecases.pools.views import running_pools
from app.usecases.usage.carrier_usage import apply_cycle_figures

PAGE = 200
NEAR_LIMIT = 500
STALLED_AFTER = timedelta(minutes=30)
"""A run that has not moved for so long has broken off; before that, somebody may be at it."""

log = get_logger("usage_pull")


async def pull_all(ctx: Context, zone: tzinfo | None = None) -> dict[str, int]:
    """Begin the day's run of every account of a zone (None: of all) that is not paused; gives the totals."""
    here = [code for code in ctx.accounts if zone is None or str(ctx.zone(code)) == str(zone)]
    return await _side_by_side(ctx, here, pull_account)


async def resume_pulls(ctx: Context) -> dict[str, int]:
    """Go on with the runs that broke off; where there are none, that is one statement."""
    async with ctx.pool.acquire() as connection:
        codes = await rows.interrupted(connection, ctx.now() - STALLED_AFTER)
    return await _side_by_side(ctx, codes, partial(pull_account, rest=True)) if codes else {}


async def no_unfinished_pull(ctx: Context) -> bool:
    """Whether no account has a run that is not at its end."""
    async with ctx.pool.acquire() as connection:
        return not await rows.interrupted(connection, ctx.now())


async def _side_by_side(
    ctx: Context, codes: Sequence[str], pull: Callable[[Context, str], Awaitable[PullReport]]
) -> dict[str, int]:
    async with ctx.work() as work:
        states = await work.account_states.all()
    paused = {code for code, state in states.items() if state["paused_at"] is not None}
    asked = [code for code in codes if code in ctx.clients and code not in paused]
    pulled = await asyncio.gather(*(_to_its_end(ctx, code, pull) for code in asked))
    return {
        "accounts": len(asked),
        "asked": sum(one.asked for one in pulled),
        "figures": sum(one.figures for one in pulled),
        "words": sum(one.words for one in pulled),
        "unfinished": sum(not one.ended for one in pulled),
    }


async def _to_its_end(ctx: Context, account: str, pull: Callable[[Context, str], Awaitable[PullReport]]) -> PullReport:
    """One account's fault is its own: the others go on, and it is tried again with what is unfinished."""
    try:
        return await pull(ctx, account)
    except Exception:
        log.exception("usage_pull.failed", account=account)
        return PullReport(ended=False)


async def pull_account(ctx: Context, account: str, *, page: int = PAGE, rest: bool = False) -> PullReport:
    """One account's run, from where the last one stopped until everybody was asked or the carrier wants no more.

    `rest`: only what a run that broke off has left.
    """
    done, batch = PullReport(), ResilientBatch(account)
    began = ctx.now()
    async with ctx.pool.acquire() as connection:
        legs = await rows.begin(connection, account, began, rest=rest)
    try:
        with in_background():
            run = AccountPull(ctx, account, await _changes(ctx, account, batch), batch, done)
            near = [] if rest else await _near(ctx, account)
            done.ended = await _near_first(run, near, page) and await _in_turn(run, legs, near, page)
    except CarrierError as error:
        done.ended = False
        log.warning("usage_pull.stopped", account=account, error=type(error).__name__)
    if done.ended:
        await _finish(ctx, account, None if rest else began)
    return done


async def _near_first(run: AccountPull, near: Sequence[SimRecord], size: int) -> bool:
    for start in range(0, len(near), size):
        if await run.is_paused():
            return False
        await pull_page(run, near[start : start + size])
    return True


async def _in_turn(run: AccountPull, legs: Sequence[Leg], near: Sequence[SimRecord], size: int) -> bool:
    """Everybody who was not asked first, leg by leg; whether the run came to its end, or was paused on its way."""
    asked = {record.id for record in near}
    for leg in legs:
        place, ended = leg.after, False
        while not ended:
            if await run.is_paused():
                return False
            async with run.ctx.work() as work:
                found = await work.sims.of_account(run.account, after=place, limit=size)
            page = [record for record in found if leg.upto is None or record.id <= leg.upto]
            ended = len(page) < size
            upto = leg.upto if ended else page[-1].id
            await pull_page(run, [record for record in page if record.id not in asked])
            await pull_final_figures(run, place, upto)
            place = page[-1].id if page else place
            async with run.ctx.pool.acquire() as connection:
                await rows.set_cursor(connection, run.account, place, run.ctx.now(), leg.phase)
    return True


async def _finish(ctx: Context, account: str, began: datetime | None) -> None:
    """Everybody was asked: the next run begins at the beginning, its changes where this one began.

    None: the rest of a run; what it did not ask may have changed since that one began.
    """
    if began is not None:
        async with ctx.work() as work:
            await work.account_states.set(account, changes_seen_at=began)
            await work.commit()
    async with ctx.pool.acquire() as connection:
        await rows.set_cursor(connection, account, 0, ctx.now(), Phase.FINISHED)


async def _changes(ctx: Context, account: str, batch: ResilientBatch) -> set[str] | None:
    """The cards the carrier says have changed since the last whole run; None: it has no list, or none has been."""
    async with ctx.work() as work:
        state = (await work.account_states.all()).get(account)
    seen = state["changes_seen_at"] if state else None
    if seen is None:
        return None
    try:
        changed = await batch.call(lambda: ctx.clients[account].changed_since(seen - timedelta(minutes=10)))
    except (CarrierUnavailable, CarrierAuthFailed):
        raise
    except CarrierError as error:
        log.warning("usage_pull.no_change_list", account=account, error=type(error).__name__)
        return None
    return None if changed is None else set(changed)


async def _near(ctx: Context, account: str) -> list[SimRecord]:
    """Where the account's budget is counted: the cards nearest to their limits, then members of pools near theirs."""
    known = ctx.accounts[account]
    if all(entry.settings.per_second is None for entry in known.protocols):
        return []
    number = cycle_number(cycle_on(known.carrier, local(ctx.now(), ctx.zone(account)).date()))
    async with ctx.pool.acquire() as connection:
        ids = await rows.near_limits(connection, account, number, NEAR_LIMIT)
        running = await running_pools(ctx, connection, [known.carrier])
        if pools := await rows.near_pools(connection, running):
            ids += await rows.members(connection, pools, account, number, NEAR_LIMIT)
    async with ctx.work() as work:
        return list((await work.sims.by_ids(ids)).values()) if ids else []


async def refresh_usage(ctx: Context, account: str, carrier: Carrier, refs: Sequence[SimRef]) -> int:
    """Ask for these cards' usage of the running cycle now (US-2, refresh on demand); gives how many figures changed.

    Raises: query errors of the carriers' tree; an account without usage is none.
    """
    cycle = cycle_on(carrier, local(ctx.now(), ctx.zone(account)).date())
    try:
        told = await ctx.clients[account].usage(refs, cycle)
    except UnsupportedOperation:
        return 0
    return await apply_cycle_figures(ctx, account, told, cycle)
