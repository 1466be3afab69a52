"""Ask the carriers (US-2): usage and state as of yesterday's end, each account within its own call budget.

Cards near a limit come first, then everybody in turn, page by page from where the last run stopped, so that nobody is
starved. The client keeps the account's rate; when the carrier says it is enough, the run ends there and the next goes
on. No transaction is open while a carrier is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType

from app.carriers.base import CarrierClient, SimRef, UsageFigure
from app.carriers.errors import CarrierError, UnsupportedOperation
from app.db import pulls as rows
from app.db.mapping import SimRecord
from app.db.sim_read import cycle_number
from app.domain.cycles import Cycle, cycle_on, preceding
from app.domain.days import ONE_DAY, local
from app.domain.vocabulary import Carrier, ProtocolName, SimState
from app.telemetry import get_logger
from app.usecases.carrier_view import take_words
from app.usecases.context import Context
from app.usecases.figures import apply_days, apply_figures

PAGE = 200
NEAR_LIMIT = 500
CLOSING_DAYS = 3
"""Carriers' data lag about so long at a cycle's start (ST-21): the closed cycle is asked for again meanwhile."""

DAYS_BY_BATCH = frozenset({ProtocolName.ONELINK, ProtocolName.GSL, ProtocolName.CTWING})
"""Where a day of a hundred cards is one call; elsewhere the daily figures would eat the budget."""

CLOSES_BY_LAST_DAY = frozenset({ProtocolName.CTCC_CMP, ProtocolName.CTWING})
"""Where a closed month is a call for each of its days: its last day alone is asked for, it stands beside the rest."""

CLOSES_ONCE: Mapping[ProtocolName, int] = MappingProxyType(
    {ProtocolName.JASPER: 1, ProtocolName.UNICOM_CMP: 1, ProtocolName.CTCC_CMP: 1, ProtocolName.CTWING: 1}
)
"""One call a card: the closed cycle is asked for on so many days only, the last of the lag."""

USES = frozenset({SimState.TESTING, SimState.ACTIVE})
_log = get_logger("usage_pull")


@dataclass(slots=True)
class Pulled:
    """What a run did for one account; `ended` says whether everybody was asked."""

    asked: int = 0
    figures: int = 0
    words: int = 0
    ended: bool = True


async def pull_all(ctx: Context) -> dict[str, int]:
    """Ask every account that is not paused, side by side; gives the totals."""
    async with ctx.work() as work:
        states = await work.ledger.account_states()
    paused = {code for code, state in states.items() if state["paused_at"] is not None}
    codes = [code for code in ctx.accounts if code not in paused and code in ctx.clients]
    pulled = await asyncio.gather(*(pull_account(ctx, code) for code in codes))
    return {
        "accounts": len(codes),
        "asked": sum(one.asked for one in pulled),
        "figures": sum(one.figures for one in pulled),
        "words": sum(one.words for one in pulled),
        "unfinished": sum(not one.ended for one in pulled),
    }


async def pull_account(ctx: Context, account: str, *, page: int = PAGE) -> Pulled:
    """One account's run, from where the last one stopped until everybody was asked or the carrier wants no more."""
    done, client = Pulled(), ctx.clients[account]
    try:
        run = _Run(ctx, account, client, await _changes(ctx, account, client), done)
        near = await _near(ctx, account)
        if near:
            await _page(run, near)
        await _in_turn(run, {record.id for record in near}, page)
    except CarrierError as error:
        done.ended = False
        _log.warning("usage_pull.stopped", account=account, error=type(error).__name__)
    return done


@dataclass(frozen=True, slots=True)
class _Run:
    """One account's run; `changed`: the cards whose state is to be asked for, None for all."""

    ctx: Context
    account: str
    client: CarrierClient
    changed: set[str] | None
    done: Pulled


async def _in_turn(run: _Run, asked: set[int], size: int) -> None:
    """Everybody, beginning behind the card at which the last run stopped, around to it."""
    ctx = run.ctx
    async with ctx.pool.acquire() as connection:
        began = await rows.cursor(connection, run.account)
    for first, last in ((began, None), (0, began)) if began else ((0, None),):
        place = first
        while True:
            async with ctx.work() as work:
                found = await work.sims.of_account(run.account, after=place, limit=size)
            page = [record for record in found if last is None or record.id <= last]
            if page:
                await _page(run, [record for record in page if record.id not in asked])
                place = page[-1].id
                async with ctx.pool.acquire() as connection:
                    await rows.set_cursor(connection, run.account, place, ctx.now())
            if len(page) < size:
                break
    async with ctx.pool.acquire() as connection:
        await rows.set_cursor(connection, run.account, 0, ctx.now())


