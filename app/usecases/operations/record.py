"""Small moves on an operation's row, as values: its history grows, its status changes, it ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from app.db.events.store import EventRow
from app.db.mapping import OperationRecord, SimRecord
from app.domain.vocabulary import Channel, OperationKind, OperationSource, OperationStatus
from app.usecases.ids import new_id
from app.usecases.operations.views import operation_view

ENDED = frozenset({OperationStatus.SUCCEEDED, OperationStatus.FAILED, OperationStatus.CANCELLED})

END_EVENTS = {OperationStatus.SUCCEEDED: "operation.succeeded", OperationStatus.FAILED: "operation.failed"}


def new_operation(
    record: SimRecord, kind: OperationKind, *, source: OperationSource, now: datetime, **facts: Any
) -> OperationRecord:
    """The row of a wish for a card, not yet admitted; `facts` are further columns of it."""
    beginning: dict[str, Any] = {
        "status": OperationStatus.SCHEDULED,
        "channel": Channel.API,
        "run_after": now,
        "created_at": now,
    }
    return OperationRecord(
        id=new_id(now),
        tenant=record.tenant,
        sim_id=record.id,
        iccid=record.sim.iccid,
        carrier=record.sim.carrier,
        account=record.account,
        kind=kind,
        source=source,
        **(beginning | facts),
    )


def with_status(
    operation: OperationRecord, status: OperationStatus, at: datetime, note: str = "", **columns: Any
) -> OperationRecord:
    """The operation in another status, with a line of history where the status or the note is new."""
    changed = replace(operation, status=status, **columns)
    if status is not operation.status or note:
        line = {"at": at.isoformat(), "status": status.value, "note": note}
        changed = replace(changed, history=(*operation.history, line))
    if status in ENDED:
        changed = replace(changed, settled_at=at)
    return changed


def with_failure(
    operation: OperationRecord, at: datetime, *, code: str, detail: str, carrier_code: str | None = None
) -> OperationRecord:
    """The operation ended in failure, with an error of ours and the carrier's code where it gave one."""
    error = {"code": code, "detail": detail, "carrier_code": carrier_code}
    return with_status(operation, OperationStatus.FAILED, at, detail, error=error)


def operation_event(operation: OperationRecord, event_type: str, now: datetime) -> EventRow:
    """An event about an operation; its subject is the SIM, so that order per SIM holds."""
    return EventRow(
        event_id=new_id(now),
        tenant=operation.tenant,
        type=event_type,
        source=f"/v1/sims/{operation.iccid}",
        subject=operation.iccid,
        took_effect_at=now,
        known_at=now,
        data={"known_at": now.isoformat(), "operation": operation_view(operation)} | _difference(operation, event_type),
    )


def _difference(operation: OperationRecord, event_type: str) -> dict[str, Any]:
    """What the event changed of the operation: its status, or that it is overdue."""
    status = operation.status.value
    if event_type == "operation.overdue":
        return {"before": {"status": status, "overdue": False}, "after": {"status": status, "overdue": True}}
    earlier = [line["status"] for line in operation.history if line["status"] != status]
    return {"before": {"status": earlier[-1] if earlier else None}, "after": {"status": status}}
