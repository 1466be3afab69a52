"""One page of the pull: which cards are asked what, and what becomes of the answers (US-2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial

from app.carriers.base import CarrierClient, SimRef, UsageFigure
from app.db.mapping import SimRecord
from app.db.usage import pulls as rows
from app.domain.calendar.cycles import Cycle, cycle_number, cycle_on
from app.domain.calendar.days import ONE_DAY, local
from app.domain.usage.sync_policy import DAILY_FIGURES_IN_BATCHES, may_have_used
from app.domain.vocabulary import Carrier, SimState
from app.usecases.carrier_sync.resilient_batch import Page, ResilientBatch
from app.usecases.carrier_sync.snapshots import apply_snapshots
from app.usecases.context import Context
from app.usecases.usage.carrier_usage import apply_cycle_figures, apply_day_figures


@dataclass(slots=True)
class PullReport:
    """What a run did for one account; `ended` says whether everybody was asked."""

    asked: int = 0
    figures: int = 0
    words: int = 0
    ended: bool = True


@dataclass(frozen=True, slots=True)
class AccountPull:
    """One account's run; `changed`: the cards whose state is to be asked for, None for all."""

    ctx: Context
    account: str
    changed: set[str] | None
    batch: ResilientBatch
    done: PullReport
    running: set[str] = field(default_factory=set)
    """Cards whose use has grown, so that their state need not be asked for."""

    @property
    def client(self) -> CarrierClient:
        """Who speaks with the account's carrier."""
        return self.ctx.clients[self.account]

    @property
    def carrier(self) -> Carrier:
        """The account's carrier."""
        return self.ctx.accounts[self.account].carrier

    def today(self) -> date:
        """The account's own day."""
        return local(self.ctx.now(), self.ctx.zone(self.account)).date()

    async def is_paused(self) -> bool:
        """Whether a person has paused the account, perhaps since the run began."""
        async with self.ctx.pool.acquire() as connection:
            return await rows.is_paused(connection, self.account)


async def pull_page(run: AccountPull, page: Page) -> None:
    """Ask about one page: the use of the cards that may use, the days where they are a batch, the changed states.

    Raises: the tree's errors about the account.
    """
    today = run.today()
    cycle = cycle_on(run.carrier, today)
    using = [record for record in page if may_have_used(record.sim, current_carrier_state(record), run.ctx.now())]
    await run.batch.run(using, partial(pull_usage, run, cycle))
    # On a cycle's first day yesterday is the closed cycle's: its figure stands beside the cycle's own only once that is
    # complete, or the hours that both have would count twice. The closing asks for it then.
    if run.client.protocol in DAILY_FIGURES_IN_BATCHES and today > cycle.start:
        await run.batch.run(using, partial(pull_day, run, today - ONE_DAY))
    asked = {record.sim.iccid for record in page} - run.running if run.changed is None else run.changed
    await run.batch.run([record for record in page if record.sim.iccid in asked], partial(_ask_words, run))
    run.done.asked += len(page)


def current_carrier_state(record: SimRecord) -> SimState | None:
    """The carrier's word on a card's state, None where it is older than our last change there."""
    changed, told = record.carrier_changed_at, record.carrier_as_of
    return None if told is None or (changed is not None and told < changed) else record.carrier_state


async def pull_usage(run: AccountPull, cycle: Cycle, part: Page) -> None:
    """Ask for the use of these cards in a cycle, and keep it."""
    told = await run.client.usage(sim_refs(part), cycle)
    run.running.update(await _running(run, part, told, cycle))
    run.done.figures += await apply_cycle_figures(run.ctx, run.account, told, cycle)


async def pull_day(run: AccountPull, day: date, part: Page) -> None:
    """Ask for the use of these cards on a day, and keep it."""
    told = await run.client.usage_days(sim_refs(part), day, day)
    run.done.figures += await apply_day_figures(run.ctx, run.account, told)


async def _ask_words(run: AccountPull, part: Page) -> None:
    run.done.words += await apply_snapshots(run.ctx, await run.client.snapshot(sim_refs(part)))


async def _running(run: AccountPull, page: Page, told: Sequence[UsageFigure], cycle: Cycle) -> set[str]:
    """Cards in agreement whose use has grown since the last figure: they run, so nobody need be asked."""
    agreed = [r for r in page if not r.sim.holds and r.carrier_state is SimState.ACTIVE is r.sim.underlying]
    async with run.ctx.pool.acquire() as connection:
        known = await rows.known_figures(connection, [record.id for record in agreed], cycle_number(cycle))
    used = {figure.iccid: figure.used for figure in told}
    return {r.sim.iccid for r in agreed if r.id in known and used.get(r.sim.iccid, 0) > known[r.id]}


def sim_refs(page: Page) -> list[SimRef]:
    """The identities by which carriers know these cards."""
    return [SimRef(iccid=record.sim.iccid, msisdn=record.msisdn, imsi=record.imsi) for record in page]
