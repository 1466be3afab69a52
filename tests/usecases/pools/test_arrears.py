"""A postpaid pool that is not paid (PL-4, ST-12): frozen, held over the cycle's turn, freed once settled, or released."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import pytest

from app.db.pools.cycles import cycle_of as cycle_row
from app.db.pools.rows import set_state
from tests.gateway import Gateway
from tests.locks import until_waiting
from tests.usecases.pools.pooling import MB, a_pool, holds, turn, use


@pytest.fixture(autouse=True)
async def at_noon(gateway: Gateway) -> None:
    """The fifteenth of a December, at noon."""
    noon = datetime.fromisoformat("2026-12-15T12:00:00+08:00")
    gateway.ctx.clock.adopt(gateway.ctx.clock.offset + (noon - gateway.ctx.now()))


async def _state(gateway: Gateway, status: str, expected: int = 200) -> dict[str, Any]:
    answer = await gateway.api.post("/v1/pools/p1/arrears", json={"status": status})
    assert answer.status_code == expected, answer.text
    await gateway.settle()
    found: dict[str, Any] = answer.json()
    return found


async def test_arrears_freeze_every_active_member_and_settling_frees_each_once(gateway: Gateway) -> None:
    one, two, silent = await a_pool(gateway, "backward", {}, {}, {"state": "silent"})

    frozen = await _state(gateway, "unpaid")
    repeated = await _state(gateway, "unpaid")
    held = [await holds(gateway, sim) for sim in (one, two, silent)]
    settled = await _state(gateway, "settled")

    assert (frozen["state"], settled["state"], settled["arrears_since"]) == ("stopped", "in_use", None)
    assert repeated["arrears_since"] == frozen["arrears_since"]
    assert held == [["pool_frozen"], ["pool_frozen"], []]
    assert [await holds(gateway, sim) for sim in (one, two, silent)] == [[], [], []]
    for sim in (one, two):
        effects = (await gateway.carrier(sim))["effects"]
        assert (effects["suspend"], effects["resume"]) == (1, 1)


async def test_the_next_cycle_frees_no_frozen_pool_and_settling_then_does(gateway: Gateway) -> None:
    [one] = await a_pool(gateway, "backward", {})
    await _state(gateway, "unpaid")

    await turn(gateway, "2027-01-01T00:01:00+08:00")
    over = (await gateway.api.get("/v1/pools/p1")).json()["state"], await holds(gateway, one)
    await _state(gateway, "settled")

    assert over == ("stopped", ["pool_frozen"])
    assert await holds(gateway, one) == []
    assert (await gateway.carrier(one))["effects"] == {"suspend": 1, "resume": 1}


async def test_a_member_that_joins_or_is_activated_in_a_frozen_pool_is_frozen_too(gateway: Gateway) -> None:
    _, silent = await a_pool(gateway, "backward", {}, {"state": "silent"})
    await _state(gateway, "unpaid")

    await gateway.operation(await gateway.api.post(f"/v1/sims/{silent}/activate", json={}))
    await gateway.settle()

    assert await holds(gateway, silent) == ["pool_frozen"]


async def test_a_pool_over_its_threshold_and_in_arrears_keeps_the_threshold_hold_once_settled(gateway: Gateway) -> None:
    [one] = await a_pool(gateway, "backward", {})
    assert (await gateway.api.put("/v1/pools/p1/rules", json={"stop_at": 5 * MB})).is_success
    await use(gateway, one, 6 * MB)
    await _state(gateway, "unpaid")
    both = await holds(gateway, one)
    settled = await _state(gateway, "settled")

    assert set(both) == {"pool_frozen", "pool_threshold"}
    assert await holds(gateway, one) == ["pool_threshold"]
    assert (await gateway.api.get("/v1/pools/p1")).json()["state"] == "stopped", settled
    assert (await gateway.carrier(one))["effects"] == {"suspend": 1}


async def test_the_explanation_of_a_frozen_card_names_the_payment_and_a_resume_is_refused(gateway: Gateway) -> None:
    [one] = await a_pool(gateway, "backward", {})
    await _state(gateway, "unpaid")

    explained = (await gateway.api.get(f"/v1/sims/{one}/explanation")).json()
    refused = await gateway.api.post(f"/v1/sims/{one}/resume", json={})

    [hold] = explained["holds"]
    assert (hold["code"], hold["rule"]) == ("pool_frozen", "ST-12")
    assert [remedy["action"] for remedy in hold["remedies"]] == ["top_up"]
    assert (refused.status_code, refused.json()["holds"][0]["code"]) == (409, "pool_frozen")


async def test_a_released_pool_stays_released_and_frozen(gateway: Gateway) -> None:
    [one] = await a_pool(gateway, "backward", {})
    assert (await _state(gateway, "released", 409))["rule"] == "PL-4"
    await _state(gateway, "unpaid")

    released = await _state(gateway, "released")
    refused = await _state(gateway, "settled", 409)
    await turn(gateway, "2027-01-01T00:01:00+08:00")

    assert (released["state"], refused["rule"]) == ("released", "PL-4")
    assert (await gateway.api.get("/v1/pools/p1")).json()["state"] == "released"
    assert await holds(gateway, one) == ["pool_frozen"]


async def test_a_forward_pool_is_never_in_arrears(gateway: Gateway) -> None:
    await a_pool(gateway, "forward", {})

    assert (await _state(gateway, "unpaid", 409))["rule"] == "PL-4"


async def test_stating_arrears_and_evaluating_the_pool_take_locks_in_one_order(gateway: Gateway) -> None:
    """The pool's cycle, then its row: whoever has the cycle gets the row; the other waits without it."""
    await a_pool(gateway, "backward", {})
    async with gateway.ctx.work() as work:
        connection = await work.driver()
        assert await cycle_row(connection, 1, 202612, lock=True) is not None
        stating = asyncio.create_task(gateway.api.post("/v1/pools/p1/arrears", json={"status": "unpaid"}))
        await until_waiting(gateway)

        await asyncio.wait_for(set_state(connection, 1, "stopped", gateway.ctx.now()), timeout=5)
        await work.commit()

    assert (await stating).status_code == 200
