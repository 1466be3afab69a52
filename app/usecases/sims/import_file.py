"""Import SIMs from a CSV or NDJSON file; every bad row is reported by line and column, never by its value."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.db.access import AuditRow
from app.db.mapping import sim_columns
from app.db.pools.rows import refs_of
from app.db.sims.repository import LIMIT_COLUMNS
from app.db.uow import UnitOfWork
from app.db.usage.counters import queue_checks
from app.domain.errors import Malformed
from app.usecases.accounts import account_for
from app.usecases.context import Context
from app.usecases.errors import Fault, UseCaseError
from app.usecases.sim_changes import queue_limit_checks
from app.usecases.sims.import_checks import ImportState, rejection_of
from app.usecases.sims.import_rows import COLUMN_PARSERS, REQUIRED, ParsedRow, changed_columns, new_sim, parse_row
from app.usecases.usage.ingest.unmatched import attach_unmatched_reports

CHUNK = 1_000


class UnreadableFile(UseCaseError):
    """The file as a whole cannot be read."""

    code = "UNREADABLE"


@dataclass
class ImportReport:
    """The outcome of an import: rows read, SIMs created and updated, and what was rejected where."""

    rows: int = 0
    created: int = 0
    updated: int = 0
    rejected: list[Fault] = field(default_factory=list)
    faulty_lines: set[int] = field(default_factory=set)

    def reject(self, *faults: Fault) -> None:
        """Report a bad row."""
        self.rejected.extend(faults)
        self.faulty_lines.update(fault.line for fault in faults if fault.line is not None)


def decode_text(body: bytes) -> str:
    """The file's text: UTF-8 (a BOM allowed) or GB18030. Raises `UnreadableFile`."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = body.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" in text:
            break
        return text
    raise UnreadableFile("the file is neither UTF-8 nor GB18030 text")


def csv_rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, columns) of a CSV file with a header. Raises `UnreadableFile`, also for unknown columns."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header)
        for cells in reader:
            if not any(cells):
                continue
            if len(cells) > len(header):
                yield reader.line_num, {"": "more cells than columns"}
                continue
            yield reader.line_num, {name: cell.strip() for name, cell in zip(header, cells, strict=False)}
    except csv.Error as wrong:
        raise UnreadableFile(f"the file is not CSV: {wrong} in line {reader.line_num}") from None


def _check_header(header: Sequence[str]) -> None:
    unknown = [index + 1 for index, name in enumerate(header) if name not in COLUMN_PARSERS]
    if unknown:
        faults = [Fault(code="UNKNOWN_COLUMN", detail=f"column {place} is not known", line=1) for place in unknown]
        places = ", ".join(map(str, unknown))
        raise UnreadableFile(f"unknown column at position {places}", errors=[fault.as_json() for fault in faults])
    if len(set(header)) != len(header):
        raise UnreadableFile("a column appears twice")
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        raise UnreadableFile(f"missing columns: {', '.join(missing)}")


def ndjson_rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, columns) of a file with one JSON object a line."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            yield number, {"": "not JSON"}
            continue
        if not isinstance(value, dict):
            yield number, {"": "not an object"}
        elif unknown := sorted(name for name in value if name not in COLUMN_PARSERS):
            yield number, {"": f"{len(unknown)} unknown columns"}
        else:
            yield number, {name: _cell(cell) for name, cell in value.items()}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ";".join(map(str, value))
    if isinstance(value, dict):
        return ";".join(f"{key}={tag}" for key, tag in value.items())
    return str(value)


async def import_sims(
    ctx: Context, work: UnitOfWork, tenant: str, rows: Iterator[tuple[int, dict[str, str]]], *, actor: str = "gateway"
) -> ImportReport:
    """Store a file's good rows in this transaction; the caller rolls back where it wants all or nothing."""
    report = ImportReport()
    state = ImportState(
        plans=await work.plans.all(tenant), pools=await work.plans.of_pools(tenant), seen={}, tenant=tenant
    )
    state.zones.update({pool: ctx.zone(code) for pool, code in (await work.plans.pool_accounts(tenant)).items()})
    chunk: list[ParsedRow] = []
    for line, columns in rows:
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
    owners = await work.sims.owners([row.values["iccid"] for row in chunk])
    created: list[dict[str, Any]] = []
    updates = _Updates()
    for row in chunk:
        owner = owners.get(row.values["iccid"])
        fault = rejection_of(ctx, state, row, owner)
        if fault is not None:
            report.reject(fault)
        elif owner is None:
            _add_new(ctx, state, row, created, report)
        else:
            updates.add(owner, changed_columns(row))
            report.updated += 1
    ids = await work.sims.insert(created)
    report.created += len(ids)
    await _store_updates(ctx, work, updates)
    state.arrived.update(ids)


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
    for rows in updates.groups.values():
        await work.sims.patch_many(rows, ctx.now())
    if changed:
        await queue_checks(await work.driver(), pool_refs=pools_left)
        await queue_limit_checks(work, changed)
    await work.plans.add_history(updates.plans_left, ctx.now())


def _add_new(
    ctx: Context, state: ImportState, row: ParsedRow, created: list[dict[str, Any]], report: ImportReport
) -> None:
    values = row.values
    account = account_for(ctx, state.tenant, values["carrier"], values.get("account"))
    now = ctx.now()
    today = now.astimezone(ctx.zone(account or "")).date()
    try:
        sim = new_sim(values, state.plans[values["plan"]], today=today, at=now)
    except Malformed as wrong:
        report.reject(Fault(code=wrong.code, detail=wrong.detail, line=row.line))
        return
    created.append(
        sim_columns(sim)
        | {
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
    )
