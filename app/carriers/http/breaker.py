"""The circuit breaker of one protocol of one account: after several failures in a row, nothing is sent for a while.

Failures are timeouts, 5xx, throttling and refused credentials; a carrier that answers with a business error is healthy.
After the rest a few probes go through, not every caller that waits; the first that fails opens it again, for longer.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from app.carriers.http.transport_errors import CircuitOpen
from app.clock import Clock

FAILURES = 5
PROBES = 2
OPEN_TIME = timedelta(seconds=15)
MAX_OPEN_TIME = timedelta(minutes=4)
REPEATED = "repeated failures"
"""Why a breaker is open, where no call said it in words."""


class OnChange(Protocol):
    """Called when the breaker opens or closes."""

    def __call__(self, *, opened: bool) -> None:
        """It opened, or it closed."""
        ...


class Health(StrEnum):
    """What one call says about the carrier. `NO_EVIDENCE`: nothing (the call was cancelled)."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    NO_EVIDENCE = "no_evidence"


class Breaker:
    """Closed, open until an instant, or half open with at most `probes` calls under way."""

    def __init__(
        self,
        clock: Clock,
        *,
        failures: int = FAILURES,
        probes: int = PROBES,
        open_time: timedelta = OPEN_TIME,
        on_change: OnChange | None = None,
    ) -> None:
        self._clock = clock
        self._limit = failures
        self._probes = probes
        self._first_open_time = open_time
        self._open_time = open_time
        self._on_change = on_change
        self._failures = 0
        self._probing = 0
        self._good_probes = 0
        self._open_until: datetime | None = None
        self._fault = REPEATED

    @property
    def is_open(self) -> bool:
        """Whether calls are being held back (also while probing)."""
        return self._open_until is not None

    def enter(self) -> bool:
        """Enter a call; returns whether it is a probe, to be passed to `leave`. Raises `CircuitOpen`."""
        if self._open_until is None:
            return False
        if self._clock.now() < self._open_until:
            raise CircuitOpen(f"{self._fault}: the breaker is open; nothing was sent")
        if self._probing >= self._probes:
            raise CircuitOpen(f"{self._fault}: the breaker is letting other probes through; nothing was sent")
        self._probing += 1
        return True

    def leave(self, *, probe: bool, health: Health, fault: str | None = None) -> None:
        """Record the outcome of a call; `fault`: in words, what made it unhealthy."""
        self._fault = fault or self._fault
        if probe:
            self._probing -= 1
        if health is Health.UNHEALTHY:
            self._count_failure(probe=probe)
        elif health is Health.HEALTHY:
            self._count_success(probe=probe)

    def trip(self) -> None:
        """Open at once: credentials that were refused are refused for every call."""
        self._open()

    def _count_failure(self, *, probe: bool) -> None:
        if self._open_until is None:
            self._failures += 1
            if self._failures >= self._limit:
                self._open()
        elif probe:
            self._open_time = min(self._open_time * 2, MAX_OPEN_TIME)
            self._open()

    def _count_success(self, *, probe: bool) -> None:
        if self._open_until is None:
            self._failures = 0
        elif probe:
            self._good_probes += 1
            if self._good_probes >= self._probes:
                self._close()

    def _open(self) -> None:
        newly = self._open_until is None
        self._open_until = self._clock.now() + self._open_time
        self._good_probes = 0
        if newly and self._on_change:
            self._on_change(opened=True)

    def _close(self) -> None:
        self._open_until = None
        self._failures = 0
        self._good_probes = 0
        self._open_time = self._first_open_time
        self._fault = REPEATED
        if self._on_change:
            self._on_change(opened=False)
