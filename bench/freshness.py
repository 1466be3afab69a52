"""Age of carrier figures of a million SIMs under their call budgets, against the arithmetic bound: `bench-freshness`.

A simulation: the planner of the gateway (`app.domain.usage.freshness`) decides each turn of ten seconds; watched SIMs
are kept in the order in which they were queried, the others in a ring, as the database has them. Fails where a watched
SIM is older than an hour at p99, or another one older than 1.1 times the bound at p99.

    python -m bench.freshness [--sims 1000000] [--watched-percent 1]
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from app.domain.usage.freshness import HOUR, WATCHED_AGE, Attainable, Capacity, attainable, due_until, plan_watched

TURN = timedelta(seconds=10)
TURNS_AN_HOUR = HOUR // TURN
LARGEST_RATIO = 1.1
START = datetime(2026, 11, 21, tzinfo=UTC)

PROTOCOLS = {
    "jasper": Capacity(per_hour=5 * 3600, batch=1, calls_per_batch=1),
    "onelink": Capacity(per_hour=5 * 3600, batch=100, calls_per_batch=2),
    "ctwing": Capacity(per_hour=5 * 3600, batch=100, calls_per_batch=2),
}
"""The documented limits of each account; in batches, usage and state are a call each."""


@dataclass
class Simulated:
    """One account: its SIMs by the instant of their last query, the watched ones apart. Ages are counted in minutes."""

    capacity: Capacity
    watched: deque[datetime]
    others: deque[datetime]
    now: datetime = START
    unused_calls: int = 0
    watched_ages: Counter[int] = field(default_factory=Counter)
    other_ages: Counter[int] = field(default_factory=Counter)
    measuring: bool = False

    def turn(self, *, paused: bool = False) -> None:
        """Ten seconds: the watched SIMs that are due, then others with the calls that are left."""
        self.now += TURN
        if paused:
            return
        self.unused_calls += self.capacity.per_hour // TURNS_AN_HOUR
        self._query_watched()
        batches = self.unused_calls // self.capacity.calls_per_batch
        self.unused_calls -= batches * self.capacity.calls_per_batch
        self._query(self.others, batches * self.capacity.batch, self.other_ages)

    def _query_watched(self) -> None:
        most = plan_watched(self.capacity, due=len(self.watched), elapsed=TURN)
        until, due = due_until(self.now), 0
        for instant in self.watched:
            if instant > until or due >= most:
                break
            due += 1
        wanted = min(len(self.watched), plan_watched(self.capacity, due=due, elapsed=TURN)) if due else 0
        self.unused_calls -= self.capacity.calls_for(wanted)
        self._query(self.watched, wanted, self.watched_ages)

    def _query(self, queue: deque[datetime], how_many: int, ages: Counter[int]) -> None:
        for _ in range(min(how_many, len(queue))):
            queried_at = queue.popleft()
            if self.measuring:
                ages[(self.now - queried_at) // timedelta(minutes=1)] += 1
            queue.append(self.now)

    def run(self, duration: timedelta, *, paused: bool = False) -> None:
        """Let time pass."""
        for _ in range(duration // TURN):
            self.turn(paused=paused)

    def restart(self) -> None:
        """A new process: it knows what is stored, and nothing else."""
        self.watched, self.others = deque(self.watched), deque(self.others)
        self.unused_calls = 0

    def bound(self) -> Attainable:
        """What no order of calls can beat."""
        return attainable(self.capacity, sims=len(self.watched) + len(self.others), watched=len(self.watched))


def account(capacity: Capacity, *, sims: int, watched: int) -> Simulated:
    """An account whose SIMs were all queried at the start."""
    return Simulated(capacity, deque([START] * watched), deque([START] * (sims - watched)))


def percentile(ages: Counter[int], share: float) -> timedelta:
    """The age that `share` of the queries found at most, rounded up to a minute."""
    left = share * ages.total()
    for minutes in sorted(ages):
        left -= ages[minutes]
        if left <= 0:
            return timedelta(minutes=minutes + 1)
    return timedelta()


def measure(name: str, capacity: Capacity, *, sims: int, watched: int) -> bool:
    """Simulate one protocol; prints the ages and says whether they are within the bounds."""
    one = account(capacity, sims=sims, watched=watched)
    bound = one.bound()
    one.run(bound.others + 2 * HOUR)
    one.measuring = True
    one.run(max(bound.others, 3 * HOUR) + HOUR)
    near, others = percentile(one.watched_ages, 0.99), percentile(one.other_ages, 0.99)
    ratio = others / max(bound.others, timedelta(minutes=1))
    small = others <= bound.others + timedelta(minutes=2)  # ages are counted in whole minutes
    fine = near <= WATCHED_AGE and (ratio <= LARGEST_RATIO or small)
    print(
        f"{name:8} {sims:>9,} SIMs, {watched:>7,} watched: watched p99 {near} (bound {bound.watched}), "
        f"others p99 {others} (bound {bound.others}, ratio {ratio:.3f}) {'ok' if fine else 'TOO OLD'}"
    )
    return fine


def main() -> int:
    """Every protocol."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sims", type=int, default=1_000_000)
    parser.add_argument("--watched-percent", type=int, default=1)
    given = parser.parse_args()
    watched = given.sims * given.watched_percent // 100
    results = [measure(name, capacity, sims=given.sims, watched=watched) for name, capacity in PROTOCOLS.items()]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
