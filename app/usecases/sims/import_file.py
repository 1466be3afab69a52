"""Import cards from a file: whole or not at all, or the good rows of it; every bad row told by line and column."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from app.db.access import AuditRow
from app.db.mapping import sim_columns
from app.db.pools.rows import refs_of
from app.db.sims.repository import LIMIT_COLUMNS
from app.db.uow import UnitOfWork
from app.db.usage.counters import queue_checks
from app.domain.errors import Malformed
from app.domain.identifiers import alternate_iccid
from app.domain.sim.model import Plan
from app.domain.vocabulary import Carrier
from app.usecases.accounts import account_for
from app.usecases.context import Context
from app.usecases.errors import Fault, UseCaseError
from app.usecases.sim_changes import queue_limit_checks
from app.usecases.sims.import_rows import COLUMN_PARSERS, REQUIRED, ParsedRow, changed_columns, new_sim, parse_row
from app.usecases.usage.ingest.service import attach_unmatched_reports

CHUNK = 1_000


class UnreadableFile(UseCaseError):
    """The file cannot be read at all."""

    code = "UNREADABLE"


@dataclass
class ImportReport:
    """How many rows there were and what became of them."""

    rows: int = 0
    created: int = 0
    updated: int = 0
    rejected: list[Fault] = field(default_factory=list)
    faulty_lines: set[int] = field(default_factory=set)

    def reject(self, *faults: Fault) -> None:
        """A row is bad."""
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
    """Take a file's good rows into this transaction; the caller rolls back where it wants all or nothing."""
    report = ImportReport()
    known = _Known(plans=await work.plans.all(tenant), pools=await work.plans.of_pools(tenant), seen={}, tenant=tenant)
    known.zones.update({pool: ctx.zone(code) for pool, code in (await work.plans.pool_accounts(tenant)).items()})
    chunk: list[ParsedRow] = []
    for line, columns in rows:
        report.rows += 1
        row = _read(line, columns)
        if row.faults:
            report.reject(*row.faults)
            continue
        chunk.append(row)
        if len(chunk) == CHUNK:
            await _take_chunk(ctx, work, known, chunk, report)
            chunk = []
    await _take_chunk(ctx, work, known, chunk, report)
    await attach_unmatched_reports(ctx, work, tenant, known.arrived)
    after: dict[str, object] = {"rows": report.rows, "created": report.created, "updated": report.updated}
    await work.access.add_audit(
        [AuditRow(tenant=tenant, at=ctx.now(), actor=actor, action="sims.imported", after=after)]
    )
    return report


@dataclass
class _Known:
    tenant: str
    plans: Mapping[str, Plan]
    pools: Mapping[str, str]
    seen: dict[str, int]
    zones: dict[str, ZoneInfo] = field(default_factory=dict)
    """The zone of each pool that has members; the first one in this file gives a pool its zone (BC-4, PL-5)."""
    arrived: dict[str, int] = field(default_factory=dict)
    """Ids of the cards this import added: reports kept aside for them are counted last, for ingest waits meanwhile."""


def _read(line: int, columns: dict[str, str]) -> ParsedRow:
    if "" in columns:
        return ParsedRow(line=line, faults=(Fault(code="ROW_UNREADABLE", detail=columns[""], line=line),))
    return parse_row(line, columns)


async def _take_chunk(
    ctx: Context, work: UnitOfWork, known: _Known, chunk: Sequence[ParsedRow], report: ImportReport
) -> None:
    if not chunk:
        return
    owners = await work.sims.owners([row.values["iccid"] for row in chunk])
    fresh: list[dict[str, Any]] = []
    changed: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    plans_left: dict[int, str] = {}
    moved: list[int] = []
    for row in chunk:
        fault = _refusal(ctx, known, row, owners.get(row.values["iccid"]))
        if fault is not None:
            report.reject(fault)
            continue
        owner = owners.get(row.values["iccid"])
        if owner is None:
            _add_fresh(ctx, known, row, fresh, report)
        else:
            columns = changed_columns(row)
            changed.setdefault(tuple(sorted(columns)), []).append({"id": owner.id, **columns})
            plans_left |= {owner.id: owner.plan} if owner.plan != columns["plan"] else {}
            moved += [owner.id] if _moves_limits(owner, columns) else []
            report.updated += 1
    ids = await work.sims.insert(fresh)
    report.created += len(ids)
    await _patch(ctx, work, list(changed.values()), moved)
    await work.plans.add_history(plans_left, ctx.now())
    known.arrived.update(ids)


