"""Billing cycles (账期): the calendar month, at `cucc` the 27th to the 26th (BC-1, BC-2, BC-4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from functools import lru_cache
from types import MappingProxyType

from app.domain.calendar.days import ONE_DAY, add_to_month, local, start_of_day
from app.domain.errors import Malformed
from app.domain.vocabulary import Carrier

ANCHOR_DAY: Mapping[Carrier, int] = MappingProxyType(
    {Carrier.CMCC: 1, Carrier.CTCC: 1, Carrier.OVERSEAS: 1, Carrier.CUCC: 27},
)
"""The day of the month on which a cycle opens; other than 1: in the month before the one it is named after (BC-2)."""

_NAME = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """One billing cycle; `id` is `YYYY-MM`, `[start, end)` are dates in the carrier's zone."""

    id: str
    start: date
    end: date

    @property
    def last_day(self) -> date:
        """The last day that belongs to the cycle."""
        return self.end - ONE_DAY


def _of_month(carrier: Carrier, month: date) -> Cycle:
    """The cycle named after the month that begins on `month` (BC-1, BC-2)."""
    anchor = ANCHOR_DAY[carrier]
    opens = month if anchor == 1 else add_to_month(month, -1)
    closes = add_to_month(opens, 1)
    return Cycle(
        id=f"{month.year:04d}-{month.month:02d}", start=opens.replace(day=anchor), end=closes.replace(day=anchor)
    )


@lru_cache(maxsize=1024)
def cycle_on(carrier: Carrier, day: date) -> Cycle:
    """The cycle of a date in the carrier's zone (BC-1, BC-2). Raises `Malformed` at the ends of the calendar."""
    anchor = ANCHOR_DAY[carrier]
    ahead = 1 if anchor > 1 and day.day >= anchor else 0
    return _of_month(carrier, add_to_month(day, ahead))


def cycle_at(carrier: Carrier, instant: datetime, zone: tzinfo) -> Cycle:
    """The cycle of an instant; cycles change at 00:00 in the carrier's zone (BC-4).

    Raises `Malformed` for an instant without offset, and as `cycle_on`.
    """
    return cycle_on(carrier, local(instant, zone).date())


def cycle_named(carrier: Carrier, name: str) -> Cycle:
    """The cycle named `YYYY-MM`. Raises `Malformed`."""
    found = _NAME.fullmatch(name)
    if found is None or int(found[1]) <= date.min.year:
        raise Malformed("CYCLE_MALFORMED", "a cycle is named YYYY-MM")
    return _of_month(carrier, date(int(found[1]), int(found[2]), 1))


def cycle_number(cycle: Cycle) -> int:
    """The cycle as an integer yyyymm, as the tables key it: `2026-11` is 202611."""
    return int(cycle.id[:4]) * 100 + int(cycle.id[5:])


def following(carrier: Carrier, cycle: Cycle) -> Cycle:
    """The next cycle. Raises `Malformed` as `cycle_on`."""
    return cycle_on(carrier, cycle.end)


def preceding(carrier: Carrier, cycle: Cycle) -> Cycle:
    """The previous cycle. Raises `Malformed` as `cycle_on`."""
    return cycle_on(carrier, cycle.start - ONE_DAY)


def start_instant(cycle: Cycle, zone: tzinfo) -> datetime:
    """The first instant of the cycle (BC-4)."""
    return start_of_day(cycle.start, zone)


def end_instant(cycle: Cycle, zone: tzinfo) -> datetime:
    """The instant at which the cycle ends: the first one after it (BC-4)."""
    return start_of_day(cycle.end, zone)


CYCLES_KEPT = 6
"""The running cycle and the five before it: what stays readable, and what a report may still fall into (US-1)."""


def oldest_cycle(carrier: Carrier, now: datetime, zone: tzinfo, kept: int = CYCLES_KEPT) -> Cycle:
    """The first of the cycles that are kept: so many, the running one included."""
    cycle = cycle_at(carrier, now, zone)
    for _ in range(kept - 1):
        cycle = preceding(carrier, cycle)
    return cycle
