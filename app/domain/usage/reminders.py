"""Reminders: usage thresholds once a cycle, expiry thresholds once an end date, 0 for off (RM)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from app.domain.units import MB
from app.domain.vocabulary import SimState


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminders:
    """What a card's owner wants to be told: megabytes used in a cycle, days left; the defaults are FM's (RM-1)."""

    usage_mb: tuple[int, int] = (80, 100)
    expiry_days: tuple[int, int] = (30, 15)


def _shown(state: SimState) -> bool:
    """Cards in test show none (RM-1, FM 一.3.5.2)."""
    return state is not SimState.TESTING


def usage_due(wanted: Reminders, state: SimState, used: int, already_sent: Iterable[int] = ()) -> tuple[int, ...]:
    """The usage thresholds (MB) that use has reached and that did not fire in this cycle; reached is enough (QT-8)."""
    told = frozenset(already_sent)
    levels = sorted({level for level in wanted.usage_mb if level > 0} - told)
    return tuple(level for level in levels if _shown(state) and used >= level * MB)


def expiry_due(
    wanted: Reminders,
    state: SimState,
    expires_on: date | None,
    today: date,
    already_sent: Iterable[int] = (),
) -> tuple[int, ...]:
    """The expiry thresholds (days) due today and not yet fired for this end date (RM-1)."""
    if expires_on is None or not _shown(state):
        return ()
    left = (expires_on - today).days
    levels = sorted({level for level in wanted.expiry_days if level > 0} - frozenset(already_sent), reverse=True)
    return tuple(level for level in levels if left <= level)
