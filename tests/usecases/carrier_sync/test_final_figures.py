"""The last figure of a closed cycle (US-5, ST-21): exact, once, and late rather than never."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from app.settings import PROJECT
from app.usecases.carrier_sync.usage_run import pull_all
from app.usecases.sims.expire import expire_zone
from tests.gateway import Gateway, open_gateway
from tests.usecases.usage.reporting import cycles

MB = 1 << 20
HOME = ZoneInfo("Asia/Shanghai")


async def _until(gateway: Gateway, instant: str) -> None:
    target = datetime.fromisoformat(f"{instant}+08:00")
    await gateway.advance(seconds=(target - gateway.ctx.now()).total_seconds())


async def _traffic(gateway: Gateway, card: str, amount: int) -> None:
    answer = await gateway.control.post("/_control/traffic", json={"iccid": card, "bytes": amount})
    assert answer.is_success, answer.text


async def _pull_daily(gateway: Gateway, days: int) -> None:
    for _ in range(days):
        await pull_all(gateway.ctx)
        await gateway.advance(days=1)


async def _december(gateway: Gateway, card: str) -> int:
    return int((await cycles(gateway.api, card))["2026-12"]["used"])


async def _usage_calls(gateway: Gateway) -> int:
    stats = (await gateway.control.get("/_control/stats")).json()
    return sum(protocol["by_operation"].get("usage", 0) for protocol in stats.values())


@pytest.mark.parametrize(
    ("carrier", "account"), [("ctcc", "ctcc-main"), ("ctcc", "ctcc-5g"), ("cmcc", "cmcc-main"), ("cucc", "cucc-cmp")]
)
async def test_the_last_days_traffic_is_counted_once(
    clean_database: str, tmp_path: Path, carrier: str, account: str
) -> None:
    path = PROJECT / "demo" / "carriers-all.toml"
    edge = {"cucc": "2026-12-26"}.get(carrier, "2026-12-31")
    async with open_gateway(clean_database, tmp_path, accounts_path=path) as gateway:
        [card] = await gateway.fleet({"carrier": carrier, "account": account})
        await _until(gateway, f"{edge}T01:00:00")
        await _traffic(gateway, card, 5 * MB)
        await _until(gateway, f"{edge}T02:30:00")
        await pull_all(gateway.ctx)
        await _until(gateway, f"{edge}T12:00:00")
        await _traffic(gateway, card, 3 * MB)
        await gateway.advance(hours=14, minutes=30)
        shown = []
        for _ in range(4):
            await pull_all(gateway.ctx)
            shown.append(await _december(gateway, card))
            await gateway.advance(days=1)

    assert max(shown) == shown[2] == shown[3] == 8 * MB
    assert set(shown) <= {5 * MB, 8 * MB}


@pytest.mark.parametrize("carrier", ["cmcc", "ctcc"])
async def test_an_account_paused_over_the_turn_gets_its_last_figure_afterwards_and_once(
    gateway: Gateway, carrier: str
) -> None:
    [card] = await gateway.fleet({"carrier": carrier})
    await _until(gateway, "2026-12-27T12:00:00")
    await _traffic(gateway, card, 5 * MB)
    await _until(gateway, "2026-12-28T02:30:00")
    await pull_all(gateway.ctx)
    assert (await gateway.api.post(f"/v1/admin/accounts/{carrier}-main/pause")).is_success
    await _until(gateway, "2026-12-30T12:00:00")
    await _traffic(gateway, card, 3 * MB)
    await _until(gateway, "2026-12-31T02:30:00")
    await _pull_daily(gateway, 4)
    before = await _december(gateway, card)
    assert (await gateway.api.post(f"/v1/admin/accounts/{carrier}-main/resume")).is_success

    await pull_all(gateway.ctx)
    after, calls = await _december(gateway, card), await _usage_calls(gateway)
    await gateway.advance(days=1)
    await pull_all(gateway.ctx)

    assert (before, after) == (5 * MB, 8 * MB)
    asked_later = await _usage_calls(gateway) - calls
    assert asked_later == {"ctcc": 1, "cmcc": 2}[carrier]  # the running cycle, and where days are a batch yesterday


async def test_a_card_whose_last_valid_day_ends_the_cycle_gets_that_days_use(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"carrier": "ctcc", "activated_on": "2026-01-10"})
    await _until(gateway, "2026-12-31T02:30:00")
    await pull_all(gateway.ctx)
    await _until(gateway, "2026-12-31T12:00:00")
    await _traffic(gateway, card, 3 * MB)
    await _until(gateway, "2027-01-01T00:05:00")
    await expire_zone(gateway.ctx, HOME)
    await gateway.settle()
    await _until(gateway, "2027-01-01T02:30:00")

    await _pull_daily(gateway, 3)

    state = (await gateway.api.get(f"/v1/sims/{card}")).json()["state"]
    assert (state, await _december(gateway, card)) == ("expired", 3 * MB)


async def test_a_card_held_by_us_that_the_carrier_says_is_running_is_asked_about(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"carrier": "ctcc", "state": "silent"})
    await _until(gateway, "2026-12-10T12:00:00")
    async with gateway.ctx.pool.acquire() as connection:  # held here long ago, running there
        hold = '[{"code": "manual", "since": "2026-11-30T00:00:00+08:00", "source": "caller"}]'
        await connection.execute(
            "UPDATE sims SET underlying = 'active', state = 'suspended', activated_on = '2026-06-10',"
            " holds = $1::text::jsonb, carrier_state = 'active', carrier_as_of = $2",
            hold,
            gateway.ctx.now() - timedelta(hours=1),
        )
    for _ in range(8):
        await _traffic(gateway, card, 50 * MB)
        await gateway.advance(days=1)
        await pull_all(gateway.ctx)

    sim = (await gateway.api.get(f"/v1/sims/{card}")).json()
    assert (sim["usage"]["used"], [hold["code"] for hold in sim["holds"]]) == (400 * MB, ["manual"])


async def test_a_card_that_the_carrier_says_is_stopped_is_left_alone_once_data_no_longer_lag(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"carrier": "ctcc"})
    await _until(gateway, "2026-12-10T02:30:00")
    await pull_all(gateway.ctx)  # November is complete
    await gateway.operation(await gateway.api.post(f"/v1/sims/{card}/suspend"))
    asked = []
    for _ in range(5):
        before = await _usage_calls(gateway)
        await pull_all(gateway.ctx)
        asked.append(await _usage_calls(gateway) - before)
        await gateway.advance(days=1)

    assert asked == [1, 1, 1, 0, 0]
