"""Pools (PL): the members' sum at any instant, exhausted for all at once, freed by what frees them, once per cycle."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.jobs.cycle_rollover import roll_over_day
from tests.gateway import Gateway
from tests.usecases.usage.reporting import report, send

MB = 1 << 20
NOON = datetime.fromisoformat("2026-12-15T12:00:00+08:00")


@pytest.fixture(autouse=True)
async def at_noon(gateway: Gateway) -> None:
    """The fifteenth of a month, at noon."""
    gateway.ctx.clock.adopt(gateway.ctx.clock.offset + (NOON - gateway.ctx.now()))


async def _pool(gateway: Gateway, kind: str, *rows: dict[str, Any], name: str = "p1") -> list[str]:
    """A pool of 10 MB a card with these members."""
    await gateway.fleet()
    plan = {"id": f"cmcc-{kind}", "carrier": "cmcc", "allowance": 10 * MB, "months": 12, "kind": f"pool_{kind}"}
    assert (await gateway.api.post("/v1/plans", json=plan)).is_success
    pool = {"id": name, "name": "Meters", "kind": kind, "carrier": "cmcc", "plan": plan["id"]}
    made = await gateway.api.post("/v1/pools", json=pool)
    assert made.status_code == 201, made.text
    return await gateway.fleet(*({"terms": "gsl", "plan": plan["id"], "pool": name, **row} for row in rows))


async def _cycle(gateway: Gateway, pool: str = "p1", cycle: str | None = None) -> dict[str, Any]:
    if cycle:
        return (await gateway.api.get(f"/v1/pools/{pool}/cycles/{cycle}")).json()
    return (await gateway.api.get(f"/v1/pools/{pool}")).json()["cycle"]


async def _use(gateway: Gateway, card: str, amount: int, *, settle: bool = True) -> None:
    at = gateway.ctx.now() - timedelta(minutes=1)
    await send(gateway.api, [report(card, at, amount, number=f"{card}-{amount}-{at.isoformat()}")])
    if settle:
        await gateway.settle()


async def _holds(gateway: Gateway, card: str) -> list[str]:
    return [hold["code"] for hold in (await gateway.api.get(f"/v1/sims/{card}")).json()["holds"]]


async def _events(gateway: Gateway, kind: str) -> list[dict[str, Any]]:
    items = (await gateway.api.get("/v1/events", params={"limit": 500})).json()["items"]
    return [item for item in items if item["type"] == kind]


async def test_a_forward_pool_is_exhausted_for_every_activated_member(gateway: Gateway) -> None:
    """PL-1, PL-2, ST-4."""
    one, two, silent = await _pool(gateway, "forward", {}, {}, {"state": "silent"})
    await _use(gateway, one, 19 * MB)
    before = await _cycle(gateway)
    held = await _holds(gateway, one)

    await _use(gateway, two, 1 * MB)

    after = await _cycle(gateway)
    assert (before["cards"], before["effective_cards"], before["total"]) == (3, 2, 20 * MB)
    assert (before["used"], before["remaining"], held) == (19 * MB, MB, [])
    assert (after["used"], after["remaining"], after["state"]) == (20 * MB, 0, "exhausted")
    assert [await _holds(gateway, card) for card in (one, two, silent)] == [["pool_exhausted"], ["pool_exhausted"], []]
    assert [(await gateway.carrier(card))["effects"].get("suspend", 0) for card in (one, two, silent)] == [1, 1, 0]
    assert len(await _events(gateway, "pool.exhausted")) == 1


async def test_a_pool_addon_frees_the_members_and_exhaustion_speaks_once(gateway: Gateway) -> None:
    one, two = await _pool(gateway, "forward", {}, {})
    await _use(gateway, one, 25 * MB)
    held = await _holds(gateway, two)

    added = await gateway.api.post("/v1/pools/p1/addons", json={"bytes": 10 * MB})
    await gateway.settle()
    freed = await _holds(gateway, two)
    await gateway.advance(minutes=5)
    await _use(gateway, two, 5 * MB)

    assert (added.status_code, added.json()["remaining"]) == (201, 5 * MB)
    assert (held, freed, await _holds(gateway, one)) == (["pool_exhausted"], [], ["pool_exhausted"])
    assert len(await _events(gateway, "pool.exhausted")) == 1


async def test_activating_a_member_frees_the_pool(gateway: Gateway) -> None:
    one, silent = await _pool(gateway, "forward", {}, {"state": "silent"})
    await _use(gateway, one, 12 * MB)
    held = await _holds(gateway, one)

    answer = await gateway.api.post("/v1/pools/p1/activate-members", json={})
    await gateway.settle()
    await gateway.settle()

    assert (answer.status_code, held) == (202, ["pool_exhausted"])
    assert (await gateway.api.get(f"/v1/sims/{silent}")).json()["state"] == "active"
    assert (await _holds(gateway, one), (await _cycle(gateway))["total"]) == ([], 20 * MB)


async def test_a_card_added_to_an_exhausted_pool_frees_it(gateway: Gateway) -> None:
    [one] = await _pool(gateway, "forward", {})
    await _use(gateway, one, 12 * MB)
    held = await _holds(gateway, one)

    more = {"iccid": "89860000000000001234", "msisdn": None, "imsi": None}
    await gateway.fleet({"terms": "gsl", "plan": "cmcc-forward", "pool": "p1", **more})
    await gateway.settle()

    assert (held, await _holds(gateway, one)) == (["pool_exhausted"], [])


async def test_the_next_cycle_frees_the_members_and_keeps_the_past_readable(gateway: Gateway) -> None:
    one, two = await _pool(gateway, "forward", {}, {})
    await _use(gateway, one, 25 * MB)

    start = datetime.fromisoformat("2027-01-01T00:01:00+08:00")
    await gateway.advance(seconds=(start - gateway.ctx.now()).total_seconds())
    await roll_over_day(gateway.ctx, ZoneInfo("Asia/Shanghai"))
    await gateway.settle()

    past = await _cycle(gateway, cycle="2026-12")
    members = (await gateway.api.get("/v1/pools/p1/members", params={"cycle": "2026-12"})).json()["items"]
    assert [await _holds(gateway, card) for card in (one, two)] == [[], []]
    assert (past["total"], past["used"], past["remaining"], past["cards"]) == (20 * MB, 25 * MB, -5 * MB, 2)
    assert [(item["iccid"], item["used"]) for item in members] == [(one, 25 * MB)]
    assert (await _cycle(gateway))["used"] == 0


async def test_a_backward_pool_has_no_ceiling_until_a_rule_stops_it(gateway: Gateway) -> None:
    """PL-4, ST-13."""
    one, two = await _pool(gateway, "backward", {}, {})
    await _use(gateway, one, 500 * MB)
    free = await _holds(gateway, one)

    rules = {"levels": [600 * MB], "stop_at": 700 * MB}
    assert (await gateway.api.put("/v1/pools/p1/rules", json=rules)).json() == rules
    await gateway.advance(minutes=5)
    await _use(gateway, two, 150 * MB)
    await gateway.advance(minutes=5)
    await _use(gateway, two, 50 * MB)

    cycle = await _cycle(gateway)
    told = [event["data"]["threshold_bytes"] for event in await _events(gateway, "pool.threshold_crossed")]
    assert (free, [await _holds(gateway, card) for card in (one, two)]) == ([], [["pool_threshold"]] * 2)
    assert (cycle["total"], cycle["remaining"], cycle["used"], cycle["state"]) == (None, None, 700 * MB, "stopped")
    assert told == [600 * MB, 700 * MB]


async def test_levels_speak_once_whatever_corrections_do(gateway: Gateway) -> None:
    """RM-2, PL-8."""
    [one] = await _pool(gateway, "forward", {})
    assert (await gateway.api.put("/v1/pools/p1/rules", json={"levels_pct": [50, 80], "remaining": [MB]})).is_success
    for used in (6, 3, 6, 9):
        figure = {"iccid": one, "cycle": "2026-12", "bytes": used * MB}
        await gateway.advance(minutes=1)
        assert (await gateway.api.post("/v1/usage/corrections", json=[figure])).json()["applied"] == 1
        await gateway.settle()

    told = [event["data"]["threshold_pct"] for event in await _events(gateway, "pool.threshold_crossed")]
    assert told == [50, 80]
    assert [event["data"]["remaining_bytes"] for event in await _events(gateway, "reminder.due")] == [MB]


async def test_a_pools_used_is_its_members_sum_while_reports_rain(gateway: Gateway) -> None:
    members = await _pool(gateway, "forward", *({} for _ in range(8)))
    at = gateway.ctx.now() - timedelta(minutes=1)

    async def rain(n: int) -> None:
        batch = [report(card, at, 1000 + n, number=f"{card}-{n}") for card in members]
        await send(gateway.api, batch)

    async def look() -> None:
        for _ in range(10):
            items = (await gateway.api.get("/v1/pools/p1/members")).json()["items"]
            used = (await _cycle(gateway))["used"]
            again = (await gateway.api.get("/v1/pools/p1/members")).json()["items"]
            assert sum(item["used"] for item in items) <= used <= sum(item["used"] for item in again)

    await asyncio.gather(look(), *(rain(n) for n in range(20)))

    assert (await _cycle(gateway))["used"] == sum(8 * (1000 + n) for n in range(20))


async def test_a_big_pool_is_stopped_in_chunks_under_the_brake(gateway: Gateway) -> None:
    members = await _pool(gateway, "forward", *({} for _ in range(60)))

    await _use(gateway, members[0], 700 * MB)

    held = [bool(await _holds(gateway, card)) for card in members]
    [braked] = await _events(gateway, "rule.braked")
    assert (sum(held), braked["data"]["waiting"]) == (50, 10)
    assert (await gateway.api.post("/v1/admin/accounts/cmcc-main/release-brake")).is_success
    await gateway.settle()
    assert all([bool(await _holds(gateway, card)) for card in members])


async def test_what_cannot_be_a_pool_is_refused(gateway: Gateway) -> None:
    await _pool(gateway, "forward")
    base = {"id": "p2", "name": "x", "kind": "forward", "carrier": "cmcc", "plan": "cmcc-forward"}
    wrong = [
        (base | {"kind": "sideways"}, 422),
        (base | {"plan": "nothing"}, 422),
        (base | {"plan": "cmcc-100m"}, 422),
        (base | {"carrier": "cucc"}, 422),
        (base | {"colour": "red"}, 422),
        (base | {"id": "p1"}, 409),
    ]
    assert [(await gateway.api.post("/v1/pools", json=one)).status_code for one, _ in wrong] == [s for _, s in wrong]
    assert (await gateway.api.get("/v1/pools/none")).status_code == 404
    assert (await gateway.api.get("/v1/pools/p1/cycles/2030-01")).status_code == 404
    assert (await gateway.api.post("/v1/pools/p1/addons", json={"bytes": 0})).status_code == 422
    assert (await gateway.api.put("/v1/pools/p1/rules", json={"stop_at": 5})).status_code == 422


async def test_a_pool_is_renamed_listed_and_forecast(gateway: Gateway) -> None:
    [one] = await _pool(gateway, "forward", {})
    days = [NOON - timedelta(days=n) for n in range(15)]
    await send(gateway.api, [report(one, day, 10_000, number=str(day)) for day in days])

    assert (await gateway.api.patch("/v1/pools/p1", json={"name": "Valves"})).json()["name"] == "Valves"
    listed = (await gateway.api.get("/v1/pools")).json()
    outlook = (await gateway.api.get("/v1/pools/p1/forecast")).json()

    assert ([pool["name"] for pool in listed["items"]], listed["next_cursor"]) == (["Valves"], None)
    assert outlook["used"] == 150_000
    # Half of today, of which as much is used as on any day, and the sixteen days after it.
    assert outlook["used_by_end"]["expected"] == pytest.approx(315_000, abs=500)
    assert outlook["exhausted_on"] is None


async def test_a_card_that_joins_brings_its_use_and_its_allowance(gateway: Gateway) -> None:
    [one] = await _pool(gateway, "forward", {})
    [other] = await gateway.fleet({"terms": "standard", "plan": "cmcc-forward", "iccid": "89860000000000005555"})
    await _use(gateway, other, 3 * MB)

    operation = await gateway.operation(await gateway.api.post(f"/v1/sims/{other}/join-pool", json={"pool": "p1"}))
    done = {"outcome": "succeeded", "note": "joined"}
    assert (await gateway.api.post(f"/v1/operations/{operation['id']}/complete", json=done)).is_success
    await gateway.settle()
    joined = await _cycle(gateway)
    await gateway.advance(minutes=5)
    await _use(gateway, other, 17 * MB)

    assert (joined["used"], joined["total"]) == (3 * MB, 20 * MB)
    assert ((await _cycle(gateway))["used"], await _holds(gateway, one)) == (20 * MB, ["pool_exhausted"])
