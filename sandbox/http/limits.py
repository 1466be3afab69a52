"""Calls a second, counted in the sandbox's clock."""

from __future__ import annotations

from collections import deque

from sandbox.time import SECOND


class RateLimiter:
    """Admits at most so many calls within any second (or `span_ms`); less than one a second, one in a longer span."""

    def __init__(self, span_ms: int = SECOND) -> None:
        self._span = span_ms
        self._admitted: deque[int] = deque()

    def allows(self, now: int, limit: float) -> bool:
        """Whether a call may go on now; one that may not is not counted."""
        span = self._span if limit >= 1 else int(self._span / max(limit, 0.001))
        while self._admitted and self._admitted[0] <= now - span:
            self._admitted.popleft()
        if len(self._admitted) >= max(1, int(limit)):
            return False
        self._admitted.append(now)
        return True
