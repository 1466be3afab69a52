"""Carriers that answer slowly or not at all: slow is not taken for lost, and one that hangs holds up no other (OP-3).

Leases here are a twentieth of the default, so that an answer of 0.4, 1.25 and 3 s stands for 8, 25 and 60 s.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.usecases.context import Context
from app.usecases.execution.worker import worker_round
from tests.gateway import Gateway, open_with

LEASE = timedelta(seconds=0.5)

ACCOUNTS = """
[accounts.slow]
carrier = "cucc"
zone = "Asia/Shanghai"
tenants = ["*"]
[[accounts.slow.protocols]]
protocol = "jasper"
base_url = "sandbox"
uses = ["*"]
credentials = { username = "sandbox-jasper", api_key = "00000000-1111-2222-3333-444444444444" }
settings = { read_s = 1, settle_lag_s = 1 }

[accounts.quick]
carrier = "cmcc"
zone = "Asia/Shanghai"
tenants = ["*"]
[[accounts.quick.protocols]]
protocol = "onelink"
base_url = "sandbox"
uses = ["*"]
credentials = { appid = "100001", password = "sandbox-onelink-password" }
"""


@pytest.fixture
async def slow(clean_database: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with open_with(clean_database, tmp_path, ACCOUNTS) as opened:
        yield opened


def _short(gateway: Gateway) -> Context:
    return replace(gateway.ctx, lease=LEASE)


async def _until_settled(gateway: Gateway, ctx: Context) -> None:
    """Two workers take turns until no operation is open, without moving the clock."""
    async with asyncio.timeout(20):
        while True:
            await asyncio.gather(worker_round(ctx, round_s=0.1), worker_round(ctx, round_s=0.1))
            async with gateway.ctx.work() as work:
                if not sum((await work.operation_search.open_counts()).values()):
                    return
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("seconds", [0.4, 1.25, 3])
async def test_a_carrier_that_answers_late_is_waited_for_and_its_change_is_not_unknown(
    slow: Gateway, seconds: float
) -> None:
    [card] = await slow.fleet({"carrier": "cucc", "terms": "standard"})
    await slow.fault("slow", operation="suspend", seconds=seconds)
    asked = await slow.api.post(f"/v1/sims/{card}/suspend", json={})
    await _until_settled(slow, _short(slow))
    operation = (await slow.api.get(asked.headers["location"])).json()
    assert operation["status"] == "succeeded", operation
    assert "verifying" not in [line["status"] for line in operation["history"]]
    assert operation["attempts"] == 1
    assert (await slow.carrier(card))["effects"] == {"suspend": 1}


async def test_other_carriers_are_served_while_one_hangs(slow: Gateway) -> None:
    hanging, fine = await slow.fleet({"carrier": "cucc", "terms": "standard"}, {"carrier": "cmcc"})
    await slow.fault("slow", operation="suspend", seconds=2.5, when="before")
    first = await slow.api.post(f"/v1/sims/{hanging}/suspend", json={})
    ctx = _short(slow)
    async with asyncio.timeout(2):
        assert await worker_round(ctx, round_s=0.1) == 1
        second = await slow.api.post(f"/v1/sims/{fine}/suspend", json={})
        while (await slow.api.get(second.headers["location"])).json()["status"] != "succeeded":
            slow.ctx.clock.adopt(slow.ctx.clock.offset + timedelta(seconds=1))
            await worker_round(ctx, round_s=0.1)
    assert (await slow.api.get(first.headers["location"])).json()["status"] == "running"
    await _until_settled(slow, ctx)
    assert (await slow.api.get(first.headers["location"])).json()["status"] == "succeeded"


async def test_calls_given_up_open_the_breaker_are_verified_and_take_effect_once(slow: Gateway) -> None:
    cards = await slow.fleet(*({"carrier": "cucc", "terms": "standard"} for _ in range(6)))
    await slow.fault("slow", operation="suspend", count=None, seconds=30)
    for card in cards[:5]:
        await slow.api.post(f"/v1/sims/{card}/suspend", json={})
    ctx = _short(slow)
    await worker_round(ctx, round_s=0.1)
    await slow.ctx.stragglers.wait(20)
    async with asyncio.timeout(20):
        while await slow.ctx.stragglers.wait(1):
            pass
    opened = slow.ctx.telemetry.registry.get_sample_value("simgate_breaker_open", {"account": "slow"})
    assert opened == 1
    last = await slow.api.post(f"/v1/sims/{cards[5]}/suspend", json={})
    await worker_round(ctx)
    assert (await slow.api.get(last.headers["location"])).json()["error"]["code"] == "CARRIER_UNAVAILABLE"
    statuses = {(await slow.api.get(f"/v1/operations?sim={card}")).json()["items"][0]["status"] for card in cards[:5]}
    assert statuses == {"verifying"}
    await slow.control.delete("/_control/faults")
    await slow.settle(rounds=400)
    assert [(await slow.carrier(card))["effects"] for card in cards] == [{"suspend": 1}] * 6


async def test_the_lease_is_renewed_as_long_as_an_answer_is_awaited(slow: Gateway) -> None:
    [card] = await slow.fleet({"carrier": "cucc", "terms": "standard"})
    await slow.fault("slow", operation="suspend", seconds=1.25)
    await slow.api.post(f"/v1/sims/{card}/suspend", json={})
    ctx = _short(slow)
    await worker_round(ctx, round_s=0.05)
    leases, claims = set(), set()
    async with asyncio.timeout(10):
        while await slow.ctx.stragglers.wait(LEASE.total_seconds() / 2):
            row = await ctx.pool.fetchrow("SELECT status, lease_until, claim FROM operations")
            if row["status"] == "running":
                leases.add(row["lease_until"])
                claims.add(row["claim"])
    assert len(leases) > 2
    assert len(claims) == 1


async def test_a_carrier_that_goes_on_hanging_gets_two_probes_at_a_time_and_then_everything(slow: Gateway) -> None:
    """Time-outs open the breaker; nothing that waited behind it is lost, and what was given up takes effect once."""
    cards = await slow.fleet(*({"carrier": "cucc", "terms": "standard"} for _ in range(12)))
    await slow.fault("slow", operation="suspend", count=None, seconds=30)
    ctx = _short(slow)

    async def suspends() -> int:
        stats = (await slow.control.get("/_control/stats")).json()["jasper"]["by_operation"]
        return int(stats.get("suspend", 0))

    async def hang() -> None:
        await worker_round(ctx, round_s=0.05)
        async with asyncio.timeout(20):
            while await ctx.stragglers.wait(1):
                pass

    for card in cards[:5]:
        await slow.api.post(f"/v1/sims/{card}/suspend", json={})
    await hang()
    assert await suspends() == 5
    for card in cards[5:]:
        await slow.api.post(f"/v1/sims/{card}/suspend", json={})
    await hang()
    assert await suspends() == 5, "the breaker is open"
    slow.ctx.clock.adopt(slow.ctx.clock.offset + timedelta(seconds=16))
    await hang()
    assert 5 < await suspends() <= 7, "half open: two probes"
    await slow.control.delete("/_control/faults")
    await slow.settle(rounds=400)
    assert [(await slow.carrier(card))["effects"] for card in cards] == [{"suspend": 1}] * 12


async def test_a_question_that_takes_longer_than_a_lease_is_waited_for_and_not_asked_again(slow: Gateway) -> None:
    """Each answer was dropped for the claim of the next question: under load no outcome was ever found out."""
    [card] = await slow.fleet({"carrier": "cucc", "terms": "standard"})
    await slow.fault("drop_after", operation="suspend")
    asked = await slow.api.post(f"/v1/sims/{card}/suspend", json={})
    await worker_round(slow.ctx)
    slow.ctx.clock.adopt(slow.ctx.clock.offset + timedelta(seconds=5))
    await slow.fault("slow", count=None, seconds=1.5)
    before = await _asked(slow)
    await _until_settled(slow, _short(slow))
    operation = (await slow.api.get(asked.headers["location"])).json()
    assert operation["history"][-1]["note"] == "carrier shows it applied"
    assert set((await _asked(slow) - before).values()) == {1}, "each question once"


async def _asked(slow: Gateway) -> Counter[str]:
    """How often each operation was asked of the slow carrier."""
    return Counter((await slow.control.get("/_control/stats")).json()["jasper"]["by_operation"])
