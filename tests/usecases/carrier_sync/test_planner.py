"""The planner of watched SIMs over restarts, pauses and turns of the cycle, and the pools it watches (US-2, BC-2).

Real reports make SIMs and pools near their limits; the carriers count the queries. A restart is a new process on the
same database: nothing of the planner is in memory.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app.container import open_container
from app.db.usage.pulls import near_limits
from app.usecases.carrier_sync.freshness import keep_fresh, watch_pools
from app.usecases.context import Context
from tests.gateway import Gateway, SandboxWire, card, open_with
from tests.usecases.pools.pooling import MB, a_pool, be_at, turn, use
from tests.usecases.usage.reporting import report, send, usage

ACCOUNTS = """
[accounts.cmcc-limited]
carrier = "cmcc"
[[accounts.cmcc-limited.protocols]]
protocol = "onelink"
base_url = "sandbox"
credentials = { appid = "100001", password = "sandbox-onelink-password" }
settings = { per_second = 50, in_flight = 5 }

[accounts.cucc-limited]
carrier = "cucc"
[[accounts.cucc-limited.protocols]]
protocol = "jasper"
base_url = "sandbox"
credentials = { username = "sandbox-jasper", api_key = "00000000-1111-2222-3333-444444444444", push_secret = "sandbox-jasper-push" }
settings = { per_second = 50, in_flight = 5 }

[accounts.ctcc-unlimited]
carrier = "ctcc"
[[accounts.ctcc-unlimited.protocols]]
protocol = "ctwing"
base_url = "sandbox"
credentials = { app_key = "sandbox-ctwing-key", app_secret = "sandbox-ctwing-secret", cust_number = "9000000001" }
"""
UNICOM = {"carrier": "cucc", "account": "cucc-limited", "terms": "gsl"}
MOBILE = {"terms": "gsl"}


@pytest.fixture
async def limited(clean_database: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with open_with(clean_database, tmp_path, ACCOUNTS) as opened:
        yield opened


@asynccontextmanager
async def restarted(gateway: Gateway, url: str) -> AsyncIterator[Context]:
    """The gateway's process begun anew: the same database and carriers, the clock where it is, an empty memory."""
    accounts, wire = list(gateway.ctx.accounts.values()), SandboxWire(gateway.sandbox)
    async with open_container(gateway.container.settings, url, accounts, wire=wire) as container:
        container.context.clock.offset = gateway.ctx.clock.offset
        yield container.context


async def one_more(gateway: Gateway, row: dict[str, str]) -> str:
    """Another SIM beside the fleet."""
    whole = json.dumps(card(50, **{"carrier": "cmcc"} | row))
    assert (await gateway.control.post("/_control/sims", content=whole)).is_success
    plan = {"id": f"{row.get('carrier', 'cmcc')}-100m", "carrier": row.get("carrier", "cmcc")}
    assert (await gateway.api.post("/v1/plans", json=plan | {"allowance": 100 * MB, "months": 12})).is_success
    headers = {"Content-Type": "application/x-ndjson"}
    assert (await gateway.api.post("/v1/sims/import", content=whole, headers=headers)).is_success
    return str(json.loads(whole)["iccid"])


async def near_limit(gateway: Gateway, *sims: str) -> None:
    """90 of 100 MB are used in the running cycle, at the carrier too, and the limits have been looked at."""
    at = gateway.ctx.now() - timedelta(minutes=1)
    await send(gateway.api, [report(sim, at, 90 * MB, number=f"{sim}-{at:%Y%m%d%H%M}") for sim in sims])
    for sim in sims:
        assert (await gateway.control.post("/_control/traffic", json={"iccid": sim, "bytes": 90 * MB})).is_success
    for _ in range(2):  # the limits are looked at, then the fleet is looked through
        await gateway.advance(seconds=6)


async def watched(gateway: Gateway) -> dict[str, str]:
    async with gateway.ctx.pool.acquire() as connection:
        rows = await connection.fetch("SELECT s.iccid, w.reason FROM watched_sims w JOIN sims s ON s.id = w.sim_id")
    return {row["iccid"]: row["reason"] for row in rows}


async def queries(gateway: Gateway, protocol: str = "jasper") -> int:
    """Queries of usage: Jasper answers one SIM a call."""
    stats = (await gateway.control.get("/_control/stats")).json()
    return int(stats[protocol]["by_operation"].get("usage", 0))


def pass_time(gateway: Gateway, *processes: Context, **step: float) -> None:
    """Time passes in every process; nothing is done meanwhile."""
    gateway.ctx.clock.offset += timedelta(**step)
    for process in processes:
        process.clock.offset = gateway.ctx.clock.offset


