"""First start of a sandbox: load the demo fleet, once per database, into the sandbox carriers and the gateway.

The carriers are loaded first, where loading a SIM again replaces it; then plans, pools, SIMs, their usage,
requests at the carriers' desks and the mark are one transaction. A start that was killed in between is repeated whole
by the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from app.db.uow import UnitOfWork
from app.domain.commerce.orders import ItemKind
from app.domain.sim.carrier_holds import REPORTED_HOLDS
from app.domain.sim.lifecycle import forced_activation
from app.domain.sim.model import Plan, Sim
from app.domain.vocabulary import HoldCode
from app.outbound.sandbox_control import SandboxControl
from app.telemetry import get_logger
from app.usecases.access import DEFAULT_TENANT
from app.usecases.accounts import account_for
from app.usecases.admin.demo_files import Demo, day_of, read_demo
from app.usecases.admin.readiness import FIRST_IMPORT
from app.usecases.catalogue.plans import put_plans
from app.usecases.context import Context
from app.usecases.errors import Fault, InvalidArgument
from app.usecases.imports.file import import_sims
from app.usecases.imports.formats import row_of
from app.usecases.imports.rows import new_sim, parse_row
from app.usecases.operations.request import RequestOperation, request_operation
from app.usecases.orders.fill import Wish
from app.usecases.orders.place import PlaceOrder, place_order
from app.usecases.pools.manage import Actor, add_pool, set_rules
from app.usecases.usage.carrier_usage import CarrierUsageBatch, apply_carrier_usage, running

ACTOR = "first_start"
WRONG = "the demo fleet is wrong; nothing was imported"

log = get_logger("first_start")


async def first_start(ctx: Context, control: SandboxControl, demo: Path) -> bool:
    """Load the demo fleet into the sandbox carriers and tenant `default`; whether this call did it.

    Does nothing outside sandbox mode, or where the database has the mark. Raises: `InvalidArgument` for files that the
    import would reject, `OSError`, `httpx.HTTPError` where the sandbox fails.
    """
    if not ctx.sandbox or await _loaded(ctx):
        return False
    files = read_demo(ctx, demo)
    await _load_carriers(ctx, control, files)
    async with ctx.work() as work:
        # The mark first: of two processes that start at once, the second waits here and then imports nothing.
        if not await work.import_marks.set(FIRST_IMPORT, ctx.now()):
            return False
        await _import(ctx, work, files)
        await work.commit()
    log.info("first_start.done", cards=len(files.cards), plans=len(files.plans))
    return True


async def _loaded(ctx: Context) -> bool:
    async with ctx.work() as work:
        return await work.import_marks.is_set(FIRST_IMPORT)


async def _load_carriers(ctx: Context, control: SandboxControl, files: Demo) -> None:
    now = ctx.now()
    rows = [_carrier_row(ctx, line, row, files.plans, now) for line, row in files.cards]
    await control.upload_sims(rows)
    await control.add_traffic(files.traffic)


def _carrier_row(
    ctx: Context, line: int, row: dict[str, str], plans: Mapping[str, Plan], now: datetime
) -> dict[str, Any]:
    """The SIM as its carrier knows it, consistent with what the import makes of the row. Raises `InvalidArgument`."""
    read = parse_row(line, row)
    faults = read.faults or (
        () if row["plan"] in plans else (Fault(code="UNKNOWN_PLAN", detail="no such plan", line=line, column="plan"),)
    )
    if faults:
        raise InvalidArgument(faults, WRONG)
    sim = new_sim(read.values, plans[row["plan"]], today=day_of(ctx, row), at=now)
    protocol = ctx.clients[account_for(ctx, DEFAULT_TENANT, sim.carrier, row.get("account") or None) or ""].protocol
    reported = REPORTED_HOLDS.get(protocol, frozenset()) | {HoldCode.OVER_QUOTA, HoldCode.PLAN_EXPIRED}
    stops = {hold.code if hold.code in reported else HoldCode.MANUAL for hold in sim.holds}
    return row | {
        "state": sim.underlying.value,
        "holds": ";".join(sorted(stops)),
        "expires_on": _written(sim.expires_on),
        "forced_on": _written(_forced_on(sim)),
    }


def _forced_on(sim: Sim) -> date | None:
    """The day on which the carrier activates an unused SIM by itself (LC-1 to LC-3)."""
    if sim.activated_on is not None or sim.opened_on is None:
        return None
    return forced_activation(sim.terms, sim.carrier, sim.opened_on, sim.test_months, sim.purchased_on).forced_on


def _written(day: date | None) -> str:
    return "" if day is None else day.isoformat()


async def _import(ctx: Context, work: UnitOfWork, files: Demo) -> None:
    """Store everything in this transaction. Raises `InvalidArgument` with every bad row."""
    await work.access.add_tenant(DEFAULT_TENANT, ctx.now())
    await put_plans(ctx, work, DEFAULT_TENANT, list(files.plans.values()), actor=ACTOR)
    for pool in files.pools:
        await add_pool(ctx, work, DEFAULT_TENANT, pool.given, Actor(name=ACTOR))
        await set_rules(ctx, work, DEFAULT_TENANT, pool.given["id"], pool.rules, Actor(name=ACTOR))
    report = await import_sims(ctx, work, DEFAULT_TENANT, (row_of(*card) for card in files.cards))
    if report.rejected:
        raise InvalidArgument(report.rejected, WRONG)
    limited = await work.sims.by_iccids(sorted(files.thresholds), for_update=True)
    await work.sims.save(
        [replace(card, sim=replace(card.sim, threshold=files.thresholds[iccid])) for iccid, card in limited.items()],
        ctx.now(),
    )
    await _store_figures(ctx, work, files)
    for asked in files.operations:
        command = RequestOperation(
            tenant=DEFAULT_TENANT,
            iccid=asked.iccid,
            kind=asked.kind,
            arguments=asked.arguments,
            requested_by=ACTOR,
        )
        await request_operation(ctx, work, command)
    await _order(ctx, work, files)


async def _order(ctx: Context, work: UnitOfWork, files: Demo) -> None:
    """Place the order that waits to be paid."""
    wishes = [
        Wish(
            kind=ItemKind.RENEW,
            given={"iccid": iccid, "months": months},
            iccid=iccid,
            arguments={"months": months},
        )
        for iccid, months in files.renewals.items()
    ]
    if wishes:
        command = PlaceOrder(tenant=DEFAULT_TENANT, wishes=tuple(wishes), requested_by=ACTOR)
        await place_order(ctx, work, command)


async def _store_figures(ctx: Context, work: UnitOfWork, files: Demo) -> None:
    """What the carriers have counted of the running cycle, as if they had just told it (US-5)."""
    batch, now = CarrierUsageBatch(), ctx.now()
    for iccid, record in (await work.sims.by_iccids(sorted(files.traffic))).items():
        batch.add_cycle(record, running(ctx, record), files.traffic[iccid], now, ctx.zone(record.account))
    await apply_carrier_usage(ctx, work, batch, cause="carrier_figure")
