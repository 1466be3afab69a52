"""One page of the usage pull: which SIMs are queried for what, and how the answers are stored (US-2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial

from app.carriers.base import CarrierClient, Failures, SimRef, UsageFigure
from app.db.mapping import SimRecord
from app.db.usage import pulls
from app.domain.calendar.cycles import Cycle, cycle_number, cycle_on
from app.domain.calendar.days import ONE_DAY, local
from app.domain.usage.sync_policy import DAILY_FIGURES_IN_BATCHES, may_have_used
from app.domain.vocabulary import Carrier, SimState
from app.usecases.carrier_sync.resilient_batch import Page, ResilientBatch
from app.usecases.carrier_sync.snapshots import apply_snapshots
from app.usecases.context import Context
from app.usecases.quarantine import PartlyHandled, Task, handle_isolated
from app.usecases.usage.carrier_usage import apply_cycle_figures, apply_day_figures

MOST_SET_ASIDE = 20
"""Where so many SIMs of a page fail and not one is handled, the fault is the account's."""


@dataclass(slots=True)
class PullReport:
    """What a run did for one account: SIMs queried, usage figures changed, SIMs changed by snapshots."""

    sims: int = 0
    figures: int = 0
    changed: int = 0
    completed: bool = True


@dataclass(frozen=True, slots=True)
class AccountPull:
    """One account's run. `changed`: ICCIDs whose state is queried, None for all."""

    ctx: Context
    account: str
    changed: set[str] | None
    batch: ResilientBatch
    report: PullReport
    running: set[str] = field(default_factory=set)
    """ICCIDs whose usage has grown, which proves their state: it need not be queried."""

    @property
    def client(self) -> CarrierClient:
        """The account's carrier client."""
        return self.ctx.clients[self.account]

    @property
    def carrier(self) -> Carrier:
        """The account's carrier."""
        return self.ctx.accounts[self.account].carrier

    def today(self) -> date:
        """The current day in the account's zone."""
        return local(self.ctx.now(), self.ctx.zone(self.account)).date()

    def settled(self, page: Page) -> int:
        """How many SIMs were queried. Raises `PartlyHandled` with those whose answers cannot be read."""
        errors = {r.id: self.batch.unreadable[r.sim.iccid] for r in page if r.sim.iccid in self.batch.unreadable}
        if errors:
            raise PartlyHandled(errors, len(page) - len(errors))
        return len(page)

    async def is_paused(self) -> bool:
        """Whether the account is paused, perhaps since the run began."""
        async with self.ctx.pool.acquire() as connection:
            return await pulls.is_paused(connection, self.account)


async def pull_page(pull: AccountPull, sim_ids: Sequence[int]) -> None:
    """Query one page; a SIM that cannot be handled is set aside. Raises: carrier errors about the account."""
    await handle_isolated(pull.ctx, Task.USAGE_PULL, sim_ids, partial(pull_sims, pull), most=MOST_SET_ASIDE)
    pull.report.sims += len(sim_ids)


async def pull_sims(pull: AccountPull, sim_ids: Sequence[int]) -> int:
    """Query usage of SIMs that may have used, day figures where a call covers many SIMs, changed states.

    Raises: carrier errors about the account; `PartlyHandled` with the SIMs whose answers cannot be read.
    """
    async with pull.ctx.work() as work:
        page = list((await work.sims.by_ids(sim_ids)).values())
    today = pull.today()
    cycle = cycle_on(pull.carrier, today)
    using = [record for record in page if may_have_used(record.sim, current_carrier_state(record), pull.ctx.now())]
    await pull.batch.run(using, partial(pull_usage, pull, cycle))
    # On a cycle's first day, yesterday belongs to the closed cycle: its day figure may stand beside the cycle's figure
    # only once that is complete, or the hours in both would count twice. `final_figures` queries it then.
    if pull.client.protocol in DAILY_FIGURES_IN_BATCHES and today > cycle.start:
        await pull.batch.run(using, partial(pull_day, pull, today - ONE_DAY))
    wanted = {record.sim.iccid for record in page} - pull.running if pull.changed is None else pull.changed
    await pull.batch.run([record for record in page if record.sim.iccid in wanted], partial(pull_snapshots, pull))
    return pull.settled(page)


def current_carrier_state(record: SimRecord) -> SimState | None:
    """The state of the last snapshot; None where it is older than our last change at the carrier."""
    changed, seen = record.carrier_changed_at, record.carrier_as_of
    return None if seen is None or (changed is not None and seen < changed) else record.carrier_state


async def pull_usage(pull: AccountPull, cycle: Cycle, part: Page) -> None:
    """Query and store the usage of these SIMs in a cycle."""
    failures: Failures = {}
    figures = await pull.client.usage(sim_refs(part), cycle, failures=failures)
    pull.batch.skip(failures)
    pull.running.update(await _running(pull, part, figures, cycle))
    pull.report.figures += await apply_cycle_figures(pull.ctx, pull.account, figures, cycle)


async def pull_day(pull: AccountPull, day: date, part: Page) -> None:
    """Query and store the usage of these SIMs on one day."""
    failures: Failures = {}
    figures = await pull.client.usage_days(sim_refs(part), day, day, failures=failures)
    pull.batch.skip(failures)
    pull.report.figures += await apply_day_figures(pull.ctx, pull.account, figures)


async def pull_snapshots(pull: AccountPull, part: Page) -> None:
    """Query and apply the state of these SIMs."""
    failures: Failures = {}
    snapshots = await pull.client.snapshot(sim_refs(part), failures=failures)
    pull.batch.skip(failures)
    pull.report.changed += await apply_snapshots(pull.ctx, snapshots)


async def _running(pull: AccountPull, page: Page, figures: Sequence[UsageFigure], cycle: Cycle) -> set[str]:
    """ICCIDs of SIMs that both sides hold for active and whose usage has grown since the stored figure."""
    agreed = [r for r in page if not r.sim.holds and r.carrier_state is SimState.ACTIVE is r.sim.underlying]
    async with pull.ctx.pool.acquire() as connection:
        known = await pulls.known_figures(connection, [record.id for record in agreed], cycle_number(cycle))
    used = {figure.iccid: figure.used for figure in figures}
    return {r.sim.iccid for r in agreed if r.id in known and used.get(r.sim.iccid, 0) > known[r.id]}


def sim_refs(page: Page) -> list[SimRef]:
    """The identities by which carriers know these SIMs."""
    return [SimRef(iccid=record.sim.iccid, msisdn=record.msisdn, imsi=record.imsi) for record in page]
