"""The only place that reads the time.

`SystemClock` is real time. `OffsetClock` is real time moved forwards by an offset that sandbox mode keeps in a
database row (`docs/api.md`, One clock); without one it reads as real time.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

TOLERANCE = timedelta(seconds=1)
"""By how much two clocks may differ and still be called the same."""


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


MACHINE = SystemClock()
"""The clock of this machine."""


class OffsetClock:
    """Real time plus an offset that only grows.

    Real time is the machine's, read once and carried on by its monotonic clock: setting the machine's clock moves
    nothing here, until `correct` finds that it is right.
    """

    def __init__(self, offset: timedelta = timedelta(), machine: Clock = MACHINE) -> None:
        self.offset = offset
        self._machine = machine
        self._read, self._at = machine.now(), monotonic()

    def real(self) -> datetime:
        """Real time without the offset, aware, in UTC: what others compare with their own clocks."""
        return self._read + timedelta(seconds=monotonic() - self._at)

    def now(self) -> datetime:
        """The instant now with the offset applied, aware, in UTC."""
        return self.real() + self.offset

    def adopt(self, offset: timedelta) -> None:
        """Use an offset that another process stored, if it is ahead of ours."""
        self.offset = max(self.offset, offset)

    def correct(self, witness: datetime) -> timedelta:
        """Take over the machine's clock where it and `witness` (the database's) agree against ours; gives by how much.

        Somebody set a wrong clock right, or the machine slept. A clock that was set wrong, on this machine or on the
        database's alone, changes nothing.
        """
        machine, ours = self._machine.now(), self.real()
        if abs(machine - witness) + TOLERANCE >= abs(ours - witness):
            return timedelta()
        self._read, self._at = machine, monotonic()
        return machine - ours


def monotonic() -> float:
    """Seconds from an arbitrary start, for measuring durations."""
    return time.perf_counter()
