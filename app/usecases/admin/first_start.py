"""First start of a sandbox: load the demo fleet, once per database, into the sandbox carriers and the gateway.

The carriers are loaded first, where loading a SIM again replaces it; then plans, SIMs and the mark are one transaction.
A start that was killed in between is repeated whole by the next one.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from app.db.uow import UnitOfWork
from app.domain.sim.carrier_holds import REPORTED_HOLDS
from app.domain.sim.lifecycle import forced_activation
from app.domain.sim.model import Plan, Sim
from app.domain.vocabulary import Carrier, HoldCode
from app.outbound.sandbox_control import SandboxControl
from app.telemetry import get_logger
from app.usecases.access import DEFAULT_TENANT
from app.usecases.accounts import account_for
from app.usecases.admin.readiness import FIRST_IMPORT
from app.usecases.catalogue.plans import plans_from_csv, put_plans
from app.usecases.context import Context
from app.usecases.errors import Fault, InvalidArgument
from app.usecases.sims.import_file import import_sims
from app.usecases.sims.import_formats import csv_rows
from app.usecases.sims.import_rows import new_sim, parse_row

ACTOR = "first_start"
WRONG = "the demo fleet is wrong; nothing was imported"

_RELATIVE = re.compile(r"D(?:([+-])([0-9]{1,4}))?")

log = get_logger("first_start")

Row = tuple[int, dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """The parsed demo files: rows with their line numbers, amounts in bytes by ICCID."""

    plans: Mapping[str, Plan]
    cards: tuple[Row, ...]
    traffic: Mapping[str, int]
    thresholds: Mapping[str, int]


async def first_start(ctx: Context, control: SandboxControl, demo: Path) -> bool:
    """Load the demo fleet into the sandbox carriers and tenant `default`; whether this call did it.

    Does nothing outside sandbox mode, or where the database has the mark. Raises: `InvalidArgument` for files that the
    import would reject, `OSError`, `httpx.HTTPError` where the sandbox fails.
    """
    if not ctx.sandbox or await _loaded(ctx):
        return False
    files = _read(ctx, demo)
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


def _read(ctx: Context, demo: Path) -> Demo:
    """The files, without SIMs of carriers for which no account is configured."""
    served = {carrier for carrier in Carrier if account_for(ctx, DEFAULT_TENANT, carrier, None)}
    plans = plans_from_csv((demo / "plans.csv").read_bytes())
    rows = csv_rows((demo / "fleet.csv").read_bytes())
    cards = tuple((line, _dated(ctx, row)) for line, row in rows if row.get("carrier") in served)
    known = {row["iccid"] for _, row in cards}
    return Demo(
        plans={plan.id: plan for plan in plans},
        cards=cards,
        traffic={iccid: amount for iccid, amount in _amounts(demo / "traffic.csv") if iccid in known},
        thresholds={iccid: amount for iccid, amount in _amounts(demo / "thresholds.csv") if iccid in known},
    )


def _amounts(path: Path) -> Iterator[tuple[str, int]]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield row["iccid"], int(row["bytes"])


def _dated(ctx: Context, row: Mapping[str, str]) -> dict[str, str]:
    today = _today(ctx, row)
    return {name: resolve_day(cell, today) if name.endswith("_on") else cell for name, cell in row.items()}


def _today(ctx: Context, row: Mapping[str, str]) -> date:
    """The current day in the zone of the SIM's account."""
    account = account_for(ctx, DEFAULT_TENANT, Carrier(row["carrier"]), row.get("account") or None)
    return ctx.now().astimezone(ctx.zone(account or "")).date()


def resolve_day(written: str, today: date) -> str:
    """`D-12`, `D`, `D+30` as a date relative to `today`; any other text unchanged."""
    found = _RELATIVE.fullmatch(written)
    if found is None:
        return written
    days = timedelta(days=int(found[2] or 0))
    return (today - days if found[1] == "-" else today + days).isoformat()


async def _load_carriers(ctx: Context, control: SandboxControl, files: Demo) -> None:
    now = ctx.now()
    rows = [_carrier_row(ctx, line, row, files.plans, now) for line, row in files.cards]
    await control.upload_sims(rows)
    for iccid, amount in files.traffic.items():
        await control.add_traffic(iccid, amount)


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
    sim = new_sim(read.values, plans[row["plan"]], today=_today(ctx, row), at=now)
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
    """Store plans, SIMs and thresholds in this transaction. Raises `InvalidArgument` with every bad row."""
    await work.access.add_tenant(DEFAULT_TENANT, ctx.now())
    plans = [plan for plan in files.plans.values() if account_for(ctx, DEFAULT_TENANT, plan.carrier, None)]
    await put_plans(ctx, work, DEFAULT_TENANT, plans, actor=ACTOR)
    report = await import_sims(ctx, work, DEFAULT_TENANT, iter(files.cards))
    if report.rejected:
        raise InvalidArgument(report.rejected, WRONG)
    limited = await work.sims.by_iccids(sorted(files.thresholds), for_update=True)
    await work.sims.save(
        [replace(card, sim=replace(card.sim, threshold=files.thresholds[iccid])) for iccid, card in limited.items()],
        ctx.now(),
    )
