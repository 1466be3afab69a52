"""Carrier figures (US-2, US-3, US-5): they replace, never add; an older one changes nothing; limits are re-evaluated.

The path of a figure: `UsageFigure` of the carrier, `CarrierUsageBatch`, `usage_cycles` and `usage_days`, the recount
(`app.db.usage.figures`), `usage_view`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

import asyncpg

from app.carriers.base import DayUsage, UsageFigure
from app.db.commerce.overruns import queue_changed
from app.db.connection import Connection
from app.db.disputes import gaps
from app.db.mapping import SimRecord
from app.db.uow import UnitOfWork
from app.db.usage import counters as rows
from app.db.usage import figures as stored
from app.db.usage import limit_checks
from app.domain.calendar.cycles import Cycle, cycle_at, cycle_number, cycle_on, end_instant, start_instant
from app.domain.calendar.days import ONE_DAY, start_of_day
from app.domain.usage.figures import CarrierFigure, latest_figure
from app.usecases.context import Context
from app.usecases.usage.adjustments import adjusted, changed_pairs

CHUNK = 1_000
"""SIMs whose figures are applied in one transaction."""

CORRECTION = "correction"
"""The cause of figures that a person submitted (US-3)."""

T = TypeVar("T")

Subject = tuple[int, int | date]
"""What a figure is of: a SIM's cycle (row id, yyyymm) or its day (row id, date)."""


@dataclass(slots=True)
class CarrierUsageBatch:
    """The carrier figures of one transaction, in bytes, with the cycles they belong to.

    Of two figures for one cycle or day the one with the later `as_of` stands, of equal ones the last (US-5).
    """

    cycles: dict[Subject, rows.CycleFigureRow] = field(default_factory=dict)
    days: dict[Subject, rows.DayFigureRow] = field(default_factory=dict)
    spans: dict[tuple[int, int], stored.CycleSpan] = field(default_factory=dict)
    cycle_of: dict[Subject, tuple[int, int]] = field(default_factory=dict)

    def add_cycle(self, record: SimRecord, cycle: Cycle, used: int, as_of: datetime, zone: ZoneInfo) -> None:
        """Bytes used in a cycle up to `as_of`, at most up to its end."""
        subject: Subject = (record.id, cycle_number(cycle))
        figure, earlier = CarrierFigure(used=used, as_of=min(as_of, end_instant(cycle, zone))), self.cycles.get(subject)
        if latest_figure(earlier.figure if earlier else None, figure) is figure:
            self.cycles[subject] = rows.CycleFigureRow(sim_id=record.id, cycle=cycle_number(cycle), figure=figure)
            self._span(subject, record.id, cycle, zone)

    def add_day(self, record: SimRecord, day: date, used: int, as_of: datetime, zone: ZoneInfo) -> None:
        """Bytes used on a day up to `as_of`, at most up to its end; passed over where `as_of` is before its start."""
        subject, starts = (record.id, day), start_of_day(day, zone)
        figure = CarrierFigure(used=used, as_of=min(as_of, start_of_day(day + ONE_DAY, zone)))
        earlier = self.days.get(subject)
        if figure.as_of > starts and latest_figure(earlier.figure if earlier else None, figure) is figure:
            cycle = cycle_on(record.sim.carrier, day)
            self.days[subject] = rows.DayFigureRow(
                sim_id=record.id, day=day, cycle=cycle_number(cycle), starts_at=starts, figure=figure
            )
            self._span(subject, record.id, cycle, zone)

    def _span(self, subject: Subject, sim_id: int, cycle: Cycle, zone: ZoneInfo) -> None:
        number = cycle_number(cycle)
        self.cycle_of[subject] = (sim_id, number)
        self.spans[sim_id, number] = stored.CycleSpan(
            sim_id=sim_id, cycle=number, opens=start_instant(cycle, zone), closes=end_instant(cycle, zone)
        )


