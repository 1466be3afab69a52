"""The first import of a mixed fleet sends nothing to a carrier: imported stops are the carriers' (LC-17)."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.jobs.advance import Advancer
from app.jobs.schedule import jobs_for
from app.jobs.slots import open_slots
from app.usecases.carrier_sync.reconcile import reconcile
from tests.e2e.imports.mixed_fleet import MixedCard, assert_mixed, carriers_toml, mixed_fleet, plans
from tests.gateway import Gateway, card, open_with
from tests.usecases.limits.limiting import set_clock
from tests.usecases.usage.reporting import HOME

NOON = datetime.fromisoformat("2026-12-26T12:00:00+08:00")
"""Before the turn of `cucc`'s cycle on the 27th and of the others' on the 1st."""

SIZE = 400
ND = {"Content-Type": "application/x-ndjson"}


class InProcessCarriers:
    """The sandbox of the gateway under test, which is on the same clock."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def next_due(self) -> datetime | None:
        due = self._gateway.sandbox.store.next_due()
        return None if due is None else datetime.fromtimestamp(due / 1000, UTC)

    async def move_to(self, instant: datetime) -> None:
        await self._gateway.sandbox.tick()


@pytest.fixture
async def house(clean_database: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway with an account of every protocol."""
    async with open_with(clean_database, tmp_path, carriers_toml(), at=NOON) as opened:
        yield opened


def _lines(rows: Iterable[dict[str, Any]]) -> str:
    return "\n".join(map(json.dumps, rows))


async def _imported(gateway: Gateway, fleet: list[MixedCard]) -> dict[str, Any]:
    """Both sides have the fleet, each in its own way; gives the import's answer."""
    told = await gateway.control.post("/_control/sims", content=_lines(card.theirs for card in fleet), headers=ND)
    assert (told.status_code, told.json()["added"]) == (200, len(fleet)), told.text
    for plan in plans():
        assert (await gateway.api.post("/v1/plans", json=plan)).is_success
    done = await gateway.api.post("/v1/sims/import", content=_lines(card.ours for card in fleet), headers=ND)
    assert done.status_code == 200, done.text
    return dict(done.json())


async def _live(gateway: Gateway, days: int) -> dict[str, int]:
    """So many days with every job and every loop; gives how often each job ran."""
    jobs = jobs_for(gateway.ctx)
    slots = await open_slots(gateway.ctx, jobs)
    carriers, locks = InProcessCarriers(gateway), (asyncio.Lock(), asyncio.Lock())
    advancer = Advancer(ctx=gateway.ctx, slots=slots, jobs=jobs, sandbox=carriers, busy=locks[0], moving=locks[1])
    report = await advancer.advance_to(gateway.ctx.now() + timedelta(days=days))
    assert "failed" not in report, report
    return {name.partition(":")[0]: times for name, times in report["jobs"].items()}


async def _effects(gateway: Gateway) -> dict[str, int]:
    """Changes that took effect at the carriers, by kind."""
    stats = (await gateway.control.get("/_control/stats")).json()
    return dict(sum((Counter(protocol["effects"]) for protocol in stats.values()), Counter()))


async def _shown(gateway: Gateway) -> dict[str, dict[str, Any]]:
    found, page = {}, await gateway.api.get("/v1/sims?limit=500")
    while page.json()["next_cursor"]:
        found |= {item["iccid"]: item for item in page.json()["items"]}
        page = await gateway.api.get("/v1/sims", params={"limit": 500, "cursor": page.json()["next_cursor"]})
    return found | {item["iccid"]: item for item in page.json()["items"]}


@pytest.mark.timeout(180)
async def test_days_after_an_import_nothing_was_changed_at_any_carrier(house: Gateway) -> None:
    """LC-17."""
    fleet = mixed_fleet(SIZE, NOON.astimezone(HOME).date())
    assert_mixed(fleet)
    report = await _imported(house, fleet)

    ran = await _live(house, 6)

    assert (report["created"], report["rejected_rows"]) == (SIZE, 0)
    assert {"cycle_rollover", "expiry_sweep", "usage_pull", "reconcile", "housekeeping"} <= set(ran)
    assert ran["reconcile"] >= 5
    assert await _effects(house) == {}
    assert (await house.api.get("/v1/operations")).json()["items"] == []


@pytest.mark.timeout(180)
async def test_the_carriers_state_decides_over_every_imported_hold(house: Gateway) -> None:
    fleet = mixed_fleet(SIZE, NOON.astimezone(HOME).date())
    await _imported(house, fleet)
    before = await _shown(house)

    await _live(house, 2)

    after = await _shown(house)
    held = [one for one in fleet if one.ours["state"] == "suspended"]
    assert {hold["source"] for one in held for hold in before[one.ours["iccid"]]["holds"]} == {"import"}
    for one in held:
        sim, there = after[one.ours["iccid"]], await house.carrier(one.ours["iccid"])
        if there["state"] == "suspended":
            assert {hold["source"] for hold in sim["holds"]} == {"carrier"}, (one, sim["holds"])
        elif one.freed and not one.reads_active:
            assert (sim["state"], sim["holds"]) == ("active", []), (one, sim["holds"])


async def test_the_carriers_running_state_lifts_an_imported_hold_and_its_stop_keeps_it(gateway: Gateway) -> None:
    paid, unpaid = await gateway.fleet(
        {"state": "suspended", "holds": "arrears"}, {"state": "suspended", "holds": "arrears"}
    )
    running = json.dumps(card(0, holds=""))
    assert (await gateway.control.post("/_control/sims", content=running, headers=ND)).is_success

    await gateway.advance(minutes=5)
    await reconcile(gateway.ctx)

    timeline = (await gateway.api.get(f"/v1/sims/{paid}/timeline")).json()["items"]
    assert [(one["what"], one["before"], one["cause"]) for one in timeline] == [
        ("hold", "arrears", "carrier_word"),
        ("state", None, "import"),
    ]
    kept = (await gateway.api.get(f"/v1/sims/{unpaid}")).json()
    assert [(hold["code"], hold["source"]) for hold in kept["holds"]] == [("arrears", "carrier")]


async def test_a_card_ended_by_its_dates_that_still_runs_is_stopped_a_day_after_the_carrier_showed_it(
    gateway: Gateway,
) -> None:
    """LC-17, ST-5, LC-6: nothing is sent by the import; dates count as for any card, and are told beforehand."""
    set_clock(gateway, NOON)
    dates = {"activated_on": "2025-12-11", "expires_on": "2026-12-10", "terms": "gsl"}
    runs, stopped = card(0, state="expired", **dates), card(1, state="expired", **dates)
    plan = {"id": "cmcc-100m", "carrier": "cmcc", "allowance": 100 << 20, "months": 12}
    assert (await gateway.api.post("/v1/plans", json=plan)).is_success
    theirs = _lines([runs | {"state": "active"}, stopped | {"state": "suspended"}])
    assert (await gateway.control.post("/_control/sims", content=theirs, headers=ND)).is_success
    rows = _lines([runs, stopped])

    forecast = (await gateway.api.post("/v1/sims/import?dry_run=true", content=rows, headers=ND)).json()
    assert (await gateway.api.post("/v1/sims/import", content=rows, headers=ND)).json()["created"] == 2
    at_import = await _notice(gateway, runs["iccid"])
    await gateway.advance(hours=1)
    await reconcile(gateway.ctx)
    seen_running, seen_stopped = await _notice(gateway, runs["iccid"]), await _notice(gateway, stopped["iccid"])
    first_seen = gateway.ctx.now()
    await gateway.advance(hours=23)
    await reconcile(gateway.ctx)
    before = await _effects(gateway)
    await gateway.advance(hours=1, seconds=1)
    await reconcile(gateway.ctx)
    await gateway.settle()

    listed = {"hold": "plan_expired", "rule": "ST-5", "if_running": True}
    assert forecast["stops"] == [{"line": 1} | listed, {"line": 2} | listed]
    assert (forecast["stopped"], forecast["stopped_if_running"]) == (0, 2)
    assert at_import == {"expired_not_reported": {"expires_on": "2026-12-10"}}
    assert seen_running["expired_yet_running"]["carrier_state"] == "active"
    stops_from = datetime.fromisoformat(seen_running["expired_yet_running"]["stopped_from"])
    assert abs(stops_from - first_seen - timedelta(days=1)) < timedelta(minutes=1)
    assert seen_stopped == {}
    assert before == {}
    assert await _effects(gateway) == {"suspend": 1}
    assert (await gateway.carrier(runs["iccid"]))["effects"] == {"suspend": 1}


async def _notice(gateway: Gateway, iccid: str) -> dict[str, dict[str, Any]]:
    """The facts of the notices about an expired card, by code."""
    told = (await gateway.api.get(f"/v1/sims/{iccid}/explanation")).json()["notices"]
    return {one["code"]: one["facts"] for one in told if one["code"].startswith("expired_")}
