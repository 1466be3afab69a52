"""Where a cycle ends (US-1, BC-4): bytes used by its end with a band, and the day on which an amount is used up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from math import isqrt

from app.domain.units import ceil_div
from app.domain.usage.forecast.habit import Habit, habit_of
from app.domain.usage.forecast.measures import THOUSAND, WEEK

BAND = 1_282
"""Thousandths of a standard deviation on either side: eight cycles of ten end between low and high."""

DRIFT, DRIFT_UNDER_WAY = 60, 250
"""Thousandths of what is still expected by which a habit changes within a cycle, as a standard deviation.

The second where it is changing: after a change of less than a week ago, in a decline or along a trend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What is known of a SIM's or a pool's usage, in bytes.

    `days`: whole days, oldest first, `last` being the date of the last one; `day`: the first one that is forecast, of
    which `ahead` thousandths still lie ahead. Between the two may lie days of which nothing is known, or on which it
    was stopped. `used`: of the running cycle, up to now, and `so_far` of each of its days. `start` and `end` are the
    cycle's, half-open.
    """

    days: tuple[int, ...]
    last: date
    day: date
    ahead: int
    used: int
    so_far: tuple[int, ...]
    start: date
    end: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Bytes used at the end of the cycle, eight times of ten between `low` and `high`; `daily`: those to come by day.

    `habit`: what they rest on.
    """

    low: int
    expected: int
    high: int
    daily: tuple[int, ...]
    habit: Habit


def outlook(history: History, *, running: bool = True) -> Outlook:
    """The end of the cycle as the days before suggest; `running` False: the SIM is stopped, nothing more is used."""
    habit = habit_of(history.days, history.last)
    count = max(0, (history.end - history.day).days) if running else 0
    after = (history.day - history.last).days
    daily = [habit.on(history.day + timedelta(days=number), number + after) for number in range(count)]
    if daily:
        daily[0] = daily[0] * history.ahead // THOUSAND
    rest, margin = sum(daily), _margin(habit, sum(daily), count)
    return Outlook(
        low=history.used + max(0, rest - margin),
        expected=history.used + rest,
        high=history.used + rest + margin,
        daily=tuple(daily),
        habit=habit,
    )


def _margin(habit: Habit, rest: int, days: int) -> int:
    """Bytes from the expected to either end of the band: chance of the days and of the level, drift of the habit.

    With less than a week of days, the spread of a day is taken to be its level at least.
    """
    spread = max(habit.spread, habit.level) if habit.days < WEEK else habit.spread
    drift = rest * (DRIFT_UNDER_WAY if habit.is_changing else DRIFT) // THOUSAND
    variance = days * spread**2 + ceil_div(days**2 * spread**2, max(1, habit.memory)) + drift**2
    return isqrt(variance) * BAND // THOUSAND


def day_reached(history: History, found: Outlook, amount: int) -> date | None:
    """The day on which the cycle's usage has reached or will reach so many bytes; None: not in this cycle."""
    if history.used >= amount:
        return _reached_before(history, amount)
    total = history.used
    for number, more in enumerate(found.daily):
        total += more
        if total >= amount:
            return history.day + timedelta(days=number)
    return None


def _reached_before(history: History, amount: int) -> date:
    """The day on which the cycle's days add up to so many bytes; the running one where they do not."""
    for number, total in enumerate(accumulate(history.so_far)):
        if total >= amount:
            return history.start + timedelta(days=number)
    return history.day
