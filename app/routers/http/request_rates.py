"""The limit of requests a second of a key, or of an account's callbacks, and what an answer tells of it.

Headers: `RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers.
Each process counts for itself: a limit times the number of API processes is the most that is answered.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Generic, TypeVar

Whose = TypeVar("Whose")

MAX_KEYS = 10_000
"""Whose requests are remembered; beyond that all begin anew."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of the limit `of` something: requests at once, and seconds until all of it is there again."""

    of: str
    limit: int
    remaining: int
    reset_s: float

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The limit and what is left of it."""
        told = f'"{self.of}";r={self.remaining};t={math.ceil(self.reset_s)}'
        return [(b"ratelimit-policy", f'"{self.of}";q={self.limit};w=1'.encode()), (b"ratelimit", told.encode())]


class RequestRates(Generic[Whose]):
    """Requests of each with a limit: a second's worth at once, then evenly (the generic cell rate algorithm)."""

    def __init__(self, of: str) -> None:
        self._of = of
        self._full_at: dict[Whose, float] = {}

    def take(self, whose: Whose, limit: int, now: float) -> tuple[bool, Allowance]:
        """Whether one more request may be answered at this instant (seconds), and what is left then."""
        full_at = max(self._full_at.get(whose, now), now)
        taken = full_at + 1 / limit
        allowed = taken - now <= 1 + 1e-9
        if allowed:
            if len(self._full_at) >= MAX_KEYS:
                self._full_at.clear()
            self._full_at[whose] = full_at = taken
        left = max(0, math.floor((1 - (full_at - now)) * limit + 1e-9))
        return allowed, Allowance(self._of, limit, left, full_at - now)
