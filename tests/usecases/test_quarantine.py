"""Isolation: what one SIM's data breaks is that SIM's alone, is listed, and heals when the data does."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from app.jobs.gauges import count
from app.usecases.limits.cycle_rollover import roll_over_zone
from app.usecases.sims.expire import expire_zone
from app.usecases.sims.expiry_reminders import emit_expiry_reminders
from tests.gateway import Gateway
from tests.usecases.limits.limiting import MB, NOON, events_of, holds_of, set_clock, sim_of
from tests.usecases.usage.reporting import report, send

HOME = ZoneInfo("Asia/Shanghai")
SMALL = {"terms": "gsl", "plan": "cmcc-30m"}


@pytest.fixture(autouse=True)
async def at_noon(gateway: Gateway) -> None:
    """The fifteenth of a month, at noon."""
    set_clock(gateway, NOON)


async def _write(gateway: Gateway, card: str, column: str, value: str) -> None:
    """Store what no request can: a value that later code cannot read."""
    async with gateway.ctx.pool.acquire() as connection:
        await connection.execute(f"UPDATE sims SET {column} = $2::text::jsonb WHERE iccid = $1", card, value)  # noqa: S608


async def _set_aside(gateway: Gateway) -> list[tuple[str, str, str]]:
    answer = await gateway.api.get("/v1/admin/quarantine")
    assert answer.status_code == 200, answer.text
    return [(item["task"], item["kind"], item["subject"]) for item in answer.json()["items"]]


async def test_a_sim_whose_limits_cannot_be_evaluated_is_set_aside_and_the_others_are_stopped(gateway: Gateway) -> None:
    cards = await gateway.fleet(*(SMALL for _ in range(5)))
    bad, good = cards[2], [card for card in cards if card != cards[2]]
    await _write(gateway, bad, "reminders", '{"usage_mb": ["many"]}')
    at = gateway.ctx.now() - timedelta(minutes=1)

    await send(gateway.api, [report(card, at, 40 * MB, number=card) for card in cards])
    await gateway.settle()

    assert [await holds_of(gateway, card) for card in good] == [["over_quota"]] * 4
    assert await _set_aside(gateway) == [("limits", "sim", bad)]
    await count(gateway.ctx)
    assert gateway.ctx.telemetry.registry.get_sample_value("simgate_quarantined", {"task": "limits"}) == 1


async def test_what_is_set_aside_is_attempted_again_with_back_off_and_leaves_when_it_is_handled(
    gateway: Gateway,
) -> None:
    [card] = await gateway.fleet(SMALL)
    await _write(gateway, card, "reminders", '{"usage_mb": ["many"]}')
    await send(gateway.api, [report(card, gateway.ctx.now() - timedelta(minutes=1), 40 * MB, number="one")])
    await gateway.settle()

    await gateway.advance(seconds=30)
    [early] = (await gateway.api.get("/v1/admin/quarantine")).json()["items"]
    await gateway.advance(seconds=31)
    [again] = (await gateway.api.get("/v1/admin/quarantine")).json()["items"]
    await _write(gateway, card, "reminders", "{}")
    await gateway.advance(minutes=3)
    await gateway.settle()

    assert (early["attempts"], again["attempts"], again["error"], again["tenant"]) == (1, 2, "TypeError", "default")
    assert await _set_aside(gateway) == []
    assert await holds_of(gateway, card) == ["over_quota"]


async def test_the_turn_of_a_cycle_and_the_sweep_go_on_past_a_sim_they_cannot_read(gateway: Gateway) -> None:
    held = SMALL | {"state": "suspended", "holds": "over_quota"}
    bad, good = await gateway.fleet(held, held)
    await gateway.hold_by_rule()
    assert [await holds_of(gateway, card) for card in (bad, good)] == [["over_quota"], ["over_quota"]]
    await _write(gateway, bad, "holds", '[{"code": "no_such_hold"}]')

    set_clock(gateway, NOON.replace(year=2027, month=1, day=1))
    await roll_over_zone(gateway.ctx, HOME)

    assert await holds_of(gateway, good) == []
    assert ("cycle_rollover", "sim", bad) in await _set_aside(gateway)


async def test_the_expiry_sweep_and_its_reminders_go_on_past_a_sim_they_cannot_read(gateway: Gateway) -> None:
    ends = {"activated_on": "2026-01-05", "expires_on": "2026-12-31"}
    bad, good = await gateway.fleet(ends, ends)
    for card in (bad, good):
        assert (await gateway.api.patch(f"/v1/sims/{card}", json={"reminders": {"expiry_days": [15]}})).is_success
    await _write(gateway, bad, "reminders", '{"expiry_days": ["soon"]}')

    set_clock(gateway, NOON.replace(day=20))
    await emit_expiry_reminders(gateway.ctx, HOME)
    reminded = [event["subject"] for event in await events_of(gateway, "reminder.due")]
    await _write(gateway, bad, "holds", '[{"code": "no_such_hold"}]')
    set_clock(gateway, NOON.replace(year=2027, month=1, day=1))
    await expire_zone(gateway.ctx, HOME)

    assert reminded == [good]
    assert (await sim_of(gateway, good))["state"] == "expired"
    assert sorted(await _set_aside(gateway)) == [("expiry_reminders", "sim", bad), ("expiry_sweep", "sim", bad)]
