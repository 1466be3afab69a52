"""Sandbox time: a clock with an offset, the zones of business days, and billing cycles.

Instants inside the sandbox are integers, milliseconds since 1970 UTC; days are proleptic ordinals (`date.toordinal`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from app.clock import Clock

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


class SandboxClock:
    """Some other clock moved forwards by an offset; it never goes back."""

    def __init__(self, source: Clock, offset_ms: int = 0) -> None:
        self._source = source
        self.offset_ms = offset_ms

    def now(self) -> int:
        """The sandbox's instant, ms."""
        return to_ms(self._source.now()) + self.offset_ms

    def move_to(self, instant: int) -> None:
        """Let it be `instant` now; an instant already past changes nothing."""
        self.offset_ms += max(0, instant - self.now())


def to_ms(instant: datetime) -> int:
    """An aware instant in ms."""
    return (instant - _EPOCH) // _MS


def from_ms(instant: int) -> datetime:
    """An instant in ms as an aware UTC datetime."""
    return _EPOCH + instant * _MS


def iso(instant: int) -> str:
    """An instant in ms as RFC 3339 in UTC with milliseconds."""
    return from_ms(instant).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Zone:
    """Days and wall clocks of one zone. A fixed offset is worked out by arithmetic alone."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._offset = 8 * HOUR if name == "Asia/Shanghai" else 0 if name == "UTC" else None
        self._tz: timezone | ZoneInfo
        self._tz = ZoneInfo(name) if self._offset is None else timezone(timedelta(milliseconds=self._offset))

    def day(self, instant: int) -> int:
        """The ordinal of the day an instant lies in."""
        if self._offset is None:
            return self.local(instant).toordinal()
        return (instant + self._offset) // DAY + _EPOCH_ORDINAL

    def start(self, ordinal: int) -> int:
        """The instant a day begins."""
        if self._offset is None:
            day = date.fromordinal(ordinal)
            return to_ms(datetime(day.year, day.month, day.day, tzinfo=self._tz))
        return (ordinal - _EPOCH_ORDINAL) * DAY - self._offset

    def local(self, instant: int) -> datetime:
        """The wall clock at an instant."""
        return from_ms(instant).astimezone(self._tz)

    def text(self, instant: int, form: str) -> str:
        """The wall clock at an instant by a strftime form."""
        return self.local(instant).strftime(form)

    def parse(self, text: str, form: str) -> int:
        """The instant of a wall clock text. Raises ValueError."""
        return to_ms(datetime.strptime(text, form).replace(tzinfo=self._tz))


BEIJING = Zone("Asia/Shanghai")
UTC_ZONE = Zone("UTC")


@dataclass(frozen=True, slots=True)
class Cycle:
    """A billing cycle: its name `yyyy-mm`, its first day and the day after its last."""

    id: str
    first: int
    end: int


def cycle_of(carrier: str, ordinal: int) -> Cycle:
    """The cycle a day lies in: the 27th to the 26th, named by its end, at China Unicom; else the month (BC-1, BC-2)."""
    day = date.fromordinal(ordinal)
    year, month = day.year, day.month
    if carrier != "cucc":
        return Cycle(f"{year:04d}-{month:02d}", _first(year, month, 1), _first(*_next(year, month), 1))
    if day.day >= 27:
        year, month = _next(year, month)
    before = (year - 1, 12) if month == 1 else (year, month - 1)
    return Cycle(f"{year:04d}-{month:02d}", _first(*before, 27), _first(year, month, 27))


def cycle_named(carrier: str, year: int, month: int) -> Cycle:
    """The cycle of a named month. Raises ValueError for a month that is none."""
    return cycle_of(carrier, _first(year, month, 1))


def _first(year: int, month: int, day: int) -> int:
    return date(year, month, day).toordinal()


def _next(year: int, month: int) -> tuple[int, int]:
    return (year + 1, 1) if month == 12 else (year, month + 1)


_SHORT = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])", re.IGNORECASE)
_ISO = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.IGNORECASE)
_UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}


def duration_ms(text: str) -> int:
    """`31d`, `12h`, or ISO 8601 (`P31D`, `PT12H`) in ms. Raises ValueError."""
    short = _SHORT.fullmatch(text.strip())
    if short:
        return int(float(short[1]) * _UNITS[short[2].lower()])
    parts = _ISO.fullmatch(text.strip())
    if parts is None or not any(parts.groups()):
        raise ValueError("a duration is 31d, 12h, or ISO 8601 in weeks, days, hours, minutes and seconds")
    weights = (7 * DAY, DAY, HOUR, MINUTE, SECOND)
    return sum(int(float(part) * weight) for part, weight in zip(parts.groups(), weights, strict=True) if part)
