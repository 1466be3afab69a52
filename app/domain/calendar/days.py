"""Date arithmetic as docs/catalogue.md counts (Names): half-open periods, months by day number."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from app.domain.errors import Malformed

ONE_DAY = timedelta(days=1)

HOME_ZONE = ZoneInfo("Asia/Shanghai")
"""The zone of what belongs to no account: the gateway's tenants are at home there."""


def _month(year: int, month: int, count: int) -> tuple[int, int]:
    """The (year, month) `count` months later. Raises `Malformed` outside the years that a date can hold."""
    index = year * 12 + month - 1 + count
    found = divmod(index, 12)
    if not date.min.year <= found[0] < date.max.year:
        raise Malformed("DATE_OUT_OF_RANGE", "the period ends outside the calendar")
    return found[0], found[1] + 1


def corresponding_day(day: date, months: int) -> date | None:
    """The same day number `months` later, or None where that month has no such day.

    Raises `Malformed` as `plus_days`.
    """
    year, month = _month(day.year, day.month, months)
    return date(year, month, day.day) if day.day <= monthrange(year, month)[1] else None


def add_months(day: date, months: int) -> date:
    """The first day after a period of `months` begun on `day`: the same day number, else the month's last day.

    Raises `Malformed` as `plus_days`.
    """
    return corresponding_day(day, months) or month_end(add_to_month(day, months))


def add_to_month(day: date, months: int) -> date:
    """The first day of the month that lies `months` after the month of `day`. Raises `Malformed` as `plus_days`."""
    year, month = _month(day.year, day.month, months)
    return date(year, month, 1)


def month_end(day: date) -> date:
    """The last day of the month of `day`."""
    return day.replace(day=monthrange(day.year, day.month)[1])


def plus_days(day: date, count: int) -> date:
    """`count` days later (or earlier). Raises `Malformed` outside the years that a date can hold."""
    try:
        return day + timedelta(days=count)
    except OverflowError:
        raise Malformed("DATE_OUT_OF_RANGE", "the period ends outside the calendar") from None


def start_of_day(day: date, zone: tzinfo) -> datetime:
    """The instant 00:00 of `day` in `zone`."""
    return datetime.combine(day, time.min, tzinfo=zone)


def local(instant: datetime, zone: tzinfo) -> datetime:
    """The instant in local time of `zone`. Raises `Malformed` for an instant without offset."""
    if instant.tzinfo is None or instant.utcoffset() is None:
        raise Malformed("OFFSET_MISSING", "an instant needs an offset")
    return instant.astimezone(zone)


def day_named(text: str) -> date:
    """The date of a text in the form YYYY-MM-DD, no other form of ISO 8601. Raises `ValueError`."""
    day = date.fromisoformat(text)
    if day.isoformat() != text:
        raise ValueError("not YYYY-MM-DD")
    return day
