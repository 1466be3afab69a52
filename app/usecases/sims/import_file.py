"""Store the rows of an import; every bad row is reported by line and column, never by its value."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.db.access import AuditRow
from app.db.events.store import HistoryRow
from app.db.mapping import sim_columns
from app.db.pools.rows import refs_of
from app.db.sims.repository import LIMIT_COLUMNS
from app.db.uow import UnitOfWork
from app.db.usage.limit_checks import queue_checks
from app.domain.errors import Malformed
from app.domain.sim.holds import shown_state
from app.domain.sim.model import Sim
from app.domain.sim.transitions import Cause
from app.domain.vocabulary import SimState
from app.usecases.accounts import account_for
from app.usecases.context import Context
from app.usecases.csv_files import MAX_FAULTS, YIELD_EVERY
from app.usecases.errors import Fault
from app.usecases.sim_changes import queue_limit_checks
from app.usecases.sims.import_checks import (
    ImportState,
    not_available,
    rejection_of,
    tenant_rejection,
    test_card_rejection,
)
from app.usecases.sims.import_rows import ParsedRow, changed_columns, new_sim, parse_row
from app.usecases.sims.import_warnings import warnings_of
from app.usecases.usage.ingest.unmatched import attach_unmatched_reports

CHUNK = 1_000


@dataclass
class ImportReport:
    """The outcome of an import: rows read, SIMs created, updated and held, and what was rejected and doubtful where.

    `rejected` and `warnings` are the first `MAX_FAULTS`; `rejected_rows` and `warned_rows` count all.
    """

    rows: int = 0
    created: int = 0
    updated: int = 0
    held: int = 0
    rejected: list[Fault] = field(default_factory=list)
    rejected_rows: int = 0
    warnings: list[Fault] = field(default_factory=list)
    warned_rows: int = 0
    subjects: list[int] = field(default_factory=list)
    """Row ids of SIMs that are new or have other limits."""
    lines: Mapping[str, int] = field(default_factory=dict)
    """ICCID -> line of its row."""

    def reject(self, *faults: Fault) -> None:
        """Report a bad row."""
        self.rejected.extend(faults[: MAX_FAULTS - len(self.rejected)])
        self.rejected_rows += 1

    def warn(self, faults: Sequence[Fault]) -> None:
        """Report what is doubtful in a row that is stored all the same."""
        self.warnings.extend(faults[: MAX_FAULTS - len(self.warnings)])
        self.warned_rows += bool(faults)

    @property
    def full(self) -> bool:
        """Whether no further fault is listed."""
        return len(self.rejected) >= MAX_FAULTS


async def import_sims(
    ctx: Context,
    work: UnitOfWork,
    tenant: str,
    rows: Iterator[tuple[int, dict[str, str]]],
    *,
    actor: str = "gateway",
    whole: bool = False,
) -> ImportReport:
    """Store a file's good rows in this transaction; the caller rolls back where it wants all or nothing.

    `whole`: one bad row refuses the file, so that reading ends with the last fault that is listed.
    """
    report = ImportReport()
    state = ImportState(
        plans=await work.plans.all(tenant), pools=await work.plans.of_pools(tenant), seen={}, tenant=tenant
    )
    state.zones.update({pool: ctx.zone(code) for pool, code in (await work.plans.pool_accounts(tenant)).items()})
    chunk: list[ParsedRow] = []
    for number, (line, columns) in enumerate(rows):
        if number % YIELD_EVERY == 0:
            await asyncio.sleep(0)
        if whole and report.full:
            break
        if not columns:
            continue
        report.rows += 1
        row = _read(line, columns)
        if row.faults:
            report.reject(*row.faults)
            continue
        chunk.append(row)
        if len(chunk) == CHUNK:
            await _take_chunk(ctx, work, state, chunk, report)
            chunk = []
    await _take_chunk(ctx, work, state, chunk, report)
    await attach_unmatched_reports(ctx, work, tenant, state.arrived)
    after: dict[str, object] = {"rows": report.rows, "created": report.created, "updated": report.updated}
    await work.access.add_audit(
        [AuditRow(tenant=tenant, at=ctx.now(), actor=actor, action="sims.imported", after=after)]
    )
    report.subjects.extend(state.arrived.values())
    report.lines = state.seen
    return report


def _read(line: int, columns: dict[str, str]) -> ParsedRow:
    if "" in columns:
        return ParsedRow(line=line, faults=(Fault(code="ROW_UNREADABLE", detail=columns[""], line=line),))
    return parse_row(line, columns)


async def _take_chunk(
    ctx: Context, work: UnitOfWork, state: ImportState, chunk: Sequence[ParsedRow], report: ImportReport
) -> None:
    """Store one chunk: new SIMs in one insert, updates in one statement per set of columns."""
    if not chunk:
        return
    async with work.across_tenants():
        owners = await work.sims.owners([row.values["iccid"] for row in chunk])
    if state.pools:
        orders = {row.values["order"] for row in chunk if "order" in row.values}
        orders |= {owner.order_id for owner in owners.values() if owner.order_id is not None}
        state.order_pools |= await work.plans.pools_of_orders(state.tenant, orders - state.order_pools.keys())
    new: dict[str, tuple[ParsedRow, dict[str, Any], Sim]] = {}
    updates = _Updates()
    for row in chunk:
        owner = owners.get(row.values["iccid"])
        fault = rejection_of(ctx, state, row, owner)
        if fault is not None:
            report.reject(fault)
        elif owner is None:
            _add_new(ctx, state, row, new, report)
        else:
            report.warn(warnings_of(row))
            updates.add(owner, changed_columns(row))
            report.updated += 1
    ids = await work.sims.insert([columns for _, columns, _ in new.values()], [sim for *_, sim in new.values()])
    report.created += len(ids)
    report.held += sum(bool(new[iccid][2].holds) for iccid in ids)
    for iccid in ids:
        report.warn(warnings_of(new[iccid][0]))
    await _update_added_elsewhere(
        ctx, work, state, [row for iccid, (row, _, _) in new.items() if iccid not in ids], updates, report
    )
    await work.events.add_history([_imported(ctx, ids[iccid], new[iccid][2]) for iccid in ids])
    await _store_updates(ctx, work, updates)
    report.subjects.extend(updates.limits_changed)
    state.arrived.update(ids)


async def _update_added_elsewhere(
    ctx: Context,
    work: UnitOfWork,
    state: ImportState,
    added: Sequence[ParsedRow],
    updates: _Updates,
    report: ImportReport,
) -> None:
    """Rows whose SIMs another import added at the same moment: updates of the tenant's own, else not available."""
    if not added:
        return
    async with work.across_tenants():
        owners = await work.sims.owners([row.values["iccid"] for row in added])
    for row in added:
        owner = owners.get(row.values["iccid"])
        fault = not_available(row) if owner is None else tenant_rejection(ctx, state, row, owner)
        if fault is not None:
            report.reject(fault)
        else:
            report.warn(warnings_of(row))
            updates.add(owner, changed_columns(row))
            report.updated += 1


