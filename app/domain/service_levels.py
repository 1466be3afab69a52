"""By when a carrier is done (受理时限, SL): desk days, workdays, hours, counted in the carrier's zone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, tzinfo

from app.domain.days import ONE_DAY, local, month_end, plus_days, start_of_day
from app.domain.errors import Malformed
from app.domain.terms.book import terms_in_force
from app.domain.terms.model import (
    ClockLevel,
    DayLevel,
    DeskLevel,
    Level,
    LevelName,
    MonthLevel,
    Term,
    Terms,
    WorkdayLevel,
)
from app.domain.vocabulary import Carrier, OperationKind, Supplier
from app.domain.workday_port import WorkdayCalendar

DESK_CLOSES = time(14, 30)
"""Handed in at this time of day, to the second, still counts as that day (SL-1, SL-2)."""

RESET_PAUSE = timedelta(minutes=15)
"""A network reset resumes no sooner after its suspend (SL-5)."""

_FIRST_DAYS = 3
"""The first days of a month in which a carrier restores more slowly (SL-4, D)."""

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Because:
    """One step of the reasoning: a text key below `because.`, with the day it speaks of."""

    key: str
    day: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """By when it is done. `due_on`: the day by whose end (rules in days); `due_at`: the instant; None: not published."""

    earliest: datetime | None
    due_on: date | None
    due_at: datetime | None
    provisional: bool
    rule: str
    because: tuple[Because, ...]
    assumed: tuple[str, ...]


NOT_PUBLISHED = Due(
    earliest=None,
    due_on=None,
    due_at=None,
    provisional=False,
    rule="SL-7",
    because=(Because(key="not_published"),),
    assumed=(),
)


@dataclass(slots=True)
class _Walk:
    """A walk over days, noting whether any of them was provisional or a make-up workday."""

    workdays: WorkdayCalendar
    provisional: bool = False
    make_up: date | None = None

    def desk_day(self, day: date) -> bool:
        """Whether the carrier's desk works (SL-1)."""
        found = self._look(day)
        return found.desk_day

    def workday(self, day: date) -> bool:
        """Whether it is a workday, make-up days among them (SL-8)."""
        return self._look(day).workday

    def _look(self, day: date):  # type: ignore[no-untyped-def]
        found = self.workdays.day(day)
        self.provisional = self.provisional or found.provisional
        if found.workday and not found.desk_day:
            self.make_up = self.make_up or day
        return found


def _on_or_after(day: date, fits: Callable[[date], bool]) -> date:
    """The first fitting day from `day` on."""
    while not fits(day):
        day = plus_days(day, 1)
    return day


def _nth_after(day: date, count: int, fits: Callable[[date], bool]) -> date:
    """The `count`th fitting day after `day`."""
    for _ in range(count):
        day = _on_or_after(plus_days(day, 1), fits)
    return day
