"""The cycle table gives the same cycle as the calendar, for every instant, zone and carrier; water marks bound ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db.usage.ingest import WaterMarks
from app.domain.calendar.cycles import CYCLES_KEPT, cycle_at, oldest_cycle, preceding
from app.domain.vocabulary import Carrier
from app.usecases.usage.ingest.cycle_table import cycle_table, oldest_instant
from app.usecases.usage.ingest.duplicates import bounds_of, possible_duplicates
from app.usecases.usage.ingest.packed import (
    TOO_OLD,
    calendar_of,
    columns_of,
    counter_key,
    cycle_of,
    is_closed,
    sim_id_of,
    sim_key,
)

ZONES = ["Asia/Shanghai", "America/New_York", "Pacific/Auckland", "America/St_Johns", "UTC"]
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))


@given(
    now=INSTANTS, back=st.integers(-600, 190 * 86_400), zone=st.sampled_from(ZONES), carrier=st.sampled_from(Carrier)
)
def test_a_key_is_the_cycle_of_the_instant_and_whether_it_is_closed(
    now: datetime, back: int, zone: str, carrier: Carrier
) -> None:
    place, at = ZoneInfo(zone), now - timedelta(seconds=back)

    key = cycle_table(carrier, place, now).key(at.timestamp())

    cycle, running = cycle_at(carrier, at, place), cycle_at(carrier, now, place)
    if at < oldest_instant(carrier, place, now):
        assert key == TOO_OLD
        return
    number = cycle_of(key)
    assert f"{number // 100:04d}-{number % 100:02d}" == cycle.id
    assert is_closed(key) == (cycle.start < running.start)


@given(
    sim_id=st.integers(1, (1 << 39) - 1), calendar=st.integers(0, 255), now=INSTANTS, carrier=st.sampled_from(Carrier)
)
def test_a_counter_key_holds_the_sim_the_cycle_and_whether_it_is_closed(
    sim_id: int, calendar: int, now: datetime, carrier: Carrier
) -> None:
    sim = sim_key(sim_id, calendar)
    for cycle in cycle_table(carrier, ZoneInfo("UTC"), now).keys[1:]:
        key = counter_key(sim, cycle)

        assert columns_of([key]) == ([sim_id], [cycle_of(cycle)])
        assert (sim_id_of(sim), calendar_of(sim), cycle_of(key)) == (sim_id, calendar, cycle_of(cycle))
        assert is_closed(key) == is_closed(cycle)


@given(now=INSTANTS, carrier=st.sampled_from(Carrier))
def test_six_cycles_are_kept_the_running_one_included(now: datetime, carrier: Carrier) -> None:
    place = ZoneInfo("Asia/Shanghai")
    cycle = cycle_at(carrier, now, place)
    for _ in range(CYCLES_KEPT - 1):
        cycle = preceding(carrier, cycle)

    assert oldest_cycle(carrier, now, place) == cycle


@pytest.mark.parametrize(
    ("used", "asked", "expected"),
    [
        (["r1", "r9"], ["r0", "r1", "r5", "r9", "r10", "s"], ["r1", "r5", "r9"]),
        ([], ["a", "b"], []),
        (["r99"], ["r100", "r99", "r98"], ["r99"]),
    ],
)
def test_only_ids_between_the_marks_may_have_been_used(used: list[str], asked: list[str], expected: list[str]) -> None:
    order = sorted(used, key=lambda name: (len(name), name))
    mark = WaterMarks(lowest=order[0] if order else None, highest=order[-1] if order else None)

    found = possible_duplicates([(1, name) for name in asked], {1: mark})

    assert [name for _, name in found] == expected


@given(st.lists(st.text("ab09-", min_size=1, max_size=4), min_size=1), st.text("ab09-", min_size=1, max_size=4))
def test_every_id_ever_used_lies_between_the_marks(used: list[str], other: str) -> None:
    order = sorted(used, key=lambda name: (len(name), name))
    mark = WaterMarks(lowest=order[0], highest=order[-1])
    low, high = bounds_of(mark)

    assert all(low <= (len(name), name) <= high for name in used)
    assert len(possible_duplicates([(1, name) for name in used], {1: mark})) == len(used)
    assert bool(possible_duplicates([(1, other)], {1: mark})) or other not in used
