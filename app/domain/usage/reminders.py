"""Reminders: usage thresholds fire once a cycle, expiry thresholds once an end date; 0 is off (RM)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from app.domain.units import MB
from app.domain.vocabulary import SimState


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminders:
    """The thresholds of a SIM: megabytes used in a cycle, days left before expiry; the defaults are FM's (RM-1)."""

    usage_mb: tuple[int, int] = (80, 100)
    expiry_days: tuple[int, int] = (30, 15)


def _reminded(state: SimState) -> bool:
    """SIMs in test have no reminders (RM-1, FM 一.3.5.2)."""
    return state is not SimState.TESTING


def usage_due(wanted: Reminders, state: SimState, used: int, already_sent: Iterable[int] = ()) -> tuple[int, ...]:
    """The usage thresholds (MB) that `used` bytes reach and that have not fired in this cycle (RM-1, QT-8)."""
    levels = sorted({level for level in wanted.usage_mb if level > 0} - frozenset(already_sent))
    return tuple(level for level in levels if _reminded(state) and used >= level * MB)


def expiry_due(
    wanted: Reminders,
    state: SimState,
    expires_on: date | None,
    today: date,
    already_sent: Iterable[int] = (),
) -> tuple[int, ...]:
    """The expiry thresholds (days) that are due today and have not fired for this end date (RM-1)."""
    if expires_on is None or not _reminded(state):
        return ()
    left = (expires_on - today).days
    levels = sorted({level for level in wanted.expiry_days if level > 0} - frozenset(already_sent), reverse=True)
    return tuple(level for level in levels if left <= level)
