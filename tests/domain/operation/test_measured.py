"""Late days and expectations (SL-9)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from app.domain.calendar.days import start_of_day
from app.domain.operation.measured import ENOUGH, Duration, expected, is_late, late_days

HOME = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 1)
INSTANT = timedelta(microseconds=1)


def _at(day: int, hour: int = 0, minute: int = 0, zone: ZoneInfo = HOME) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=zone)


def test_what_is_done_exactly_when_due_is_not_late() -> None:
    """SL-9"""
    due = _at(24)
    assert not is_late(due, due)
    assert is_late(due, due + INSTANT)
    assert not is_late(None, due)
    assert late_days(due, due, HOME, NOVEMBER, DECEMBER) == 0
    assert late_days(due, due + INSTANT, HOME, NOVEMBER, DECEMBER) == 1


def test_a_day_counts_once_it_has_begun_and_the_midnight_of_the_end_does_not() -> None:
    """SL-9"""
    assert late_days(_at(24), _at(25), HOME, NOVEMBER, DECEMBER) == 1
    assert late_days(_at(24), _at(25) + INSTANT, HOME, NOVEMBER, DECEMBER) == 2
    assert late_days(_at(24, 14), _at(24, 15), HOME, NOVEMBER, DECEMBER) == 1
    assert late_days(_at(24, 23, 59), _at(25, 0, 1), HOME, NOVEMBER, DECEMBER) == 2


def test_a_month_takes_its_own_days_alone() -> None:
    """SL-9"""
    due, done = _at(29), datetime(2026, 12, 2, 10, tzinfo=HOME)
    assert late_days(due, done, HOME, NOVEMBER, DECEMBER) == 2
    assert late_days(due, done, HOME, DECEMBER, date(2027, 1, 1)) == 2
    assert late_days(due, done, HOME, date(2026, 10, 1), NOVEMBER) == 0
    assert late_days(due, start_of_day(DECEMBER, HOME), HOME, DECEMBER, date(2027, 1, 1)) == 0


def test_days_are_those_of_the_zone_also_where_its_clocks_change() -> None:
    """SL-9: 2026-10-25 has 25 hours in Berlin."""
    due = datetime(2026, 10, 25, tzinfo=BERLIN)
    october, november = date(2026, 10, 1), date(2026, 11, 1)
    assert late_days(due, due + timedelta(hours=24), BERLIN, october, november) == 1
    assert late_days(due, datetime(2026, 10, 26, tzinfo=BERLIN), BERLIN, october, november) == 1
    assert late_days(due, datetime(2026, 10, 26, 0, 1, tzinfo=BERLIN), BERLIN, october, november) == 2
    assert late_days(_at(24), _at(24, 1), BERLIN, NOVEMBER, DECEMBER) == 1


@given(due=st.integers(0, 60 * 24 * 40), late=st.integers(-500, 60 * 24 * 40), zone=st.sampled_from([HOME, BERLIN]))
def test_the_days_of_two_months_are_those_of_both(due: int, late: int, zone: ZoneInfo) -> None:
    begin = datetime(2026, 10, 10, tzinfo=zone)
    due_at = begin + timedelta(minutes=due)
    until = due_at + timedelta(minutes=late)
    whole = late_days(due_at, until, zone, date(2026, 10, 1), date(2027, 2, 1))
    parts = [date(2026, 10, 1), NOVEMBER, DECEMBER, date(2027, 1, 1), date(2027, 2, 1)]
    assert whole == sum(late_days(due_at, until, zone, a, b) for a, b in pairwise(parts))
    assert (whole > 0) == (late > 0)


def test_an_expectation_needs_enough_operations() -> None:
    """SL-9"""
    begun = _at(24, 10)
    hour, slow = timedelta(hours=1), timedelta(hours=9)
    assert expected(begun, None) is None
    assert expected(begun, Duration(p50=hour, p95=slow, samples=ENOUGH - 1)) is None
    found = expected(begun, Duration(p50=hour, p95=slow, samples=ENOUGH))
    assert found is not None
    assert (found.typical_at, found.slow_at, found.samples) == (_at(24, 11), _at(24, 19), ENOUGH)
