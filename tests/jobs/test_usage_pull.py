"""When the pull runs: in the night of each account's own zone, and hourly where a run has something left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.jobs.schedule import jobs_for
from app.jobs.slots import open_slots
from app.jobs.usage_pull import pull_usage
from app.usecases.carrier_sync.usage_run import pull_account
from tests.gateway import Gateway, open_with
from tests.jobs.timetable import runs, tick
from tests.usecases.usage.reporting import usage

MB = 1 << 20

ACCOUNTS = """
[accounts.cmcc-main]
carrier = "cmcc"
[[accounts.cmcc-main.protocols]]
protocol = "onelink"
base_url = "sandbox"
credentials = { appid = "100001", password = "sandbox-onelink-password" }

[accounts.ctcc-slow]
carrier = "ctcc"
[[accounts.ctcc-slow.protocols]]
protocol = "ctcc_cmp"
base_url = "sandbox"
credentials = { user_id = "sandboxuser", password = "sandbox-ctcc-password", key1 = "sg1", key2 = "sg2", key3 = "sg3" }

[accounts.overseas-ny]
carrier = "overseas"
zone = "America/New_York"
[[accounts.overseas-ny.protocols]]
protocol = "desk"
base_url = "sandbox"
"""


@pytest.fixture
async def abroad(clean_database: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway with two accounts at home, and one in another zone."""
    async with open_with(clean_database, tmp_path, ACCOUNTS) as opened:
        yield opened


async def test_every_account_has_its_pull_in_its_own_night(abroad: Gateway) -> None:
    jobs = {job.name: job for job in jobs_for(abroad.ctx)}
    noon = datetime.fromisoformat("2026-12-15T12:00:00+00:00")

    home = jobs["usage_pull:cmcc-main"].next_after(noon)
    ny = jobs["usage_pull:overseas-ny"].next_after(noon)

    assert home == datetime.fromisoformat("2026-12-16T02:30:00+08:00")
    assert ny == datetime.fromisoformat("2026-12-16T02:30:00-05:00")


async def test_a_pull_asks_its_own_accounts_alone(abroad: Gateway) -> None:
    home = await pull_usage(abroad.ctx, ["cmcc-main"])
    ny = await pull_usage(abroad.ctx, ["overseas-ny"])
    everywhere = await pull_usage(abroad.ctx)

    assert (home["accounts"], ny["accounts"], everywhere["accounts"]) == (1, 1, 3)


async def test_the_hourly_slot_is_idle_until_a_run_breaks_off(abroad: Gateway) -> None:
    await abroad.fleet({})
    [job] = [job for job in jobs_for(abroad.ctx) if job.name == "usage_resume:cmcc-main"]
    assert job.idle is not None
    await pull_usage(abroad.ctx)
    whole = await job.idle(abroad.ctx)
    await abroad.fault("status_429", operation="usage", count=None, retry_after=900)
    await pull_usage(abroad.ctx)
    broken = await job.idle(abroad.ctx)

    assert (whole, broken) == (True, False)
    assert job.next_after(abroad.ctx.now()) - abroad.ctx.now() <= timedelta(hours=1)


NIGHT = datetime.fromisoformat("2026-12-15T02:30:00+08:00")


async def be_at(gateway: Gateway, instant: datetime) -> None:
    await gateway.advance(seconds=(instant - gateway.ctx.now()).total_seconds())


async def _traffic(gateway: Gateway, *cards: str) -> None:
    rows = "\n".join(json.dumps({"iccid": card, "bytes": MB}) for card in cards)
    assert (await gateway.control.post("/_control/traffic", content=rows)).is_success


async def _used(gateway: Gateway, card: str) -> int:
    return int((await usage(gateway.api, card))["carrier"]["bytes"] or 0)


async def test_an_account_that_pulls_for_days_holds_up_no_other_of_its_zone(abroad: Gateway) -> None:
    """Its own next slot waits for it, and then the latest one is run."""
    await be_at(abroad, NIGHT - timedelta(hours=27))
    quick, slow = await abroad.fleet({}, {"carrier": "ctcc", "account": "ctcc-slow"})
    jobs = [job for job in jobs_for(abroad.ctx) if job.name.startswith("usage_pull:")]
    process = await open_slots(abroad.ctx, jobs)
    await be_at(abroad, NIGHT - timedelta(hours=23))
    await tick(abroad, process)
    stuck = {"protocol": "ctcc_cmp", "kind": "slow", "count": None, "params": {"seconds": 3600, "when": "before"}}
    assert (await abroad.control.post("/_control/faults", json=stuck)).is_success

    seen = []
    for day in range(3):  # the pull of the first night is still under way in the third
        await _traffic(abroad, quick, slow)
        await be_at(abroad, NIGHT + timedelta(days=day, minutes=1))
        process.start_due(abroad.ctx)
        slot = NIGHT + timedelta(days=day)
        while (run := (await runs(abroad)).get("usage_pull:cmcc-main")) is None or not _is_done(run, slot):
            await asyncio.sleep(0.01)
        seen.append(await _used(abroad, quick))
    stalled = (await runs(abroad))["usage_pull:ctcc-slow"]
    await process.stop(0)
    assert (await abroad.control.delete("/_control/faults")).is_success
    await tick(abroad, await open_slots(abroad.ctx, jobs))

    assert seen == [MB, 2 * MB, 3 * MB]
    assert (datetime.fromisoformat(stalled["slot"]), stalled["finished_at"]) == (NIGHT, None)
    assert _is_done((await runs(abroad))["usage_pull:ctcc-slow"], NIGHT + timedelta(days=2))
    assert await _used(abroad, slow) == 3 * MB


def _is_done(run: dict[str, Any], slot: datetime) -> bool:
    return datetime.fromisoformat(run["slot"]) == slot and run["finished_at"] is not None


async def test_a_run_ends_where_a_newer_one_of_its_account_has_begun(abroad: Gateway) -> None:
    """A resumed run that is still under way when the daily slot comes: no SIM is queried by both."""
    await be_at(abroad, NIGHT)
    cards = await abroad.fleet(*({} for _ in range(6)))
    await _traffic(abroad, *cards)
    await be_at(abroad, NIGHT + timedelta(days=1))
    slow = {"protocol": "onelink", "operation": "usage", "kind": "slow", "count": None, "params": {"seconds": 0.2}}
    assert (await abroad.control.post("/_control/faults", json=slow)).is_success
    older = asyncio.create_task(pull_account(abroad.ctx, "cmcc-main", page=1))
    while not await _asked(abroad):
        await asyncio.sleep(0.01)
    assert (await abroad.control.delete("/_control/faults")).is_success
    abroad.ctx.clock.offset += timedelta(seconds=1)

    newer = await pull_account(abroad.ctx, "cmcc-main", page=1)
    ended = await older

    assert (newer.completed, newer.sims) == (True, 6)
    assert (ended.completed, ended.sims) == (False, 1)
    assert [await _used(abroad, card) for card in cards] == [MB] * 6


async def _asked(gateway: Gateway) -> int:
    stats = (await gateway.control.get("/_control/stats")).json()
    return int(stats["onelink"]["by_operation"].get("usage", 0))
