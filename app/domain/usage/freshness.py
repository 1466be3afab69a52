"""How an account's call budget keeps carrier figures fresh: which SIMs are queried next, and what is attainable (US-2).

Watched SIMs (near a limit, in a pool near its limit, stopped lately) are queried again before they are `WATCHED_AGE`
old; all others in turn. Watched SIMs take at most `WATCHED_SHARE` of the budget, so that nobody is starved.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

HOUR = timedelta(hours=1)

WATCHED_AGE = timedelta(hours=1)
"""The age that a watched SIM's figures should not exceed."""

SLACK = timedelta(minutes=2)
"""A watched SIM is due so long before that: less would be late at p99, more would take calls from the others."""

WATCHED_SHARE = (3, 4)
"""The share of the calls that watched SIMs may take, as a fraction."""

NEAR_LIMIT_PERCENT = 80
"""A SIM or pool that has used this much of its limit is near it."""

STOPPED_LATELY = timedelta(days=1)
"""How long after a stop a SIM is watched: whether it carries traffic all the same."""


class BindingLimit(StrEnum):
    """What keeps an account's figures from being fresher: `schedule` is the daily pull, which attains all it can."""

    PER_SECOND = "per_second"
    SLOWED_DOWN = "slowed_down"
    PAUSED = "paused"
    SCHEDULE = "schedule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """Calls per hour, SIMs per call, and calls that one batch of SIMs takes (usage, and state where it is apart)."""

    per_hour: int
    batch: int = 1
    calls_per_batch: int = 1

    def calls_for(self, sims: int) -> int:
        """Calls that querying so many SIMs takes, in full batches."""
        return -(-sims // self.batch) * self.calls_per_batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Attainable:
    """The age that no order of calls can beat: of watched SIMs, and of the others."""

    watched: timedelta
    others: timedelta


def due_until(now: datetime) -> datetime:
    """Watched SIMs last queried until then are due."""
    return now - WATCHED_AGE + SLACK


def plan_watched(capacity: Capacity, *, due: int, elapsed: timedelta) -> int:
    """How many watched SIMs, the oldest first, are queried in a turn that may use the budget of `elapsed`.

    The last batch is filled with SIMs that are not due yet: they cost no call. At least one batch fits into any turn.
    """
    part, whole = WATCHED_SHARE
    calls = capacity.per_hour * elapsed // HOUR * part // whole
    batches = max(1, calls // capacity.calls_per_batch)
    return min(-(-due // capacity.batch), batches) * capacity.batch


def attainable(capacity: Capacity, *, sims: int, watched: int) -> Attainable:
    """The arithmetic bound for an account with so many SIMs that may carry traffic, `watched` of them watched."""
    part, whole = WATCHED_SHARE
    for_watched, for_others = capacity.calls_for(watched), capacity.calls_for(sims - watched)
    share = max(1, capacity.per_hour * part // whole)
    age = max(WATCHED_AGE, HOUR * for_watched // share) if watched else WATCHED_AGE
    left = max(1, capacity.per_hour - for_watched * HOUR // age)
    return Attainable(watched=age, others=HOUR * for_others // left)


def binding_limit(others: timedelta | None, *, paused: bool, slowed_down: bool) -> BindingLimit:
    """What binds an account whose others' attainable age is `others`; None: its calls are not limited."""
    if paused:
        return BindingLimit.PAUSED
    if slowed_down:
        return BindingLimit.SLOWED_DOWN
    slower_than_daily = others is not None and others > timedelta(days=1)
    return BindingLimit.PER_SECOND if slower_than_daily else BindingLimit.SCHEDULE
