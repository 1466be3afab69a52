"""What goes wrong in a pull: one card's error, a carrier's bad minute, our own budget, a pause, a fault of ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.carriers.desk.client import DeskClient
from app.usecases.carrier_sync.usage_page import MOST_SET_ASIDE
from app.usecases.carrier_sync.usage_run import pull_account, pull_all, resume_pulls
from tests.gateway import Gateway, card, open_with
from tests.usecases.usage.reporting import report, send, usage

MB = 1 << 20
NIGHT = datetime.fromisoformat("2026-12-15T02:30:00+08:00")
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
settings = { per_second = 2, in_flight = 5 }

[accounts.gsl-main]
carrier = "ctcc"
[[accounts.gsl-main.protocols]]
protocol = "gsl"
base_url = "sandbox"
credentials = { ak = "SANDBOXAK00000000001", sk = "SANDBOXSK000000000000000000000000000000001", project_id = "0123456789abcdef0123456789abcdef" }
settings = { per_second = 50 }
"""


@pytest.fixture
async def wide(clean_database: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway with these accounts, on the fourteenth of a month."""
    async with open_with(clean_database, tmp_path, ACCOUNTS, at=NIGHT - timedelta(days=1)) as opened:
        yield opened


async def _huawei(gateway: Gateway, indexes: range, *, known: bool = True, **given: Any) -> list[str]:
    """Cards on the account at Huawei, who knows them or not."""
    await gateway.fleet({"carrier": "ctcc", "account": "ctcc-slow", "state": "silent"})  # makes the plans
    rows = [card(index, carrier="ctcc", account="gsl-main", **given) for index in indexes]
    headers = {"Content-Type": "application/x-ndjson"}
    for path, told in (("/v1/sims/import", {}), ("/_control/sims", {"gsl": True})):
        if told and not known:
            continue
        lines = "\n".join(json.dumps(row | told) for row in rows)
        way = gateway.control if told else gateway.api
        done = await way.post(path, content=lines, headers=headers)
        assert done.status_code == 200, done.text
    return [row["iccid"] for row in rows]


async def _traffic(gateway: Gateway, *cards: str, amount: int = 5 * MB) -> None:
    for iccid in cards:
        answer = await gateway.control.post("/_control/traffic", json={"iccid": iccid, "bytes": amount})
        assert answer.is_success, answer.text


async def _used(gateway: Gateway, cards: list[str]) -> list[int]:
    return [(await usage(gateway.api, iccid))["used"] for iccid in cards]


async def _asked(gateway: Gateway, protocol: str, operation: str) -> int:
    stats = (await gateway.control.get("/_control/stats")).json()
    return sum(n for name, n in stats[protocol]["by_operation"].items() if name == operation)


async def test_one_card_that_the_carrier_does_not_know_costs_the_others_nothing(wide: Gateway) -> None:
    cards = await _huawei(wide, range(1, 4))
    [stranger] = await _huawei(wide, range(4, 5), known=False)
    await _traffic(wide, *cards)
    await wide.advance(days=1)

    with capture_logs() as logs:
        pulled = await pull_account(wide.ctx, "gsl-main")

    assert (pulled.completed, pulled.sims) == (True, 4)
    assert await _used(wide, cards) == [5 * MB] * 3
    told = [line for line in logs if line["event"] == "usage_pull.skipped"]
    assert told
    assert {(line["iccid"], line["error"]) for line in told} == {(f"****{stranger[-4:]}", "NoSuchCard")}


async def test_a_card_near_its_limit_that_the_carrier_does_not_know_costs_the_others_nothing(wide: Gateway) -> None:
    near, far = await _huawei(wide, range(1, 3), terms="gsl")
    [stranger] = await _huawei(wide, range(3, 4), known=False, terms="gsl")
    at = wide.ctx.now() - timedelta(hours=1)
    await send(wide.api, [report(iccid, at, 90 * MB, number=iccid) for iccid in (near, stranger)])
    await wide.settle()
    await _traffic(wide, near, far)
    await wide.advance(days=1)

    pulled = await pull_account(wide.ctx, "gsl-main")

    assert pulled.completed
    assert [(await usage(wide.api, iccid))["carrier"]["bytes"] for iccid in (near, far)] == [5 * MB] * 2


async def test_an_answer_that_cannot_be_read_costs_no_card_its_figure(wide: Gateway) -> None:
    cards = await wide.fleet(*({} for _ in range(4)))
    await _traffic(wide, *cards)
    await wide.advance(days=1)
    await wide.fault("garbage", operation="usage", count=2, applied=False)

    pulled = await pull_account(wide.ctx, "cmcc-main")

    assert (pulled.completed, await _used(wide, cards)) == (True, [5 * MB] * 4)


async def test_a_carriers_bad_moment_is_waited_out_within_the_run(wide: Gateway) -> None:
    cards = await wide.fleet(*({} for _ in range(4)))
    await _traffic(wide, *cards)
    await wide.advance(days=1)
    await wide.fault("status_500", operation="usage")
    await wide.fault("status_429", operation="status", retry_after=1)

    pulled = await pull_account(wide.ctx, "cmcc-main")

    assert (pulled.completed, pulled.sims, await _used(wide, cards)) == (True, 4, [5 * MB] * 4)


async def test_what_a_run_left_is_done_in_a_later_hour_of_the_same_day(wide: Gateway) -> None:
    cards = await wide.fleet(*({} for _ in range(6)))
    await _traffic(wide, *cards)
    await wide.advance(days=1)
    await wide.fault("status_429", operation="usage", count=None, retry_after=900)

    began = await pull_all(wide.ctx)
    at_once = await resume_pulls(wide.ctx)
    assert (await wide.control.delete("/_control/faults")).is_success
    await wide.advance(hours=1)
    later = await resume_pulls(wide.ctx)
    done = await resume_pulls(wide.ctx)

    assert (began["unfinished"], at_once) == (1, {})
    assert (later["accounts"], later["sims"], later["unfinished"], done) == (1, 6, 0, {})
    assert await _used(wide, cards) == [5 * MB] * 6


async def test_our_own_budget_makes_a_run_slow_and_not_short(wide: Gateway) -> None:
    cards = await wide.fleet(*({"carrier": "ctcc", "account": "ctcc-slow"} for _ in range(5)))
    await _traffic(wide, *cards)
    await wide.advance(days=1)
    free = {"protocol": "ctcc_cmp", "per_second": None}  # the carrier counts to the millisecond; this is about us
    assert (await wide.control.post("/_control/settings", json=free)).is_success

    pulled = await pull_account(wide.ctx, "ctcc-slow")

    assert (pulled.completed, pulled.sims, await _used(wide, cards)) == (True, 5, [5 * MB] * 5)


async def test_a_pause_stops_a_run_under_way_and_the_rest_follows_when_it_is_over(wide: Gateway) -> None:
    cards = await wide.fleet(*({} for _ in range(6)))
    await _traffic(wide, *cards)
    await wide.advance(days=1)
    await wide.fault("slow", operation="usage", count=None, seconds=0.1)

    under_way = asyncio.create_task(pull_account(wide.ctx, "cmcc-main", page=1))
    while not await _asked(wide, "onelink", "usage"):
        await asyncio.sleep(0.01)
    assert (await wide.api.post("/v1/admin/accounts/cmcc-main/pause")).is_success
    paused = await under_way
    await wide.advance(hours=1)
    meanwhile = await resume_pulls(wide.ctx)
    assert (await wide.api.post("/v1/admin/accounts/cmcc-main/resume")).is_success
    after = await resume_pulls(wide.ctx)

    assert not paused.completed
    assert 0 < paused.sims < 6
    assert (meanwhile, after["sims"], after["unfinished"]) == ({}, 6 - paused.sims, 0)
    assert await _used(wide, cards) == [5 * MB] * 6


class _Faulty(DeskClient):
    """A client with a mistake of ours in it: no carrier of the sandbox can bring that about."""

    async def usage(self, sims: Any, cycle: Any, *, failures: Any = None) -> Any:
        raise ZeroDivisionError


async def test_a_fault_of_ours_that_meets_every_sim_sets_the_account_aside_and_not_the_fleet(wide: Gateway) -> None:
    slow = {"carrier": "ctcc", "account": "ctcc-slow"}
    good, *_ = await wide.fleet({}, *(slow for _ in range(MOST_SET_ASIDE + 10)))
    await _traffic(wide, good)
    await wide.advance(days=1)
    broken = replace(wide.ctx, clients={**wide.ctx.clients, "ctcc-slow": _Faulty.__new__(_Faulty)})

    with capture_logs():
        report_ = await pull_all(broken)

    items = (await wide.api.get("/v1/admin/quarantine", params={"limit": 100})).json()["items"]
    assert (report_["unfinished"], await _used(wide, [good])) == (1, [5 * MB])
    assert [item["kind"] for item in items] == ["sim"] * MOST_SET_ASIDE + ["account"]


async def test_a_fault_of_ours_sets_its_sim_aside_and_ends_no_run(wide: Gateway) -> None:
    good, bad = await wide.fleet({}, {"carrier": "ctcc", "account": "ctcc-slow"})
    await _traffic(wide, good, bad)
    await wide.advance(days=1)
    faulty = _Faulty.__new__(_Faulty)
    broken = replace(wide.ctx, clients={**wide.ctx.clients, "ctcc-slow": faulty})

    report_ = await pull_all(broken)
    [aside] = (await wide.api.get("/v1/admin/quarantine")).json()["items"]
    await wide.advance(minutes=2)

    assert (report_["accounts"], report_["unfinished"], await _used(wide, [good])) == (3, 0, [5 * MB])
    assert [aside[name] for name in ("task", "kind", "subject", "error")] == [
        "usage_pull",
        "sim",
        bad,
        "ZeroDivisionError",
    ]
    assert await _used(wide, [bad]) == [5 * MB]
    assert (await wide.api.get("/v1/admin/quarantine")).json()["items"] == []
