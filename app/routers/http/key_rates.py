"""The limit of requests a second that a key may have, and what an answer tells of it.

Headers: `RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers.
Each process counts for itself: a key's limit times the number of API processes is the most it gets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from uuid import UUID

MAX_KEYS = 10_000
"""Keys remembered; beyond that all begin anew."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left to a key: requests at once, and seconds until all of its limit is there again."""

    limit: int
    remaining: int
    reset_s: float

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The limit and what is left of it."""
        told = f'"key";r={self.remaining};t={math.ceil(self.reset_s)}'
        return [(b"ratelimit-policy", f'"key";q={self.limit};w=1'.encode()), (b"ratelimit", told.encode())]


class KeyRates:
    """Requests of each key with a limit: a second's worth at once, then evenly (the generic cell rate algorithm)."""

    def __init__(self) -> None:
        self._full_at: dict[UUID, float] = {}

    def take(self, key_id: UUID, limit: int, now: float) -> tuple[bool, Allowance]:
        """Whether one more request may be answered at this instant (seconds), and what is left then."""
        full_at = max(self._full_at.get(key_id, now), now)
        taken = full_at + 1 / limit
        allowed = taken - now <= 1 + 1e-9
        if allowed:
            if len(self._full_at) >= MAX_KEYS:
                self._full_at.clear()
            self._full_at[key_id] = full_at = taken
        left = max(0, math.floor((1 - (full_at - now)) * limit + 1e-9))
        return allowed, Allowance(limit, left, full_at - now)
