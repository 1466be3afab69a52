"""Whatever moves a limit has it looked at: activation, reminders, plans, imports (QT, RM-1)."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.db.usage import limit_checks
from app.usecases.sims.expire import expire_zone
from tests.gateway import Gateway
from tests.usecases.limits.limiting import MB, NOON, events_of, holds_of, set_clock, sim_of, use
from tests.usecases.usage.reporting import HOME

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
    set_clock(gateway, datetime(2026, 12, 31, 23, tzinfo=HOME))
    await use(gateway, card, 40 * MB)
    before = await holds_of(gateway, card)

    await expire_zone(gateway.ctx, ZoneInfo("Asia/Shanghai"))
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


async def test_a_plan_replaced_with_less_stops_the_cards_beyond_it(gateway: Gateway) -> None:
    card, other = await gateway.fleet(SMALL, SMALL | {"plan": "cmcc-100m"})
    for one in (card, other):
        await use(gateway, one, 20 * MB)

    await _plan(gateway, allowance=15 * MB)
    less = await holds_of(gateway, card)
    await _plan(gateway, allowance=30 * MB)

    assert (less, await holds_of(gateway, card), await holds_of(gateway, other)) == (["over_quota"], [], [])


async def test_a_large_plan_is_worked_through_chunk_by_chunk(gateway: Gateway) -> None:
    cards = await gateway.fleet(*(SMALL for _ in range(5)))
    for card in cards:
        await use(gateway, card, 20 * MB, settle=False)
    await gateway.settle()
    given = {"id": "cmcc-30m", "carrier": "cmcc", "months": 12, "allowance": 15 * MB}
    assert (await gateway.api.post("/v1/plans", json=given)).is_success

    seen = []
    async with gateway.ctx.pool.acquire() as connection:
        while not seen or seen[-1]:
            async with connection.transaction():
                seen.append(await limit_checks.queue_plan_chunk(connection, 2))
        queued = await connection.fetchval("SELECT count(DISTINCT sim_id) FROM usage_checks")

    assert (seen, queued) == ([2, 2, 1, 0], 5)


async def test_a_pools_total_follows_a_plan_replaced(gateway: Gateway) -> None:
    await _plan(gateway, id="pooled", kind="pool_forward")
    pool = {"id": "H", "name": "H", "kind": "forward", "carrier": "cmcc", "plan": "pooled"}
    assert (await gateway.api.post("/v1/pools", json=pool)).is_success
    [card] = await gateway.fleet({"terms": "gsl", "plan": "pooled", "pool": "H"})
    await use(gateway, card, 20 * MB)

    await _plan(gateway, id="pooled", kind="pool_forward", allowance=15 * MB)

    assert await holds_of(gateway, card) == ["pool_exhausted"]


async def test_the_automatic_stop_told_by_an_import_is_seen_at_once(gateway: Gateway) -> None:
    row = {"terms": "standard", "plan": "cmcc-30m"}
    [card] = await gateway.fleet(row)
    await use(gateway, card, 40 * MB)
    before = await holds_of(gateway, card)

    await _import(gateway, {"iccid": card, "carrier": "cmcc", "auto_stop": "true"} | row)

    assert (before, await holds_of(gateway, card)) == ([], ["over_quota"])


async def test_an_import_that_changes_no_limit_has_nobody_looked_at(gateway: Gateway) -> None:
    row = {"terms": "standard", "plan": "cmcc-30m"}
    [card] = await gateway.fleet(row)
    lines = json.dumps({"iccid": card, "carrier": "cmcc", "remark": "new"} | row)
    headers = {"Content-Type": "application/x-ndjson"}
    assert (await gateway.api.post("/v1/sims/import", content=lines, headers=headers)).is_success

    async with gateway.ctx.pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM usage_checks") == 0


async def test_counters_follow_a_card_that_an_import_puts_into_a_pool(gateway: Gateway) -> None:
    await _plan(gateway, id="pooled", kind="pool_forward")
    pool = {"id": "H", "name": "H", "kind": "forward", "carrier": "cmcc", "plan": "pooled"}
    assert (await gateway.api.post("/v1/pools", json=pool)).is_success
    row = {"terms": "gsl", "plan": "pooled"}
    card, big, rest = await gateway.fleet(row, row, row | {"pool": "H"})
    await use(gateway, card, 40 * MB)
    await use(gateway, big, 61 * MB)
    alone = await holds_of(gateway, rest)

    await _import(
        gateway,
        {"iccid": card, "carrier": "cmcc", "pool": "H"} | row,
        {"iccid": big, "carrier": "cmcc", "pool": "H"} | row,
    )

    async with gateway.ctx.pool.acquire() as connection:
        kept = await connection.fetch("SELECT p.id FROM usage_cycles c JOIN pools p ON p.ref = c.pool_ref")
    assert [row["id"] for row in kept] == ["H", "H"]
    assert (alone, await holds_of(gateway, rest)) == ([], ["pool_exhausted"])
    assert await holds_of(gateway, card) == ["pool_exhausted"]


async def test_a_threshold_crossed_just_before_the_turn_is_spoken_of_after_it(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"plan": "cmcc-1g"})
    assert (await gateway.api.patch(f"/v1/sims/{card}", json={"reminders": {"usage_mb": [40, 80]}})).is_success
    await use(gateway, card, 50 * MB)
    set_clock(gateway, datetime(2026, 12, 31, 23, 59, 59, tzinfo=HOME))
    await use(gateway, card, 40 * MB, settle=False)

    set_clock(gateway, datetime(2027, 1, 1, 0, 0, 5, tzinfo=HOME))
    await gateway.settle()
    await use(gateway, card, 45 * MB, at=datetime(2027, 1, 1, 0, 0, 1, tzinfo=HOME))

    told = [event["data"] for event in await events_of(gateway, "usage.threshold_crossed")]
    assert [(data["cycle"], data["threshold_mb"]) for data in told] == [(202612, 40), (202612, 80), (202701, 40)]
