"""Where calls are limited, watched SIMs are queried hourly, once by whichever process, and what is attained is shown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.usecases.carrier_sync.freshness import keep_fresh
from tests.gateway import Gateway, open_with

LIMITED = """
[accounts.limited]
carrier = "cmcc"
zone = "Asia/Shanghai"
tenants = ["*"]

[[accounts.limited.protocols]]
protocol = "onelink"
base_url = "sandbox"
uses = ["*"]
credentials = { appid = "100001", password = "sandbox-onelink-password" }
settings = { per_second = 50, in_flight = 5 }
"""


@pytest.fixture
async def limited(clean_database: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway whose only account takes fifty calls a second."""
    async with open_with(clean_database, tmp_path, LIMITED) as opened:
        yield opened


async def _near_limit(gateway: Gateway, sim: str) -> None:
    """Make a SIM one that has used 90 % of what its next check waits for."""
    async with gateway.ctx.pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO usage_cycles (sim_id, cycle, figures, next_check_bytes)"
            " SELECT id, 202611, 90, 100 FROM sims WHERE iccid = $1 ON CONFLICT (sim_id, cycle)"
            " DO UPDATE SET figures = 90, next_check_bytes = 100, carrier_as_of = NULL",
            sim,
        )


async def _watched(gateway: Gateway) -> dict[str, str]:
    async with gateway.ctx.pool.acquire() as connection:
        rows = await connection.fetch("SELECT s.iccid, w.reason FROM watched_sims w JOIN sims s ON s.id = w.sim_id")
    return {row["iccid"]: row["reason"] for row in rows}


async def _usage_queries(gateway: Gateway) -> int:
    stats = (await gateway.control.get("/_control/stats")).json()
    return int(stats["onelink"]["by_operation"].get("usage", 0))


async def test_a_sim_near_its_limit_is_watched_and_queried_and_again_only_within_the_hour(limited: Gateway) -> None:
    near, _ = await limited.fleet({}, {})
    await _near_limit(limited, near)
    assert await keep_fresh(limited.ctx) == 1
    assert await _watched(limited) == {near: "near_limit"}
    asked = await _usage_queries(limited)
    assert asked > 0
    assert await keep_fresh(limited.ctx) == 0
    await _near_limit(limited, near)
    limited.ctx.clock.offset += timedelta(minutes=59)
    assert await keep_fresh(limited.ctx) == 1
    assert await _usage_queries(limited) > asked


async def test_a_watched_sim_that_cannot_be_read_is_set_aside_and_the_others_are_queried(limited: Gateway) -> None:
    cards = await limited.fleet({}, {}, {})
    bad, write = cards[1], "UPDATE sims SET holds = $2::text::jsonb WHERE iccid = $1"
    for card in cards:
        await _near_limit(limited, card)
    async with limited.ctx.pool.acquire() as connection:
        await connection.execute(write, bad, '[{"code": "no_such_hold"}]')

    await keep_fresh(limited.ctx)
    [aside] = (await limited.api.get("/v1/admin/quarantine")).json()["items"]
    queried = await _figures(limited)
    async with limited.ctx.pool.acquire() as connection:
        await connection.execute(write, bad, "[]")
    await limited.advance(minutes=2)

    assert (aside["task"], aside["kind"], aside["subject"]) == ("freshness", "sim", bad)
    assert queried == {cards[0], cards[2]}
    assert await _figures(limited) == set(cards)
    assert (await limited.api.get("/v1/admin/quarantine")).json()["items"] == []


async def _figures(gateway: Gateway) -> set[str]:
    """The SIMs of which the carrier has given a figure."""
    async with gateway.ctx.pool.acquire() as connection:
        rows = await connection.fetch(
            "SELECT s.iccid FROM usage_cycles c JOIN sims s ON s.id = c.sim_id WHERE c.carrier_as_of IS NOT NULL"
        )
    return {row["iccid"] for row in rows}


async def test_a_sim_that_is_no_longer_near_is_no_longer_watched(limited: Gateway) -> None:
    (near,) = await limited.fleet({})
    await _near_limit(limited, near)
    await keep_fresh(limited.ctx)
    async with limited.ctx.pool.acquire() as connection:
        await connection.execute("UPDATE usage_cycles SET figures = 0, next_check_bytes = 1000000")
    limited.ctx.clock.offset += timedelta(minutes=1)
    await keep_fresh(limited.ctx)
    assert await _watched(limited) == {}


async def test_a_paused_account_is_not_queried_and_goes_on_after_the_pause(limited: Gateway) -> None:
    (near,) = await limited.fleet({})
    await _near_limit(limited, near)
    assert (await limited.api.post("/v1/admin/accounts/limited/pause")).is_success
    assert await keep_fresh(limited.ctx) == 0
    assert (await limited.api.post("/v1/admin/accounts/limited/resume")).is_success
    assert await keep_fresh(limited.ctx) == 1


async def test_a_sim_that_could_not_be_queried_is_due_again(limited: Gateway) -> None:
    (near,) = await limited.fleet({})
    await _near_limit(limited, near)
    await limited.fault("status_429", operation="usage", count=1, retry_after=60)
    assert await keep_fresh(limited.ctx) == 0
    limited.ctx.clock.offset += timedelta(minutes=3)
    assert await keep_fresh(limited.ctx) == 1


async def test_freshness_shows_what_is_attainable_what_is_attained_and_what_binds(limited: Gateway) -> None:
    near, _ = await limited.fleet({}, {})
    await _near_limit(limited, near)
    await keep_fresh(limited.ctx)
    answer = (await limited.api.get("/v1/carriers/cmcc/freshness")).json()
    (account,) = answer["accounts"]
    assert (account["account"], account["sims"], account["watched"]) == ("limited", 2, 1)
    assert account["limits"]["per_hour"] == account["limits"]["current_per_hour"] == 180_000
    assert account["attainable"]["watched_s"] == 3600
    assert account["attained"]["sampled"] == 2
    assert account["attained"]["watched"]["p99_s"] <= 60
    assert account["binding"] == "schedule"
    assert (await limited.api.get("/v1/carriers/nobody/freshness")).status_code == 404
