"""Cycles that are over keep the allowance that held in them, whatever becomes of the plan or of the card's plan (BC-3)."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.db.usage import allowances
from app.usecases.access import DEFAULT_TENANT
from tests.gateway import Gateway, iccid
from tests.usecases.usage.reporting import cycles, report, send

NOON = datetime.fromisoformat("2026-12-15T12:00:00+08:00")
MB = 1 << 20


@pytest.fixture(autouse=True)
async def at_noon(gateway: Gateway) -> None:
    """The fifteenth of a month, at noon."""
    gateway.ctx.clock.adopt(gateway.ctx.clock.offset + (NOON - gateway.ctx.now()))


async def _plan(gateway: Gateway, name: str, allowance: int) -> None:
    plan = {"id": name, "carrier": "cmcc", "allowance": allowance, "months": 12}
    assert (await gateway.api.post("/v1/plans", json=plan)).is_success


async def _allowed(gateway: Gateway, card: str) -> dict[str, int]:
    return {name: item["allowance"] // MB for name, item in (await cycles(gateway.api, card)).items()}


async def _next_month(gateway: Gateway) -> None:
    gateway.ctx.clock.adopt(gateway.ctx.clock.offset + timedelta(days=31))


async def test_a_plan_with_another_allowance_leaves_past_cycles_as_they_were(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    await send(gateway.api, [report(card, "2026-11-20T12:00:00+08:00", 7, number="a")])

    await _plan(gateway, "cmcc-100m", 200 * MB)
    first = await cycles(gateway.api, card)
    await _next_month(gateway)
    await _plan(gateway, "cmcc-100m", 300 * MB)
    await _plan(gateway, "cmcc-100m", 300 * MB)

    assert (first["2026-11"]["allowance"], first["2026-11"]["remaining"]) == (100 * MB, 100 * MB - 7)
    assert first["2026-12"]["allowance"] == first["2026-12"]["remaining"] == 200 * MB
    expected = {"2026-08": 100, "2026-09": 100, "2026-10": 100, "2026-11": 100, "2026-12": 200, "2027-01": 300}
    assert await _allowed(gateway, card) == expected


async def test_a_card_on_another_plan_keeps_what_its_old_one_allowed(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"terms": "standard"})
    operation = (await gateway.api.post(f"/v1/sims/{card}/change-plan", json={"plan": "cmcc-1g"})).json()
    await gateway.settle(rounds=2)
    done = await gateway.api.post(f"/v1/operations/{operation['id']}/complete", json={"outcome": "succeeded"})
    assert done.status_code == 200, done.text

    await _plan(gateway, "cmcc-100m", 50 * MB)
    await _plan(gateway, "cmcc-1g", 2048 * MB)

    assert await _allowed(gateway, card) | {"2026-07": 0} == {
        "2026-07": 0, "2026-08": 100, "2026-09": 100, "2026-10": 100, "2026-11": 100, "2026-12": 2048,
    }  # fmt: skip


async def test_an_import_that_names_another_plan_keeps_what_the_old_one_allowed(gateway: Gateway) -> None:
    [card, other] = await gateway.fleet({}, {"iccid": iccid(77)})
    rows: list[dict[str, Any]] = [
        {"iccid": card[:-1], "carrier": "cmcc", "terms": "flexem", "plan": "cmcc-1g"},
        {"iccid": other, "carrier": "cmcc", "terms": "flexem", "plan": "cmcc-100m"},
    ]
    text = "\n".join(map(json.dumps, rows))
    done = await gateway.api.post("/v1/sims/import", content=text, headers={"Content-Type": "application/x-ndjson"})
    assert done.json()["updated"] == 2, done.text

    shown = [await _allowed(gateway, one) for one in (card, other)]

    assert [(one["2026-11"], one["2026-12"]) for one in shown] == [(100, 1024), (100, 100)]


async def test_two_who_replace_a_plan_at_once_keep_one_history(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})

    await asyncio.gather(*(_plan(gateway, "cmcc-100m", size * MB) for size in range(200, 210)))

    assert (await _allowed(gateway, card))["2026-11"] == 100


async def test_a_change_that_waited_for_a_later_one_leaves_history_as_it_is(gateway: Gateway) -> None:
    """Its instant is the earlier one, so that it would hide what the later one has kept."""
    [card] = await gateway.fleet({})
    now = gateway.ctx.now()
    async with gateway.ctx.work() as work:
        plan = (await work.plans.all(DEFAULT_TENANT))["cmcc-100m"]

    for size, at in ((200, now + timedelta(seconds=1)), (300, now)):
        async with gateway.ctx.work() as work:
            await work.plans.upsert(DEFAULT_TENANT, [replace(plan, allowance=size * MB)], at)
            await work.commit()

    allowed = await _allowed(gateway, card)
    assert (allowed["2026-11"], allowed["2026-12"]) == (100, 300)


async def test_what_no_cycle_shows_any_more_is_forgotten(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    await _plan(gateway, "cmcc-100m", 200 * MB)
    await _next_month(gateway)

    async with gateway.ctx.pool.acquire() as connection:
        await allowances.delete_before(connection, NOON)
        kept = await _allowed(gateway, card)
        await allowances.delete_before(connection, NOON + timedelta(days=1))
        forgotten = await connection.fetchval("SELECT count(*) FROM plan_allowances")

    assert (kept["2026-11"], kept["2026-12"], forgotten) == (100, 200, 0)
