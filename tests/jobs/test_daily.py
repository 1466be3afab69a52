"""A daily job runs once on every day of its zone, whatever the clocks do there."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.jobs.schedule import JobSpec, daily
from tests.jobs.timetable import Job

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "America/Havana",
    "America/Santiago",
    "Africa/Cairo",
    "Australia/Sydney",
    "Pacific/Auckland",
    "Asia/Shanghai",
)
DAYS = 3 * 365


def _days(zone: ZoneInfo, hour: int, minute: int) -> list[date]:
    """The local day of each slot from the first day on."""
    job = JobSpec(name="sweep", trigger=daily(hour, minute, zone), run=Job())
    slot = datetime(2023, 12, 31, 12, tzinfo=UTC)
    slots = []
    while len(slots) < DAYS:
        slot = job.next_after(slot)
        slots.append(slot.astimezone(zone).date())
    return slots


@pytest.mark.parametrize("name", ZONES)
@pytest.mark.parametrize(("hour", "minute"), [(0, 1), (0, 5), (2, 30)])
def test_no_day_of_three_years_is_left_out_or_taken_twice(name: str, hour: int, minute: int) -> None:
    days = _days(ZoneInfo(name), hour, minute)
    start = days[0]
    assert days == [start + timedelta(days=index) for index in range(DAYS)]


@pytest.mark.parametrize(
    ("name", "day", "local"),
    [
        ("Europe/Berlin", date(2026, 3, 29), "2026-03-29T00:01:00+01:00"),
        ("America/New_York", date(2026, 11, 1), "2026-11-01T00:01:00-04:00"),
        ("America/Havana", date(2026, 3, 8), "2026-03-08T01:01:00-04:00"),
        ("America/Havana", date(2026, 11, 1), "2026-11-01T00:01:00-04:00"),
        ("America/Santiago", date(2026, 9, 6), "2026-09-06T01:01:00-03:00"),
        ("Africa/Cairo", date(2026, 4, 24), "2026-04-24T01:01:00+03:00"),
        ("Australia/Sydney", date(2026, 10, 4), "2026-10-04T00:01:00+10:00"),
    ],
)
def test_on_the_day_of_a_change_the_slot_is_just_after_the_day_begins(name: str, day: date, local: str) -> None:
    zone = ZoneInfo(name)
    job = JobSpec(name="turn", trigger=daily(0, 1, zone), run=Job())
    noon_before = datetime.combine(day - timedelta(days=1), datetime.min.time(), zone).replace(hour=12)
    assert job.next_after(noon_before.astimezone(UTC)).astimezone(zone).isoformat() == local


def test_a_slot_is_strictly_after_the_instant_that_is_given() -> None:
    job = JobSpec(name="turn", trigger=daily(0, 1), run=Job())
    slot = job.next_after(datetime(2026, 11, 21, tzinfo=UTC))
    assert job.next_after(slot) - slot == timedelta(days=1)
    assert job.next_after(slot - timedelta(microseconds=1)) == slot
