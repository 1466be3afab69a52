"""Flow control of one protocol of one account: calls in flight, call budget, pauses, circuit breaker.

Budgets and repeat windows are ports: in one process the classes here serve; across replicas PostgreSQL does. A carrier
that says "too fast" slows the account down in all processes (`pace`), and its Retry-After stops them all.
Seconds are the gateway clock's, except where a coroutine really sleeps.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Protocol

from app.carriers.errors import CarrierAuthFailed, CarrierError, CarrierRateLimited
from app.carriers.http.breaker import Breaker, Health
from app.carriers.http.slots import Slots, Urgency, urgency_of
from app.carriers.http.transport_errors import LeaseOver, LocallyThrottled, is_unhealthy
from app.clock import Clock
from app.domain.operation.pace import NO_LIMIT, RECOVERY, SECONDS_AN_HOUR, Decrease, decreased, rate_at

MAX_IN_FLIGHT = 20
"""httpx slows down badly beyond some 20 connections in a process (docs/carriers/README.md, httpx)."""

MAX_WAIT_S = 2.0
"""Seconds that a call waits for a free slot (pulls and follow-ups: as long as it takes) before it fails with the time
after which to retry."""

AHEAD: Mapping[Urgency, float] = MappingProxyType(
    {Urgency.CHANGE: 1.0, Urgency.QUERY: 0.75, Urgency.ON_REQUEST: 0.5, Urgency.BACKGROUND: 0.5}
)
"""How far ahead a call reserves its slot in the call budget, as a share of `MAX_WAIT_S`: what is less urgent reserves
less far ahead, so that a change always finds a slot before the others' next ones."""

MAX_PAUSE_S = 3600.0

MAX_BACKGROUND_WAIT_S = 60.0
"""Seconds that a background call waits for the budget; a longer pause ends the pull, which goes on later."""

SHORTEST_SLEEP_S = 0.05


