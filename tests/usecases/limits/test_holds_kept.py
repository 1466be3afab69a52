"""What use may lift and what it may not (ST-2, ST-3, QT-6, US-5), and what the timeline says of it (LC-12)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from app.usecases.carrier_sync.usage_run import pull_all
from tests.gateway import Gateway
from tests.usecases.limits.limiting import MB, NOON, correct, holds_of, set_clock, sim_of, turn_at, use
from tests.usecases.usage.reporting import HOME

STOPPED = {"state": "suspended", "holds": "over_quota"}


@pytest.fixture(autouse=True)
async def at_noon(gateway: Gateway) -> None:
    """The fifteenth of a month, at noon."""
    set_clock(gateway, NOON)


async def _resumes(gateway: Gateway, card: str) -> int:
    """How often a resume was asked for; a carrier may have freed the card already."""
    asked = (await gateway.api.get(f"/v1/operations?sim={card}&kind=resume")).json()["items"]
    assert (await gateway.carrier(card))["effects"].get("resume", 0) <= len(asked)
    return len(asked)


async def _done(gateway: Gateway, card: str, action: str, **arguments: Any) -> dict[str, Any]:
    operation = await gateway.operation(await gateway.api.post(f"/v1/sims/{card}/{action}", json=arguments))
    if operation["status"] != "succeeded":
        done = {"outcome": "succeeded", "note": "done"}
        answer = await gateway.api.post(f"/v1/operations/{operation['id']}/complete", json=done)
        assert answer.is_success, answer.text
        await gateway.settle()
    return operation


@pytest.mark.parametrize("terms", ["flexem", "gsl"])
async def test_a_stop_that_came_with_the_card_is_not_lifted_by_a_byte(gateway: Gateway, terms: str) -> None:
    [card] = await gateway.fleet({"terms": terms} | STOPPED)
    await gateway.hold_by_rule()

    await use(gateway, card, 1)

    assert (await holds_of(gateway, card), await _resumes(gateway, card)) == (["over_quota"], 0)


async def test_a_closed_cycle_lifts_nothing_nor_does_the_next_days_pull(gateway: Gateway) -> None:
    set_clock(gateway, datetime(2026, 12, 1, 12, tzinfo=HOME))
    [card] = await gateway.fleet({"terms": "gsl"} | STOPPED)
    await gateway.hold_by_rule()

    await use(gateway, card, 1, at=datetime(2026, 11, 30, 12, tzinfo=HOME))
    late = await holds_of(gateway, card)
    await gateway.advance(days=1)
    await pull_all(gateway.ctx)
    await gateway.settle()

    assert (late, await holds_of(gateway, card), await _resumes(gateway, card)) == (["over_quota"], ["over_quota"], 0)


async def test_a_report_of_a_closed_cycle_asks_nobody_to_look(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"terms": "gsl"})

    await use(gateway, card, 1, at=datetime(2026, 11, 20, tzinfo=HOME), settle=False)
    async with gateway.ctx.pool.acquire() as connection:
        closed = await connection.fetchval("SELECT count(*) FROM usage_checks")
    await use(gateway, card, 1, settle=False)
    async with gateway.ctx.pool.acquire() as connection:
        running = await connection.fetchval("SELECT count(*) FROM usage_checks")

    assert (closed, running) == (0, 1)


async def test_a_test_is_used_up_by_a_late_report_of_a_closed_cycle_too(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"state": "testing", "opened_on": "2026-11-20", "purchased_on": "2026-11-20"})
    await use(gateway, card, 20 * MB)

    await use(gateway, card, 10 * MB, at=datetime(2026, 11, 25, tzinfo=HOME))

    assert (await sim_of(gateway, card))["state"] == "active"


async def test_a_stop_of_an_earlier_cycle_leaves_by_an_addon(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"terms": "gsl"} | STOPPED)
    await gateway.hold_by_rule()
    await use(gateway, card, 150 * MB)
    before = await holds_of(gateway, card)

    await _done(gateway, card, "order-addon", bytes=10 * MB)
    little = await holds_of(gateway, card)
    await _done(gateway, card, "order-addon", bytes=100 * MB)

    assert (before, little) == (["over_quota"], ["over_quota"])
    assert (await holds_of(gateway, card), await _resumes(gateway, card)) == ([], 1)


async def test_a_stop_of_an_earlier_cycle_leaves_by_a_threshold_raised(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"terms": "standard", "state": "suspended", "holds": "over_threshold"})
    await gateway.hold_by_rule()
    await use(gateway, card, 20 * MB)
    before = await holds_of(gateway, card)

    await _done(gateway, card, "set-threshold", bytes=50 * MB)

    assert (before, await holds_of(gateway, card), await _resumes(gateway, card)) == (["over_threshold"], [], 1)


async def test_a_stop_of_an_earlier_cycle_leaves_by_the_turn_but_not_under_flexem(gateway: Gateway) -> None:
    gsl, flexem = await gateway.fleet({"terms": "gsl"} | STOPPED, {"terms": "flexem"} | STOPPED)
    await gateway.hold_by_rule()

    await turn_at(gateway, "2027-01-01T00:01:00+08:00")

    assert (await holds_of(gateway, gsl), await holds_of(gateway, flexem)) == ([], ["over_quota"])
    assert (await _resumes(gateway, gsl), await _resumes(gateway, flexem)) == (1, 0)


async def test_a_correction_lifts_the_stop_that_use_put_on(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"terms": "gsl"})
    await use(gateway, card, 101 * MB)
    before = await holds_of(gateway, card)

    await correct(gateway, card, 50 * MB)

    assert (before, await holds_of(gateway, card), await _resumes(gateway, card)) == (["over_quota"], [], 1)


async def test_only_the_next_cycle_lifts_the_stop_of_the_cap(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"terms": "flexem", "plan": "cmcc-1g"})
    await _done(gateway, card, "set-threshold", bytes=100 * MB)
    await use(gateway, card, 101 * MB)
    before = await holds_of(gateway, card)

    await correct(gateway, card, 50 * MB)
    corrected = await holds_of(gateway, card)
    await turn_at(gateway, "2027-01-01T00:01:00+08:00")

    assert (before, corrected) == (["over_threshold"], ["over_threshold"])
    assert (await holds_of(gateway, card), await _resumes(gateway, card)) == ([], 1)


@pytest.mark.parametrize(("terms", "moved_to", "rule"), [("flexem", "active", "LC-1"), ("standard", "silent", "LC-3")])
async def test_the_timeline_says_by_which_rule_a_test_was_used_up(
    gateway: Gateway, terms: str, moved_to: str, rule: str
) -> None:
    row = {"state": "testing", "opened_on": "2026-11-20", "purchased_on": "2026-11-20", "terms": terms}
    plan = {"id": "tried", "carrier": "cmcc", "allowance": 100 * MB, "months": 12, "test_bytes": 30 * MB}
    assert (await gateway.api.post("/v1/plans", json=plan | {"test_months": 2})).is_success
    [card] = await gateway.fleet(row | {"plan": "tried"})

    await use(gateway, card, 30 * MB)

    [moved] = [
        item
        for item in (await gateway.api.get(f"/v1/sims/{card}/timeline")).json()["items"]
        if item["what"] == "state" and item["before"] == "testing"
    ]
    assert (moved["after"], moved["cause"], moved["rule"]) == (moved_to, "test_used_up", rule)
