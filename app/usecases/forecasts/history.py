"""The history that a forecast rests on: whole days of this cycle and the two before, as gateways and carriers told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.db.connection import Connection
from app.db.usage.history import Subject, cycles_used, days_used
from app.domain.calendar.cycles import Cycle, cycle_at, cycle_number, preceding, start_instant
from app.domain.calendar.days import ONE_DAY, local, start_of_day
from app.domain.usage.forecast.days import between, fitted
from app.domain.usage.forecast.measures import THOUSAND
from app.domain.usage.forecast.outlook import History
from app.domain.vocabulary import Carrier


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Whose history is read: its carrier's cycles in its zone, from the first day that counts on (QT-9).

    `used`: bytes of the running cycle; `stopped_on`: since when it is stopped, whose days say nothing of its habit;
    `last_day`: the last on which it may use anything, None: no such day.
    """

    subject: Subject
    carrier: Carrier
    zone: ZoneInfo
    now: datetime
    used: int
    begins: date | None = None
    stopped_on: date | None = None
    last_day: date | None = None

    @property
    def cycle(self) -> Cycle:
        """The running cycle."""
        return cycle_at(self.carrier, self.now, self.zone)


async def read_history(connection: Connection, wanted: Wanted) -> History:
    """The days before the first one that is not known whole, so that each cycle's days add up to what it used."""
    running = wanted.cycle
    last = preceding(wanted.carrier, running)
    cycles = (preceding(wanted.carrier, last), last, running)
    kept = await cycles_used(connection, wanted.subject, [cycle_number(cycle) for cycle in cycles])
    opens = start_instant(cycles[0], wanted.zone)
    closes = start_of_day(local(wanted.now, wanted.zone).date() + ONE_DAY, wanted.zone)
    found = await days_used(connection, wanted.subject, opens, closes, str(wanted.zone))
    known_to = _known_to(kept, wanted.now)
    amounts = dict(found)
    for cycle in cycles:
        amounts |= _fitted(cycle, found, kept.get(cycle_number(cycle)), wanted, known_to)
    return _history(amounts, wanted, known_to)


def _known_to(kept: Mapping[int, Mapping[str, Any]], now: datetime) -> datetime:
    """Until when usage is known: until now where gateways report, else to the end of what the carrier's figures cover.

    A SIM without either is taken to have used nothing.
    """
    covered = [row["figures_to"] for row in kept.values() if row["figures_to"] is not None]
    reports = any(row["reported_at"] is not None for row in kept.values())
    return now if reports or not covered else min(now, max(covered))


def _fitted(
    cycle: Cycle, found: Mapping[date, int], row: Mapping[str, Any] | None, wanted: Wanted, known_to: datetime
) -> dict[date, int]:
    """The days of one cycle that are known, the begun one included, as they add up to its figure."""
    first = max(cycle.start, wanted.begins or cycle.start)
    last = min(cycle.last_day, local(known_to - timedelta.resolution, wanted.zone).date())
    used = wanted.used if cycle == wanted.cycle else row["used"] if row is not None else 0
    days = fitted(between(found, first, last), used)
    return {first + timedelta(days=number): amount for number, amount in enumerate(days)}


def _history(amounts: Mapping[date, int], wanted: Wanted, known_to: datetime) -> History:
    cycle, today = wanted.cycle, local(known_to, wanted.zone).date()
    last = today - ONE_DAY
    if wanted.stopped_on is not None:
        last = min(last, wanted.stopped_on - ONE_DAY)
    first = min((day for day, amount in amounts.items() if amount), default=today)
    day = max(today, cycle.start)
    return History(
        days=between(amounts, first, last),
        last=last,
        day=day,
        ahead=_ahead(known_to, day, wanted.zone) if day == today else THOUSAND,
        used=wanted.used,
        so_far=between(amounts, cycle.start, day),
        start=cycle.start,
        end=min(cycle.last_day, wanted.last_day or cycle.last_day) + ONE_DAY,
    )


def _ahead(instant: datetime, day: date, zone: ZoneInfo) -> int:
    """Thousandths of a day that lie after an instant of it."""
    begins, ends = start_of_day(day, zone), start_of_day(day + ONE_DAY, zone)
    return THOUSAND * (ends.astimezone(instant.tzinfo) - instant) // (ends - begins.astimezone(ends.tzinfo))
