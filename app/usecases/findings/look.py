"""Look at every active SIM once a day: store what the rules of findings find, end what they find no more.

The fleet is read in chunks, one statement each; every chunk is stored before the next is read, so that a run that is
killed is begun again. A SIM that cannot be read keeps its findings, and keeps no other from being looked at.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from app.db.findings import scan, stored
from app.db.findings.stored import FindingRow
from app.db.mapping import hold_from
from app.domain.calendar.cycles import Cycle, cycle_at, cycle_number, preceding
from app.domain.calendar.days import local
from app.domain.errors import Malformed
from app.domain.findings.facts import Finding, RegionChange, SimFacts
from app.domain.findings.rules import cards_per_person, findings_of
from app.domain.findings.table import DEVICE_DAYS, FINDINGS
from app.domain.operation.prices import Catalogue
from app.domain.sim.model import DeviceSeen, Plan, Sim
from app.domain.vocabulary import Carrier, RealName, SimState, Supplier
from app.telemetry import get_logger
from app.usecases.context import Context
from app.usecases.operations.validate import catalogue_of

CHUNK = 500
"""SIMs that are read, looked at and stored together: some tens of milliseconds."""

CYCLES_BEFORE = 5
PERSONAL = (RealName.INDIVIDUAL.value, RealName.VERIFIED.value)
UNREADABLE = (ValueError, KeyError, TypeError, Malformed)

log = get_logger("findings")


@dataclass(slots=True)
class Run:
    """One run: its instant, and what it reads once: cycles by (carrier, account), catalogues by tenant.

    A catalogue that cannot be read is None.
    """

    ctx: Context
    at: datetime
    cycles: dict[tuple[str, str], tuple[Cycle, ...]] = field(default_factory=dict)
    catalogues: dict[str, Catalogue | None] = field(default_factory=dict)
    found: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0


async def look_at_fleet(ctx: Context, chunk: int = CHUNK) -> dict[str, Any]:
    """Look at every active SIM of every tenant; gives how many findings last by code, and how many ended."""
    run = Run(ctx, ctx.now())
    after, sims = 0, 0
    since = scan.Since(cycle=_oldest_cycle(run.at), rebinds=run.at - timedelta(days=DEVICE_DAYS))
    while True:
        async with ctx.pool.acquire() as connection:
            rows = await scan.active_sims(connection, after, chunk, since)
        await _look_at(run, rows)
        sims += len(rows)
        if len(rows) < chunk:
            break
        after = rows[-1]["id"]
        await asyncio.sleep(0)
    async with ctx.pool.acquire() as connection:
        await _look_at_tenants(run, connection)
        ended = await stored.end_unseen(connection, run.at)
        await stored.forget(connection)
    return {"sims": sims, "findings": dict(run.found), "ended": ended, "unreadable": run.unreadable}


def _oldest_cycle(at: datetime) -> int:
    """A cycle (yyyymm) that is older than any that is looked at."""
    month = at.year * 12 + at.month - 1 - (CYCLES_BEFORE + 2)
    return month // 12 * 100 + month % 12 + 1


async def _look_at(run: Run, rows: Sequence[Mapping[str, Any]]) -> None:
    """Find what there is about these SIMs, and store it."""
    await _read_catalogues(run, {row["tenant"] for row in rows})
    found: list[FindingRow] = []
    kept: list[int] = []
    for row in rows:
        try:
            facts = _facts(run, row)
            found += [_row(one, row["tenant"], sim_id=row["id"]) for one in findings_of(facts)]
        except UNREADABLE as error:
            log.warning("findings.sim_unreadable", sim_id=row["id"], error=type(error).__name__)
            kept.append(row["id"])
    run.found.update(one.code for one in found)
    run.unreadable += len(kept)
    async with run.ctx.pool.acquire() as connection:
        await stored.store(connection, found, run.at)
        if kept:
            await stored.keep(connection, kept, run.at)


async def _read_catalogues(run: Run, tenants: Iterable[str]) -> None:
    """Read the catalogues that are not read yet; one that cannot be read is None, and leaves its SIMs as they are."""
    for tenant in set(tenants) - run.catalogues.keys():
        async with run.ctx.work() as work:
            try:
                run.catalogues[tenant] = await catalogue_of(work, tenant)
            except UNREADABLE as error:
                log.warning("findings.catalogue_unreadable", tenant=tenant, error=type(error).__name__)
                run.catalogues[tenant] = None


def _facts(run: Run, row: Mapping[str, Any]) -> SimFacts:
    """What the rules know of a SIM. Raises `ValueError`, `KeyError`, `TypeError`, `Malformed`."""
    catalogue = run.catalogues[row["tenant"]]
    if catalogue is None:
        raise ValueError("catalogue")
    running, *earlier = _cycles(run, row["carrier"], row["account"])
    numbers = row["cycles"] or ()
    used, addons = (
        dict(zip(numbers, row["used"] or (), strict=True)),
        dict(zip(numbers, row["addons"] or (), strict=True)),
    )
    zone = run.ctx.zone(row["account"])
    first = max(local(row["created_at"], zone).date(), row["activated_on"] or date.min)
    return SimFacts(
        sim=_sim(row, catalogue.plans[row["plan"]]),
        today=local(run.at, zone).date(),
        cycle=running,
        used=used.get(cycle_number(running), 0),
        addons=addons.get(cycle_number(running), 0),
        before=tuple(used.get(cycle_number(cycle), 0) for cycle in earlier if cycle.start >= first),
        catalogue=catalogue,
        rebinds=row["rebinds"],
        region_change=None if row["region"] is None else _region_change(json.loads(row["region"])),
    )


def _cycles(run: Run, carrier: str, account: str) -> tuple[Cycle, ...]:
    """The running cycle and those before it, the last first."""
    known = run.cycles.get((carrier, account))
    if known is None:
        cycles = [cycle_at(Carrier(carrier), run.at, run.ctx.zone(account))]
        for _ in range(CYCLES_BEFORE):
            cycles.append(preceding(Carrier(carrier), cycles[-1]))
        known = run.cycles[(carrier, account)] = tuple(cycles)
    return known


def _region_change(arguments: Mapping[str, Any]) -> RegionChange:
    city = arguments.get("city")
    return RegionChange(
        province=str(arguments["province"]), city=None if city is None else str(city), done=bool(arguments["done"])
    )


def _sim(row: Mapping[str, Any], plan: Plan) -> Sim:
    """The SIM with what the rules of findings look at."""
    holds = () if row["holds"] == "[]" else tuple(hold_from(hold) for hold in json.loads(row["holds"]))
    return Sim(
        iccid=row["iccid"],
        carrier=Carrier(row["carrier"]),
        terms=Supplier(row["terms"]),
        plan=plan,
        underlying=SimState(row["underlying"]),
        holds=holds,
        activated_on=row["activated_on"],
        expires_on=row["expires_on"],
        auto_stop=row["auto_stop"],
        real_name=RealName(row["real_name"]),
        imei=row["imei"],
        seen=DeviceSeen(imei=row["imei_seen"], at=row["imei_seen_at"]) if row["imei_seen"] else None,
        devices=() if row["devices"] == "[]" else tuple(json.loads(row["devices"])),
        province=row["province"],
        region_limited=row["region_limited"],
        threshold=row["threshold"],
        threshold_off_until=row["threshold_off_until"],
        pool=row["pool"],
    )


async def _look_at_tenants(run: Run, connection: Any) -> None:
    """What is found about a tenant's SIMs of a carrier together."""
    found = [
        _row(one, row["tenant"], carrier=row["carrier"])
        for row in await scan.personal_cards(connection, PERSONAL)
        if (one := cards_per_person(row["cards"])) is not None
    ]
    run.found.update(one.code for one in found)
    await stored.store(connection, found, run.at)


def _row(one: Finding, tenant: str, *, sim_id: int | None = None, carrier: str | None = None) -> FindingRow:
    rule = FINDINGS[one.code]
    return FindingRow(
        tenant=tenant,
        code=one.code.value,
        kind=rule.kind.value,
        rule=one.rule or rule.rule,
        sim_id=sim_id,
        carrier=carrier,
        evidence=dict(one.evidence),
        advice=one.advice,
        operation=None if one.operation is None else one.operation.value,
        arguments=dict(one.arguments),
        saves_fen=one.saves_fen,
    )
