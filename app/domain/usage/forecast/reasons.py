"""Why a forecast is what it is: the facts of its habit and its SIM that a person can check, in a fixed order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from types import MappingProxyType

from app.domain.usage.forecast.habit import Habit
from app.domain.usage.forecast.measures import THOUSAND


class Because(StrEnum):
    """What a forecast rests on; each has a text below `forecast.`"""

    NOT_ACTIVATED = "not_activated"
    STOPPED = "stopped"
    NO_HISTORY = "no_history"
    DAYS = "days"
    WEEKDAYS = "weekdays"
    NO_HABIT = "no_habit"
    CHANGED = "changed"
    DECLINE = "decline"
    TREND = "trend"
    SILENT = "silent"
    EXPIRES = "expires"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One thing that a forecast rests on, with the facts that its text names."""

    code: Because
    facts: Mapping[str, str | int] = field(default_factory=lambda: MappingProxyType({}))


def _reason(code: Because, **facts: str | int) -> Reason:
    return Reason(code=code, facts=MappingProxyType(facts))


def reasons_of(
    habit: Habit, *, activated: bool = True, running: bool = True, expires_on: date | None = None
) -> tuple[Reason, ...]:
    """What a forecast rests on; `expires_on`: the last valid day, where it ends before the cycle (LC-8)."""
    if not activated:
        return (_reason(Because.NOT_ACTIVATED),)
    ends = (_reason(Because.EXPIRES, on=expires_on.isoformat()),) if expires_on else ()
    stopped = () if running else (_reason(Because.STOPPED),)
    return (*stopped, *_of_habit(habit), *ends)


def _of_habit(habit: Habit) -> tuple[Reason, ...]:
    if not habit.days:
        return (_reason(Because.NO_HISTORY),)
    days = ", ".join(day.isoformat() for day in habit.lowered)
    told = (
        (True, _reason(Because.DAYS, days=habit.days, bytes=habit.level)),
        (habit.has_pattern, _reason(Because.WEEKDAYS)),
        (bool(days), _reason(Because.NO_HABIT, days=days)),
        (habit.memory < habit.days and habit.keeps == THOUSAND, _reason(Because.CHANGED, days=habit.memory)),
        (habit.keeps < THOUSAND, _reason(Because.DECLINE, percent=(THOUSAND - habit.keeps) // 10)),
        (habit.trend != 0, _reason(Because.TREND, bytes=habit.trend)),
        (habit.silent > 0, _reason(Because.SILENT, days=habit.silent)),
    )
    return tuple(reason for applies, reason in told if applies)
