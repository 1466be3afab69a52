"""Durations in short form or in ISO 8601: `31d`, `12h`, `P31D`, `PT12H`."""

from __future__ import annotations

import re
from datetime import timedelta

from app.domain.errors import Malformed

_SHORT = re.compile(r"([0-9]{1,6})\s*([smhdw])", re.IGNORECASE)
_ISO = re.compile(
    r"P(?:(?P<weeks>[0-9]{1,5})W)?(?:(?P<days>[0-9]{1,6})D)?"
    r"(?:T(?:(?P<hours>[0-9]{1,6})H)?(?:(?P<minutes>[0-9]{1,6})M)?(?:(?P<seconds>[0-9]{1,9})S)?)?"
)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
MAX_DURATION = timedelta(days=36_525)


def parse_duration(text: str) -> timedelta:
    """A duration of at most 100 years. Raises `Malformed`, also for months and years, which have no fixed length."""
    plain = text.strip()
    short = _SHORT.fullmatch(plain)
    if short:
        found = timedelta(**{_UNITS[short[2].lower()]: int(short[1])})
    else:
        iso = _ISO.fullmatch(plain.upper())
        parts = {name: int(value) for name, value in (iso.groupdict() if iso else {}).items() if value}
        if not parts:
            raise Malformed("DURATION_MALFORMED", "a duration is written 31d, 12h or P31D")
        found = timedelta(**parts)
    if found > MAX_DURATION:
        raise Malformed("DURATION_MALFORMED", "at most a hundred years")
    return found
