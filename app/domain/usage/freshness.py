"""What an account's call budget is spent on: the SIMs whose figures are urgent first, then all in turn (US-2).

Urgent are SIMs near a limit, members of pools near theirs, and SIMs stopped recently. Each is queried again after an
interval; what they leave of the budget goes to the others by age. Urgent SIMs never take more than `URGENT_SHARE`, so
that the others always advance.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from app.domain.vocabulary import ProtocolName

URGENT_TARGET = timedelta(hours=1)
"""The age that an urgent SIM's figure is not to exceed: the interval at which pools refresh (US-2; D for SIMs)."""

DAILY = timedelta(days=1)
"""The interval at which the pull queries every SIM, and by which figures up to the end of yesterday lag (US-2)."""

URGENT_SHARE = 80
"""The largest part of the call budget that urgent SIMs take, in percent (D)."""

MARGIN = 97
"""An urgent SIM is due at this part of its interval, in percent: what is left covers the page in
progress and a restart."""

CALLS_EACH = 5
"""Calls a second of one connection, where only calls in flight are limited (D; Jasper A1.7: 1 in
flight, 5 a second)."""

CALL = 1000
"""One call in the unit of costs: a thousandth, in which one SIM's part of every batch is a whole number."""

RECENTLY_STOPPED = timedelta(days=1)
"""A SIM changed at the carrier within this time and stopped is urgent: the carrier is to confirm the stop (D)."""


class Lag(StrEnum):
    """What a carrier's usage figures cover: up to the query, or up to the end of yesterday."""

    NONE = "none"
    YESTERDAY = "yesterday"


class Bound(StrEnum):
    """What limits how recent figures can be."""

    SCHEDULE = "schedule"
    PER_SECOND = "per_second"
    IN_FLIGHT = "in_flight"
    CARRIER_LAG = "carrier_lag"
    NOT_QUERIED = "not_queried"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryBatches:
    """SIMs per call of a protocol's queries.

    `cycle`: usage of the running cycle; `day`: of yesterday, None where the pull does not query it; `state`: None where
    a change list names the SIMs to query.
    """

    cycle: int
    day: int | None
    state: int | None
    lag: Lag = Lag.NONE

    @property
    def urgent_cost(self) -> int:
        """Thousandths of a call per urgent SIM: the running cycle's usage."""
        return CALL // self.cycle

    @property
    def cost(self) -> int:
        """Thousandths of a call per SIM of the pull that queries all in turn."""
        return sum(CALL // size for size in (self.cycle, self.day, self.state) if size is not None)


QUERY_BATCHES: Mapping[ProtocolName, QueryBatches] = MappingProxyType(
    {
        ProtocolName.ONELINK: QueryBatches(cycle=100, day=100, state=None, lag=Lag.YESTERDAY),
        ProtocolName.JASPER: QueryBatches(cycle=1, day=None, state=None),
        ProtocolName.UNICOM_CMP: QueryBatches(cycle=50, day=None, state=50),
        ProtocolName.CTCC_CMP: QueryBatches(cycle=1, day=None, state=1),
        ProtocolName.CTWING: QueryBatches(cycle=100, day=100, state=100),
        ProtocolName.GSL: QueryBatches(cycle=500, day=100, state=500, lag=Lag.YESTERDAY),
        ProtocolName.DESCRIBED: QueryBatches(cycle=1, day=None, state=1),
    }
)
"""Every protocol with queries (OneLink A3, Jasper A1.3, gwapi A2, m2m_ec B1, CTWing B2, GSL B). Described: at worst."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The calls that an account may make: `per_second` None where only calls in flight are limited."""

    batches: QueryBatches
    per_second: int | None
    in_flight: int

    @property
    def calls_per_second(self) -> int:
        """Calls a second within both limits."""
        by_flight = self.in_flight * CALLS_EACH
        return by_flight if self.per_second is None else min(self.per_second, by_flight)

    @property
    def bound(self) -> Bound:
        """Which of the two limits binds."""
        tight = self.per_second is not None and self.per_second <= self.in_flight * CALLS_EACH
        return Bound.PER_SECOND if tight else Bound.IN_FLIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class Attainable:
    """The ages that figures need not exceed, of urgent SIMs and of the others, and what limits each."""

    urgent: timedelta
    urgent_bound: Bound
    rest: timedelta
    rest_bound: Bound


def attainable(budget: Budget, *, urgent: int, rest: int) -> Attainable:
    """The ages attainable for so many urgent and other SIMs."""
    rate, batches = budget.calls_per_second * CALL, budget.batches
    work = timedelta(seconds=urgent * batches.urgent_cost)
    interval, urgent_bound = URGENT_TARGET, Bound.SCHEDULE
    if work * 100 > interval * rate * URGENT_SHARE:
        interval, urgent_bound = work * 100 // (rate * URGENT_SHARE), budget.bound
    if batches.lag is Lag.YESTERDAY and interval < DAILY:
        interval, urgent_bound = DAILY, Bound.CARRIER_LAG
    one_second = timedelta(seconds=1)
    left = interval * rate - work
    round_time, rest_bound = one_second * (rest * batches.cost * interval // left), budget.bound
    if round_time < DAILY:
        round_time, rest_bound = DAILY, Bound.SCHEDULE
    return Attainable(urgent=interval, urgent_bound=urgent_bound, rest=round_time, rest_bound=rest_bound)


def page_size(budget: Budget, largest: int) -> int:
    """SIMs queried between two decisions: full batches, at most `largest` or what 20 seconds' calls answer for."""
    batch = budget.batches.cycle
    batches = 20 * budget.calls_per_second * CALL // (budget.batches.cost * batch)
    return max(min(batch * max(batches, 1), largest), 1)


class UrgentRota:
    """The urgent SIMs by when each was last queried, the longest ago first.

    `interval`: time between two queries of a SIM. A SIM that is not due is queried early only to fill a batch.
    """

    def __init__(self, last_queried: Iterable[tuple[int, datetime]], interval: timedelta, batch: int) -> None:
        self._waiting = deque(sorted(last_queried, key=lambda entry: (entry[1], entry[0])))
        self._due_after = interval * MARGIN // 100
        self._batch = batch

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, now: datetime, size: int) -> list[int]:
        """The SIMs to query now, at most `size`; none where no SIM is due. They are due again an interval later."""
        taken: list[int] = []
        while len(taken) < min(size, len(self._waiting)):
            sim, last = self._waiting[0]
            if now - last < self._due_after and len(taken) % self._batch == 0:
                break
            self._waiting.popleft()
            self._waiting.append((sim, now))
            taken.append(sim)
        return taken
