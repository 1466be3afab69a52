"""How long to wait for a carrier's answer: by how long its slowest answers of late took.

A carrier that answers in forty seconds has not lost our change; one that usually answers in one has. Cutting a slow
carrier off makes every change unknown, and each has to be verified.
"""

from __future__ import annotations

MOST_S = 120.0
"""However slow a carrier is."""

FACTOR = 3.0
"""Times the slowest answer of late."""

DECAY = 0.95
"""What a slow answer still counts after each further one: a carrier that is quick again is cut off as before after some
twenty answers."""


class Patience:
    """The time limit of the calls of one transport; at least `least_s` seconds."""

    def __init__(self, least_s: float) -> None:
        self._least_s = least_s
        self._slowest_s = 0.0

    @property
    def seconds(self) -> float:
        """How long the next call may take."""
        return max(self._least_s, min(FACTOR * self._slowest_s, MOST_S))

    def note(self, seconds: float) -> None:
        """A call was answered, or was waited for in vain, for so many seconds."""
        self._slowest_s = max(seconds, self._slowest_s * DECAY)
