"""Mainland China's statutory holidays: the days that the law itself names, without adjusted days off (SL).

Law: 全国年节及纪念日放假办法, State Council decree 795, in force from 2025-01-01. The lunar festivals and 清明 are
those of the Chinese calendar (GB/T 33661-2017).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from types import MappingProxyType

_DATES = """
    2025 01-29 04-04 05-31 10-06
    2026 02-17 04-05 06-19 09-25
    2027 02-06 04-05 06-09 09-15
    2028 01-26 04-04 05-28 10-03
    2029 02-13 04-04 06-16 09-22
    2030 02-03 04-05 06-05 09-12
    2031 01-23 04-05 06-24 10-01
    2032 02-11 04-04 06-12 09-19
    2033 01-31 04-04 06-01 09-08
    2034 02-19 04-05 06-20 09-27
    2035 02-08 04-05 06-10 09-16
    2036 01-28 04-04 05-30 10-04
    2037 02-15 04-04 06-18 09-24
    2038 02-04 04-05 06-07 09-13
    2039 01-24 04-05 05-27 10-02
    2040 02-12 04-04 06-14 09-20
    2041 02-01 04-04 06-03 09-10
    2042 01-22 04-04 06-22 09-28
    2043 02-10 04-05 06-11 09-17
    2044 01-30 04-04 05-31 10-05
    2045 02-17 04-04 06-19 09-25
    2046 02-06 04-04 06-08 09-15
    2047 01-26 04-05 05-29 10-04
    2048 02-14 04-04 06-15 09-22
    2049 02-02 04-04 06-04 09-11
    2050 01-23 04-04 06-23 09-30
    2051 02-11 04-05 06-13 09-19
    2052 02-01 04-04 06-01 09-07
    2053 02-19 04-04 06-20 09-26
    2054 02-08 04-04 06-10 09-16
    2055 01-28 04-05 05-30 10-05
    2056 02-15 04-04 06-17 09-24
    2057 02-04 04-04 06-06 09-13
    2058 01-24 04-04 06-25 10-02
    2059 02-12 04-05 06-14 09-21
    2060 02-02 04-04 06-03 09-09
"""
"""Year, first day of 春节, 清明, 端午, 中秋, as month and day."""

_FIXED = (
    (1, 1, "New Year's Day"),
    (5, 1, "Labour Day"),
    (5, 2, "Labour Day"),
    (10, 1, "National Day"),
    (10, 2, "National Day"),
    (10, 3, "National Day"),
)
"""Month, day and name of the holidays by the solar calendar."""

_SPRING_FESTIVAL = range(-1, 3)
"""Days of 春节 counted from its first: 除夕 to the third day of the first month."""


@cache
def _lunar() -> Mapping[date, str]:
    """The holidays of every year of the table that the lunar calendar or a solar term dates, by day."""
    found: dict[date, str] = {}
    for line in _DATES.split("\n")[1:-1]:
        year, *days = line.split()
        spring, tombs, boats, moon = (date.fromisoformat(f"{year}-{day}") for day in days)
        found |= {spring + timedelta(days=offset): "Spring Festival" for offset in _SPRING_FESTIVAL}
        found |= {tombs: "Tomb-sweeping Day", boats: "Dragon Boat Festival", moon: "Mid-autumn Festival"}
    return MappingProxyType(found)


def statutory_holiday(day: date) -> str | None:
    """The name of the holiday that the law puts on a day; None: none.

    The table has the lunar festivals and 清明 of 2025 to 2060; outside it only the solar holidays are known.
    """
    fixed = next((name for month, number, name in _FIXED if (day.month, day.day) == (month, number)), None)
    return _lunar().get(day) or fixed
