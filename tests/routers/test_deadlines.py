"""Deadlines over a fleet through the API: the same days as each SIM's own, by day, page by page, by index."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.domain.sim.deadlines import OF_SIMS
from app.domain.sim.lifecycle import activation_periods
from app.domain.sim.model import Sim
from app.domain.sim.renewal import last_safe_day, renewal
from app.domain.sim.transitions import NOT_YET_ACTIVATED
from app.domain.sim.validity import cancellation
from app.domain.vocabulary import SimState
from app.jobs.housekeeping import run_housekeeping
from app.usecases.sims.expire import expire_zone
from tests.gateway import Gateway, iccid

Item = tuple[str, str, str]
"""Day, kind, and ICCID or pool."""

PREFIXES = {"cmcc": "898600", "cucc": "898601", "ctcc": "898603"}
BEGINNING = date(2026, 11, 21)
KINDS = [kind.value for kind in OF_SIMS]


async def listed(gateway: Gateway, limit: int = 50, **query: Any) -> list[Item]:
    """Every page of the list."""
    found: list[Item] = []
    cursor = None
    while True:
        given = query | {"limit": limit} | ({"cursor": cursor} if cursor else {})
        answer = await gateway.api.get("/v1/deadlines", params=given)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["items"]) <= limit
        found += [(one["on"], one["kind"], one["iccid"] or one["pool"]) for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def _days(sim: Sim) -> Iterator[tuple[str, date | None]]:
    """The oracle: each day as the domain's own function for it says."""
    if sim.underlying is SimState.CANCELLED:
        return
    if sim.underlying in NOT_YET_ACTIVATED and sim.opened_on is not None:
        periods = activation_periods(sim, sim.opened_on)
        yield from (
            ("test_end", periods.testing_until),
            ("silent_end", periods.silent_until),
            ("forced_activation", periods.forced_on),
        )
    if sim.expires_on is not None:
        yield "expiry", sim.expires_on
        yield "last_renewal_day", renewal(sim.terms, sim.carrier, sim.expires_on, sim.expires_on).closes_on
        yield "last_safe_renewal_day", last_safe_day(sim.terms, sim.carrier, sim.expires_on).on
        yield "cancellation", cancellation(sim.terms, sim.carrier, sim.expires_on).on
        yield "number_retention_end", sim.retained_until


async def expected(gateway: Gateway, *, before: date = date.max, kinds: Sequence[str] = KINDS) -> list[Item]:
    """What the list must hold, by the domain's functions over every SIM's row."""
    async with gateway.ctx.pool.acquire() as connection:
        ids = [row["id"] for row in await connection.fetch("SELECT id FROM sims")]
    async with gateway.ctx.work() as work:
        records = await work.sims.by_ids(ids)
    found = []
    for record in records.values():
        today = gateway.ctx.now().astimezone(gateway.ctx.zone(record.account)).date()
        days = ((day, kind) for kind, day in _days(record.sim) if day is not None and day >= today)
        found += [(day.isoformat(), kind, record.sim.iccid) for day, kind in days if day < before and kind in kinds]
    return sorted(found)


def a_card(number: int, chance: random.Random) -> dict[str, Any]:
    """Any card that an import takes."""
    carrier = chance.choice(list(PREFIXES))
    row: dict[str, Any] = {"iccid": iccid(number, PREFIXES[carrier]), "carrier": carrier}
    row["terms"] = chance.choice(["flexem", "gsl", "standard"])
    row["opened_on"] = (BEGINNING - timedelta(days=chance.randrange(400))).isoformat()
    kind = chance.choice(["dates", "active", "expired"])
    if kind == "dates":
        row |= {"state": chance.choice(["inventory", "silent", "testing"]), "purchased_on": row["opened_on"]}
        if row["terms"] == "standard" and chance.random() < 0.5:
            row["test_months"] = chance.randint(1, 9)
    else:
        back, ahead = (chance.randrange(80), 0) if kind == "expired" else (0, chance.randrange(400))
        row |= {"state": kind, "expires_on": (BEGINNING + timedelta(days=ahead - back)).isoformat()}
    return row


async def random_fleet(gateway: Gateway, size: int, seed: int) -> list[str]:
    chance = random.Random(seed)
    return await gateway.fleet(*(a_card(number, chance) for number in range(size)))


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_list_is_what_the_rules_say_of_every_sim(gateway: Gateway, seed: int) -> None:
    """RN-1, RN-3, LC-1 to LC-3, LC-8 to LC-10: also after a month in which SIMs were activated, expired and cancelled."""
    await random_fleet(gateway, 150, seed)
    for days in (0, 35, 60):
        await gateway.advance(days=days)
        await run_sweeps(gateway)
        whole = await expected(gateway)
        assert sorted(await listed(gateway, limit=500)) == whole
        assert len(whole) > 50
        paged = await listed(gateway, limit=17)
        assert sorted(paged) == whole
        assert [one[:2] for one in paged] == sorted(one[:2] for one in paged)
        end = gateway.ctx.now().date() + timedelta(days=40)
        assert sorted(await listed(gateway, before=end.isoformat())) == await expected(gateway, before=end)
        kind = "last_renewal_day"
        assert sorted(await listed(gateway, kind=kind)) == await expected(gateway, kinds=[kind])


async def run_sweeps(gateway: Gateway) -> None:
    await expire_zone(gateway.ctx, ZoneInfo("Asia/Shanghai"))