class CallBudget(Protocol):
    """Calls an hour, shared by all processes that use an account."""

    async def acquire(self, account: str, per_hour: int, max_wait: float) -> float:
        """Seconds to wait before sending; the slot is then ours. More than `max_wait`: nothing was reserved."""
        ...

    async def slow_down(self, account: str, per_hour: int, *, sent_at: datetime, pause_s: float) -> None:
        """The carrier refused a call sent at `sent_at` as too fast: fewer calls, and none at all for `pause_s`."""
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
    """The call budget of one process: calls are spread evenly, an hour divided by the rate apart, never in a burst."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next: dict[str, datetime] = {}
        self._paused_until: dict[str, datetime] = {}
        self._decreases: dict[str, Decrease] = {}

    async def acquire(self, account: str, per_hour: int, max_wait: float) -> float:
        """As `CallBudget.acquire`."""
        now = self._clock.now()
        # No await between reading and writing `_next`: tasks of one loop cannot get the same place.
        slot = max(now, self._next.get(account, now), self._paused_until.get(account, now))
        wait = (slot - now).total_seconds()
        if wait <= max_wait:
            rate = rate_at(per_hour, self._decreases.get(account), now)
            self._next[account] = slot + timedelta(hours=1) / rate
        return wait

    async def slow_down(self, account: str, per_hour: int, *, sent_at: datetime, pause_s: float) -> None:
        """As `CallBudget.slow_down`."""
        now = self._clock.now()
        last = self._decreases.get(account)
        self._decreases[account] = decreased(per_hour, last, sent_at=sent_at, now=now)
        self._paused_until[account] = max(self._paused_until.get(account, now), now + timedelta(seconds=pause_s))


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


class SentCalls:
    """When the last calls of this process were sent, for the rate of an account that has no configured limit."""

    WINDOW = timedelta(seconds=10)

    def __init__(self) -> None:
        self._instants: deque[datetime] = deque(maxlen=1000)

    def add(self, at: datetime) -> None:
        """One call is sent."""
        self._instants.append(at)

    def per_hour(self, now: datetime) -> int:
        """Calls an hour, by those of the last `WINDOW`; at least one a second."""
        recent = sum(at > now - self.WINDOW for at in self._instants)
        return max(SECONDS_AN_HOUR, recent * (timedelta(hours=1) // self.WINDOW))


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
        self._per_hour = None if per_second is None else per_second * SECONDS_AN_HOUR
        self._slots = Slots(self.in_flight)
        self._sent = SentCalls()
        self._paused_until: datetime | None = None
        self._slowed_until: datetime | None = None

    @asynccontextmanager
    async def acquire(self, *, changes: bool = False) -> AsyncIterator[None]:
        """Hold a slot for one call. Raises `CarrierUnavailable` or a subclass where nothing may be sent now.

        `changes`: a change, whose sender holds a lease: it goes first, and is retried later rather than wait long.
        """
        urgency = urgency_of(changes=changes)
        async with self._slot(urgency):
            self._respect_pause()
            probe = self._breaker.enter()
            health, fault = Health.NO_EVIDENCE, None
            try:
                await self._await_budget(urgency)
                sent_at = self._clock.now()
                self._sent.add(sent_at)
                try:
                    yield
                except CarrierRateLimited as error:
                    await self._slow_down(error, sent_at)
                    raise
                health = Health.HEALTHY
            except CarrierError as error:
                health = self._health_after(error)
                fault = error.detail if health is Health.UNHEALTHY else None
                raise
            finally:
                self._breaker.leave(probe=probe, health=health, fault=fault)

    @asynccontextmanager
    async def _slot(self, urgency: Urgency) -> AsyncIterator[None]:
        fails_fast = urgency in (Urgency.CHANGE, Urgency.ON_REQUEST)
        try:
            async with asyncio.timeout(self._max_wait_s if fails_fast else None):
                await self._slots.acquire(urgency)
        except TimeoutError:
            if urgency is Urgency.CHANGE:
                self._slots.reserve_for_change()
            raise LocallyThrottled("the limit of calls in flight is reached; nothing was sent", retry_after=1) from None
        try:
            yield
        finally:
            self._slots.release(urgency)

    def _respect_pause(self) -> None:
        if self._paused_until is None:
            return
        left = (self._paused_until - self._clock.now()).total_seconds()
        if left > 0:
            raise LocallyThrottled("the carrier asked for a pause; nothing was sent", retry_after=left)
        self._paused_until = None

    def _ceiling(self) -> int | None:
        """Calls an hour at most: as configured, else none until the carrier says "too fast", then for a while."""
        if self._per_hour is None and self._slowed_until is not None and self._clock.now() < self._slowed_until:
            return NO_LIMIT
        return self._per_hour

    async def _await_budget(self, urgency: Urgency) -> None:
        ceiling = self._ceiling()
        if ceiling is None:
            return
        can_wait = urgency is Urgency.BACKGROUND
        max_wait = AHEAD[urgency] * MAX_WAIT_S
        while (wait := await self._budget.acquire(self._account, ceiling, max_wait)) > max_wait:
            if not can_wait or wait > MAX_BACKGROUND_WAIT_S:
                raise LocallyThrottled("the account's call budget is used up; nothing was sent", retry_after=wait)
            await asyncio.sleep(max(wait - max_wait, SHORTEST_SLEEP_S))
        if wait > 0:
            await asyncio.sleep(wait)

    async def _slow_down(self, error: CarrierRateLimited, sent_at: datetime) -> None:
        if isinstance(error, LocallyThrottled):
            return
        now = self._clock.now()
        pause = min(error.retry_after or 0.0, MAX_PAUSE_S)
        if pause:
            self._paused_until = now + timedelta(seconds=pause)
        self._slowed_until = now + timedelta(seconds=pause) + RECOVERY
        rate = self._per_hour or self._sent.per_hour(now)
        await self._budget.slow_down(self._account, rate, sent_at=sent_at, pause_s=pause)

    def _health_after(self, error: CarrierError) -> Health:
        if isinstance(error, LocallyThrottled | LeaseOver):
            return Health.NO_EVIDENCE
        if isinstance(error, CarrierAuthFailed):
            self._breaker.trip()
        return Health.UNHEALTHY if is_unhealthy(error) else Health.HEALTHY
