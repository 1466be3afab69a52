"""What a call budget is spent on: urgent SIMs within their interval, the others never starved (US-2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.usage.freshness import QUERY_BATCHES, Bound, Budget, UrgentRota, attainable
from app.domain.vocabulary import ProtocolName

NOON = datetime(2026, 12, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def _budget(protocol: ProtocolName, per_second: int = 5, in_flight: int = 10) -> Budget:
    return Budget(batches=QUERY_BATCHES[protocol], per_second=per_second, in_flight=in_flight)


def test_a_million_sims_at_five_calls_a_second_leave_the_near_ones_an_hour() -> None:
    found = attainable(_budget(ProtocolName.JASPER), urgent=10_000, rest=990_000)

    assert (found.urgent, found.urgent_bound) == (HOUR, Bound.SCHEDULE)
    assert found.rest.total_seconds() == pytest.approx(990_000 / (5 - 10_000 / 3600), rel=1e-4)
    assert found.rest_bound is Bound.PER_SECOND


def test_urgent_sims_leave_a_fifth_of_the_budget_to_the_others() -> None:
    found = attainable(_budget(ProtocolName.JASPER), urgent=100_000, rest=1_000)

    assert found.urgent.total_seconds() == pytest.approx(100_000 / 4)
    assert (found.urgent_bound, found.rest) == (Bound.PER_SECOND, timedelta(days=1))


def test_figures_that_end_with_yesterday_are_not_queried_every_hour() -> None:
    found = attainable(_budget(ProtocolName.GSL), urgent=10_000, rest=990_000)

    assert (found.urgent, found.urgent_bound) == (timedelta(days=1), Bound.CARRIER_LAG)


def test_calls_in_flight_bind_where_they_are_fewer() -> None:
    assert _budget(ProtocolName.CTCC_CMP, per_second=8, in_flight=1).bound is Bound.IN_FLIGHT


def test_the_oldest_figures_come_first_and_come_again_only_when_due() -> None:
    rota = UrgentRota([(1, NOON - HOUR), (2, NOON - 3 * HOUR), (3, NOON - timedelta(minutes=1))], HOUR, batch=1)

    assert rota.take(NOON, 10) == [2, 1]
    assert rota.take(NOON, 10) == []
    assert rota.take(NOON + HOUR, 10) == [3, 2, 1]


def test_a_batch_is_filled_with_sims_that_are_due_soonest() -> None:
    rota = UrgentRota([(number, NOON - timedelta(minutes=number)) for number in range(61)], HOUR, batch=4)

    assert rota.take(NOON, 100) == [60, 59, 58, 57]
