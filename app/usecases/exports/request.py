"""Request an export and find it again: its SIMs are selected now, the file is written later by a worker (EX-2)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from app.db.access import AuditRow
from app.db.exports import ExportRecord
from app.db.sims.search import SimFilter, where_of
from app.db.tenancy import across_tenants, act_for
from app.db.uow import UnitOfWork
from app.domain.calendar.days import HOME_ZONE
from app.domain.commerce.exports import MAX_CARDS, export_refusal
from app.usecases.bulk.selectors import IccidList, MatchingSims, PoolMembers, Selector, UploadedFile, selector_view
from app.usecases.context import Context
from app.usecases.errors import Fault, InvalidArgument, NotFound, OperationRefused
from app.usecases.exports.contents import columns_of, default_columns
from app.usecases.ids import new_id
from app.usecases.sims.read import current_cycles

KEPT = timedelta(days=1)
"""How long a finished file can be downloaded."""

LINK_LIFE = timedelta(minutes=15)
"""How long a download link works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestExport:
    """The command. `what`: `sims`, `usage_by_cycle`, `usage_by_day` or `operations`; `format`: `csv` or `xlsx`."""

    tenant: str
    what: str
    format: str
    selector: Selector
    columns: tuple[str, ...] | None = None
    requested_by: str | None = None


async def request_export(
    ctx: Context, work: UnitOfWork, command: RequestExport, *, most: int = MAX_CARDS
) -> ExportRecord:
    """Store an export with its SIMs, `most` at most.

    Raises `InvalidArgument`, `OperationRefused` (too many SIMs, too soon; EX-2).
    """
    now = ctx.now()
    on = now.astimezone(HOME_ZONE).date()
    columns = _columns(command, columns_of(command.what, on), default_columns(command.what, on))
    await work.exports.lock_tenant(command.tenant)
    last = await work.exports.last_requested_at(command.tenant)
    _check(0, last, ctx, most)
    record = ExportRecord(
        id=new_id(now),
        tenant=command.tenant,
        what=command.what,
        format=command.format,
        columns=columns,
        secret=secrets.token_bytes(32),
        status="queued",
        total=0,
        created_at=now,
        requested_by=command.requested_by,
    )
    await work.exports.add(record)
    await _select(ctx, work, record, command.selector, most)
    total = await work.exports.count_selected(record.id)
    if total == 0:
        raise InvalidArgument([Fault(pointer="/selector", code="EMPTY_SELECTION", detail="no SIM is selected")])
    _check(total, last, ctx, most)
    await work.exports.change(record.id, total=total)
    after: dict[str, object] = {"what": command.what, "total": total, "selector": selector_view(command.selector)}
    audit = AuditRow(
        tenant=command.tenant,
        at=now,
        actor=command.requested_by or "",
        action="export.requested",
        subject=str(record.id),
        after=after,
    )
    await work.access.add_audit([audit])
    return replace(record, total=total)


def _check(total: int, last: datetime | None, ctx: Context, most: int) -> None:
    if (refusal := export_refusal(total, last, ctx.now(), most)) is not None:
        raise OperationRefused(refusal)


def _columns(command: RequestExport, known: tuple[str, ...], default: tuple[str, ...]) -> tuple[str, ...]:
    """The columns wanted, in their order. Raises `InvalidArgument`."""
    if command.columns is None:
        return default
    unknown = [index for index, name in enumerate(command.columns) if name not in known]
    if unknown or not command.columns or len(set(command.columns)) != len(command.columns):
        pointer = f"/columns/{unknown[0]}" if unknown else "/columns"
        detail = f"some of {', '.join(known)}, each once"
        raise InvalidArgument([Fault(pointer=pointer, code="UNKNOWN_COLUMN", detail=detail)])
    return command.columns


async def _select(ctx: Context, work: UnitOfWork, record: ExportRecord, selector: Selector, most: int) -> None:
    """Store the SIMs that a selector yields, one more than an export may have at most. Raises `InvalidArgument`."""
    match selector:
        case IccidList():
            await work.exports.select_listed(record, selector.iccids)
        case UploadedFile():
            await work.exports.select_filed(record, selector.file_id)
        case PoolMembers():
            where, arguments = where_of(record.tenant, SimFilter(pool=selector.pool))
            await work.exports.select_found(record, where, arguments, most + 1)
        case MatchingSims():
            where, arguments = where_of(record.tenant, replace(selector.wanted, cycles=current_cycles(ctx)))
            await work.exports.select_found(record, where, arguments, most + 1)
        case _:
            detail = "iccids, pool, filter, file_id or all"
            raise InvalidArgument([Fault(pointer="/selector", code="UNSUPPORTED", detail=detail)])


async def find_export(ctx: Context, tenant: str, export_id: UUID) -> ExportRecord:
    """An export of the tenant. Raises `NotFound`."""
    async with ctx.work() as work:
        record = await work.exports.get(tenant, export_id)
    if record is None:
        raise NotFound("export")
    return record


def link_of(ctx: Context, record: ExportRecord) -> tuple[int, str]:
    """The end (epoch seconds) and the signature of a link that downloads the file without a key for `LINK_LIFE`."""
    expires = int((ctx.now() + LINK_LIFE).timestamp())
    return expires, _signature(record, expires)


def instant_of(expires: int) -> datetime:
    """The end of a link as an instant."""
    return datetime.fromtimestamp(expires, UTC)


def _signature(record: ExportRecord, expires: int) -> str:
    return hmac.new(record.secret, str(expires).encode(), hashlib.sha256).hexdigest()


async def by_link(ctx: Context, export_id: UUID, expires: int, signature: str) -> ExportRecord:
    """The finished export of a link. Raises `NotFound` for a link that is not ours or has expired."""
    with across_tenants():  # whose it is, the link says
        async with ctx.work() as work:
            record = await work.exports.any_tenants(export_id)
    if record is None or record.status != "ready" or expires <= ctx.now().timestamp():
        raise NotFound("export")
    if not hmac.compare_digest(signature.encode(), _signature(record, expires).encode()):
        raise NotFound("export")
    act_for(record.tenant)
    return record


async def content(ctx: Context, record: ExportRecord) -> AsyncIterator[bytes]:
    """The file, part by part, each read in a transaction of its own: whoever downloads slowly holds none."""
    number = 0
    while True:
        async with ctx.work() as work:
            part = await work.exports.part(record.id, number)
        if part is None:
            return
        yield part
        number += 1


async def delete_old_exports(ctx: Context) -> int:
    """Delete exports and their files a day after they were requested; gives how many."""
    async with ctx.work() as work:
        deleted = await work.exports.delete_finished(ctx.now() - KEPT)
        await work.commit()
    return deleted
