"""Dates by the rule catalogue: BC-1, BC-2, VD-2, VD-3, LC-9, RN-1 to RN-3, IV-1; and what differs, said plainly."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from typing import Any

MB = 1 << 20
DAY = timedelta(days=1)


def agree(what: str, told: Any, expected: Any) -> None:
    """Both are the same; else what differs is shown."""
    if told == expected:
        return
    if isinstance(told, dict) and isinstance(expected, dict):
        keys = [key for key in told.keys() | expected.keys() if told.get(key) != expected.get(key)]
        told, expected = ({key: one.get(key) for key in keys} for one in (told, expected))
    raise AssertionError(f"{what}: the product says {told}, the rules say {expected}")


def month_end(day: date) -> date:
    """The last day of a day's month."""
    return day.replace(day=monthrange(day.year, day.month)[1])


def in_months(day: date, months: int) -> date:
    """The same day number so many months on, or that month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def last_valid_day(terms: str, begins: date, months: int) -> date:
    """VD-2: calendar months, the first one whole; VD-3: the day before the corresponding day, or the month's last."""
    there = in_months(begins, months)
    if terms == "flexem":
        return month_end(in_months(begins, months - 1))
    return there if there.day < begins.day else there - DAY


def last_renewal_day(terms: str, ends: date) -> date:
    """RN-1: the 22nd of the month after; RN-3: the 90th day after, or the last valid day itself."""
    if terms == "flexem":
        return (month_end(ends) + DAY).replace(day=22)
    return ends + timedelta(days=90) if terms == "standard" else ends


def cancelled_on(terms: str, ends: date) -> date | None:
    """LC-9: the day after the last renewal day; of gsl the platform's own decision."""
    return None if terms == "gsl" else last_renewal_day(terms, ends) + DAY


def is_paused(terms: str, carrier: str, day: date) -> bool:
    """RN-2: China Mobile's cards under flexem are not renewed from the 23rd to the month's end."""
    return terms == "flexem" and carrier == "cmcc" and day.day >= 23


def cycle_of(carrier: str, day: date) -> str:
    """BC-1, BC-2: the month, of China Unicom from the 27th of the month before."""
    if carrier == "cucc" and day.day >= 27:
        day = day.replace(day=1) + timedelta(days=32)
    return day.strftime("%Y-%m")


def last_safe_day(terms: str, ends: date) -> date:
    """RN-1: of flexem the 21st; RN-3: of gsl a month ahead; else the last renewal day."""
    if terms == "gsl":
        return in_months(ends, -1)
    return last_renewal_day(terms, ends) - (DAY if terms == "flexem" else timedelta())


def auto_renewal_day(terms: str, ends: date) -> date:
    """Ten days before the last valid day, or before the last safe renewal day if that is sooner."""
    return min(ends, last_safe_day(terms, ends)) - timedelta(days=10)


def last_invoice_day(paid: date) -> date:
    """IV-1: three months from the payment; the day found is the first of what follows."""
    return in_months(paid, 3) - DAY
