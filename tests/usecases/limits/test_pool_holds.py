"""Who is held by a stopped pool (PL-1, PL-4, PL-8): every activated member, whenever it came, each stop told once."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import pytest

from app.db.pools.cycles import cycle_of as cycle_row
from app.usecases.limits import evaluate as limits
from app.usecases.limits.pools import enforce_pool_stop
from tests.gateway import Gateway
from tests.locks import until_waiting
from tests.usecases.pools.pooling import MB, a_pool, cycle_of, done_at_desk, events, holds, turn, use

LATER = {"iccid": "89860000000000001234", "msisdn": None, "imsi": None}


@pytest.fixture(autouse=True)
async def at_noon(gateway: Gateway) -> None:
    """The fifteenth of a December, at noon."""
    noon = datetime.fromisoformat("2026-12-15T12:00:00+08:00")
    gateway.ctx.clock.adopt(gateway.ctx.clock.offset + (noon - gateway.ctx.now()))


async def test_a_member_activated_while_its_pool_is_exhausted_is_held_like_the_others(gateway: Gateway) -> None:
    one, silent = await a_pool(gateway, "forward", {}, {"state": "silent"})
    await use(gateway, one, 35 * MB)
    before = await holds(gateway, silent)

    await gateway.operation(await gateway.api.post(f"/v1/sims/{silent}/activate", json={}))
    await gateway.settle()

    assert (before, (await cycle_of(gateway))["state"]) == ([], "exhausted")
    assert [await holds(gateway, card) for card in (one, silent)] == [["pool_exhausted"]] * 2
    assert (await gateway.carrier(silent))["effects"]["suspend"] == 1


async def test_a_member_whose_first_use_the_carrier_tells_is_held_too(gateway: Gateway) -> None:
    """LC-4, LC-14: no operation of ours activates it."""
    one, silent = await a_pool(gateway, "forward", {}, {"state": "silent"})
    await use(gateway, one, 35 * MB)
    sent = await gateway.control.post("/_control/traffic", json={"iccid": silent, "bytes": 1000})
    assert sent.is_success, sent.text

    await gateway.operation(await gateway.api.post(f"/v1/sims/{silent}/refresh", json={}))
    await gateway.settle()

    assert (await gateway.api.get(f"/v1/sims/{silent}")).json()["activated_on"] is not None
    assert await holds(gateway, silent) == ["pool_exhausted"]


async def test_a_card_imported_into_an_exhausted_pool_is_held(gateway: Gateway) -> None:
    [one] = await a_pool(gateway, "forward", {})
    await use(gateway, one, 35 * MB)

    await gateway.fleet({"terms": "gsl", "plan": "cmcc-forward", "pool": "p1", **LATER})
    await gateway.settle()

    assert await holds(gateway, LATER["iccid"]) == ["pool_exhausted"]


@pytest.mark.parametrize("by", ["import", "operation"])
async def test_a_known_card_that_joins_an_exhausted_pool_is_held_and_counts(gateway: Gateway, by: str) -> None:
    [one] = await a_pool(gateway, "forward", {})
    row = {"terms": "standard", "plan": "cmcc-forward", **LATER}
    [known] = await gateway.fleet(row)
    await use(gateway, one, 35 * MB)
    await use(gateway, known, MB)

    if by == "import":
        await gateway.fleet(row | {"pool": "p1"})
        await gateway.settle()
    else:
        await done_at_desk(gateway, await gateway.api.post(f"/v1/sims/{known}/join-pool", json={"pool": "p1"}))

    assert (await holds(gateway, known), (await cycle_of(gateway))["used"]) == (["pool_exhausted"], 36 * MB)


async def test_a_member_that_joins_a_pool_over_its_rule_is_held_until_the_next_cycle(gateway: Gateway) -> None:
    """PL-4, ST-13."""
    [one] = await a_pool(gateway, "backward", {})
    assert (await gateway.api.put("/v1/pools/p1/rules", json={"stop_at": 20 * MB})).is_success
    await use(gateway, one, 20 * MB)
    await gateway.fleet({"terms": "gsl", "plan": "cmcc-backward", "pool": "p1", **LATER})
    await gateway.settle()
    held = await holds(gateway, LATER["iccid"])

    await turn(gateway, "2027-01-01T00:01:00+08:00")

    assert (held, await holds(gateway, LATER["iccid"])) == (["pool_threshold"], [])
    assert (await cycle_of(gateway))["state"] == "in_use"


async def test_a_rule_that_is_raised_frees_and_its_next_stop_is_told(gateway: Gateway) -> None:
    """PL-4, PL-8: each threshold speaks once a cycle; lowered again, it stops and is silent."""
    [one] = await a_pool(gateway, "backward", {})

    async def rule(stop_at: int | None) -> list[str]:
        assert (await gateway.api.put("/v1/pools/p1/rules", json={"stop_at": stop_at})).is_success
        await gateway.settle()
        return await holds(gateway, one)

    await rule(20 * MB)
    await use(gateway, one, 20 * MB)
    seen = [await holds(gateway, one), await rule(40 * MB)]
    await use(gateway, one, 25 * MB)
    seen += [await holds(gateway, one), await rule(None), await rule(20 * MB)]

    told = [event["data"]["threshold_bytes"] for event in await events(gateway, "pool.threshold_crossed")]
    assert seen == [["pool_threshold"], [], ["pool_threshold"], [], ["pool_threshold"]]
    assert told == [20 * MB, 40 * MB]


async def test_a_member_expired_while_the_pool_was_freed_is_free_once_renewed(gateway: Gateway) -> None:
    """PL-1, ST-5: nothing of the pool sticks to a card that was expired meanwhile."""
    rows: tuple[dict[str, Any], ...] = ({"terms": "standard"}, {"terms": "standard", "state": "expired"})
    one, gone = await a_pool(
        gateway,
        "forward",
        rows[0],
        rows[1] | {"activated_on": "2025-12-01", "holds": "pool_exhausted", "expires_on": "2026-12-10"},
    )
    await gateway.hold_by_rule()
    await use(gateway, one, 5 * MB)

    await done_at_desk(gateway, await gateway.api.post(f"/v1/sims/{gone}/renew", json={"months": 12}))

    assert (await holds(gateway, gone), (await cycle_of(gateway))["total"]) == ([], 20 * MB)


async def test_releasing_a_braked_pool_sums_it_once(gateway: Gateway) -> None:
    """ST-25: so many cards released, one sum of their pool."""
    members = await a_pool(gateway, "forward", *({} for _ in range(70)))
    await use(gateway, members[0], 800 * MB)
    assert (await gateway.api.post("/v1/admin/accounts/cmcc-main/release-brake")).is_success

    async with gateway.ctx.work() as work:
        waiting = await work.sims.by_iccids([card for card in members if not await holds(gateway, card)])
        connection, asked = await work.driver(), []
        with connection.query_logger(lambda query: asked.append(query.query)):
            await limits.evaluate_sims(gateway.ctx, work, connection, [record.id for record in waiting.values()])
    await gateway.settle()

    assert (len(waiting), sum("effective_cards" in query for query in asked)) == (20, 1)
    assert all([bool(await holds(gateway, card)) for card in members])


async def test_evaluating_sims_and_stopping_their_pool_take_locks_in_one_order(gateway: Gateway) -> None:
    """SIMs, the brake, the pool's cycle: whoever locked the SIMs gets the cycle; the other waits without it."""
    members = await a_pool(gateway, "forward", {}, {})
    await use(gateway, members[0], 25 * MB, settle=False)
    assert await limits._evaluate_queued(gateway.ctx)
    async with gateway.ctx.work() as work:
        cards = await work.sims.by_iccids(members, for_update=True)
        stopping = asyncio.create_task(enforce_pool_stop(gateway.ctx))
        await until_waiting(gateway)

        kept = await asyncio.wait_for(cycle_row(await work.driver(), 1, 202612, lock=True), timeout=5)

        assert (len(cards), kept is not None and kept["stopping"]) == (2, "pool_exhausted")
        await work.commit()
    await stopping
    assert [await holds(gateway, card) for card in members] == [["pool_exhausted"]] * 2


async def test_two_workers_at_one_pool_stop_each_member_once(gateway: Gateway) -> None:
    """Who comes second finds the place moved on and rolls back."""
    members = await a_pool(gateway, "forward", *({} for _ in range(8)))
    await use(gateway, members[0], 100 * MB, settle=False)
    assert await limits._evaluate_queued(gateway.ctx)

    await asyncio.gather(*(enforce_pool_stop(gateway.ctx) for _ in range(4)))
    await gateway.settle()

    assert [await holds(gateway, card) for card in members] == [["pool_exhausted"]] * 8
    assert len(await events(gateway, "sim.hold_added")) == 8
    assert [(await gateway.carrier(card))["effects"]["suspend"] for card in members] == [1] * 8
