"""QT-10: two meters that disagree make one stop, one lift and one event in a cycle, never a nightly change of mind."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.examples import tries
from tests.gateway import Gateway, iccid
from tests.usecases.limits.limiting import GB, MB, NOON, correct, events_of, set_clock, sim_of, turn_at, use

CARD = {"terms": "gsl", "carrier": "ctcc", "plan": "ctcc-1g"}


@pytest.fixture(autouse=True)
async def at_noon(gateway: Gateway) -> None:
    """The fifteenth of a month, at noon."""
    set_clock(gateway, NOON)


async def test_a_lower_figure_every_night_makes_one_suspend_one_resume_and_one_event(gateway: Gateway) -> None:
    [card] = await gateway.fleet(CARD)

    for day in range(3):
        await use(gateway, card, 1536 * MB)
        await gateway.advance(hours=12)
        await correct(gateway, card, (day + 1) * 2 * MB)
        await gateway.advance(hours=12)

    assert (await gateway.carrier(card))["effects"] == {"suspend": 1, "resume": 1}
    [event] = await events_of(gateway, "usage.meters_disagree")
    assert (event["data"]["reported"], event["data"]["carrier"]["bytes"]) == (1536 * MB, 2 * MB)
    assert event["data"]["rule"] == "QT-10"
    assert (await sim_of(gateway, card))["state"] == "active"


async def test_the_next_cycle_and_a_new_limit_may_stop_it_again(gateway: Gateway) -> None:
    [card] = await gateway.fleet(CARD)
    await use(gateway, card, 2 * GB)
    await gateway.advance(hours=1)
    await correct(gateway, card, 2 * MB)

    await turn_at(gateway, "2027-01-01T00:01:00+08:00")
    await gateway.advance(hours=1)
    await use(gateway, card, 2 * GB)

    assert (await gateway.carrier(card))["effects"] == {"suspend": 2, "resume": 1}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("report"), st.integers(1, 80)),
        st.tuples(st.just("figure"), st.integers(0, 150)),
        st.tuples(st.just("addon"), st.sampled_from([10, 40])),
        st.tuples(st.just("turn"), st.just(0)),
    ),
    min_size=4,
    max_size=9,
)
numbers = iter(range(5_000_000, 6_000_000))


async def _take(gateway: Gateway, card: str, kind: str, amount: int, limits: int) -> int:
    """Take one step of an interleaving; gives how many limits the SIM has had so far."""
    if kind == "report":
        await use(gateway, card, amount * MB)
    elif kind == "figure":
        await correct(gateway, card, amount * MB, cycle=gateway.ctx.now().astimezone(NOON.tzinfo).strftime("%Y-%m"))
    elif kind == "addon":
        answer = await gateway.api.post(f"/v1/sims/{card}/order-addon", json={"bytes": amount * MB})
        if answer.status_code == 202:
            operation = await gateway.operation(answer)
            done = {"outcome": "succeeded", "note": "ordered"}
            if operation["channel"] == "desk":
                assert (await gateway.api.post(f"/v1/operations/{operation['id']}/complete", json=done)).is_success
                await gateway.settle()
            return limits + 1
    else:
        day = gateway.ctx.now().astimezone(NOON.tzinfo)
        first = datetime(day.year + day.month // 12, day.month % 12 + 1, 1, 0, 1, tzinfo=NOON.tzinfo)
        await turn_at(gateway, first.isoformat())
        return limits + 1
    return limits


@given(steps=STEPS)
@example(steps=[("report", 80), ("report", 80), ("figure", 0), ("report", 80), ("report", 80), ("figure", 1)])
@settings(max_examples=tries(4), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_the_meters_do_each_limit_of_a_cycle_stops_a_card_once(
    gateway: Gateway, steps: list[tuple[str, int]]
) -> None:
    """The carrier's counters of effects bound it: one suspend and one resume for each limit that was in force."""
    set_clock(gateway, NOON)
    [card] = await gateway.fleet({"terms": "gsl", "iccid": iccid(next(numbers)), "msisdn": None, "imsi": None})
    limits = 1

    for kind, amount in steps:
        limits = await _take(gateway, card, kind, amount, limits)
        await gateway.advance(minutes=7)

    effects = (await gateway.carrier(card))["effects"]
    assert effects.get("suspend", 0) <= limits
    assert effects.get("resume", 0) <= limits
    assert effects.get("resume", 0) <= effects.get("suspend", 0)
