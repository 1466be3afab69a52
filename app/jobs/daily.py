"""A trigger that fires once on every day of a zone, also on the days when its clocks change.

APScheduler's `CronTrigger` leaves out a day near a change (at 00:01 in Europe/Berlin: 30 March 2026), and a cycle that
turns on that day would turn a day late.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)


class DailyTrigger:
    """Every day at a wall-clock time of a zone.

    It has the one method of APScheduler's triggers that jobs need. A time that a change skips falls as long after the
    change as it would have been after the start of the gap; a time that a change repeats counts the first time.
    """

    def __init__(self, hour: int, minute: int, zone: ZoneInfo) -> None:
        self._at = time(hour, minute)
        self._zone = zone

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """The first slot after the previous one, or after `now` if there was none; in UTC."""
        after = previous_fire_time or now
        day = after.astimezone(self._zone).date()
        slots = (self._slot(day + offset) for offset in (-_DAY, timedelta(), _DAY, 2 * _DAY))
        return next(slot for slot in slots if slot > after)

    def _slot(self, day: date) -> datetime:
        # fold=0: in a gap the offset from before the change, in a repeated hour the first of the two instants.
        return datetime.combine(day, self._at, self._zone).astimezone(UTC)
