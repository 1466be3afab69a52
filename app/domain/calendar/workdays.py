"""The port to the calendar of workdays: mainland China's, with public holidays and make-up workdays (SL)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
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
    """Tells of any day whether people work on it; beyond the published years by weekday, provisional."""

    def day(self, day: date) -> Workday:
        """What kind of day it is; never raises."""
        ...
