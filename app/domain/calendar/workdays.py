"""The port to mainland China's workday calendar, with public holidays and make-up workdays (SL)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Workday:
    """One day: `desk_day` is a workday that is no Saturday or Sunday (SL-1); `provisional`: not yet published."""

    day: date
    workday: bool
    desk_day: bool
    name: str | None
    provisional: bool


class WorkdayCalendar(Protocol):
    """Gives for any day whether it is a workday; provisional beyond the published years."""

    def day(self, day: date) -> Workday:
        """The kind of a day; never raises."""
        ...


def nth_workday(workdays: WorkdayCalendar, after: date, count: int) -> date:
    """The `count`th workday after a day, make-up workdays included."""
    day = after
    while count:
        day += timedelta(days=1)
        count -= workdays.day(day).workday
    return day
