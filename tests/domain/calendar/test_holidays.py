"""Statutory holidays, and the years whose notice is not published yet (SL)."""

from __future__ import annotations

from datetime import date, timedelta

import holidays
import pytest

from app.domain.calendar.holidays import statutory_holiday
from app.workdays import LAST_PUBLISHED, ChineseWorkdays, Override

CALENDAR = ChineseWorkdays()


def _days(first: int, last: int) -> list[date]:
    return [date(first, 1, 1) + timedelta(days=n) for n in range((date(last + 1, 1, 1) - date(first, 1, 1)).days)]


@pytest.mark.parametrize(
    ("day", "name"),
    [
        (date(2027, 1, 1), "New Year's Day"),
        (date(2027, 2, 5), "Spring Festival"),
        (date(2027, 2, 6), "Spring Festival"),
        (date(2027, 2, 8), "Spring Festival"),
        (date(2027, 2, 9), None),
        (date(2027, 4, 5), "Tomb-sweeping Day"),
        (date(2027, 5, 2), "Labour Day"),
        (date(2027, 5, 3), None),
        (date(2027, 6, 9), "Dragon Boat Festival"),
        (date(2027, 9, 15), "Mid-autumn Festival"),
        (date(2027, 10, 3), "National Day"),
        (date(2027, 10, 4), None),
        (date(2099, 10, 1), "National Day"),
    ],
)
def test_the_law_names_thirteen_days_a_year(day: date, name: str | None) -> None:
    """SL: 元旦 1, 春节 4 from 除夕 on, 清明 1, 劳动节 2, 端午 1, 中秋 1, 国庆 3."""
    assert statutory_holiday(day) == name


def test_every_year_of_the_table_has_all_of_them() -> None:
    """SL: thirteen, fewer only where 中秋 falls into 国庆."""
    for year in range(2025, 2061):
        found = [day for day in _days(year, year) if statutory_holiday(day)]
        overlap = statutory_holiday(date(year, 10, 1)) == "Mid-autumn Festival" or any(
            statutory_holiday(date(year, 10, day)) == "Mid-autumn Festival" for day in (2, 3)
        )
        assert len(found) == (12 if overlap else 13), year


def test_the_table_agrees_with_the_published_years() -> None:
    """SL: each statutory day of 2025 and 2026 is a day off in their notices."""
    found = [day for day in _days(2025, LAST_PUBLISHED) if statutory_holiday(day)]
    assert len(found) == 26
    assert not [day for day in found if CALENDAR.day(day).workday]


def test_the_table_agrees_with_another_library_on_the_lunar_festivals() -> None:
    """SL: computed there, a table here."""
    years = range(2027, 2051)
    other = holidays.country_holidays("CN", years=years, observed=False)
    ours = {day for day in _days(years[0], years[-1]) if statutory_holiday(day)}
    assert ours == {day for day in other if day.year in years}


def test_an_unpublished_year_has_its_statutory_holidays_and_says_it_is_provisional() -> None:
    """SL-1, SL: 2027-01-01 is no desk day."""
    new_year = CALENDAR.day(date(2027, 1, 1))
    assert (new_year.workday, new_year.desk_day, new_year.name, new_year.provisional) == (
        False,
        False,
        "New Year's Day",
        True,
    )
    monday = CALENDAR.day(date(2027, 1, 4))
    assert (monday.workday, monday.desk_day, monday.provisional) == (True, True, True)


def test_the_end_of_december_is_provisional_until_the_next_notice() -> None:
    """SL: next year's notice may still move these days; with a day of it they are fixed."""
    assert [CALENDAR.day(date(LAST_PUBLISHED, 12, day)).provisional for day in (25, 26, 31)] == [False, True, True]
    assert not CALENDAR.day(date(LAST_PUBLISHED - 1, 12, 31)).provisional
    notice = Override(workday=False, name="元旦", source="国办发明电")
    known = ChineseWorkdays(overrides={date(LAST_PUBLISHED + 1, 1, 1): notice})
    assert not known.day(date(LAST_PUBLISHED, 12, 31)).provisional
