"""Which cycle and day an instant lies in, by table: built once a day per calendar, then one bisection per report.

A calendar is a carrier's cycles (BC-1, BC-2) in an account's zone. The table reaches from the first of the six cycles
that are kept (US-1) to the end of tomorrow.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from app.domain.calendar.cycles import Cycle, cycle_at, cycle_number, cycle_on, preceding, start_instant
from app.domain.calendar.days import ONE_DAY, local, start_of_day
from app.domain.vocabulary import Carrier

CYCLES_KEPT = 6
"""The running cycle and the five before it: what stays readable, and what a report may still fall into (US-1)."""

CALENDAR_BITS = 8
CALENDAR_MASK = (1 << CALENDAR_BITS) - 1
"""A card as ingest remembers it is its row id shifted by `CALENDAR_BITS`, plus the number of its calendar."""

DAY_BITS = 5
CYCLE_BITS = 20
KEY_BITS = DAY_BITS + CYCLE_BITS + 1
NO_DAY = -1 << DAY_BITS
"""Leaves the day out of a key."""

CLOSED = 1 << (DAY_BITS + CYCLE_BITS)
"""The bit of a key that tells a closed cycle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTable:
    """`starts`: epoch seconds at which each day starts; `keys[n]`: cycle and day of an instant with n starts behind it.

    A key is the cycle's number (yyyymm) shifted by `DAY_BITS`, plus the day's place in the cycle, from 1, plus `CLOSED`
    where the cycle is over; `keys[0]` is 0, too old.
    """

    starts: list[float]
    keys: list[int]

    def key(self, second: float) -> int:
        """The key of an instant in epoch seconds, 0 where it is too old."""
        return self.keys[bisect_right(self.starts, second)]


def parts(key: int) -> tuple[int, int]:
    """The cycle's number and the day's place in it."""
    return key >> DAY_BITS & ((1 << CYCLE_BITS) - 1), key & ((1 << DAY_BITS) - 1)


def oldest_cycle(carrier: Carrier, now: datetime, zone: tzinfo) -> Cycle:
    """The first of the cycles that are kept."""
    cycle = cycle_at(carrier, now, zone)
    for _ in range(CYCLES_KEPT - 1):
        cycle = preceding(carrier, cycle)
    return cycle


def day_table(carrier: Carrier, zone: tzinfo, now: datetime) -> DayTable:
    """The table of a calendar as it holds on the day of `now`."""
    starts: list[float] = []
    keys = [0]
    day = oldest_cycle(carrier, now, zone).start
    current = cycle_at(carrier, now, zone)
    last = local(now, zone).date() + timedelta(days=1)
    while day <= last:
        cycle = cycle_on(carrier, day)
        starts.append(start_of_day(day, zone).timestamp())
        closed = CLOSED if cycle.start < current.start else 0
        keys.append(closed + (cycle_number(cycle) << DAY_BITS) + (day - cycle.start).days + 1)
        day += ONE_DAY
    return DayTable(starts=starts, keys=keys)


def oldest_instant(carrier: Carrier, zone: tzinfo, now: datetime) -> datetime:
    """The first instant that a report may still be for."""
    return start_instant(oldest_cycle(carrier, now, zone), zone)
