"""QT-9: traffic before the activation counts towards the test alone, whatever activates the SIM."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.gateway import Gateway
from tests.usecases.limits.limiting import MB, NOON, correct, set_clock, sim_of, use
from tests.usecases.usage.reporting import HOME, report, send

TESTING = {"terms": "gsl", "plan": "cmcc-30m", "state": "testing", "opened_on": "2026-12-01"}


@pytest.fixture(autouse=True)
async def at_noon(gateway: Gateway) -> None:
    """The fifteenth of a month, at noon."""
    set_clock(gateway, NOON)


async def _activate(gateway: Gateway, card: str) -> None:
    operation = await gateway.operation(await gateway.api.post(f"/v1/sims/{card}/activate"))
    assert operation["status"] == "succeeded", operation
    await gateway.settle()


@pytest.mark.parametrize("state", ["testing", "silent"])
async def test_a_plans_worth_of_test_traffic_stops_nothing_after_the_activation(gateway: Gateway, state: str) -> None:
    """QT-9."""
    [card] = await gateway.fleet(TESTING | {"state": state})
    await use(gateway, card, 31 * MB)

    await _activate(gateway, card)
    await gateway.advance(minutes=5)

    sim = await sim_of(gateway, card)
    assert (sim["state"], sim["holds"]) == ("active", [])
    usage = sim["usage"]
    assert (usage["used"], usage["remaining"], usage["reported"]) == (0, 30 * MB, 31 * MB)
    assert usage["before_activation"] == 31 * MB
    assert (await gateway.carrier(card))["effects"] == {"activate": 1}


async def test_the_plan_is_cut_at_its_own_byte_after_the_test(gateway: Gateway) -> None:
    """QT-9."""
    [card] = await gateway.fleet(TESTING)
    await use(gateway, card, 31 * MB)
    await _activate(gateway, card)
    await gateway.advance(minutes=5)

    await use(gateway, card, 30 * MB)
    before = await sim_of(gateway, card)
    await gateway.advance(minutes=5)
    await use(gateway, card, 1)

    after = await sim_of(gateway, card)
    assert (before["state"], before["usage"]["remaining"]) == ("active", 0)
    assert [hold["code"] for hold in after["holds"]] == ["over_quota"]
    assert (await gateway.carrier(card))["effects"] == {"activate": 1, "suspend": 1}


async def test_a_late_report_from_before_the_activation_is_the_tests_too(gateway: Gateway) -> None:
    [card] = await gateway.fleet(TESTING)
    await _activate(gateway, card)
    await gateway.advance(hours=1)
    early, late = datetime(2026, 12, 14, 9, tzinfo=HOME), gateway.ctx.now() - timedelta(minutes=1)

    await send(gateway.api, [report(card, early, 40 * MB, number="old"), report(card, late, MB, number="new")])
    await gateway.settle()

    sim = await sim_of(gateway, card)
    assert (sim["holds"], sim["usage"]["used"], sim["usage"]["before_activation"]) == ([], MB, 40 * MB)


async def test_a_carriers_figure_from_after_the_activation_counts_whole(gateway: Gateway) -> None:
    [card] = await gateway.fleet(TESTING)
    await use(gateway, card, 31 * MB)
    await _activate(gateway, card)
    await gateway.advance(hours=1)

    await correct(gateway, card, 20 * MB)

    usage = (await sim_of(gateway, card))["usage"]
    assert (usage["used"], usage["before_activation"], usage["source"]) == (20 * MB, 0, "carrier")
