"""The pull (US-2): every account asked within its budget, usage and state taken, nobody starved, restartable."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app.db.usage import pulls as rows
from app.jobs.usage_pull import pull_usage
from app.settings import PROJECT
from app.usecases.carrier_sync.usage_run import pull_account
from tests.gateway import Gateway, open_gateway
from tests.usecases.usage.reporting import report, send, usage

MB = 1 << 20
NIGHT = datetime.fromisoformat("2026-12-15T02:30:00+08:00")


@pytest.fixture(autouse=True)
async def at_night(gateway: Gateway) -> None:
    """The fifteenth of a month, when the pull runs."""
    await gateway.advance(seconds=(NIGHT - gateway.ctx.now()).total_seconds())


async def _traffic(gateway: Gateway, card: str, amount: int) -> None:
    answer = await gateway.control.post("/_control/traffic", json={"iccid": card, "bytes": amount})
    assert answer.is_success, answer.text


@pytest.mark.parametrize("carrier", ["cmcc", "cucc", "ctcc"])
async def test_what_the_carrier_counted_is_shown_with_its_time(gateway: Gateway, carrier: str) -> None:
    [card] = await gateway.fleet({"carrier": carrier})
    await _traffic(gateway, card, 5 * MB)
    await gateway.advance(days=1)

    await pull_usage(gateway.ctx)
    await gateway.settle()

    shown = await usage(gateway.api, card)
    assert (shown["used"], shown["source"], shown["carrier"]["bytes"]) == (5 * MB, "carrier", 5 * MB)
    assert datetime.fromisoformat(shown["as_of"]) <= gateway.ctx.now()


async def test_reports_after_the_carriers_figure_are_added(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    await _traffic(gateway, card, 5 * MB)
    await gateway.advance(days=1)
    await send(gateway.api, [report(card, gateway.ctx.now() - timedelta(days=2), MB, number="before")])
    await pull_usage(gateway.ctx)
    await gateway.advance(hours=1)
    await send(gateway.api, [report(card, gateway.ctx.now(), 7, number="after")])

    shown = await usage(gateway.api, card)

    assert (shown["used"], shown["reported_since"], shown["source"]) == (5 * MB + 7, 7, "gateway")


async def test_the_carriers_figure_stops_a_card_over_its_quota(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"terms": "gsl", "plan": "cmcc-30m"})
    await _traffic(gateway, card, 31 * MB)
    await gateway.advance(days=1)

    await pull_usage(gateway.ctx)
    await gateway.settle()

    sim = (await gateway.api.get(f"/v1/sims/{card}")).json()
    assert (sim["state"], [hold["code"] for hold in sim["holds"]]) == ("suspended", ["over_quota"])


async def test_the_pull_sees_what_the_carrier_did_by_itself(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"carrier": "cucc", "state": "silent", "opened_on": "2026-11-20"})
    await pull_usage(gateway.ctx)
    await _traffic(gateway, card, MB)
    await gateway.advance(days=1)

    await pull_usage(gateway.ctx)
    await gateway.settle()

    assert (await gateway.api.get(f"/v1/sims/{card}")).json()["state"] == "active"


async def test_a_run_that_broke_off_is_taken_up_where_it_stopped(gateway: Gateway) -> None:
    cards = await gateway.fleet(*({} for _ in range(6)))
    for card in cards:
        await _traffic(gateway, card, MB)
    await gateway.advance(days=1)
    async with gateway.ctx.pool.acquire() as connection:  # the last run stopped behind the third card
        third = await connection.fetchval("SELECT id FROM sims WHERE iccid = $1", cards[2])
        await rows.set_cursor(connection, "cmcc-main", third, gateway.ctx.now())
    await gateway.fault("status_500", operation="usage", count=None)
    first = await pull_account(gateway.ctx, "cmcc-main", page=2)
    assert (await gateway.control.delete("/_control/faults")).is_success
    await gateway.advance(minutes=10)

    second = await pull_account(gateway.ctx, "cmcc-main", page=2)

    assert (first.completed, second.completed, second.sims) == (False, True, 6)
    assert [(await usage(gateway.api, card))["used"] for card in cards] == [MB] * 6


async def test_the_closed_cycle_is_asked_for_while_carriers_lag(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    end = datetime.fromisoformat("2026-12-31T20:00:00+08:00")
    await gateway.advance(seconds=(end - gateway.ctx.now()).total_seconds())
    await _traffic(gateway, card, 3 * MB)
    night = datetime.fromisoformat("2027-01-01T02:30:00+08:00")
    await gateway.advance(seconds=(night - gateway.ctx.now()).total_seconds())

    for _ in range(3):
        await pull_usage(gateway.ctx)
        await gateway.advance(days=1)

    items = (await gateway.api.get(f"/v1/sims/{card}/usage", params={"granularity": "cycle"})).json()["items"]
    assert {item["cycle"]["id"]: item["used"] for item in items[-2:]} == {"2026-12": 3 * MB, "2027-01": 0}


async def test_every_account_of_the_whole_demo_configuration_answers(clean_database: str, tmp_path: Path) -> None:
    path = PROJECT / "demo" / "carriers-all.toml"
    async with open_gateway(clean_database, tmp_path, accounts_path=path) as whole:
        await whole.fleet({}, {"carrier": "cucc"}, {"carrier": "ctcc"})
        report_ = await pull_usage(whole.ctx)

    assert report_["unfinished"] == 0


async def test_a_refresh_asks_for_usage_too(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"carrier": "cucc"})
    await _traffic(gateway, card, 4 * MB)

    operation = await gateway.operation(await gateway.api.post(f"/v1/sims/{card}/refresh"))

    assert (operation["status"], (await usage(gateway.api, card))["used"]) == ("succeeded", 4 * MB)
