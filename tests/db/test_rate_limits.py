"""The call budget adapts to what the carrier takes, and all processes that use an account share it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import asyncpg
import pytest

from app.carriers.http.throttle import CallBudget, LocalBudget
from app.db.connection import create_pool
from app.db.operating.rate_limits import SharedBudget
from tests.carriers.harness import HandClock

FIVE_A_SECOND = 5 * 3600


@dataclass
class Replicas:
    """Two processes' views of the same budgets."""

    clock: HandClock
    one: CallBudget
    other: CallBudget


@pytest.fixture(params=["postgresql", "memory"])
async def replicas(request: pytest.FixtureRequest, clean_database: str) -> AsyncIterator[Replicas]:
    clock = HandClock()
    if request.param == "memory":
        budget = LocalBudget(clock)
        yield Replicas(clock, budget, budget)
        return
    pools: list[asyncpg.Pool[asyncpg.Record]] = [await create_pool(clean_database, size=2) for _ in range(2)]
    yield Replicas(clock, SharedBudget(pools[0], clock), SharedBudget(pools[1], clock))
    for pool in pools:
        await pool.close()


async def _step(budget: CallBudget, clock: HandClock) -> float:
    """Seconds between two calls now."""
    clock.advance(seconds=60)
    first = await budget.acquire("a", FIVE_A_SECOND, 100)
    return await budget.acquire("a", FIVE_A_SECOND, 100) - first


async def test_two_processes_share_one_sequence_of_calls(replicas: Replicas) -> None:
    waits = []
    for _ in range(3):
        waits += [await one.acquire("a", FIVE_A_SECOND, 2) for one in (replicas.one, replicas.other)]
    assert waits == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0], abs=1e-4)


async def test_too_fast_halves_the_rate_for_all_processes_and_it_grows_back_evenly(replicas: Replicas) -> None:
    clock = replicas.clock
    await replicas.one.slow_down("a", FIVE_A_SECOND, sent_at=clock.now(), pause_s=0)
    first = await replicas.other.acquire("a", FIVE_A_SECOND, 2)
    assert await replicas.other.acquire("a", FIVE_A_SECOND, 2) - first == pytest.approx(0.4, abs=1e-4)
    clock.advance(seconds=25)
    first = await replicas.other.acquire("a", FIVE_A_SECOND, 2)
    assert await replicas.other.acquire("a", FIVE_A_SECOND, 2) - first == pytest.approx(1 / 3.75, abs=1e-3)
    assert await _step(replicas.one, clock) == pytest.approx(0.2, abs=1e-4)


async def test_calls_sent_before_the_last_decrease_decrease_nothing_more(replicas: Replicas) -> None:
    sent_at = replicas.clock.now()
    for _ in range(20):
        await replicas.one.slow_down("a", FIVE_A_SECOND, sent_at=sent_at, pause_s=0)
    await replicas.one.acquire("a", FIVE_A_SECOND, 2)
    assert await replicas.one.acquire("a", FIVE_A_SECOND, 2) == pytest.approx(0.4, abs=1e-4)


async def test_the_rate_never_falls_to_nothing(replicas: Replicas) -> None:
    for _ in range(30):
        replicas.clock.advance(seconds=0.001)
        await replicas.one.slow_down("a", FIVE_A_SECOND, sent_at=replicas.clock.now(), pause_s=0)
    await replicas.one.acquire("a", FIVE_A_SECOND, 20)
    assert await replicas.one.acquire("a", FIVE_A_SECOND, 20) == pytest.approx(10, abs=0.1)


async def test_a_pause_that_the_carrier_asked_for_stops_every_process_until_its_end(replicas: Replicas) -> None:
    await replicas.one.slow_down("a", FIVE_A_SECOND, sent_at=replicas.clock.now(), pause_s=30)
    assert await replicas.other.acquire("a", FIVE_A_SECOND, 2) == pytest.approx(30, abs=1e-4)
    replicas.clock.advance(seconds=30)
    assert await replicas.other.acquire("a", FIVE_A_SECOND, 2) == 0
    assert await replicas.other.acquire("b", FIVE_A_SECOND, 2) == 0


async def test_a_shorter_pause_does_not_end_a_longer_one(replicas: Replicas) -> None:
    for pause_s in (30, 5):
        await replicas.one.slow_down("a", FIVE_A_SECOND, sent_at=replicas.clock.now(), pause_s=pause_s)
    replicas.clock.instant += timedelta(seconds=6)
    assert await replicas.other.acquire("a", FIVE_A_SECOND, 2) == pytest.approx(24, abs=1e-4)
