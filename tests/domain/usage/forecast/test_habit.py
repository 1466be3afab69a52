"""The habit in whole days: weekdays, days that are no habit, changes, declines, trends and silences (US-1)."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.domain.units import MB
from app.domain.usage.forecast.days import fitted
from app.domain.usage.forecast.habit import habit_of
from app.domain.usage.forecast.outlook import History, day_reached, outlook

LAST = date(2026, 11, 15)
"""A Sunday."""

AMOUNTS = st.lists(st.integers(0, 1 << 40), max_size=80)


def history(days: list[int], used: int | None = None, ahead: int = 1000) -> History:
    return History(
        days=tuple(days),
        last=LAST,
        day=LAST + timedelta(1),
        ahead=ahead,
        used=sum(days[-15:]) if used is None else used,
        so_far=tuple(days[-15:]),
        start=date(2026, 11, 1),
        end=date(2026, 12, 1),
    )


def test_without_a_day_nothing_is_expected() -> None:
    found = outlook(history([], used=7))
    assert (found.low, found.expected, found.high) == (7, 7, 7)


def test_even_days_go_on_evenly_and_without_a_band_of_chance() -> None:
    found = outlook(history([10 * MB] * 56))
    assert found.expected == 300 * MB
    assert found.high - found.low < 30 * MB


def test_what_is_left_of_today_is_counted_by_its_share() -> None:
    whole, half = outlook(history([10 * MB] * 56)), outlook(history([10 * MB] * 56, ahead=500))
    assert whole.expected - half.expected == 5 * MB


def test_weekends_without_traffic_stay_without_it() -> None:
    days = [0 if (LAST - timedelta(ago)).weekday() >= 5 else 10 * MB for ago in reversed(range(56))]
    found = outlook(history(days))
    assert found.habit.has_pattern
    assert [(more + MB // 2) // MB for more in found.daily[:7]] == [10, 10, 10, 10, 10, 0, 0]


def test_a_day_of_thirty_is_no_habit_and_is_named() -> None:
    days = [MB] * 56
    days[-3] = 30 * MB
    assert habit_of(days, LAST).lowered == (LAST - timedelta(2),)
    assert habit_of(days, LAST).level == MB


def test_a_burst_that_came_three_times_is_a_habit_and_twice_it_is_not() -> None:
    """Both sides of the edge: the third largest day decides."""
    twice, thrice = [MB] * 56, [MB] * 56
    for ago in (5, 25):
        twice[-ago] = thrice[-ago] = 30 * MB
    thrice[-45] = 30 * MB
    assert len(habit_of(twice, LAST).lowered) == 2
    assert habit_of(thrice, LAST).lowered == ()


def test_a_day_just_three_times_the_third_largest_is_still_a_habit() -> None:
    days = [MB] * 56
    days[10] = 3 * MB
    assert habit_of(days, LAST).lowered == ()
    days[10] += 1
    assert habit_of(days, LAST).lowered == (LAST - timedelta(45),)


def test_a_new_level_counts_alone() -> None:
    found = habit_of([10 * MB] * 50 + [2 * MB] * 6, LAST)
    assert (found.level, found.memory, found.is_changing) == (2 * MB, 6, True)


def test_a_decline_goes_on_to_nothing() -> None:
    days = [64 * MB] * 50 + [32 * MB, 16 * MB, 8 * MB, 4 * MB, 2 * MB, MB]
    found = outlook(history(days))
    assert found.habit.keeps < 700
    assert found.expected - history(days).used < 3 * MB


def test_a_silence_longer_than_twice_any_before_is_an_end_and_just_twice_is_none() -> None:
    days = [MB, MB, 0] * 15 + [MB]
    assert habit_of([*days, 0, 0], LAST).silent == 0
    assert habit_of([*days, 0, 0, 0], LAST).silent == 3
    assert outlook(history([*days, 0, 0, 0])).daily == (0,) * 15


def test_a_growing_fleet_goes_on_growing() -> None:
    found = outlook(history([MB * (100 + 2 * n) // 100 for n in range(56)]))
    assert found.habit.trend > 0
    assert found.daily[-1] > found.daily[0]


def test_the_day_on_which_an_amount_is_reached_lies_in_the_past_or_in_what_is_expected() -> None:
    known = history([10 * MB] * 56)
    found = outlook(known)
    assert day_reached(known, found, 150 * MB) == LAST
    assert day_reached(known, found, 150 * MB + 1) == LAST + timedelta(1)
    assert day_reached(known, found, 300 * MB) == date(2026, 11, 30)
    assert day_reached(known, found, 300 * MB + 1) is None


def test_days_add_up_to_what_the_carrier_counted() -> None:
    """US-5: scaled where the days explain half of it, else the rest is spread evenly."""
    assert fitted((40, 60), 110) == (44, 66)
    assert fitted((40, 60), 50) == (20, 30)
    assert fitted((0, 0), 50) == (25, 25)
    assert fitted((10, 0), 20) == (20, 0)
    assert fitted((10, 0), 21) == (15, 5)
    assert fitted((), 50) == ()


@given(days=AMOUNTS, used=st.integers(0, 1 << 45), ahead=st.integers(0, 1000))
def test_whatever_the_days_the_band_holds_the_expected_and_nothing_below_what_is_used(
    days: list[int], used: int, ahead: int
) -> None:
    found = outlook(history(days, used=used, ahead=ahead))
    assert used <= found.low <= found.expected <= found.high
    assert all(more >= 0 for more in found.daily)


@given(days=AMOUNTS, times=st.integers(2, 50))
def test_the_same_days_many_times_over_are_forecast_as_many_times(days: list[int], times: int) -> None:
    one, many = outlook(history(days)), outlook(history([day * times for day in days]))
    assert abs(many.expected - times * one.expected) <= times * 100 + times * one.expected // 50
