"""The planner of usage queries: watched SIMs hourly, nobody starved, within the arithmetic bound (US-2)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.usage.freshness import (
    HOUR,
    WATCHED_AGE,
    BindingLimit,
    Capacity,
    attainable,
    binding_limit,
    plan_watched,
)
from bench.freshness import PROTOCOLS, account, percentile

ONE_BY_ONE = Capacity(per_hour=18_000)
BATCHES = Capacity(per_hour=18_000, batch=100, calls_per_batch=2)
TURN = timedelta(seconds=10)


def test_a_turn_queries_what_is_due_and_no_more() -> None:
    assert plan_watched(ONE_BY_ONE, due=7, elapsed=TURN) == 7


def test_watched_sims_never_take_more_than_their_share_of_a_turn() -> None:
    assert plan_watched(ONE_BY_ONE, due=10_000, elapsed=TURN) == 37


def test_a_call_for_few_sims_is_filled_up_to_a_whole_batch() -> None:
    assert plan_watched(BATCHES, due=1, elapsed=TURN) == 100
    assert plan_watched(BATCHES, due=101, elapsed=TURN) == 200


def test_the_slowest_account_queries_at_least_one_batch_a_turn() -> None:
    assert plan_watched(Capacity(per_hour=360), due=5, elapsed=TURN) == 1


def test_the_bound_of_a_million_sims_at_five_calls_a_second() -> None:
    bound = attainable(ONE_BY_ONE, sims=1_000_000, watched=10_000)
    assert bound.watched == HOUR
    assert bound.others == HOUR * 990_000 // 8_000


def test_more_watched_sims_than_an_hour_holds_are_as_old_as_their_share_allows() -> None:
    bound = attainable(ONE_BY_ONE, sims=1_000_000, watched=100_000)
    assert bound.watched == HOUR * 100_000 // 13_500
    assert bound.others <= HOUR * 900_000 // 4_500


@pytest.mark.parametrize(
    ("others", "paused", "slowed_down", "binding"),
    [
        (timedelta(days=2), False, False, BindingLimit.PER_SECOND),
        (timedelta(hours=2), False, False, BindingLimit.SCHEDULE),
        (None, False, False, BindingLimit.SCHEDULE),
        (timedelta(hours=2), False, True, BindingLimit.SLOWED_DOWN),
        (None, True, False, BindingLimit.PAUSED),
    ],
)
def test_the_limit_that_binds_is_named(
    others: timedelta | None, *, paused: bool, slowed_down: bool, binding: BindingLimit
) -> None:
    assert binding_limit(others, paused=paused, slowed_down=slowed_down) is binding


@pytest.mark.parametrize("name", PROTOCOLS)
def test_watched_sims_are_fresh_and_the_others_have_their_turn_across_restarts_and_a_month_turn(name: str) -> None:
    """Batched accounts with a fifth of their calls and SIMs: the same ages, in a fifth of the time."""
    whole = PROTOCOLS[name]
    capacity = replace(whole, per_hour=whole.per_hour // (5 if whole.batch > 1 else 1))
    sims = 20_000 * whole.batch // (5 if whole.batch > 1 else 1)
    one = account(capacity, sims=sims, watched=sims // 100)
    bound = one.bound()
    one.run(2 * HOUR)
    one.measuring = True
    for _ in range(4):  # a restart every two hours, at most a turn's calls lost each
        one.run(2 * HOUR)
        one.restart()
    assert percentile(one.watched_ages, 0.99) <= WATCHED_AGE
    assert max(one.other_ages) <= bound.others * 1.1 / timedelta(minutes=1) + 1
    watched = one.watched
    one.others.extendleft(watched)  # the month turns: nobody is near a limit any more …
    one.watched = type(watched)()
    one.run(HOUR)
    for _ in range(len(watched)):  # … and then others are
        one.watched.append(one.others.popleft())
    one.run(HOUR)
    one.watched_ages.clear()
    one.run(3 * HOUR)
    assert percentile(one.watched_ages, 0.99) <= WATCHED_AGE


def test_after_a_pause_the_watched_sims_are_fresh_again_within_an_hour_and_the_others_go_on_meanwhile() -> None:
    one = account(ONE_BY_ONE, sims=40_000, watched=8_000)
    one.run(3 * HOUR)
    one.run(6 * HOUR, paused=True)
    one.measuring = True
    one.run(HOUR)
    assert one.other_ages.total() >= 18_000 // 4 * 9 // 10
    one.watched_ages.clear()
    one.run(3 * HOUR)
    assert percentile(one.watched_ages, 0.99) <= WATCHED_AGE
