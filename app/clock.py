"""The only place that reads the time.

`SystemClock` is real time. `OffsetClock` is real time moved forwards by an offset that sandbox mode keeps in a
database row (`docs/api.md`, One clock); without one it reads as real time.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """A source of the current time as an aware UTC instant."""

    def now(self) -> datetime:
        """The instant now."""
        ...


class SystemClock:
    """Real time."""

    def now(self) -> datetime:
        """The instant now, aware, in UTC."""
        return datetime.now(UTC)


class OffsetClock:
    """Real time plus an offset that only grows."""

    def __init__(self, offset: timedelta = timedelta()) -> None:
        self.offset = offset

    def now(self) -> datetime:
        """The instant now with the offset applied, aware, in UTC."""
        return datetime.now(UTC) + self.offset

    def adopt(self, offset: timedelta) -> None:
        """Use an offset that another process stored, if it is ahead of ours."""
        self.offset = max(self.offset, offset)


def monotonic() -> float:
    """Seconds from an arbitrary start, for measuring durations."""
    return time.perf_counter()