async def apply_carrier_usage(ctx: Context, work: UnitOfWork, batch: CarrierUsageBatch, *, cause: str) -> set[Subject]:
    """Store the figures newer than those held and recount their cycles; gives the cycles and days that changed.

    Queues the limits of the SIMs whose running cycle changed. A closed cycle emits `usage.adjusted` (US-5) with
    `cause`. Locks the counters by SIM and cycle, as ingest does.
    """
    if not batch.spans:
        return set()
    connection, now = await work.driver(), ctx.now()
    # No SIM rows are locked: figures change counters alone, and the limits are evaluated later, from the queue.
    counters = sorted(batch.spans)
    await rows.ensure_counters(connection, counters)
    before = await stored.lock_usage(connection, counters)
    former = await gaps.standing_figures(connection, _subjects(batch)) if cause == CORRECTION else {}
    changed: set[Subject] = set()
    if batch.cycles:
        changed |= await rows.upsert_cycle_figures(connection, list(batch.cycles.values()), now)
    if batch.days:
        changed |= await rows.upsert_day_figures(connection, list(batch.days.values()), now)
    to_recount = sorted({batch.cycle_of[subject] for subject in changed})
    await stored.recount(connection, [batch.spans[counter] for counter in to_recount])
    if cause == CORRECTION:
        await gaps.add_corrections(connection, _corrections(batch, changed, former), now)
    await gaps.measure(connection, [batch.spans[counter] for counter in to_recount], ctx.gap_band)
    after = await stored.lock_usage(connection, to_recount)
    closed = {counter: row for counter, row in after.items() if batch.spans[counter].closes <= now}
    await work.events.add(adjusted(before, closed, now, cause=cause))
    await queue_changed(connection, changed_pairs(before, closed))
    await _queue(connection, before, {counter: row for counter, row in after.items() if counter not in closed})
    return changed


def _subjects(batch: CarrierUsageBatch) -> list[gaps.Corrected]:
    return [_corrected(batch, subject) for subject in (*batch.cycles, *batch.days)]


def _corrected(batch: CarrierUsageBatch, subject: Subject) -> gaps.Corrected:
    return (*batch.cycle_of[subject], subject[1] if isinstance(subject[1], date) else None)


def _corrections(
    batch: CarrierUsageBatch, changed: set[Subject], former: Mapping[gaps.Corrected, int | None]
) -> list[gaps.CorrectionRow]:
    """The figures that a person's correction has put in force, with those they replaced."""
    figures = {subject: row.figure for subject, row in batch.cycles.items()}
    figures |= {subject: row.figure for subject, row in batch.days.items()}
    return [
        gaps.CorrectionRow(of=of, used=figures[subject].used, as_of=figures[subject].as_of, former=former.get(of))
        for subject, of in ((subject, _corrected(batch, subject)) for subject in changed)
    ]


async def _queue(
    connection: Connection,
    before: Mapping[tuple[int, int], asyncpg.Record],
    after: Mapping[tuple[int, int], asyncpg.Record],
) -> None:
    """Queue the SIMs that reached `next_check_bytes` or whose used fell, and the pools of all whose used changed."""
    moved = [(before[pair], row) for pair, row in after.items() if row["used"] != before[pair]["used"]]
    due = [
        row["sim_id"]
        for was, row in moved
        if row["used"] < was["used"] or (row["next_check_bytes"] is not None and row["used"] >= row["next_check_bytes"])
    ]
    await limit_checks.queue_checks(
        connection, due, [row["pool_ref"] for _, row in moved if row["pool_ref"] is not None]
    )


async def apply_cycle_figures(ctx: Context, account: str, figures: Sequence[UsageFigure], cycle: Cycle) -> int:
    """Apply an account's figures of one cycle; gives how many SIMs changed. SIMs of no such account are passed over."""
    zone, changed = ctx.zone(account), 0
    for chunk in chunks(figures, CHUNK):
        async with ctx.work() as work:
            records = await work.sims.by_iccids([figure.iccid for figure in chunk])
            batch = CarrierUsageBatch()
            for figure in chunk:
                record = records.get(figure.iccid)
                if record is not None and record.account == account:
                    batch.add_cycle(record, cycle, figure.used, figure.as_of, zone)
            changed += _sims_of(await apply_carrier_usage(ctx, work, batch, cause="carrier_figure"))
            await work.commit()
    return changed


async def apply_day_figures(ctx: Context, account: str, figures: Sequence[DayUsage]) -> int:
    """Apply an account's figures of days; gives how many SIMs changed. SIMs of no such account are passed over."""
    zone, changed = ctx.zone(account), 0
    for chunk in chunks(figures, CHUNK):
        async with ctx.work() as work:
            records = await work.sims.by_iccids(sorted({figure.iccid for figure in chunk}))
            batch = CarrierUsageBatch()
            for figure in chunk:
                record = records.get(figure.iccid)
                if record is not None and record.account == account:
                    batch.add_day(record, figure.day, figure.used, figure.as_of, zone)
            changed += _sims_of(await apply_carrier_usage(ctx, work, batch, cause="carrier_figure"))
            await work.commit()
    return changed


def _sims_of(changed: Iterable[Subject]) -> int:
    return len({sim_id for sim_id, _ in changed})


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in runs of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def running(ctx: Context, record: SimRecord) -> Cycle:
    """The cycle a SIM is in, by the zone of its account."""
    return cycle_at(record.sim.carrier, ctx.now(), ctx.zone(record.account))
