"""Service levels as they are kept (SL-9): how long operations take, and the days by which they are late."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from app.domain.calendar.days import local

WINDOW = timedelta(days=90)
"""How far back operations are measured (SL-9, D)."""

ENOUGH = 20
"""The operations from which on a measured duration is told as an expectation (SL-9, D)."""

RECENT = 200
"""The last operations of the window that an expectation rests on (SL-9, D)."""

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """How long the last operations of a kind took: half of them at most `p50`, 95 % at most `p95`."""

    p50: timedelta
    p95: timedelta
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """When an operation ends if it takes as long as others lately: half of them by `typical_at`, 95 % by `slow_at`."""

    typical_at: datetime
    slow_at: datetime
    samples: int


def expected(started_at: datetime, measured: Duration | None) -> Expected | None:
    """What is expected of an operation begun at an instant; None where fewer than `ENOUGH` were measured (SL-9).

    It stands beside the rule's `due_at`, which it never replaces.
    """
    if measured is None or measured.samples < ENOUGH:
        return None
    return Expected(typical_at=started_at + measured.p50, slow_at=started_at + measured.p95, samples=measured.samples)


def is_late(due_at: datetime | None, until: datetime) -> bool:
    """Whether an operation that ended (or is still open) at an instant was late: done exactly when due, it is not."""
    return due_at is not None and until > due_at


def late_days(due_at: datetime, until: datetime, zone: tzinfo, first: date, end: date) -> int:
    """The days of `[first, end)` in a zone on which an operation was late: begun after due, not yet done (SL-9).

    `until`: when it ended, or now. What is done at a midnight was not late on the day that begins then.
    """
    if not is_late(due_at, until):
        return 0
    from_day = max(local(due_at, zone).date(), first)
    to_day = min(local(until - _INSTANT, zone).date(), end - timedelta(days=1))
    return max(0, (to_day - from_day).days + 1)
