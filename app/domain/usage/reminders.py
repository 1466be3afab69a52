"""Reminders: usage thresholds fire once a cycle, expiry thresholds once an end date; 0 is off (RM)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from app.domain.units import MB
from app.domain.vocabulary import SimState


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminders:
    """The thresholds of a SIM: megabytes used in a cycle, days left before expiry; the defaults are FM's (RM-1)."""

    usage_mb: tuple[int, int] = (80, 100)
    expiry_days: tuple[int, int] = (30, 15)


NO_REMINDERS = Reminders(usage_mb=(0, 0), expiry_days=(0, 0))


def reminders_of(own: Mapping[str, Sequence[int]], defaults: Mapping[str, Sequence[int] | None]) -> Reminders:
    """The thresholds of a SIM: each kind its own, else its tenant's, else none (RM-1).

    Both by `usage_mb` (MB) and `expiry_days` (days), at most two of each; an empty list or 0 is off.
    """
    usage_mb, expiry_days = (
        own[name] if name in own else defaults.get(name) or () for name in ("usage_mb", "expiry_days")
    )
    return Reminders(usage_mb=_two(usage_mb), expiry_days=_two(expiry_days))


def _two(levels: Sequence[int]) -> tuple[int, int]:
    padded = (*levels, 0, 0)
    return padded[0], padded[1]


def _reminded(state: SimState) -> bool:
    """SIMs in test have no reminders (RM-1, FM 一.3.5.2)."""
    return state is not SimState.TESTING


def usage_due(wanted: Reminders, state: SimState, used: int, already_sent: Iterable[int] = ()) -> tuple[int, ...]:
    """The usage thresholds (MB) that `used` bytes reach and that this cycle's reminders have not told (RM-1, QT-8).

    A reminder of 100 MB has told that 80 MB were reached: a threshold set lower within the cycle does not fire again.
    """
    told = max(already_sent, default=0)
    levels = sorted({level for level in wanted.usage_mb if level > told})
    return tuple(level for level in levels if _reminded(state) and used >= level * MB)


def expiry_due(
    wanted: Reminders,
    state: SimState,
    expires_on: date | None,
    today: date,
    already_sent: Iterable[int] = (),
) -> tuple[int, ...]:
    """The expiry thresholds (days) that are due today and that this end date's reminders have not told (RM-1).

    A reminder of 15 days has told that fewer than 30 are left: a threshold set higher afterwards does not fire again.
    """
    if expires_on is None or not _reminded(state):
        return ()
    left, told = (expires_on - today).days, min(already_sent, default=None)
    levels = sorted(
        {level for level in wanted.expiry_days if level > 0 and (told is None or level < told)}, reverse=True
    )
    return tuple(level for level in levels if left <= level)