async def planned(gateway: Gateway, process: Context | None = None) -> int:
    """How many usage queries a turn of the planner makes."""
    before = await queries(gateway)
    await keep_fresh(process or gateway.ctx)
    return await queries(gateway) - before


async def test_a_process_begun_anew_goes_on_where_the_last_one_was(limited: Gateway, clean_database: str) -> None:
    sims = await limited.fleet(*[UNICOM] * 3)
    await near_limit(limited, *sims[:2])  # which ends with a turn of the planner
    assert await watched(limited) == dict.fromkeys(sims[:2], "near_limit")
    before = await queries(limited)
    assert before >= 2
    async with restarted(limited, clean_database) as process:
        assert await planned(limited, process) == 0  # what was queried before the restart is not queried again
        await near_limit(limited, sims[2])
        assert await queries(limited) - before == 1  # the one that has come is taken at once
        pass_time(limited, process, minutes=59)
        assert await planned(limited, process) == 3
        assert await planned(limited) == 0


async def test_what_a_process_had_claimed_when_it_died_is_left_for_the_next_hour_and_nothing_else_waits(
    limited: Gateway, clean_database: str
) -> None:
    sims = await limited.fleet(*[UNICOM] * 3)
    await near_limit(limited, *sims[:2])
    pass_time(limited, minutes=59)
    stuck = {"protocol": "jasper", "operation": "usage", "kind": "slow", "params": {"seconds": 3600, "when": "before"}}
    assert (await limited.control.post("/_control/faults", json=stuck)).is_success
    before = await queries(limited)
    dying = asyncio.create_task(keep_fresh(limited.ctx))
    while await queries(limited) == before:
        await asyncio.sleep(0.01)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    assert (await limited.control.delete("/_control/faults")).is_success
    async with restarted(limited, clean_database) as process:
        assert await planned(limited, process) == 0
        pass_time(limited, process, minutes=59)
        assert await planned(limited, process) == 2
        assert await planned(limited, process) == 0


async def test_a_pause_starves_no_other_account_and_doubles_nothing_when_it_is_over(limited: Gateway) -> None:
    unicom = await limited.fleet(*[UNICOM] * 3)
    await near_limit(limited, *unicom)
    mobile = await one_more(limited, MOBILE)
    await near_limit(limited, mobile)
    assert (await limited.api.post("/v1/admin/accounts/cucc-limited/pause")).is_success
    of_mobile = await queries(limited, "onelink")
    for hour in range(1, 4):
        pass_time(limited, minutes=59)
        assert await planned(limited) == 0
        assert await queries(limited, "onelink") - of_mobile == hour
    assert (await limited.api.post("/v1/admin/accounts/cucc-limited/resume")).is_success
    assert await planned(limited) == 3
    pass_time(limited, minutes=30)
    assert await planned(limited) == 0
    pass_time(limited, minutes=29)
    assert await planned(limited) == 3


@pytest.mark.parametrize(
    ("row", "turns_at", "cycle"),
    [(MOBILE, "2026-12-01T00:10:00+08:00", "2026-12"), (UNICOM, "2026-11-27T00:10:00+08:00", "2026-12")],
    ids=["month", "unicom"],
)
async def test_a_turn_of_the_cycle_is_planned_anew(
    limited: Gateway, row: dict[str, str], turns_at: str, cycle: str
) -> None:
    """BC-2: the limit of the last cycle is far off again, and what is queried from then on is the new cycle."""
    (sim,) = await limited.fleet(row)
    await be_at(limited, (datetime.fromisoformat(turns_at) - timedelta(minutes=30)).isoformat())
    await near_limit(limited, sim)
    assert await watched(limited) == {sim: "near_limit"}
    await turn(limited, turns_at)
    await limited.advance(seconds=6)
    assert await watched(limited) == {}
    await limited.advance(hours=3)
    await near_limit(limited, sim)
    pass_time(limited, minutes=59)
    before = await queries(limited, "onelink"), await queries(limited)
    await keep_fresh(limited.ctx)
    assert (await queries(limited, "onelink"), await queries(limited)) != before
    assert await watched(limited) == {sim: "near_limit"}
    shown = await usage(limited.api, sim)
    assert (shown["cycle"]["id"], shown["carrier"]["bytes"]) == (cycle, 90 * MB)


