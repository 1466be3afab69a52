"""A pool's cycles (PL-6, PL-7, BC-4): closed as they were, once, in the pool's own zone, whoever joins later."""

from __future__ import annotations

from datetime import datetime

import pytest

from app.usecases.limits.upkeep import check_all_pools
from app.usecases.sims.expire import expire_zone
from tests.gateway import Gateway
from tests.usecases.pools.pooling import MB, a_pool, be_at, cycle_of, done_at_desk, holds, members_of, turn, use
from tests.usecases.usage.reporting import HOME


@pytest.fixture(autouse=True)
async def at_noon(gateway: Gateway) -> None:
    """The fifteenth of a December, at noon."""
    noon = datetime.fromisoformat("2026-12-15T12:00:00+08:00")
    gateway.ctx.clock.adopt(gateway.ctx.clock.offset + (noon - gateway.ctx.now()))


async def test_a_card_that_joins_leaves_the_cycles_that_are_over_as_they_were(gateway: Gateway) -> None:
    """PL-6, US-5: also one of `cucc`, while at other carriers that cycle is still running."""
    await a_pool(gateway, "forward", carrier="cucc")
    [card] = await gateway.fleet(
        {"terms": "standard", "plan": "cucc-forward", "carrier": "cucc", "iccid": "89860100000000005555"}
    )
    await use(gateway, card, 7 * MB)
    await turn(gateway, "2026-12-27T00:01:00+08:00")
    await be_at(gateway, "2026-12-29T12:00:00+08:00")

    await done_at_desk(gateway, await gateway.api.post(f"/v1/sims/{card}/join-pool", json={"pool": "p1"}))
    await use(gateway, card, 2 * MB)
    await check_all_pools(gateway.ctx)
    late = datetime.fromisoformat("2026-12-20T12:00:00+08:00")
    await use(gateway, card, MB, at=late)

    past = await cycle_of(gateway, cycle="2026-12")
    assert (past["used"], past["cards"], past["total"]) == (0, 0, 0)
    assert await members_of(gateway, cycle="2026-12") == {}
    assert (await cycle_of(gateway))["used"] == 2 * MB


async def test_a_late_report_of_a_card_that_joined_later_is_not_the_pools(gateway: Gateway) -> None:
    """PL-6, US-3: the counter of the closed cycle is begun by the report itself; a silent member's is the pool's."""
    [member] = await a_pool(gateway, "forward", {})
    await turn(gateway, "2027-01-01T00:01:00+08:00")
    [later] = await gateway.fleet(
        {"terms": "gsl", "plan": "cmcc-forward", "pool": "p1", "iccid": "89860000000000006666"}
    )
    late = datetime.fromisoformat("2026-12-20T12:00:00+08:00")

    await use(gateway, later, 5 * MB, at=late)
    await use(gateway, member, 3 * MB, at=late)

    past = await cycle_of(gateway, cycle="2026-12")
    assert (past["used"], past["cards"], past["total"]) == (3 * MB, 1, 10 * MB)
    assert await members_of(gateway, cycle="2026-12") == {member: 3 * MB}


async def test_a_closed_cycle_is_what_it_was_a_minute_before(gateway: Gateway) -> None:
    """PL-2, PL-7: a member never activated counts in neither, and activated later it still does not."""
    one, silent = await a_pool(gateway, "forward", {}, {"state": "silent", "terms": "standard"})
    await use(gateway, one, 2 * MB)
    await use(gateway, silent, 4 * MB)
    await be_at(gateway, "2026-12-31T23:59:00+08:00")
    before = await cycle_of(gateway)
    await be_at(gateway, "2027-01-01T00:00:30+08:00")
    between = await cycle_of(gateway, cycle="2026-12")
    await turn(gateway, "2027-01-01T00:01:00+08:00")
    after = await cycle_of(gateway, cycle="2026-12")

    await gateway.operation(await gateway.api.post(f"/v1/sims/{silent}/activate", json={}))
    await gateway.settle()

    assert (before["used"], before["cards"], before["effective_cards"], before["total"]) == (2 * MB, 2, 1, 10 * MB)
    assert before == between == after == await cycle_of(gateway, cycle="2026-12")
    assert (await cycle_of(gateway))["total"] == 20 * MB


