"""When the pull runs: in the night of each account's own zone, and hourly where a run has something left."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app.jobs.schedule import jobs_for
from app.jobs.usage_pull import pull_usage
from tests.gateway import Gateway, open_with

ACCOUNTS = """
[accounts.cmcc-main]
carrier = "cmcc"
[[accounts.cmcc-main.protocols]]
protocol = "onelink"
base_url = "sandbox"
credentials = { appid = "100001", password = "sandbox-onelink-password" }

[accounts.overseas-ny]
carrier = "overseas"
zone = "America/New_York"
[[accounts.overseas-ny.protocols]]
protocol = "desk"
base_url = "sandbox"
"""


@pytest.fixture
async def abroad(clean_database: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway with accounts in two zones."""
    async with open_with(clean_database, tmp_path, ACCOUNTS) as opened:
        yield opened


async def test_every_zone_has_its_pull_in_its_own_night(abroad: Gateway) -> None:
    jobs = {job.name: job for job in jobs_for(abroad.ctx)}
    noon = datetime.fromisoformat("2026-12-15T12:00:00+00:00")

    home = jobs["usage_pull"].next_after(noon)
    ny = jobs["usage_pull:America/New_York"].next_after(noon)

    assert home == datetime.fromisoformat("2026-12-16T02:30:00+08:00")
    assert ny == datetime.fromisoformat("2026-12-16T02:30:00-05:00")


async def test_a_zones_pull_asks_its_own_accounts_alone(abroad: Gateway) -> None:
    home = await pull_usage(abroad.ctx, abroad.ctx.zone("cmcc-main"))
    ny = await pull_usage(abroad.ctx, abroad.ctx.zone("overseas-ny"))
    everywhere = await pull_usage(abroad.ctx)

    assert (home["accounts"], ny["accounts"], everywhere["accounts"]) == (1, 1, 2)


async def test_the_hourly_slot_is_idle_until_a_run_breaks_off(abroad: Gateway) -> None:
    await abroad.fleet({})
    [job] = [job for job in jobs_for(abroad.ctx) if job.name == "pool_refresh"]
    assert job.idle is not None
    await pull_usage(abroad.ctx)
    whole = await job.idle(abroad.ctx)
    await abroad.fault("status_429", operation="usage", count=None, retry_after=900)
    await pull_usage(abroad.ctx)
    broken = await job.idle(abroad.ctx)

    assert (whole, broken) == (True, False)
    assert job.next_after(abroad.ctx.now()) - abroad.ctx.now() <= timedelta(hours=1)
