"""Mainland China's workdays: `chinesecalendar` behind our port, with overrides of our own.

The library knows each year once its notice is published (around November); later years are answered by weekday,
marked provisional (SL). A notice that the library lacks goes into `OVERRIDES`, with its number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType

import chinese_calendar

from app.domain.calendar.workdays import Workday

_SATURDAY = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A day that a notice names and the library does not: workday or not, under which name, by which notice."""

    workday: bool
    name: str
    source: str


OVERRIDES: Mapping[date, Override] = MappingProxyType({})
"""Days of notices newer than the library. Empty: every published year is in it (2004 to 2026)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChineseWorkdays:
    """The calendar of workdays; `overrides` take precedence over the library."""

    overrides: Mapping[date, Override] = field(default_factory=lambda: OVERRIDES)

    def day(self, day: date) -> Workday:
        """What kind of day it is; never raises."""
        override = self.overrides.get(day)
        if override is not None:
            return _workday(day, workday=override.workday, name=override.name, provisional=False)
        try:
            workday = chinese_calendar.is_workday(day)
            _, name = chinese_calendar.get_holiday_detail(day)
        except NotImplementedError:
            return _workday(day, workday=day.weekday() < _SATURDAY, name=None, provisional=True)
        return _workday(day, workday=workday, name=name, provisional=False)


def _workday(day: date, *, workday: bool, name: str | None, provisional: bool) -> Workday:
    desk_day = workday and day.weekday() < _SATURDAY
    return Workday(day=day, workday=workday, desk_day=desk_day, name=name, provisional=provisional)
