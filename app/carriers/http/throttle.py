"""Flow control of one protocol of one account: calls in flight, call budget, pauses, circuit breaker.

Budgets and repeat windows are ports: in one process the classes here serve; across replicas PostgreSQL does.
Seconds are the gateway clock's, except where a coroutine really sleeps.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Protocol

from app.carriers.errors import CarrierAuthFailed, CarrierError, CarrierRateLimited
from app.carriers.http.breaker import Breaker, Health
from app.carriers.http.transport_errors import LeaseOver, LocallyThrottled, is_unhealthy
from app.clock import Clock

MAX_IN_FLIGHT = 20
"""httpx slows down badly beyond some 20 connections in a process (docs/carriers/README.md, httpx)."""

MAX_WAIT_S = 2.0
"""Seconds that a call waits for the budget (but see `in_background`), and a change for a free slot, before it fails
with the time after which to retry."""

MAX_PAUSE_S = 3600.0

BACKGROUND_AHEAD_S = MAX_WAIT_S / 2
"""How far ahead a background call reserves its slot: less than others wait, so that they get one before it."""

SHORTEST_SLEEP_S = 0.05

_background: ContextVar[bool] = ContextVar("background", default=False)


@contextmanager
def in_background() -> Iterator[None]:
    """Calls made in here, also by tasks started in here, wait for the call budget as long as it takes."""
    token = _background.set(True)
    try:
        yield
    finally:
        _background.reset(token)


class CallBudget(Protocol):
    """Calls a second, shared by all processes that use an account."""

    async def acquire(self, account: str, per_second: int, max_wait: float) -> float:
        """Seconds to wait before sending; the slot is then ours. More than `max_wait`: nothing was reserved."""
        ...


class RepeatWindows(Protocol):
    """When the same kind of change may be sent again for a card."""

    async def until(self, account: str, api: str, iccids: Collection[str]) -> Mapping[str, datetime]:
        """For the cards still inside their window: the instant at which it ends."""
        ...

    async def note(self, account: str, api: str, iccids: Collection[str], until: datetime) -> None:
        """Remember that these cards have a window until then."""
        ...


class Observer(Protocol):
    """Counts calls; labels never hold an ICCID or a secret."""

    def request(self, account: str, operation: str, outcome: str, seconds: float) -> None:
        """One call ended."""
        ...

    def breaker(self, account: str, *, opened: bool) -> None:
        """The breaker of an account opened or closed."""
        ...


class NoObserver:
    """An observer that counts nothing, for tools and tests."""

    def request(self, account: str, operation: str, outcome: str, seconds: float) -> None:
        """Nothing is kept."""

    def breaker(self, account: str, *, opened: bool) -> None:
        """Nothing is kept."""


class LocalBudget:
    """The call budget of one process: calls are spread evenly, `1 / per_second` apart, never in a burst."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next: dict[str, datetime] = {}

    async def acquire(self, account: str, per_second: int, max_wait: float) -> float:
        """As `CallBudget.acquire`."""
        now = self._clock.now()
        slot = max(now, self._next.get(account, now))
        wait = (slot - now).total_seconds()
        if wait <= max_wait:
            self._next[account] = slot + timedelta(seconds=1) / per_second
        return wait


class LocalRepeatWindows:
    """The repeat windows of one process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[tuple[str, str, str], datetime] = {}

    async def until(self, account: str, api: str, iccids: Collection[str]) -> Mapping[str, datetime]:
        """As `RepeatWindows.until`."""
        now = self._clock.now()
        ends = {iccid: self._until.get((account, api, iccid), now) for iccid in iccids}
        return {iccid: end for iccid, end in ends.items() if end > now}

    async def note(self, account: str, api: str, iccids: Collection[str], until: datetime) -> None:
        """As `RepeatWindows.note`; windows that have ended are forgotten."""
        now = self._clock.now()
        self._until = {key: end for key, end in self._until.items() if end > now}
        self._until.update({(account, api, iccid): until for iccid in iccids})


class Throttle:
    """Flow control of one protocol of one account, in this process."""

    def __init__(
        self,
        *,
        account: str,
        clock: Clock,
        budget: CallBudget,
        breaker: Breaker,
        in_flight: int = MAX_IN_FLIGHT,
        per_second: int | None = None,
        max_wait_s: float = MAX_WAIT_S,
    ) -> None:
        self.in_flight = min(in_flight, MAX_IN_FLIGHT)
        self._max_wait_s = max_wait_s
        self._account = account
        self._clock = clock
        self._budget = budget
        self._breaker = breaker
        self._per_second = per_second
        self._slots = asyncio.Semaphore(self.in_flight)
        self._paused_until: datetime | None = None

    @asynccontextmanager
    async def acquire(self, *, fail_fast: bool = False) -> AsyncIterator[None]:
        """Hold a slot for one call. Raises `CarrierUnavailable` or a subclass where nothing may be sent now.

        `fail_fast`: a change, whose sender holds a lease: it is retried later rather than wait long for a free slot.
        """
        async with self._slot(fail_fast=fail_fast):
            self._respect_pause()
            probe = self._breaker.enter()
            health = Health.NO_EVIDENCE
            try:
                if self._per_second is not None:
                    await self._await_budget(self._per_second)
                yield
                health = Health.HEALTHY
            except CarrierError as error:
                health = self._health_after(error)
                raise
            finally:
                self._breaker.leave(probe=probe, health=health)

    @asynccontextmanager
    async def _slot(self, *, fail_fast: bool) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._max_wait_s if fail_fast else None):
                await self._slots.acquire()
        except TimeoutError:
            raise LocallyThrottled("the limit of calls in flight is reached; nothing was sent", retry_after=1) from None
        try:
            yield
        finally:
            self._slots.release()

    def _respect_pause(self) -> None:
        if self._paused_until is None:
            return
        left = (self._paused_until - self._clock.now()).total_seconds()
        if left > 0:
            raise LocallyThrottled("the carrier asked for a pause; nothing was sent", retry_after=left)
        self._paused_until = None

    async def _await_budget(self, per_second: int) -> None:
        can_wait = _background.get()
        max_wait = BACKGROUND_AHEAD_S if can_wait else self._max_wait_s
        while (wait := await self._budget.acquire(self._account, per_second, max_wait)) > max_wait:
            if not can_wait:
                raise LocallyThrottled("the account's call budget is used up; nothing was sent", retry_after=wait)
            await asyncio.sleep(max(wait - max_wait, SHORTEST_SLEEP_S))
        if wait > 0:
            await asyncio.sleep(wait)

    def _health_after(self, error: CarrierError) -> Health:
        if isinstance(error, LocallyThrottled | LeaseOver):
            return Health.NO_EVIDENCE
        if isinstance(error, CarrierRateLimited) and error.retry_after:
            pause = min(error.retry_after, MAX_PAUSE_S)
            self._paused_until = self._clock.now() + timedelta(seconds=pause)
        if isinstance(error, CarrierAuthFailed):
            self._breaker.trip()
        return Health.UNHEALTHY if is_unhealthy(error) else Health.HEALTHY
