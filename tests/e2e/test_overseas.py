"""An overseas account in its own zone: its days and cycles turn at its midnight, also where clocks change."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.jobs.cycle_rollover import roll_over_day
from app.usecases.limits.upkeep import check_all_pools
from tests.gateway import Gateway, open_with
from tests.usecases.pools.pooling import MB, be_at, cycle_of, turn
from tests.usecases.usage.reporting import cycles, report, send

ACCOUNTS = """
[accounts.overseas-ny]
carrier = "overseas"
zone = "America/New_York"
[[accounts.overseas-ny.protocols]]
protocol = "desk"
base_url = "sandbox"

[accounts.overseas-nz]
carrier = "overseas"
zone = "Pacific/Auckland"
[[accounts.overseas-nz.protocols]]
protocol = "desk"
base_url = "sandbox"
"""


@pytest.fixture
async def abroad(clean_database: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway with two overseas accounts, on the second of a December."""
    async with open_with(
        clean_database, tmp_path, ACCOUNTS, at=datetime.fromisoformat("2026-12-02T12:00:00+00:00")
    ) as opened:
        yield opened


async def _card(gateway: Gateway, account: str) -> str:
    plan = {"id": "world", "carrier": "overseas", "allowance": 1 << 30, "months": 12}
    assert (await gateway.api.post("/v1/plans", json=plan)).is_success
    number = sum(map(ord, account))
    row = f"8985200000{number:09d},overseas,{account},gsl,world,active,2026-05-01,2026-06-10"
    text = f"iccid,carrier,account,terms,plan,state,opened_on,activated_on\n{row}\n"
    done = await gateway.api.post("/v1/sims/import", content=text, headers={"Content-Type": "text/csv"})
    assert done.status_code == 200, done.text
    return row.partition(",")[0]


@pytest.mark.parametrize(
    ("account", "at", "cycle", "day"),
    [
        ("overseas-ny", "2026-11-30T23:59:59.999-05:00", "2026-11", "2026-11-30"),
        ("overseas-ny", "2026-12-01T00:00:00-05:00", "2026-12", "2026-12-01"),
        ("overseas-ny", "2026-12-01T04:59:59.999Z", "2026-11", "2026-11-30"),
        ("overseas-ny", "2026-11-01T01:30:00-04:00", "2026-11", "2026-11-01"),
        ("overseas-ny", "2026-11-01T23:59:59-05:00", "2026-11", "2026-11-01"),
        ("overseas-nz", "2026-11-30T10:59:59.999Z", "2026-11", "2026-11-30"),
        ("overseas-nz", "2026-11-30T11:00:00Z", "2026-12", "2026-12-01"),
    ],
)
async def test_an_overseas_card_lives_by_its_accounts_zone(
    abroad: Gateway, account: str, at: str, cycle: str, day: str
) -> None:
    card = await _card(abroad, account)

    await send(abroad.api, [report(card, at, 5, number="edge")])

    kept = await cycles(abroad.api, card)
    items = (await abroad.api.get(f"/v1/sims/{card}/usage", params={"granularity": "day"})).json()["items"]
    assert {name: item["reported"] for name, item in kept.items() if item["reported"]} == {cycle: 5}
    assert {item["day"]: item["reported"] for item in items if item["reported"]} == {day: 5}


async def test_a_card_read_at_the_turn_shows_its_own_accounts_cycle(abroad: Gateway) -> None:
    target = datetime.fromisoformat("2026-12-31T12:00:00+00:00")  # already January in Auckland
    await abroad.advance(seconds=(target - abroad.ctx.now()).total_seconds())
    ny, nz = await _card(abroad, "overseas-ny"), await _card(abroad, "overseas-nz")
    at = abroad.ctx.now() - timedelta(minutes=1)

    await send(abroad.api, [report(ny, at, 1, number="ny"), report(nz, at, 2, number="nz")])

    shown = [(await abroad.api.get(f"/v1/sims/{card}")).json()["usage"] for card in (ny, nz)]
    assert [(one["cycle"]["id"], one["used"]) for one in shown] == [("2026-12", 1), ("2027-01", 2)]


async def _world_pool(gateway: Gateway, name: str, *accounts: str) -> tuple[list[str], dict[str, Any]]:
    plan = {"id": "world-pool", "carrier": "overseas", "allowance": 10 * MB, "months": 12, "kind": "pool_forward"}
    assert (await gateway.api.post("/v1/plans", json=plan)).is_success
    pool = {"id": name, "name": name, "kind": "forward", "carrier": "overseas", "plan": "world-pool"}
    assert (await gateway.api.post("/v1/pools", json=pool)).status_code == 201
    cards = [f"8985200000{sum(map(ord, name + account)):09d}" for account in accounts]
    rows = [
        f"{card},overseas,{account},gsl,world-pool,active,2026-05-01,2026-06-10,{name}"
        for card, account in zip(cards, accounts, strict=True)
    ]
    text = "\n".join(["iccid,carrier,account,terms,plan,state,opened_on,activated_on,pool", *rows, ""])
    done = await gateway.api.post("/v1/sims/import?mode=partial", content=text, headers={"Content-Type": "text/csv"})
    return cards, done.json()


