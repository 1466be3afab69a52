"""Billing cycles (账期): the calendar month, at `cucc` the 27th to the 26th (BC-1, BC-2, BC-4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from types import MappingProxyType

from app.domain.calendar.days import ONE_DAY, add_to_month, local, start_of_day
from app.domain.errors import Malformed
from app.domain.vocabulary import Carrier

ANCHOR_DAY: Mapping[Carrier, int] = MappingProxyType(
    {Carrier.CMCC: 1, Carrier.CTCC: 1, Carrier.OVERSEAS: 1, Carrier.CUCC: 27},
)
"""The day of the month on which a cycle opens; from the 2nd on, that of the month before its name (GSL 2.1-2.3)."""

_NAME = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """One billing cycle, named by a month; `[start, end)` are days in the carrier's zone."""

    id: str
    start: date
    end: date

    @property
    def last_day(self) -> date:
        """The last day that belongs to the cycle."""
        return self.end - ONE_DAY


def _of_month(carrier: Carrier, month: date) -> Cycle:
    """The cycle named after the month whose first day is given (BC-1, BC-2)."""
    anchor = ANCHOR_DAY[carrier]
    opens = month if anchor == 1 else add_to_month(month, -1)
    closes = add_to_month(opens, 1)
    return Cycle(
        id=f"{month.year:04d}-{month.month:02d}", start=opens.replace(day=anchor), end=closes.replace(day=anchor)
    )


def cycle_on(carrier: Carrier, day: date) -> Cycle:
    """The cycle that a day in the carrier's zone belongs to."""
    anchor = ANCHOR_DAY[carrier]
    ahead = 1 if anchor > 1 and day.day >= anchor else 0
    return _of_month(carrier, add_to_month(day, ahead))


def cycle_at(carrier: Carrier, instant: datetime, zone: tzinfo) -> Cycle:
    """The cycle that an instant belongs to; cycles turn over at 00:00 in the carrier's zone (BC-4)."""
    return cycle_on(carrier, local(instant, zone).date())


def cycle_named(carrier: Carrier, name: str) -> Cycle:
    """The cycle of that name, `YYYY-MM`. Raises `Malformed`."""
    found = _NAME.fullmatch(name)
    if found is None or int(found[1]) <= date.min.year:
        raise Malformed("CYCLE_MALFORMED", "a cycle is named YYYY-MM")
    return _of_month(carrier, date(int(found[1]), int(found[2]), 1))


def cycle_number(cycle: Cycle) -> int:
    """The cycle as an integer yyyymm, as the tables key it: `2026-11` is 202611."""
    return int(cycle.id[:4]) * 100 + int(cycle.id[5:])


def following(carrier: Carrier, cycle: Cycle) -> Cycle:
    """The cycle that opens when this one ends."""
    return cycle_on(carrier, cycle.end)


def preceding(carrier: Carrier, cycle: Cycle) -> Cycle:
    """The cycle that ended when this one opened."""
    return cycle_on(carrier, cycle.start - ONE_DAY)


def start_instant(cycle: Cycle, zone: tzinfo) -> datetime:
    """The instant at which the cycle opens (BC-4)."""
    return start_of_day(cycle.start, zone)


def end_instant(cycle: Cycle, zone: tzinfo) -> datetime:
    """The instant at which the cycle is over, the first that no longer belongs to it."""
    return start_of_day(cycle.end, zone)