async def test_the_months_turn_is_none_of_unicoms(limited: Gateway) -> None:
    """BC-2: its cycle began on the 27th."""
    (sim,) = await limited.fleet(UNICOM)
    await be_at(limited, "2026-11-30T23:40:00+08:00")
    await near_limit(limited, sim)
    await turn(limited, "2026-12-01T00:10:00+08:00")
    pass_time(limited, minutes=59)
    assert await planned(limited) == 1
    assert await watched(limited) == {sim: "near_limit"}


async def pool_near_its_end(gateway: Gateway, **of: str) -> Sequence[str]:
    """Three cards share 30 MB; the first has used 25 of them, by the carrier's count too."""
    members = await a_pool(gateway, "forward", {}, {}, {}, **of)
    await use(gateway, members[0], 25 * MB)
    counted = {"iccid": members[0], "bytes": 25 * MB}
    assert (await gateway.control.post("/_control/traffic", json=counted)).is_success
    return members


async def more_for_the_pool(gateway: Gateway) -> None:
    """An add-on of 100 MB is in force."""
    assert (await gateway.api.post("/v1/pools/p1/addons", json={"bytes": 100 * MB})).status_code == 201


async def test_all_members_of_a_pool_near_its_end_are_watched_and_queried_hourly(limited: Gateway) -> None:
    members = await pool_near_its_end(limited, carrier="cucc")
    before = await queries(limited)
    await watch_pools(limited.ctx)
    assert await watched(limited) == dict.fromkeys(members, "near_pool")
    assert await planned(limited) == len(members)
    await watch_pools(limited.ctx)  # the next hour's: who is watched already is not due again for it
    assert await planned(limited) == 0
    pass_time(limited, minutes=59)
    assert await planned(limited) == len(members)
    assert await queries(limited) - before == 2 * len(members)


async def test_a_member_that_was_near_its_own_limit_too_stays_watched_while_its_pool_is_near(limited: Gateway) -> None:
    members = await pool_near_its_end(limited, carrier="cucc")
    async with limited.ctx.pool.acquire() as connection:  # a threshold of its own, almost reached
        await connection.execute("UPDATE usage_cycles SET next_check_bytes = $1", 26 * MB)
    await limited.advance(seconds=6)
    assert await watched(limited) == {members[0]: "near_limit"}
    await watch_pools(limited.ctx)
    async with limited.ctx.pool.acquire() as connection:
        await connection.execute("UPDATE usage_cycles SET next_check_bytes = $1", 1000 * MB)
    await limited.advance(seconds=6)
    assert await watched(limited) == dict.fromkeys(members, "near_pool")


async def test_a_counter_that_was_never_checked_is_near_nothing(limited: Gateway) -> None:
    """At a turn of the cycle every SIM's counter begins so."""
    await limited.fleet(UNICOM)
    async with limited.ctx.pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO usage_cycles (sim_id, cycle, next_check_bytes) SELECT id, 202611, 0 FROM sims"
        )
        assert await near_limits(connection, "cucc-limited", 202611, 10) == []
    assert await planned(limited) == 0
    assert await watched(limited) == {}


async def test_members_are_no_longer_watched_once_their_pool_is_far_from_its_end(limited: Gateway) -> None:
    members = await pool_near_its_end(limited)
    await watch_pools(limited.ctx)
    assert set(await watched(limited)) == set(members)
    await more_for_the_pool(limited)
    await watch_pools(limited.ctx)
    assert await watched(limited) == {}


async def test_a_turn_of_the_cycle_ends_the_watch_over_a_pools_members(limited: Gateway) -> None:
    await be_at(limited, "2026-11-30T23:40:00+08:00")
    await pool_near_its_end(limited)
    await watch_pools(limited.ctx)
    assert len(await watched(limited)) == 3
    await turn(limited, "2026-12-01T00:10:00+08:00")
    await watch_pools(limited.ctx)
    assert await watched(limited) == {}


async def test_where_calls_are_not_limited_no_member_is_watched(limited: Gateway) -> None:
    """The daily pull and the hourly refresh of pools query them all."""
    await pool_near_its_end(limited, carrier="ctcc")
    await watch_pools(limited.ctx)
    assert await watched(limited) == {}


async def test_a_member_near_its_own_limit_stays_watched_for_it(limited: Gateway) -> None:
    members = await pool_near_its_end(limited, carrier="cucc")
    own = await one_more(limited, UNICOM)
    await near_limit(limited, own)
    await watch_pools(limited.ctx)
    assert await watched(limited) == {**dict.fromkeys(members, "near_pool"), own: "near_limit"}
    await more_for_the_pool(limited)
    await watch_pools(limited.ctx)
    assert await watched(limited) == {own: "near_limit"}