async def test_each_pool_turns_at_its_own_accounts_midnight(abroad: Gateway) -> None:
    """BC-4, PL-7: the earlier zone's turn leaves the other's pool as it is."""
    [ny], _ = await _world_pool(abroad, "pny", "overseas-ny")
    [nz], _ = await _world_pool(abroad, "pnz", "overseas-nz")
    at = abroad.ctx.now() - timedelta(minutes=1)
    await send(abroad.api, [report(ny, at, MB, number="ny"), report(nz, at, 2 * MB, number="nz")])
    await be_at(abroad, "2026-12-31T12:00:00+00:00")  # January in Auckland, since an hour
    at = abroad.ctx.now() - timedelta(minutes=1)
    await send(abroad.api, [report(ny, at, 3 * MB, number="ny2"), report(nz, at, 4 * MB, number="nz2")])
    first = {name: await cycle_of(abroad, name) for name in ("pny", "pnz")}

    await roll_over_day(abroad.ctx, ZoneInfo("Pacific/Auckland"))
    await check_all_pools(abroad.ctx)
    second = {name: await cycle_of(abroad, name) for name in ("pny", "pnz")}
    past = await cycle_of(abroad, "pnz", "2026-12")
    await turn(abroad, "2027-01-01T05:01:00+00:00", ZoneInfo("America/New_York"))
    closed = await cycle_of(abroad, "pny", "2026-12")

    assert first == second
    assert {name: (one["cycle"]["id"], one["used"], one["total"]) for name, one in first.items()} == {
        "pny": ("2026-12", 4 * MB, 10 * MB),
        "pnz": ("2027-01", 4 * MB, 10 * MB),
    }
    assert [(one["cards"], one["used"], one["total"]) for one in (past, closed)] == [
        (1, 2 * MB, 10 * MB),
        (1, 4 * MB, 10 * MB),
    ]


async def test_a_pools_members_share_one_zone(abroad: Gateway) -> None:
    """BC-4, PL-5: the first member gives the pool its zone; a card of another zone is refused."""
    _, told = await _world_pool(abroad, "both", "overseas-nz", "overseas-ny")
    loner, _ = await _world_pool(abroad, "other", "overseas-ny")
    text = f"iccid,carrier,account,terms,plan\n{loner[0][:-1]}0,overseas,overseas-ny,standard,world-pool\n"
    done = await abroad.api.post("/v1/sims/import", content=text, headers={"Content-Type": "text/csv"})
    joined = await abroad.api.post(f"/v1/sims/{loner[0][:-1]}0/join-pool", json={"pool": "both"})

    assert [(one["code"], one["line"]) for one in told["rejected"]] == [("POOL_MISMATCH", 3)]
    assert (await cycle_of(abroad, "both"))["cards"] == 1
    assert done.is_success, done.text
    assert (joined.status_code, joined.json()["errors"][0]["code"]) == (422, "POOL_MISMATCH"), joined.text


async def test_reconciliation_counts_by_the_zone_of_each_account(abroad: Gateway) -> None:
    ny, nz = await _card(abroad, "overseas-ny"), await _card(abroad, "overseas-nz")
    first_hours = {ny: "2026-11-01T01:00:00-04:00", nz: "2026-11-01T01:00:00+13:00"}
    hours_before = {ny: "2026-10-31T23:00:00-04:00", nz: "2026-10-31T23:00:00+13:00"}
    for card in (ny, nz):
        told = [
            report(card, first_hours[card], 50_000, number=card),
            report(card, hours_before[card], 700_000, number=card + "-"),
        ]
        await send(abroad.api, told)
        figures = [
            {"iccid": card, "cycle": "2026-11", "bytes": 40_000, "as_of": "2026-11-20T00:00:00Z"},
            {"iccid": card, "day": "2026-11-25", "bytes": 1_000},
        ]
        assert (await abroad.api.post("/v1/usage/corrections", json=figures)).json()["applied"] == 2

    params = {"carrier": "overseas", "cycle": "2026-11"}
    items = (await abroad.api.get("/v1/usage/reconciliation", params=params)).json()["items"]

    assert {item["iccid"]: (item["ours"], item["drift"]) for item in items} == {
        ny: (50_000, 9_000),
        nz: (50_000, 9_000),
    }


async def test_reconciliation_at_the_turn_is_of_the_cycle_that_ends(abroad: Gateway) -> None:
    target = datetime.fromisoformat("2026-12-31T12:00:00+00:00")  # already January in Auckland
    await abroad.advance(seconds=(target - abroad.ctx.now()).total_seconds())

    shown = (await abroad.api.get("/v1/usage/reconciliation", params={"carrier": "overseas"})).json()

    assert (shown["cycle"], shown["items"]) == ("2026-12", [])
