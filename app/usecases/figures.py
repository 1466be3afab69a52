"""Figures of carriers (US-2, US-3, US-5): they replace, never add; an older one changes nothing; limits look again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

import asyncpg

from app.carriers.base import DayUsage, UsageFigure
from app.db import figures as held
from app.db import usage as rows
from app.db.ingest import Connection
from app.db.mapping import SimRecord
from app.db.sim_read import cycle_number
from app.db.unknown_reports import driver
from app.db.uow import UnitOfWork
from app.domain.cycles import Cycle, cycle_at, cycle_on, end_instant, start_instant
from app.domain.days import ONE_DAY, start_of_day
from app.usecases.adjustments import adjusted
from app.usecases.context import Context

CHUNK = 1_000
T = TypeVar("T")


@dataclass(slots=True)
class Told:
    """What carriers said in one transaction: figures of cycles and days, the cards and cycles they bear on."""

    cycles: list[rows.CycleFigure] = field(default_factory=list)
    days: list[rows.DayFigure] = field(default_factory=list)
    spans: dict[tuple[int, int], held.Span] = field(default_factory=dict)
    closed: set[tuple[int, int]] = field(default_factory=set)

    def add_cycle(self, record: SimRecord, cycle: Cycle, used: int, as_of: datetime, zone: ZoneInfo) -> None:
        """Bytes used in a cycle; an `as_of` past its end is its end."""
        number = cycle_number(cycle)
        ends = min(as_of, end_instant(cycle, zone))
        self.cycles.append(rows.CycleFigure(sim_id=record.id, cycle=number, bytes=used, as_of=ends))
        self._span(record.id, cycle, zone)

    def add_day(self, record: SimRecord, day: date, used: int, as_of: datetime, zone: ZoneInfo) -> None:
        """Bytes used on a day; an `as_of` past its end is its end, one before its start says nothing."""
        starts = start_of_day(day, zone)
        ends = min(as_of, start_of_day(day + ONE_DAY, zone))
        if ends > starts:
            self.days.append(rows.DayFigure(sim_id=record.id, day=day, bytes=used, starts_at=starts, as_of=ends))
            self._span(record.id, cycle_on(record.sim.carrier, day), zone)

    def _span(self, sim_id: int, cycle: Cycle, zone: ZoneInfo) -> None:
        number = cycle_number(cycle)
        self.spans[sim_id, number] = held.Span(
            sim_id=sim_id, cycle=number, opens=start_instant(cycle, zone), closes=end_instant(cycle, zone)
        )


async def take_figures(ctx: Context, work: UnitOfWork, told: Told, *, cause: str) -> set[int]:
    """Keep what is newer than what is held and work the counters out anew; gives the cards whose figures changed.

    The cards' cycles whose used moved are queued for the limits; closed ones send `usage.adjusted` (US-5).
    """
    if not told.spans:
        return set()
    connection, now = await driver(work), ctx.now()
    pairs = sorted(told.spans)
    await rows.begin_cycles(connection, pairs)
    before = await held.used_in(connection, pairs)
    changed = await rows.tell_cycles(connection, told.cycles) if told.cycles else set()
    changed |= await rows.tell_days(connection, told.days) if told.days else set()
    await held.recount(connection, [told.spans[pair] for pair in pairs if pair[0] in changed])
    after = await held.used_in(connection, [pair for pair in pairs if pair[0] in changed])
    closed = {pair: row for pair, row in after.items() if told.spans[pair].closes <= now}
    await work.events.add(adjusted(before, closed, now, cause=cause))
    await _queue(connection, before, {pair: row for pair, row in after.items() if pair not in closed})
    return changed


async def _queue(
    connection: Connection,
    before: Mapping[tuple[int, int], asyncpg.Record],
    after: Mapping[tuple[int, int], asyncpg.Record],
) -> None:
    """Have the limits look at cards that reached their watch or fell below what they had used, and at their pools."""
    moved = [(before[pair], row) for pair, row in after.items() if row["used"] != before[pair]["used"]]
    due = [
        row["sim_id"]
        for was, row in moved
        if row["used"] < was["used"] or (row["watch"] is not None and row["used"] >= row["watch"])
    ]
    await rows.queue_checks(connection, due, [row["pool_ref"] for _, row in moved if row["pool_ref"] is not None])


async def apply_figures(ctx: Context, account: str, told: Sequence[UsageFigure], cycle: Cycle) -> int:
    """An account's figures of one cycle; gives how many changed. Cards it does not have are passed over."""
    zone, changed = ctx.zone(account), 0
    for chunk in chunks(told, CHUNK):
        async with ctx.work() as work:
            cards = await work.sims.by_iccids([figure.iccid for figure in chunk])
            news = Told()
            for figure in chunk:
                record = cards.get(figure.iccid)
                if record is not None and record.account == account:
                    news.add_cycle(record, cycle, figure.used, figure.as_of, zone)
            changed += len(await take_figures(ctx, work, news, cause="carrier_figure"))
            await work.commit()
    return changed


async def apply_days(ctx: Context, account: str, told: Sequence[DayUsage]) -> int:
    """An account's figures of days; gives how many cards' figures changed."""
    zone, changed = ctx.zone(account), 0
    for chunk in chunks(told, CHUNK):
        async with ctx.work() as work:
            cards = await work.sims.by_iccids(sorted({figure.iccid for figure in chunk}))
            news = Told()
            for figure in chunk:
                record = cards.get(figure.iccid)
                if record is not None and record.account == account:
                    news.add_day(record, figure.day, figure.used, figure.as_of, zone)
            changed += len(await take_figures(ctx, work, news, cause="carrier_figure"))
            await work.commit()
    return changed


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in runs of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def running(ctx: Context, record: SimRecord) -> Cycle:
    """The cycle a card is in."""
    return cycle_at(record.sim.carrier, ctx.now(), ctx.zone(record.account))