async def _page(run: _Run, page: Sequence[SimRecord]) -> None:
    """Ask for one page: usage of the cards that may use, the closed cycle while it closes, the state of the changed."""
    ctx, account, client, done = run.ctx, run.account, run.client, run.done
    using = [record for record in page if _may_have_used(record, ctx.now())]
    today = local(ctx.now(), ctx.zone(account)).date()
    running: set[str] = set()
    if using:
        refs = [_ref(record) for record in using]
        cycle = cycle_on(using[0].sim.carrier, today)
        told = await client.usage(refs, cycle)
        running = await _running(ctx, using, told, cycle)
        done.figures += await apply_figures(ctx, account, told, cycle)
        if client.protocol in DAYS_BY_BATCH:
            done.figures += await _days(ctx, account, client, refs, today - ONE_DAY)
        closing = [record for record in using if record.sim.activated_on and record.sim.activated_on < cycle.start]
        if closing and _closes_today(client.protocol, cycle, today):
            before = preceding(using[0].sim.carrier, cycle)
            done.figures += await _close(ctx, account, client, [_ref(record) for record in closing], before)
    asked = {record.sim.iccid for record in page} - running if run.changed is None else run.changed
    words = [record for record in page if record.sim.iccid in asked]
    if words:
        done.words += await take_words(ctx, await client.snapshot([_ref(record) for record in words]))
    done.asked += len(page)


async def _running(ctx: Context, using: Sequence[SimRecord], told: Sequence[UsageFigure], cycle: Cycle) -> set[str]:
    """Cards in agreement whose use has grown since the last figure: they run, so nobody need be asked."""
    agreed = [r for r in using if not r.sim.holds and r.carrier_state is SimState.ACTIVE is r.sim.underlying]
    async with ctx.pool.acquire() as connection:
        known = await rows.known_figures(connection, [record.id for record in agreed], cycle_number(cycle))
    used = {figure.iccid: figure.used for figure in told}
    return {r.sim.iccid for r in agreed if r.id in known and used.get(r.sim.iccid, 0) > known[r.id]}


def _may_have_used(record: SimRecord, now: datetime) -> bool:
    """Whether a card can have carried traffic since it was last asked for: not where its data was off all the while."""
    off_since = min((hold.since for hold in record.sim.holds), default=now)
    return record.sim.underlying in USES and now - off_since < timedelta(days=CLOSING_DAYS)


def _closes_today(protocol: ProtocolName, cycle: Cycle, today: date) -> bool:
    """Whether the closed cycle is asked for on this day."""
    into = (today - cycle.start).days + 1
    first = CLOSING_DAYS - CLOSES_ONCE.get(protocol, CLOSING_DAYS)
    return first < into <= CLOSING_DAYS


async def _close(ctx: Context, account: str, client: CarrierClient, refs: Sequence[SimRef], cycle: Cycle) -> int:
    if client.protocol in CLOSES_BY_LAST_DAY:
        return await _days(ctx, account, client, refs, cycle.last_day)
    return await apply_figures(ctx, account, await client.usage(refs, cycle), cycle)


async def _days(ctx: Context, account: str, client: CarrierClient, refs: Sequence[SimRef], day: date) -> int:
    try:
        told = await client.usage_days(refs, day, day)
    except UnsupportedOperation:
        return 0
    return await apply_days(ctx, account, told)


async def _changes(ctx: Context, account: str, client: CarrierClient) -> set[str] | None:
    """The cards the carrier says have changed since the last run; None: it has no list, or this is the first run."""
    async with ctx.work() as work:
        state = (await work.ledger.account_states()).get(account)
    seen: datetime | None = state["changes_seen_at"] if state else None
    now = ctx.now()
    changed = await client.changed_since(seen - timedelta(minutes=10)) if seen is not None else None
    async with ctx.work() as work:
        await work.ledger.set_account(account, changes_seen_at=now)
        await work.commit()
    return None if changed is None else set(changed)


async def _near(ctx: Context, account: str) -> list[SimRecord]:
    """The cards nearest to their limits, where the account's budget is counted."""
    known = ctx.accounts[account]
    if all(entry.settings.per_second is None for entry in known.protocols):
        return []
    number = cycle_number(cycle_on(known.carrier, local(ctx.now(), ctx.zone(account)).date()))
    async with ctx.pool.acquire() as connection:
        ids = await rows.near_limits(connection, account, number, NEAR_LIMIT)
    async with ctx.work() as work:
        return list((await work.sims.by_ids(ids)).values()) if ids else []


def _ref(record: SimRecord) -> SimRef:
    return SimRef(iccid=record.sim.iccid, msisdn=record.msisdn, imsi=record.imsi)


async def refresh_usage(ctx: Context, account: str, carrier: Carrier, refs: Sequence[SimRef]) -> int:
    """Ask for these cards' usage of the running cycle now (US-2, refresh on demand); gives how many figures changed.

    Raises: query errors of the carriers' tree; an account without usage is none.
    """
    cycle = cycle_on(carrier, local(ctx.now(), ctx.zone(account)).date())
    try:
        told = await ctx.clients[account].usage(refs, cycle)
    except UnsupportedOperation:
        return 0
    return await apply_figures(ctx, account, told, cycle)
