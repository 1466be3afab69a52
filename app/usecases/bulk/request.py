"""Request one operation on many SIMs: one row, its items selected now and executed later (AC-1 to AC-4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db.access import AuditRow
from app.db.bulk.repository import AWAITING_APPROVAL, BulkRecord
from app.db.uow import UnitOfWork
from app.domain.automation.approval import ApprovalSubject
from app.domain.identifiers import imei_at
from app.domain.preflight.summary import SAMPLES
from app.domain.vocabulary import OperationKind
from app.telemetry import traceparent
from app.usecases.approvals.request import ApprovalRequest, ask_where_needed, withdraw
from app.usecases.bulk.preflight import of_unknown
from app.usecases.bulk.selectors import FailedItems, Selector, add_items, selector_view
from app.usecases.context import Context
from app.usecases.errors import Conflict, Fault, InvalidArgument, NotFound
from app.usecases.ids import new_id

MOST_ITEMS = 1_000_000
ANALYZE_FROM = 1_000
"""Items from which the table's statistics are refreshed, so that the planner knows of them."""
ENDED = frozenset({"completed", "stopped", "cancelled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestBulk:
    """The command. `max_failures`: stop once more items than that have failed.

    `max_items`: refuse a selection of more SIMs than that.
    """

    tenant: str
    kind: OperationKind
    selector: Selector
    arguments: Mapping[str, Any] = field(default_factory=dict)
    dry_run: bool = False
    max_failures: int | None = None
    max_items: int = MOST_ITEMS
    execute_at: datetime | None = None
    retry_of: UUID | None = None
    requested_by: str | None = None
    reason: str | None = None
    correlation_id: str | None = None


async def request_bulk(ctx: Context, work: UnitOfWork, command: RequestBulk) -> BulkRecord:
    """Store the bulk operation and its items in this transaction. Raises `InvalidArgument`, `Malformed`."""
    if command.kind is OperationKind.REBIND and command.arguments.get("imei") is not None:
        imei_at("/arguments/imei", str(command.arguments["imei"]))
    bulk = _record(ctx, command)
    await work.bulk.add(bulk)
    await add_items(ctx, work, bulk, command.selector)
    total, accounts = await work.bulk_items.deduplicate_and_count(bulk.id)
    _check_selection(command, total)
    bulk = replace(bulk, total=total, accounts=tuple(accounts))
    bulk = await (_with_unknown(work, bulk) if bulk.dry_run else _with_approval(ctx, work, bulk))
    columns = {name: getattr(bulk, name) for name in ("status", "started_at", "preflight", "approval_id")}
    await work.bulk.change(bulk.id, total=total, accounts=accounts, **columns)
    if total >= ANALYZE_FROM:
        await work.bulk_items.analyze_items()
    await work.access.add_audit([_audit(ctx, bulk, "request", after={"total": total, "selector": bulk.selector})])
    return bulk


async def _with_unknown(work: UnitOfWork, bulk: BulkRecord) -> BulkRecord:
    """The dry run whose pre-flight begins with the ICCIDs that no SIM of the tenant has."""
    count, iccids, error = await work.bulk_items.unknown(bulk.id, SAMPLES)
    return replace(bulk, preflight=of_unknown(error, iccids, count)) if error is not None else bulk


async def _with_approval(ctx: Context, work: UnitOfWork, bulk: BulkRecord) -> BulkRecord:
    """The bulk operation, awaiting a second person's approval where it is above the tenant's size.

    Its items and arguments are stored by now: what is approved is what runs.
    """
    approval = await ask_where_needed(
        ctx,
        work,
        ApprovalRequest(
            tenant=bulk.tenant,
            subject=ApprovalSubject.BULK_OPERATION,
            subject_id=bulk.id,
            cards=bulk.total,
            summary={"kind": bulk.kind, "arguments": bulk.arguments, "selector": bulk.selector},
            requested_by=bulk.requested_by or "api",
            reason=bulk.reason,
        ),
    )
    if approval is None:
        return bulk
    return replace(bulk, status=AWAITING_APPROVAL, started_at=None, approval_id=approval.id)


def _check_selection(command: RequestBulk, total: int) -> None:
    if total == 0:
        raise InvalidArgument([Fault(pointer="/selector", code="EMPTY_SELECTION", detail="no SIM is selected")])
    if total > command.max_items:
        detail = f"{total} SIMs are selected, {command.max_items} are allowed"
        raise InvalidArgument([Fault(pointer="/selector", code="TOO_MANY_ITEMS", detail=detail)])
    if (
        command.kind is OperationKind.TERMINATE
        and command.retry_of is None
        and not command.dry_run
        and command.arguments.get("confirm") != str(total)
    ):
        detail = "the number of SIMs that are selected, as text"
        raise InvalidArgument([Fault(pointer="/arguments/confirm", code="NOT_CONFIRMED", detail=detail)])


def _record(ctx: Context, command: RequestBulk) -> BulkRecord:
    now = ctx.now()
    is_later = command.execute_at is not None and command.execute_at > now
    return BulkRecord(
        id=new_id(now),
        tenant=command.tenant,
        kind=command.kind.value,
        status="scheduled" if is_later else "running",
        selector=selector_view(command.selector),
        arguments=dict(command.arguments),
        dry_run=command.dry_run,
        max_failures=command.max_failures,
        execute_at=command.execute_at if is_later else None,
        retry_of=command.retry_of,
        requested_by=command.requested_by,
        reason=command.reason,
        correlation_id=command.correlation_id,
        traceparent=traceparent.get(),
        created_at=now,
        started_at=None if is_later else now,
    )


async def find(work: UnitOfWork, tenant: str, bulk_id: UUID, *, for_update: bool = False) -> BulkRecord:
    """One bulk operation. Raises `NotFound`."""
    bulk = await work.bulk.get(tenant, bulk_id, for_update=for_update)
    if bulk is None:
        raise NotFound("bulk operation")
    return bulk


async def cancel(ctx: Context, work: UnitOfWork, tenant: str, bulk_id: UUID, *, actor: str) -> BulkRecord:
    """Cancel: the worker cancels what was not sent, what was sent is completed. Raises `NotFound`, `Conflict`."""
    # Waits for the worker that advances it now; the next turn sees `cancelling` and enqueues nothing more.
    bulk = await find(work, tenant, bulk_id, for_update=True)
    if bulk.status in ENDED:
        raise Conflict("INCOMPATIBLE_STATE", "it has ended already", status_now=bulk.status)
    if bulk.status != "cancelling":
        if bulk.status == AWAITING_APPROVAL and bulk.approval_id is not None:
            await withdraw(ctx, work, tenant, bulk.approval_id, actor=actor)
        await work.bulk.change(bulk_id, status="cancelling", fed_at=None)
        await work.access.add_audit([_audit(ctx, replace(bulk, requested_by=actor), "cancel", after={})])
    return replace(bulk, status="cancelling")


async def retry_failed(ctx: Context, work: UnitOfWork, tenant: str, bulk_id: UUID, command: RequestBulk) -> BulkRecord:
    """Request the failed items again, as a new bulk operation.

    Raises `NotFound`; `Conflict` while the first one runs and for a dry run; `InvalidArgument` where nothing failed.
    """
    bulk = await find(work, tenant, bulk_id)
    if bulk.status not in ENDED:
        raise Conflict("INCOMPATIBLE_STATE", "it has not ended yet", status_now=bulk.status)
    if bulk.dry_run:
        raise Conflict("INCOMPATIBLE_STATE", "a dry run has nothing to retry")
    again = replace(
        command,
        kind=OperationKind(bulk.kind),
        arguments=bulk.arguments,
        selector=FailedItems(bulk_id=bulk_id),
        max_failures=bulk.max_failures,
        retry_of=bulk_id,
    )
    return await request_bulk(ctx, work, again)


def _audit(ctx: Context, bulk: BulkRecord, action: str, *, after: dict[str, Any]) -> AuditRow:
    return AuditRow(
        tenant=bulk.tenant,
        at=ctx.now(),
        actor=bulk.requested_by or "api",
        action=f"bulk_operation.{action}",
        subject=str(bulk.id),
        reason=bulk.reason,
        correlation_id=bulk.correlation_id,
        after={"kind": bulk.kind, "arguments": bulk.arguments} | after,
    )
