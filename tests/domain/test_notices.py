"""How often a delivery is tried, and for how long."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.domain.webhook_retry import FIRST_WAIT, MAX_WAIT, RETRY_PERIOD, retry_wait


@given(st.integers(1, 10_000), st.integers(0, 1000))
def test_waits_stay_within_a_quarter_of_their_place_in_the_schedule(attempts: int, jitter: int) -> None:
    wait = retry_wait(attempts, jitter)
    assert FIRST_WAIT * 3 // 4 <= wait <= MAX_WAIT * 5 // 4


@given(st.integers(1, 10_000))
def test_jitter_spreads_and_waits_grow(attempts: int) -> None:
    assert retry_wait(attempts, 0) < retry_wait(attempts, 1000)
    assert retry_wait(attempts, 500) <= retry_wait(attempts + 1, 500)


def test_a_delivery_is_tried_often_enough_and_for_three_days() -> None:
    at, tries = timedelta(), 0
    while at <= RETRY_PERIOD:
        tries += 1
        at += retry_wait(tries, 500)
    assert 15 <= tries <= 30
