"""The first start: once, whole, restartable, and with both sides of one mind."""

from __future__ import annotations

import csv
import shutil
from datetime import timedelta
from pathlib import Path
from time import perf_counter

import pytest

from app.carriers.base import SimRef
from app.db.mapping import SimRecord
from app.domain.calendar.cycles import cycle_on
from app.domain.sim.holds import codes, shown_state
from app.domain.vocabulary import Carrier, HoldSource, ProtocolName, SimState
from app.jobs.loops import drain
from app.usecases.access import DEFAULT_TENANT
from app.usecases.admin.first_start import first_start
from app.usecases.admin.readiness import FIRST_IMPORT
from app.usecases.carrier_sync.snapshots import apply_snapshots
from app.usecases.context import Context
from app.usecases.errors import InvalidArgument
from app.usecases.pools.views import find_pool, show_pool

from .conftest import DEMO, House

HUNDREDTH = 10_486
"""Carriers tell use in megabytes with two decimals."""


async def cards_of(ctx: Context) -> dict[str, SimRecord]:
    async with ctx.work() as work:
        pages = [await work.sims.of_account(account, after=0, limit=1_000) for account in ctx.accounts]
    return {record.sim.iccid: record for page in pages for record in page}


def traffic() -> dict[str, int]:
    with (DEMO / "traffic.csv").open(encoding="utf-8", newline="") as file:
        return {row["iccid"]: int(row["bytes"]) for row in csv.DictReader(file)}


def lines(name: str) -> int:
    return len((DEMO / name).read_text(encoding="utf-8").splitlines()) - 1


async def test_the_fleet_is_imported_whole_and_once(house: House) -> None:
    began = perf_counter()
    assert await first_start(house.ctx, house.control, DEMO)
    assert perf_counter() - began < 5
    assert not await first_start(house.ctx, house.control, DEMO)
    assert len(await cards_of(house.ctx)) == lines("fleet.csv")
    async with house.ctx.work() as work:
        assert len(await work.plans.all(DEFAULT_TENANT)) == lines("plans.csv")
        assert await work.import_marks.is_set(FIRST_IMPORT)


async def test_pools_usage_and_desk_work_are_there_from_the_start(house: House) -> None:
    """One pool near its end; what carriers have counted; and nothing is sent to a carrier for it."""
    await first_start(house.ctx, house.control, DEMO)
    await drain(house.ctx)
    async with house.ctx.pool.acquire() as connection:
        pools = {
            name: await show_pool(house.ctx, connection, await find_pool(connection, DEFAULT_TENANT, name))
            for name in ("water-meters", "lockers")
        }
        used = dict(
            await connection.fetch("SELECT s.iccid, c.figures FROM usage_cycles c JOIN sims s ON s.id = c.sim_id")
        )
        waiting = await connection.fetch("SELECT kind, channel, status FROM operations ORDER BY created_at, id")
    near = pools["water-meters"]["cycle"]
    assert 0 < near["remaining"] < near["total"] // 10
    assert (pools["lockers"]["cycle"]["total"], pools["lockers"]["cycle"]["used"] > 0) == (None, True)
    assert used == traffic()
    assert [tuple(row) for row in waiting] == [
        ("rebind", "desk", "waiting_carrier"),
        ("rebind", "desk", "waiting_carrier"),
        ("suspend", "desk", "waiting_carrier"),
    ]


async def test_gateway_and_sandbox_agree_on_the_state_of_every_card(house: House) -> None:
    await first_start(house.ctx, house.control, DEMO)
    ours = {
        iccid: shown_state(record.sim.underlying, record.sim.holds, record.sim.carrier).value
        for iccid, record in (await cards_of(house.ctx)).items()
    }
    assert {iccid: card.visible_state() for iccid, card in house.sandbox.store.cards.items()} == ours


