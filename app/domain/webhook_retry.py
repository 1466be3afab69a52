"""How long and how often others are told what happened (`docs/api.md`, Events and webhooks)."""

from __future__ import annotations

from datetime import timedelta

RETRY_PERIOD = timedelta(days=3)
"""A delivery is tried for so long, counted from when it was first due."""

OLD_SECRET_LIFETIME = timedelta(hours=24)
"""After a rotation both secrets sign for so long, so that a receiver may change over in its own time."""

FIRST_WAIT = timedelta(seconds=5)
MAX_WAIT = timedelta(hours=6)


def retry_wait(attempts: int, jitter: int) -> timedelta:
    """The wait after the given number of failed attempts (≥ 1): three times as long each time, at most six hours.

    `jitter`, 0 to 1000, moves it between three quarters and five quarters, so that what failed together does not
    come back together.
    """
    growth: int = 3 ** min(max(attempts, 1) - 1, 12)
    wait = min(FIRST_WAIT * growth, MAX_WAIT)
    return wait * (1500 + jitter) // 2000
