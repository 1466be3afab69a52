"""Pools refresh hourly (US-2), and who comes first in the pull where calls are counted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.db.usage import pulls as rows
from app.jobs.loops import drain
from app.usecases.carrier_sync.pools import no_pool_to_refresh, refresh_pools
from app.usecases.carrier_sync.usage_run import pull_account
from app.usecases.pools.views import running_pools
from tests.gateway import Gateway, card, open_with
from tests.usecases.usage.reporting import report, send, usage

MB = 1 << 20
NOON = datetime.fromisoformat("2026-12-15T12:00:00+08:00")
ACCOUNTS = """
[accounts.cmcc-main]
carrier = "cmcc"
[[accounts.cmcc-main.protocols]]
protocol = "onelink"
base_url = "sandbox"
credentials = { appid = "100001", password = "sandbox-onelink-password" }
settings = { per_second = 100 }

[accounts.ctcc-5g]
carrier = "ctcc"
[[accounts.ctcc-5g.protocols]]
protocol = "ctwing"
base_url = "sandbox"
credentials = { app_key = "sandbox-ctwing-key", app_secret = "sandbox-ctwing-secret", cust_number = "9000000001" }
settings = { per_second = 100 }
"""


@pytest.fixture
async def counted(clean_database: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway whose accounts have a call budget, on the fifteenth of a month."""
    async with open_with(clean_database, tmp_path, ACCOUNTS, at=NOON) as opened:
        yield opened


async def _pool(gateway: Gateway, kind: str, *given: dict[str, Any], carrier: str = "ctcc") -> list[str]:
    """A pool of 10 MB a card with these members."""
    await gateway.fleet()
    plan = {"id": "shared", "carrier": carrier, "allowance": 10 * MB, "months": 12, "kind": f"pool_{kind}"}
    assert (await gateway.api.post("/v1/plans", json=plan)).is_success
    pool = {"id": "p1", "name": "Meters", "kind": kind, "carrier": carrier, "plan": "shared"}
    assert (await gateway.api.post("/v1/pools", json=pool)).status_code == 201
    member = {"carrier": carrier, "terms": "gsl", "plan": "shared", "pool": "p1"}
    return await gateway.fleet(*(member | row for row in given))


async def _reported(gateway: Gateway, card: str, amount: int) -> None:
    at = gateway.ctx.now() - timedelta(minutes=1)
    await send(gateway.api, [report(card, at, amount, number=f"{card}-{at.isoformat()}")])
    await gateway.settle()


async def _traffic(gateway: Gateway, card: str, amount: int) -> None:
    answer = await gateway.control.post("/_control/traffic", json={"iccid": card, "bytes": amount})
    assert answer.is_success, answer.text


async def _calls(gateway: Gateway) -> int:
    return int((await gateway.control.get("/_control/stats")).json()["ctwing"]["requests"])


async def _figure(gateway: Gateway, card: str) -> int | None:
    told = (await usage(gateway.api, card))["carrier"]
    return told["bytes"] if told else None


async def test_members_of_a_pool_near_its_end_are_asked_about_within_the_hour(counted: Gateway) -> None:
    one, two = await _pool(counted, "forward", {}, {})
    await _reported(counted, one, 16 * MB)
    await _traffic(counted, one, 16 * MB)
    await _traffic(counted, two, 5 * MB)

    near = await refresh_pools(counted.ctx)
    await counted.settle()

    pool = (await counted.api.get("/v1/pools/p1")).json()["cycle"]
    holds = [(await counted.api.get(f"/v1/sims/{card}")).json()["holds"] for card in (one, two)]
    assert (near["near"], near["figures"]) == (1, 2)
    assert (pool["used"], pool["state"]) == (21 * MB, "exhausted")
    assert [[hold["code"] for hold in found] for found in holds] == [["pool_exhausted"]] * 2


