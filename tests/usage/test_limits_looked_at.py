"""Whatever moves a limit has it looked at: activation, reminders, plans, imports (QT, RM-1)."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.usecases.sweep import sweep_zone
from tests.gateway import Gateway
from tests.usage.limiting import MB, NOON, events_of, holds_of, set_clock, sim_of, use
from tests.usage.reporting import HOME

SMALL = {"terms": "gsl", "plan": "cmcc-30m"}


@pytest.fixture(autouse=True)
async def at_noon(gateway: Gateway) -> None:
    """The fifteenth of a month, at noon."""
    set_clock(gateway, NOON)


async def _import(gateway: Gateway, *rows: dict[str, Any]) -> None:
    lines = "\n".join(json.dumps(row) for row in rows)
    headers = {"Content-Type": "application/x-ndjson"}
    answer = await gateway.api.post("/v1/sims/import", content=lines, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["updated"] == len(rows), answer.text
    await gateway.settle()


async def _plan(gateway: Gateway, **plan: Any) -> None:
    given = {"id": "cmcc-30m", "carrier": "cmcc", "months": 12, "allowance": 30 * MB} | plan
    assert (await gateway.api.post("/v1/plans", json=given)).is_success
    await gateway.settle()


async def test_a_card_that_the_carrier_says_is_active_has_its_limits_at_once(gateway: Gateway) -> None:
    [card] = await gateway.fleet(SMALL | {"state": "silent"})
    await use(gateway, card, 40 * MB)
    await gateway.control.post("/_control/traffic", json={"iccid": card, "bytes": 40 * MB})

    await gateway.operation(await gateway.api.post(f"/v1/sims/{card}/refresh"))
    await gateway.settle()

    sim = await sim_of(gateway, card)
    assert (sim["activated_on"], [hold["code"] for hold in sim["holds"]]) == ("2026-12-15", ["over_quota"])


async def test_a_card_that_the_sweep_activates_has_its_limits_at_once(gateway: Gateway) -> None:
    [card] = await gateway.fleet(SMALL | {"state": "silent", "opened_on": "2026-06-16"})
    await use(gateway, card, 40 * MB)
    before = await holds_of(gateway, card)

    set_clock(gateway, datetime(2026, 12, 31, 23, tzinfo=HOME))
    await sweep_zone(gateway.ctx, ZoneInfo("Asia/Shanghai"))
    await gateway.settle()

    assert (before, await holds_of(gateway, card)) == ([], ["over_quota"])


async def test_a_reminder_set_within_the_cycle_speaks_in_it(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"plan": "cmcc-1g"})
    await use(gateway, card, 50 * MB)
    assert (await gateway.api.patch(f"/v1/sims/{card}", json={"reminders": {"usage_mb": [40, 80]}})).is_success
    await gateway.settle()

    await use(gateway, card, 31 * MB)

    told = [event["data"]["threshold_mb"] for event in await events_of(gateway, "usage.threshold_crossed")]
    assert told == [40, 80]
