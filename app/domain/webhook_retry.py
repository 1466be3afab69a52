"""Retry schedule of webhook deliveries (`docs/api.md`, Events and webhooks)."""

from __future__ import annotations

from datetime import timedelta

RETRY_PERIOD = timedelta(days=3)
"""How long a delivery is retried, counted from the instant it was first due."""

OLD_SECRET_LIFETIME = timedelta(hours=24)
"""How long the previous secret also signs after a rotation, so that the receiver can switch in its own time."""

FIRST_WAIT = timedelta(seconds=5)
MAX_WAIT = timedelta(hours=6)


def retry_wait(attempts: int, jitter: int) -> timedelta:
    """The wait after `attempts` failed attempts (≥ 1): 5 s, tripled each time, at most 6 hours.

    `jitter`, 0 to 1000, scales it between 3/4 and 5/4, so that deliveries that failed together do not return together.
    """
    growth: int = 3 ** min(max(attempts, 1) - 1, 12)
    wait = min(FIRST_WAIT * growth, MAX_WAIT)
    return wait * (1500 + jitter) // 2000
