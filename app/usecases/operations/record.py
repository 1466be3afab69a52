"""Pure changes of an operation's row: a new row, another status, a failure, and the event that reports it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from app.db.events.store import Event
from app.db.mapping import OperationRecord, SimRecord
from app.domain.events import EventType
from app.domain.vocabulary import Channel, OperationKind, OperationSource, OperationStatus
from app.telemetry import traceparent
from app.usecases.events import EventStamp, sim_event
from app.usecases.ids import new_id
from app.usecases.operations.views import operation_view

ENDED = frozenset({OperationStatus.SUCCEEDED, OperationStatus.FAILED, OperationStatus.CANCELLED})
"""Statuses that never change again."""

END_EVENTS = {
    OperationStatus.SUCCEEDED: EventType.OPERATION_SUCCEEDED,
    OperationStatus.FAILED: EventType.OPERATION_FAILED,
}


def new_operation(
    record: SimRecord, kind: OperationKind, *, source: OperationSource, now: datetime, **columns: Any
) -> OperationRecord:
    """A new operation on a SIM, `scheduled` until it is enqueued; `columns` sets further columns of the row."""
    defaults: dict[str, Any] = {
        "status": OperationStatus.SCHEDULED,
        "channel": Channel.API,
        "run_after": now,
        "created_at": now,
        "traceparent": traceparent.get(),
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
        **(defaults | columns),
    )


def with_status(
    operation: OperationRecord, status: OperationStatus, at: datetime, note: str = "", **columns: Any
) -> OperationRecord:
    """The operation in another status; a history line is added where the status changes or there is a note."""
    changed = replace(operation, status=status, **columns)
    if status is not operation.status or note:
        line = {"at": at.isoformat(), "status": status.value, "note": note}
        changed = replace(changed, history=(*operation.history, line))
    if status in ENDED:
        changed = replace(changed, settled_at=at)
    return changed


def enqueued(operation: OperationRecord, now: datetime, *, channel: Channel) -> OperationRecord:
    """The operation ready to be executed: `queued` for the worker, or on the work list of the supplier's desk."""
    desk = channel is Channel.DESK
    status = OperationStatus.WAITING_CARRIER if desk else OperationStatus.QUEUED
    note = "on the desk's work list" if desk else ""
    return with_status(operation, status, now, note, channel=channel, run_after=now, waits=False)


def with_failure(
    operation: OperationRecord, at: datetime, *, code: str, detail: str, carrier_code: str | None = None
) -> OperationRecord:
    """The operation `failed`, with our error code and the carrier's own code where it gave one."""
    error = {"code": code, "detail": detail, "carrier_code": carrier_code}
    return with_status(operation, OperationStatus.FAILED, at, detail, error=error)


def end_events(operations: Sequence[OperationRecord], now: datetime) -> list[Event]:
    """`operation.succeeded` or `operation.failed` for each that ended so; a cancelled operation has no event."""
    return [operation_event(o, END_EVENTS[o.status], now) for o in operations if o.status in END_EVENTS]


def operation_event(operation: OperationRecord, kind: EventType, now: datetime) -> Event:
    """An event about an operation. Its subject is the SIM, so that deliveries keep their order per SIM."""
    before, after = _status_change(operation, kind)
    return sim_event(
        kind,
        EventStamp(tenant=operation.tenant, known_at=now),
        operation.iccid,
        before=before,
        after=after,
        facts={"operation": operation_view(operation)},
    )


def _status_change(operation: OperationRecord, kind: EventType) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the event reports as changed, before and after: the status, or that the operation became overdue."""
    status = operation.status.value
    if kind is EventType.OPERATION_OVERDUE:
        return {"status": status, "overdue": False}, {"status": status, "overdue": True}
    earlier = [line["status"] for line in operation.history if line["status"] != status]
    return {"status": earlier[-1] if earlier else None}, {"status": status}
