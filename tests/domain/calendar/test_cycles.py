"""Billing cycles (BC)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.calendar.cycles import (
    Cycle,
    cycle_at,
    cycle_named,
    cycle_on,
    end_instant,
    following,
    preceding,
    start_instant,
)
from app.domain.errors import Malformed
from app.domain.vocabulary import Carrier
from tests.domain.cards import SHANGHAI

DAYS = st.dates(date(2000, 3, 1), date(2200, 1, 1))
CARRIERS = st.sampled_from(Carrier)


@given(CARRIERS, DAYS)
def test_cycles_tile_time(carrier: Carrier, day: date) -> None:
    """BC-1, BC-2: each day is in its cycle, and the next one begins where it ends."""
    cycle = cycle_on(carrier, day)
    assert cycle.start <= day < cycle.end
    assert following(carrier, cycle).start == cycle.end
    assert preceding(carrier, cycle).end == cycle.start
    assert preceding(carrier, following(carrier, cycle)) == cycle
    assert cycle_named(carrier, cycle.id) == cycle


@given(CARRIERS, st.datetimes(datetime(2001, 1, 1), datetime(2100, 1, 1), timezones=st.timezones()))
def test_an_instant_is_in_exactly_one_cycle(carrier: Carrier, instant: datetime) -> None:
    """BC-4."""
    zone = ZoneInfo("America/New_York")
    own = cycle_at(carrier, instant, zone)
    around = [preceding(carrier, own), own, following(carrier, own)]
    holding = [cycle for cycle in around if start_instant(cycle, zone) <= instant < end_instant(cycle, zone)]
    assert holding == [own]


def test_a_unicom_cycle_opens_on_the_27th_at_midnight_in_shanghai() -> None:
    """BC-2, BC-4: 2024-06-27 00:00 opens 2024-07; 2024-12-27 opens 2025-01."""
    before = datetime(2024, 6, 26, 23, 59, 59, tzinfo=SHANGHAI)
    assert cycle_at(Carrier.CUCC, before, SHANGHAI).id == "2024-06"
    assert cycle_at(Carrier.CUCC, before + timedelta(seconds=1), SHANGHAI).id == "2024-07"
    new_year = cycle_on(Carrier.CUCC, date(2024, 12, 27))
    assert new_year == Cycle(id="2025-01", start=date(2024, 12, 27), end=date(2025, 1, 27))
    assert new_year.last_day == date(2025, 1, 26)


def test_an_overseas_account_turns_over_in_its_own_zone() -> None:
    """BC-1, BC-4: the same instant lies in two months."""
    instant = datetime(2024, 5, 31, 20, 0, tzinfo=UTC)
    assert cycle_at(Carrier.OVERSEAS, instant, ZoneInfo("Europe/Berlin")).id == "2024-05"
    assert cycle_at(Carrier.OVERSEAS, instant, ZoneInfo("Asia/Tokyo")).id == "2024-06"


@pytest.mark.parametrize("name", ["2024-13", "2024-0", "24-01", "2024-01-01", "", "0001-01", "9999-12"])
def test_a_cycle_that_is_no_month_is_malformed(name: str) -> None:
    with pytest.raises(Malformed):
        cycle_named(Carrier.CUCC, name)


def test_an_instant_without_an_offset_is_malformed() -> None:
    with pytest.raises(Malformed) as wrong:
        cycle_at(Carrier.CMCC, datetime(2024, 1, 1), SHANGHAI)
    assert wrong.value.code == "OFFSET_MISSING"