def _moves_limits(owner: Any, columns: Mapping[str, Any]) -> bool:
    return any(name in columns and columns[name] != getattr(owner, name) for name in LIMIT_COLUMNS)


async def _patch(ctx: Context, work: UnitOfWork, groups: Sequence[list[dict[str, Any]]], moved: Sequence[int]) -> None:
    """Change the known cards; those whose limits move are looked at, with the pools they leave and join."""
    left = await refs_of(await work.driver(), moved) if moved else []
    for same in groups:
        await work.sims.patch_many(same, ctx.now())
    if moved:
        await queue_checks(await work.driver(), pool_refs=left)
        await queue_limit_checks(work, moved)


def _refusal(ctx: Context, known: _Known, row: ParsedRow, owner: Any) -> Fault | None:
    values = row.values
    iccid = values["iccid"]
    earlier = known.seen.get(iccid)
    if earlier is not None:
        return Fault(code="DUPLICATE", detail=f"the same card as line {earlier}", line=row.line, column="iccid")
    known.seen[iccid] = row.line
    if (twin := alternate_iccid(iccid)) is not None:
        known.seen[twin] = row.line
    if owner is not None and owner.tenant != known.tenant:
        return Fault(code="NOT_AVAILABLE", detail="not available", line=row.line, column="iccid")
    plan = known.plans.get(values["plan"])
    carrier = values["carrier"] if owner is None else Carrier(owner.carrier)
    if plan is None or plan.carrier is not carrier:
        return Fault(code="UNKNOWN_PLAN", detail="no such plan for this carrier", line=row.line, column="plan")
    if "pool" in values and known.pools.get(values["pool"]) is None:
        return Fault(code="UNKNOWN_POOL", detail="no such pool", line=row.line, column="pool")
    if "pool" in values and known.pools[values["pool"]] != plan.id:
        return Fault(code="POOL_MISMATCH", detail="the pool is of another plan (PL-5)", line=row.line, column="pool")
    account = account_for(ctx, known.tenant, values["carrier"], values.get("account"))
    if account is None:
        return Fault(code="UNKNOWN_ACCOUNT", detail="no such account for this carrier", line=row.line, column="account")
    return _zone_refusal(known, row, ctx.zone(account if owner is None else owner.account))


def _zone_refusal(known: _Known, row: ParsedRow, zone: ZoneInfo) -> Fault | None:
    """A pool's members share one zone: its cycles turn at one midnight (BC-4)."""
    pool = row.values.get("pool")
    if pool is None or str(known.zones.setdefault(pool, zone)) == str(zone):
        return None
    detail = "the pool's account is in another zone (BC-4, PL-5)"
    return Fault(code="POOL_MISMATCH", detail=detail, line=row.line, column="pool")


def _add_fresh(ctx: Context, known: _Known, row: ParsedRow, fresh: list[dict[str, Any]], report: ImportReport) -> None:
    values = row.values
    account = account_for(ctx, known.tenant, values["carrier"], values.get("account"))
    now = ctx.now()
    today = now.astimezone(ctx.zone(account or "")).date()
    try:
        sim = new_sim(values, known.plans[values["plan"]], today=today, at=now)
    except Malformed as wrong:
        report.reject(Fault(code=wrong.code, detail=wrong.detail, line=row.line))
        return
    fresh.append(
        sim_columns(sim)
        | {
            "tenant": known.tenant,
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