async def test_a_pool_with_room_or_without_any_left_costs_no_call(counted: Gateway) -> None:
    one, _ = await _pool(counted, "forward", {}, {})
    await _reported(counted, one, 15 * MB)
    calls = await _calls(counted)
    roomy = (await refresh_pools(counted.ctx), await no_pool_to_refresh(counted.ctx))
    at_ease = await _calls(counted) - calls
    await counted.advance(minutes=5)
    await _reported(counted, one, 6 * MB)
    calls = await _calls(counted)

    exhausted = await refresh_pools(counted.ctx)

    assert roomy == ({"followed": 0, "near": 0, "figures": 0}, True)
    assert (at_ease, exhausted["near"], await _calls(counted) - calls) == (0, 0, 0)


async def test_a_backward_pool_is_near_where_its_rule_would_stop_it(counted: Gateway) -> None:
    [card] = await _pool(counted, "backward", {})
    rules = await counted.api.put("/v1/pools/p1/rules", json={"stop_at": 100 * MB})
    assert rules.is_success, rules.text
    await _reported(counted, card, 79 * MB)
    before = await no_pool_to_refresh(counted.ctx)
    await counted.advance(minutes=5)
    await _reported(counted, card, MB)

    assert (before, await no_pool_to_refresh(counted.ctx)) == (True, False)


async def test_where_no_account_is_asked_before_its_daily_pull_a_pool_near_its_end_is_nothing_to_do(
    gateway: Gateway,
) -> None:
    """No call is limited there, and none carries many members with figures of the moment."""
    one, _ = await _pool(gateway, "forward", {}, {})
    await _reported(gateway, one, 16 * MB)
    assert await no_pool_to_refresh(gateway.ctx)
    assert (await refresh_pools(gateway.ctx))["figures"] == 0


async def test_a_paused_account_is_not_asked_about_its_pools(counted: Gateway) -> None:
    one, _ = await _pool(counted, "forward", {}, {})
    await _reported(counted, one, 16 * MB)
    assert (await counted.api.post("/v1/admin/accounts/ctcc-5g/pause")).is_success

    report_ = await refresh_pools(counted.ctx)

    assert (report_["near"], report_["figures"], await _figure(counted, one)) == (1, 0, None)


async def test_a_counter_follows_its_card_into_the_pool_and_the_pool_is_looked_at(counted: Gateway) -> None:
    one, two = await _pool(counted, "forward", {}, {"pool": None})
    await _reported(counted, one, MB)
    await _reported(counted, two, 20 * MB)
    async with counted.ctx.pool.acquire() as connection:
        await connection.execute("UPDATE sims SET pool = 'p1' WHERE iccid = $1", two)

    report_ = await refresh_pools(counted.ctx)
    await drain(counted.ctx)

    assert report_["followed"] == 1
    assert (await counted.api.get("/v1/pools/p1")).json()["cycle"]["state"] == "exhausted"


async def test_members_of_a_pool_near_its_end_and_cards_near_the_end_of_their_test_come_first(
    counted: Gateway,
) -> None:
    first, member, other = await _pool(
        counted, "forward", {"pool": None, "plan": "cmcc-100m", "terms": "flexem"}, {}, {}, carrier="cmcc"
    )
    test = {"state": "testing", "opened_on": "2026-12-01", "purchased_on": "2026-12-01"}
    near_its_end, fresh = await counted.fleet(card(3, **test), card(4, **test))
    await _reported(counted, member, 16 * MB)
    await _reported(counted, near_its_end, 25 * MB)
    await _reported(counted, fresh, 20 * MB)

    async with counted.ctx.pool.acquire() as connection:
        near = await rows.near_limits(connection, "cmcc-main", 202612, 10)
        running = await running_pools(counted.ctx, connection)
        pools = await rows.near_pools(connection, running)
        near += await rows.members(connection, pools, "cmcc-main", 202612, 10)
        names = {row["id"]: row["iccid"] for row in await connection.fetch("SELECT id, iccid FROM sims")}

    assert [names[sim_id] for sim_id in near] == [near_its_end, member, other]
    pulled = await pull_account(counted.ctx, "cmcc-main")
    assert (pulled.completed, pulled.sims) == (True, len({first, member, other, near_its_end, fresh}))
