"""Mainland China's workdays: `chinesecalendar` behind the domain's port, and a table of ours that precedes it.

The library has each year once its notice is published (around November). Later years are answered by weekday and the
statutory holidays of the law, marked provisional; so is the end of December of the last published year, which the next
notice may still move (SL). A notice that the library lacks goes into `OVERRIDES`, with its number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from types import MappingProxyType

import chinese_calendar

from app.domain.calendar.holidays import statutory_holiday
from app.domain.calendar.workdays import Workday

_SATURDAY = 5

LAST_PUBLISHED: int = max(day.year for day in chinese_calendar.constants.holidays)
"""The last year whose notice the library has."""

_MOVABLE_FROM = (12, 26)
"""Month and day from which the next year's notice may still move workdays; so far notices went back to the 29th (D)."""


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
    """The calendar of workdays; `overrides` go before the library."""

    overrides: Mapping[date, Override] = field(default_factory=lambda: OVERRIDES)

    def day(self, day: date) -> Workday:
        """The kind of a day; never raises."""
        if not self.overrides:
            return _by_library(day, LAST_PUBLISHED)
        named = self.overrides.get(day)
        if named is not None:
            return _workday(day, workday=named.workday, name=named.name, provisional=False)
        return _by_library(day, self._last_published())

    def _last_published(self) -> int:
        """The last year whose notice the library or `overrides` have."""
        return max((LAST_PUBLISHED, *(day.year for day in self.overrides)))


@lru_cache(maxsize=4096)
def _by_library(day: date, last_published: int) -> Workday:
    """A day as the library has it, kept: plans and explanations ask for the same days over and over."""
    try:
        workday = chinese_calendar.is_workday(day)
        _, name = chinese_calendar.get_holiday_detail(day)
    except NotImplementedError:
        return _unpublished(day)
    movable = last_published == day.year and (day.month, day.day) >= _MOVABLE_FROM
    return _workday(day, workday=workday, name=name, provisional=movable)


def _unpublished(day: date) -> Workday:
    """A day of a year without a notice: a weekday that is no statutory holiday is a workday."""
    name = statutory_holiday(day)
    return _workday(day, workday=name is None and day.weekday() < _SATURDAY, name=name, provisional=True)


def _workday(day: date, *, workday: bool, name: str | None, provisional: bool) -> Workday:
    desk_day = workday and day.weekday() < _SATURDAY
    return Workday(day=day, workday=workday, desk_day=desk_day, name=name, provisional=provisional)