async def test_every_cycle_that_is_over_is_closed_though_turns_were_missed(gateway: Gateway) -> None:
    """PL-7: one from before the pool was made has no total, and is not exhausted."""
    [card] = await a_pool(gateway, "forward", {})
    await use(gateway, card, 3 * MB)
    await be_at(gateway, "2027-01-20T12:00:00+08:00")
    await use(gateway, card, 4 * MB)

    await turn(gateway, "2027-02-05T00:01:00+08:00")

    shown = [await cycle_of(gateway, cycle=name) for name in ("2026-11", "2026-12", "2027-01")]
    assert [(one["used"], one["total"], one["remaining"], one["state"]) for one in shown] == [
        (0, None, None, "in_use"),
        (3 * MB, 10 * MB, 7 * MB, "in_use"),
        (4 * MB, 10 * MB, 6 * MB, "in_use"),
    ]


async def test_test_traffic_is_never_the_pools(gateway: Gateway) -> None:
    """PL-2: what a member used in its test stays out when the test is over; the rest counts.

    No test card joins a pool (PL-5), so that this member is one from before that was checked.
    """
    row = {"state": "testing", "terms": "flexem", "purchased_on": "2026-11-01", "opened_on": "2026-11-01"}
    one, tester = await a_pool(gateway, "forward", {}, row | {"pool": None})
    async with gateway.ctx.pool.acquire() as connection:
        await connection.execute("UPDATE sims SET pool = 'p1' WHERE iccid = $1", tester)
    await use(gateway, one, MB)
    await use(gateway, tester, 12 * MB)
    testing = await cycle_of(gateway)
    await gateway.advance(minutes=5)
    await use(gateway, tester, 20 * MB)

    assert (testing["used"], testing["total"]) == (MB, 10 * MB)
    assert (await gateway.api.get(f"/v1/sims/{tester}")).json()["activated_on"] == "2026-12-15"
    assert (await cycle_of(gateway))["total"] == 20 * MB
    assert await members_of(gateway) == {one: MB, tester: 2 * MB}
    assert (await cycle_of(gateway))["used"] == 3 * MB


@pytest.mark.parametrize("expired_first", [True, False])
async def test_the_next_cycle_frees_an_expired_member_too_and_renewal_leaves_nothing_behind(
    gateway: Gateway, *, expired_first: bool
) -> None:
    """ST-4, ST-5: `plan_expired` stays until the renewal; nothing is asked of the carrier for an expired card."""
    row = {"terms": "standard", "expires_on": "2026-12-20"}
    one, two = await a_pool(gateway, "forward", {}, row)
    await use(gateway, one, 25 * MB)
    held = await holds(gateway, two)
    await be_at(gateway, "2026-12-21T00:10:00+08:00")
    await expire_zone(gateway.ctx, HOME)
    await gateway.settle()
    expired = sorted(await holds(gateway, two))
    before = (await gateway.carrier(two))["effects"]
    if expired_first:
        await turn(gateway, "2027-01-01T00:01:00+08:00")
        assert await holds(gateway, two) == ["plan_expired"]

    await done_at_desk(gateway, await gateway.api.post(f"/v1/sims/{two}/renew", json={"months": 12}))

    assert (held, expired) == (["pool_exhausted"], ["plan_expired", "pool_exhausted"])
    assert await holds(gateway, two) == ([] if expired_first else ["pool_exhausted"])
    if expired_first:
        assert {k: v for k, v in (await gateway.carrier(two))["effects"].items() if k == "suspend"} == {
            k: v for k, v in before.items() if k == "suspend"
        }


async def test_the_hourly_refresh_and_the_forecast_look_at_the_running_cycle(gateway: Gateway) -> None:
    [one] = await a_pool(gateway, "forward", {})
    await use(gateway, one, 15 * 10_000)

    told = await check_all_pools(gateway.ctx)
    outlook = (await gateway.api.get("/v1/pools/p1/forecast")).json()

    assert told["pools"] == 1
    assert (outlook["cycle"]["id"], outlook["used"]) == ("2026-12", 150_000)
    assert [why["code"] for why in outlook["because"]] == ["no_history"]