async def test_the_carriers_snapshot_of_the_fleet_confirms_every_stop_and_is_no_drift(house: House) -> None:
    await first_start(house.ctx, house.control, DEMO)
    before = await cards_of(house.ctx)
    seen, at_desks = 0, sum(card.sim.carrier is Carrier.OVERSEAS for card in before.values())
    async with house.ctx.work() as work:
        busy = await work.operations.open_of([card.id for card in before.values()])
    for account, client in house.ctx.clients.items():
        mine = [card for card in before.values() if card.account == account]
        snapshots = await client.snapshot([SimRef(iccid=c.sim.iccid, msisdn=c.msisdn, imsi=c.imsi) for c in mine])
        await apply_snapshots(house.ctx, snapshots)
        seen += len(snapshots)

    after = await cards_of(house.ctx)

    assert seen == len(after) - at_desks
    for iccid, card in after.items():
        was = before[iccid].sim
        assert (card.sim.underlying, codes(card.sim.holds)) == (was.underlying, codes(was.holds)), card
        assert card.disagrees_since is None, card
        if card.carrier_state is SimState.SUSPENDED and was.underlying is SimState.ACTIVE and card.id not in busy:
            assert {hold.source for hold in card.sim.holds} == {HoldSource.CARRIER}, card


async def test_the_carriers_have_counted_the_traffic_of_the_file(house: House) -> None:
    await first_start(house.ctx, house.control, DEMO)
    found = {}
    for iccid, card in house.sandbox.store.cards.items():
        world = house.sandbox.world
        used = world.usage(card, world.cycle(card, world.now()), world.now())
        if used:
            found[iccid] = used
    assert found == traffic()


async def test_usage_as_the_clients_read_it_a_day_later_is_the_traffic_of_the_file(house: House) -> None:
    await first_start(house.ctx, house.control, DEMO)
    cards, told, now = await cards_of(house.ctx), traffic(), house.ctx.now()
    house.ctx.clock.adopt(timedelta(days=1))
    await house.control.move_to(house.ctx.now())
    for account, client in house.ctx.clients.items():
        if client.protocol is ProtocolName.DESK:
            continue
        mine = [c for c in cards.values() if c.account == account and c.sim.iccid in told][:5]
        refs = [SimRef(iccid=c.sim.iccid, msisdn=c.msisdn, imsi=c.imsi) for c in mine]
        cycle = cycle_on(mine[0].sim.carrier, now.astimezone(house.ctx.zone(account)).date())
        figures = await client.usage(refs, cycle)
        assert len(figures) == len(mine)
        assert {f.iccid: f.used - told[f.iccid] for f in figures if abs(f.used - told[f.iccid]) > HUNDREDTH} == {}


async def test_a_start_that_ended_before_its_commit_is_done_again_and_counts_nothing_twice(
    house: House, tmp_path: Path
) -> None:
    for file in DEMO.glob("*.csv"):
        shutil.copy(file, tmp_path)
    rows = (DEMO / "fleet.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "fleet.csv").write_text("".join([*rows, rows[-1]]), encoding="utf-8")
    with pytest.raises(InvalidArgument):
        await first_start(house.ctx, house.control, tmp_path)
    assert len(house.sandbox.store.cards) == len(rows) - 1
    assert await cards_of(house.ctx) == {}
    assert await first_start(house.ctx, house.control, DEMO)
    used = {iccid: sum(card.days.values()) for iccid, card in house.sandbox.store.cards.items() if card.days}
    assert used == traffic()


async def test_a_file_the_import_would_refuse_changes_nothing_and_says_where(house: House, tmp_path: Path) -> None:
    for file in DEMO.glob("*.csv"):
        shutil.copy(file, tmp_path)
    fleet = tmp_path / "fleet.csv"
    fleet.write_text(fleet.read_text(encoding="utf-8").replace("D-55", "D-", 1), encoding="utf-8")
    with pytest.raises(InvalidArgument) as refusal:
        await first_start(house.ctx, house.control, tmp_path)
    assert [(fault.line, fault.column) for fault in refusal.value.faults] == [(2, "opened_on")]
    assert await cards_of(house.ctx) == {}
    async with house.ctx.work() as work:
        assert not await work.import_marks.is_set(FIRST_IMPORT)