def _imported(ctx: Context, sim_id: int, sim: Sim) -> HistoryRow:
    """The first entry of a SIM's timeline: the state in which it was imported."""
    state = shown_state(sim.underlying, sim.holds, sim.carrier).value
    return HistoryRow(
        sim_id=sim_id,
        what="state",
        before=None,
        after=state,
        cause=Cause.IMPORT,
        rule="LC-12",
        actor="import",
        took_effect_at=ctx.now(),
        known_at=ctx.now(),
    )


@dataclass
class _Updates:
    """Updates of known SIMs. `groups`: columns -> rows that change exactly these; `limits_changed`: row ids."""

    groups: dict[tuple[str, ...], list[dict[str, Any]]] = field(default_factory=dict)
    plans_left: dict[int, str] = field(default_factory=dict)
    limits_changed: list[int] = field(default_factory=list)

    def add(self, owner: Any, columns: Mapping[str, Any]) -> None:
        """Update these columns of the SIM that `owner` describes."""
        self.groups.setdefault(tuple(sorted(columns)), []).append({"id": owner.id, **columns})
        if owner.plan != columns["plan"]:
            self.plans_left[owner.id] = owner.plan
        if _changes_limits(owner, columns):
            self.limits_changed.append(owner.id)


def _changes_limits(owner: Any, columns: Mapping[str, Any]) -> bool:
    return any(name in columns and columns[name] != getattr(owner, name) for name in LIMIT_COLUMNS)


async def _store_updates(ctx: Context, work: UnitOfWork, updates: _Updates) -> None:
    """Store the updates; queue limit checks of SIMs whose limits changed, and of the pools they leave and join."""
    changed = updates.limits_changed
    pools_left = await refs_of(await work.driver(), changed) if changed else []
    # In id order within a chunk. Chunks follow the file, so a deadlock with another transaction stays possible: then
    # the import is answered 503 with nothing stored, and may be repeated.
    await work.sims.lock(row["id"] for rows in updates.groups.values() for row in rows)
    for rows in updates.groups.values():
        await work.sims.patch_many(rows, ctx.now())
    if changed:
        await queue_checks(await work.driver(), pool_refs=pools_left)
        await queue_limit_checks(work, changed)
    await work.plans.add_history(updates.plans_left, ctx.now())


def _add_new(
    ctx: Context,
    state: ImportState,
    row: ParsedRow,
    new: dict[str, tuple[ParsedRow, dict[str, Any], Sim]],
    report: ImportReport,
) -> None:
    """Adds the columns of a new SIM to `new`, by ICCID, or rejects the row."""
    values = row.values
    account = account_for(ctx, state.tenant, values["carrier"], values.get("account"))
    now = ctx.now()
    today = now.astimezone(ctx.zone(account or "")).date()
    try:
        sim = new_sim(values, state.plans[values["plan"]], today=today, at=now)
    except Malformed as wrong:
        report.reject(Fault(code=wrong.code, detail=wrong.detail, line=row.line))
        return
    if sim.pool is not None and sim.underlying is SimState.TESTING:
        report.reject(test_card_rejection(row))
        return
    columns = sim_columns(sim) | {
        "tenant": state.tenant,
        "iccid": sim.iccid,
        "carrier": sim.carrier.value,
        "account": account,
        "terms": sim.terms.value,
        "msisdn": values.get("msisdn"),
        "imsi": values.get("imsi"),
        "order_id": values.get("order"),
        "device_serial": values.get("device_serial"),
        "alias": values.get("alias"),
        "remark": values.get("remark"),
        "tags": values.get("tags", {}),
        "created_at": now,
        "updated_at": now,
    }
    new[sim.iccid] = (row, columns, sim)
