"""Time, cycles, traffic, and what cards do by themselves."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.fleet.card import Card, allowance_of
from sandbox.fleet.traffic import Meter
from sandbox.time import BEIJING, Zone, cycle_of, duration_ms, to_ms
from tests.sandbox.desk import CMCC, CUCC, Desk, row

INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)).map(to_ms)


@pytest.mark.parametrize(
    ("carrier", "day", "name", "first", "end"),
    [
        ("cucc", "2024-06-26", "2024-06", "2024-05-27", "2024-06-27"),
        ("cucc", "2024-06-27", "2024-07", "2024-06-27", "2024-07-27"),
        ("cucc", "2024-12-27", "2025-01", "2024-12-27", "2025-01-27"),
        ("cucc", "2025-01-26", "2025-01", "2024-12-27", "2025-01-27"),
        ("cmcc", "2024-12-31", "2024-12", "2024-12-01", "2025-01-01"),
        ("overseas", "2024-02-29", "2024-02", "2024-02-01", "2024-03-01"),
    ],
)
def test_cycles_are_the_carriers(carrier: str, day: str, name: str, first: str, end: str) -> None:
    cycle = cycle_of(carrier, date.fromisoformat(day).toordinal())
    assert (cycle.id, date.fromordinal(cycle.first).isoformat(), date.fromordinal(cycle.end).isoformat()) == (
        name,
        first,
        end,
    )


@given(INSTANTS, st.sampled_from(["Asia/Shanghai", "UTC", "Europe/Berlin", "America/New_York"]))
def test_an_instant_lies_in_its_day(instant: int, name: str) -> None:
    zone = Zone(name)
    day = zone.day(instant)
    assert zone.start(day) <= instant < zone.start(day + 1)
    assert zone.local(instant).date().toordinal() == day


@pytest.mark.parametrize("text", ["", "P", "3", "3x", "P1Y", "-3d"])
def test_a_duration_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        duration_ms(text)


@pytest.mark.parametrize(
    ("plan", "size"), [("cmcc-30m", 30 << 20), ("cucc-1g", 1 << 30), ("x-500MB", 500 << 20), ("x", None)]
)
def test_a_plan_tells_its_size(plan: str, size: int | None) -> None:
    assert allowance_of(plan) == size


def flowing() -> Card:
    card = Card(sid=1, iccid=CMCC, carrier="cmcc", plan="cmcc-100m", state="active", seeded=True)
    card.flow_from = to_ms(datetime(2026, 1, 1, tzinfo=UTC))
    return card


FLOWING = st.datetimes(datetime(2026, 1, 2), datetime(2026, 6, 1), timezones=st.just(UTC)).map(to_ms)


@given(st.lists(FLOWING, min_size=1, max_size=5))
def test_generated_traffic_is_the_same_however_often_it_is_counted_in(instants: list[int]) -> None:
    meter, often, once = Meter(7), flowing(), flowing()
    for instant in sorted(instants):
        meter.count_in(often, BEIJING, instant)
    span = (date(2026, 1, 1).toordinal(), date(2026, 7, 1).toordinal(), max(instants))
    assert meter.between(often, BEIJING, *span) == meter.between(once, BEIJING, *span)


def test_traffic_follows_from_the_seed_and_stays_within_the_plan() -> None:
    until = to_ms(datetime(2026, 2, 1, tzinfo=UTC))
    span = (date(2026, 1, 1).toordinal(), date(2026, 2, 1).toordinal())
    used = [Meter(seed).between(flowing(), BEIJING, *span, until) for seed in (1, 1, 2)]
    assert used[0] == used[1] != used[2]
    assert 0 < used[0] < 100 << 20
    assert Meter(None).between(flowing(), BEIJING, *span, until) == 0


async def test_no_traffic_flows_while_a_card_is_stopped() -> None:
    desk = Desk()
    await desk.http.post("/_control/sims?seeded=true", json=row(CUCC, "cucc"))
    desk.clock.wait(days=1)
    await desk.jasper("PUT", f"/devices/{CUCC}", {"status": "DEACTIVATED"})
    stopped = (await desk.sim(CUCC))["usage"]["cycle"]
    desk.clock.wait(days=2)
    assert (await desk.sim(CUCC))["usage"]["cycle"] == stopped > 0
    await desk.jasper("PUT", f"/devices/{CUCC}", {"status": "ACTIVATED"})
    desk.clock.wait(days=1)
    assert (await desk.sim(CUCC))["usage"]["cycle"] > stopped
    await desk.close()


async def test_first_use_activates_a_silent_card(desk: Desk) -> None:
    await desk.add(row(CMCC, "cmcc", state="silent"))
    await desk.control("POST", "device", {"iccid": CMCC, "imei": "868739050000005", "province": "湖北"})
    assert (await desk.sim(CMCC))["state"] == "silent"
    sim = await desk.control("POST", "traffic", {"iccid": CMCC, "bytes": 5000})
    assert (sim["state"], sim["own"], sim["effects"], sim["usage"]["cycle"]) == ("active", {"activate": 1}, {}, 5000)
    assert sim["bound_province"] == "湖北"


async def test_an_unverified_person_activates_nothing_but_under_gsl_is_held(desk: Desk) -> None:
    await desk.add(row(CMCC, "cmcc", state="silent", real_name="individual"))
    assert (await desk.control("POST", "traffic", {"iccid": CMCC, "bytes": 1}))["state"] == "silent"
    await desk.add(row(CMCC, "cmcc", state="silent", real_name="individual", terms="gsl"))
    sim = await desk.control("POST", "traffic", {"iccid": CMCC, "bytes": 1})
    assert (sim["state"], sim["holds"]) == ("suspended", ["not_real_named"])


async def test_test_traffic_is_not_shown_and_its_end_activates(desk: Desk) -> None:
    await desk.add(row(CMCC, "cmcc", state="testing"))
    sim = await desk.control("POST", "traffic", {"iccid": CMCC, "bytes": (30 << 20) - 1})
    assert (sim["state"], sim["usage"]["cycle"]) == ("testing", 0)
    sim = await desk.control("POST", "traffic", {"iccid": CMCC, "bytes": 11})
    assert (sim["state"], sim["usage"]["cycle"], sim["own"]) == ("active", 10, {"activate": 1})


async def test_a_forced_activation_comes_on_its_day_at_midnight(desk: Desk) -> None:
    await desk.add(row(CMCC, "cmcc", state="silent", forced_on="2026-12-01"))
    assert (await desk.control("GET", "clock"))["next"] == "2026-11-30T16:00:00.000Z"
    await desk.control("POST", "clock", {"now": "2026-11-30T23:59:59+08:00"})
    assert (await desk.sim(CMCC))["state"] == "silent"
    await desk.control("POST", "clock", {"now": "2026-12-01T00:00:00+08:00"})
    sim = await desk.sim(CMCC)
    assert (sim["state"], sim["own"], sim["effects"]) == ("active", {"activate": 1}, {})


async def test_a_quota_stop_only_where_opened_so_and_the_next_cycle_lifts_it(desk: Desk) -> None:
    await desk.add(row(CUCC, "cucc", auto_stop=True))
    await desk.control("POST", "traffic", {"iccid": CUCC, "bytes": (100 << 20) - 1})
    assert (await desk.sim(CUCC))["state"] == "active"
    sim = await desk.control("POST", "traffic", {"iccid": CUCC, "bytes": 1})
    assert (sim["state"], sim["holds"], sim["own"]) == ("suspended", ["over_quota"], {"suspend": 1})
    await desk.control("POST", "clock", {"now": "2026-11-27T00:00:00+08:00"})
    assert (await desk.sim(CUCC))["own"] == {"suspend": 1, "resume": 1}
    await desk.control("POST", "traffic", {"iccid": CMCC, "bytes": 1 << 40})
    assert (await desk.sim(CMCC))["state"] == "active"


async def test_generated_traffic_reaches_a_limit_at_an_instant_of_its_own() -> None:
    desk = Desk()
    await desk.http.post("/_control/sims?seeded=true", json=row(CUCC, "cucc", auto_stop=True))
    await desk.control("POST", "traffic", {"iccid": CUCC, "bytes": 99 << 20})
    desk.clock.wait(days=3)
    sim = await desk.sim(CUCC)
    assert sim["holds"] == ["over_quota"]
    assert sim["usage"]["cycle"] < 110 << 20
    desk.clock.wait(days=3)
    assert (await desk.sim(CUCC))["holds"] == []
    await desk.close()


async def test_a_device_of_the_same_type_does_not_lock_under_flexem(desk: Desk) -> None:
    await desk.add(row(CMCC, "cmcc", terms="flexem", imei="868739050000005"))
    await desk.control("POST", "device", {"iccid": CMCC, "imei": "868739051111111"})
    assert (await desk.sim(CMCC))["holds"] == []
    await desk.control("POST", "device", {"iccid": CMCC, "imei": "860000000000001"})
    assert (await desk.sim(CMCC))["holds"] == ["device_mismatch"]
    stop = (await desk.onelink("query/sim-stop-reason", iccid=CMCC))["result"][0]
    assert stop["stopReason"] == "020000000000"


async def test_a_flexem_unicom_card_heals_by_itself(desk: Desk) -> None:
    await desk.add(row(CUCC, "cucc", terms="flexem", imei="868739050000005"))
    await desk.control("POST", "device", {"iccid": CUCC, "imei": "860000000000001"})
    assert (await desk.sim(CUCC))["state"] == "suspended"
    desk.clock.wait(minutes=21)
    sim = await desk.sim(CUCC)
    assert (sim["state"], sim["own"]) == ("active", {"suspend": 1, "resume": 1})


async def test_leaving_the_province_stops_a_flexem_mobile_card(desk: Desk) -> None:
    await desk.add(row(CMCC, "cmcc", terms="flexem", province="湖北"))
    await desk.control("POST", "device", {"iccid": CMCC, "imei": "868739050000005", "province": "湖北"})
    assert (await desk.sim(CMCC))["holds"] == []
    await desk.control("POST", "device", {"iccid": CMCC, "province": "广东"})
    assert (await desk.sim(CMCC))["holds"] == ["out_of_region"]
    assert (await desk.onelink("query/region-limit-status", iccid=CMCC))["result"][0]["regionLimitStatus"] == "1"
    assert (await desk.onelink("query/sim-region-limit-area", iccid=CMCC))["result"][0]["restrictedArea"] == ["270"]