async def test_both_sides_of_the_last_days_stand_in_the_list(gateway: Gateway) -> None:
    """RN-1: a `flexem` card is renewed through the 22nd, safely through the 21st, and cancelled on the 23rd."""
    (card,) = await gateway.fleet({"carrier": "cucc", "expires_on": "2026-11-30", "activated_on": "2025-12-05"})
    assert await listed(gateway) == [
        ("2026-11-30", "expiry", card),
        ("2026-12-21", "last_safe_renewal_day", card),
        ("2026-12-22", "last_renewal_day", card),
        ("2026-12-23", "cancellation", card),
    ]
    assert [one[1] for one in await listed(gateway, before="2026-12-22")] == ["expiry", "last_safe_renewal_day"]
    assert [one[1] for one in await listed(gateway, **{"from": "2026-12-22"})] == ["last_renewal_day", "cancellation"]
    await gateway.advance(days=31)  # 2026-12-22, 18:00 in Shanghai
    assert [one[1] for one in await listed(gateway)] == ["last_renewal_day", "cancellation"]
    own = (await gateway.api.get(f"/v1/sims/{card}/deadlines")).json()["items"]
    assert [one["kind"] for one in own if one["kind"] != "cycle_end"] == ["last_renewal_day", "cancellation"]


async def test_the_cycles_of_pools_end_in_the_list(gateway: Gateway) -> None:
    """BC-2, BC-4: at `cucc` on the 26th, elsewhere on the month's last day."""
    for carrier in ("cmcc", "cucc"):
        plan = {"id": f"{carrier}-p", "carrier": carrier, "allowance": 1 << 30, "months": 12, "kind": "pool_forward"}
        assert (await gateway.api.post("/v1/plans", json=plan)).is_success
        for number in (1, 2):
            pool = {"id": f"{carrier}-{number}", "name": "P", "kind": "forward", "carrier": carrier}
            assert (await gateway.api.post("/v1/pools", json=pool | {"plan": f"{carrier}-p"})).is_success
    (card,) = await gateway.fleet({"carrier": "ctcc", "terms": "gsl", "expires_on": "2026-11-28"})
    want = [
        ("2026-11-26", "pool_cycle_end", "cucc-1"),
        ("2026-11-26", "pool_cycle_end", "cucc-2"),
        ("2026-11-28", "expiry", card),
        ("2026-11-28", "last_renewal_day", card),
        ("2026-11-30", "pool_cycle_end", "cmcc-1"),
        ("2026-11-30", "pool_cycle_end", "cmcc-2"),
    ]
    for limit in (1, 2, 50):
        assert await listed(gateway, limit=limit) == want
    assert await listed(gateway, limit=1, kind="pool_cycle_end", before="2026-11-27") == want[:2]


async def test_a_renewal_moves_the_days_when_it_has_succeeded(gateway: Gateway) -> None:
    """RN-8: the end date, and what follows from it, moves only once the renewal is in force."""
    (card,) = await gateway.fleet({"carrier": "cucc", "expires_on": "2026-11-30"})
    before = await listed(gateway)
    asked = await gateway.api.post(f"/v1/sims/{card}/renew", json={"months": 12})
    assert asked.status_code == 202, asked.text
    assert await listed(gateway) == before
    done = await gateway.api.post(f"{asked.headers['location']}/complete", json={"outcome": "succeeded"})
    assert done.status_code == 200, done.text
    assert (await listed(gateway))[0] == ("2027-11-30", "expiry", card)


async def test_sims_whose_group_is_missing_or_outdated_get_it_again(gateway: Gateway) -> None:
    """ADR 22: those from before the column by the loop; a plan's changed test months by the daily check (LC-3)."""
    await gateway.fleet({"terms": "standard", "state": "silent"}, {"terms": "gsl", "expires_on": "2027-01-31"})
    whole = await listed(gateway)
    async with gateway.ctx.pool.acquire() as connection:
        await connection.execute("UPDATE sims SET deadline_group = NULL")
    await gateway.advance(seconds=1)
    assert await listed(gateway) == whole

    plan = {"id": "cmcc-100m", "carrier": "cmcc", "allowance": 100 << 20, "months": 12, "test_months": 3}
    assert (await gateway.api.post("/v1/plans", json=plan)).is_success
    assert (await run_housekeeping(gateway.ctx))["deadline_groups"] == 1
    await gateway.advance(seconds=1)
    assert await listed(gateway) == await expected(gateway) != whole
    assert (await run_housekeeping(gateway.ctx))["deadline_groups"] == 0


async def test_a_tenant_sees_its_own_days_alone(gateway: Gateway) -> None:
    await gateway.fleet({"expires_on": "2027-01-31"})
    assert (await gateway.api.post("/v1/admin/tenants", json={"id": "other"})).is_success
    answer = await gateway.api.get("/v1/deadlines", headers={"X-Tenant": "other"})
    assert answer.json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize(
    "cursor", ["NDI", "Imdhcm5pc2gi", "IjIwMjctMDEtMzF8ZXhwaXJ5fDF8LTEi", "IjIwMjctMDEtMzF8eHwxfDEi"]
)
async def test_a_foreign_cursor_is_unreadable(gateway: Gateway, cursor: str) -> None:
    answer = await gateway.api.get("/v1/deadlines", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "UNREADABLE")


@pytest.mark.parametrize("query", ["kind=cycle_end", "kind=x", "before=2027", "before=3000-01-01", "until=2027-01-01"])
async def test_what_the_list_does_not_take_is_refused(gateway: Gateway, query: str) -> None:
    assert (await gateway.api.get(f"/v1/deadlines?{query}")).status_code == 422
