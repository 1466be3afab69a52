"""Figures of carriers (US-2, US-3, US-5): they replace, never add; an older one changes nothing; limits look again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

import asyncpg

from app.carriers.base import DayUsage, UsageFigure
from app.db.connection import Connection
from app.db.mapping import SimRecord
from app.db.uow import UnitOfWork
from app.db.usage import counters as rows
from app.db.usage import figures as held
from app.domain.calendar.cycles import Cycle, cycle_at, cycle_number, cycle_on, end_instant, start_instant
from app.domain.calendar.days import ONE_DAY, start_of_day
from app.usecases.context import Context
from app.usecases.usage.adjustments import adjusted

CHUNK = 1_000
T = TypeVar("T")


Subject = tuple[int, int | date]
"""What a figure is of: a card's cycle (`yyyymm`) or its day."""


@dataclass(slots=True)
class CarrierUsageBatch:
    """What carriers said in one transaction: figures of cycles and days, the cards and cycles they bear on.

    Of two for one cycle or day the later `as_of` stands, of equal ones the last said.
    """

    cycles: dict[tuple[int, int], rows.CycleFigure] = field(default_factory=dict)
    days: dict[tuple[int, date], rows.DayFigure] = field(default_factory=dict)
    spans: dict[tuple[int, int], held.CycleSpan] = field(default_factory=dict)
    cycle_of: dict[Subject, tuple[int, int]] = field(default_factory=dict)

    def add_cycle(self, record: SimRecord, cycle: Cycle, used: int, as_of: datetime, zone: ZoneInfo) -> None:
        """Bytes used in a cycle; an `as_of` past its end is its end."""
        subject, ends = (record.id, cycle_number(cycle)), min(as_of, end_instant(cycle, zone))
        earlier = self.cycles.get(subject)
        if earlier is None or earlier.as_of <= ends:
            self.cycles[subject] = rows.CycleFigure(sim_id=record.id, cycle=subject[1], bytes=used, as_of=ends)
            self._span(subject, record.id, cycle, zone)

    def add_day(self, record: SimRecord, day: date, used: int, as_of: datetime, zone: ZoneInfo) -> None:
        """Bytes used on a day; an `as_of` past its end is its end, one before its start says nothing."""
        subject, starts = (record.id, day), start_of_day(day, zone)
        ends = min(as_of, start_of_day(day + ONE_DAY, zone))
        earlier = self.days.get(subject)
        if ends > starts and (earlier is None or earlier.as_of <= ends):
            self.days[subject] = rows.DayFigure(sim_id=record.id, day=day, bytes=used, starts_at=starts, as_of=ends)
            self._span(subject, record.id, cycle_on(record.sim.carrier, day), zone)

    def _span(self, subject: Subject, sim_id: int, cycle: Cycle, zone: ZoneInfo) -> None:
        number = cycle_number(cycle)
        self.cycle_of[subject] = (sim_id, number)
        self.spans[sim_id, number] = held.CycleSpan(
            sim_id=sim_id, cycle=number, opens=start_instant(cycle, zone), closes=end_instant(cycle, zone)
        )


async def apply_carrier_usage(ctx: Context, work: UnitOfWork, told: CarrierUsageBatch, *, cause: str) -> set[Subject]:
    """Keep what is newer than what is held and work the counters out anew; gives the cycles and days that changed.

    The cards' cycles whose used moved are queued for the limits; closed ones send `usage.adjusted` (US-5).
    """
    if not told.spans:
        return set()
    connection, now = await work.driver(), ctx.now()
    pairs = sorted(told.spans)
    await rows.ensure_counters(connection, pairs)
    before = await held.lock_usage(connection, pairs)
    changed: set[Subject] = set()
    if told.cycles:
        changed |= await rows.upsert_cycle_figures(connection, list(told.cycles.values()))
    if told.days:
        changed |= await rows.upsert_day_figures(connection, list(told.days.values()))
    moved = sorted({told.cycle_of[subject] for subject in changed})
    await held.recount(connection, [told.spans[pair] for pair in moved])
    after = await held.lock_usage(connection, moved)
    closed = {pair: row for pair, row in after.items() if told.spans[pair].closes <= now}
    await work.events.add(adjusted(before, closed, now, cause=cause))
    await _queue(connection, before, {pair: row for pair, row in after.items() if pair not in closed})
    return changed


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
    await rows.queue_checks(connection, due, [row["pool_ref"] for _, row in moved if row["pool_ref"] is not None])


async def apply_cycle_figures(ctx: Context, account: str, told: Sequence[UsageFigure], cycle: Cycle) -> int:
    """An account's figures of one cycle; gives how many cards' changed. Cards it does not have are passed over."""
    zone, changed = ctx.zone(account), 0
    for chunk in chunks(told, CHUNK):
        async with ctx.work() as work:
            cards = await work.sims.by_iccids([figure.iccid for figure in chunk])
            news = CarrierUsageBatch()
            for figure in chunk:
                record = cards.get(figure.iccid)
                if record is not None and record.account == account:
                    news.add_cycle(record, cycle, figure.used, figure.as_of, zone)
            changed += _cards(await apply_carrier_usage(ctx, work, news, cause="carrier_figure"))
            await work.commit()
    return changed


async def apply_day_figures(ctx: Context, account: str, told: Sequence[DayUsage]) -> int:
    """An account's figures of days; gives how many cards' figures changed."""
    zone, changed = ctx.zone(account), 0
    for chunk in chunks(told, CHUNK):
        async with ctx.work() as work:
            cards = await work.sims.by_iccids(sorted({figure.iccid for figure in chunk}))
            news = CarrierUsageBatch()
            for figure in chunk:
                record = cards.get(figure.iccid)
                if record is not None and record.account == account:
                    news.add_day(record, figure.day, figure.used, figure.as_of, zone)
            changed += _cards(await apply_carrier_usage(ctx, work, news, cause="carrier_figure"))
            await work.commit()
    return changed


def _cards(changed: Iterable[Subject]) -> int:
    return len({sim_id for sim_id, _ in changed})


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in runs of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def running(ctx: Context, record: SimRecord) -> Cycle:
    """The cycle a card is in."""
    return cycle_at(record.sim.carrier, ctx.now(), ctx.zone(record.account))
