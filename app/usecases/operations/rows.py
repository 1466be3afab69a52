"""Small moves on an operation's row, as values: its history grows, its status changes, it ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from app.db.events import EventRow
from app.db.mapping import OperationRecord
from app.domain.vocabulary import OperationStatus
from app.usecases.ids import new_id
from app.usecases.operations.views import shown

ENDED = frozenset({OperationStatus.SUCCEEDED, OperationStatus.FAILED, OperationStatus.CANCELLED})

EVENT_OF_END = {OperationStatus.SUCCEEDED: "operation.succeeded", OperationStatus.FAILED: "operation.failed"}


def moved(operation: OperationRecord, status: OperationStatus, at: datetime, note: str = "", **columns: Any) -> OperationRecord:  # noqa: ANN401
    """The operation in another status, with a line of history where the status or the note is new."""
    changed = replace(operation, status=status, **columns)
    if status is not operation.status or note:
        line = {"at": at.isoformat(), "status": status.value, "note": note}
        changed = replace(changed, history=(*operation.history, line))
    if status in ENDED:
        changed = replace(changed, settled_at=at)
    return changed


def failed(
    operation: OperationRecord, at: datetime, *, code: str, detail: str, carrier_code: str | None = None
) -> OperationRecord:
    """The operation ended in failure, with an error of ours and the carrier's code where it gave one."""
    error = {"code": code, "detail": detail, "carrier_code": carrier_code}
    return moved(operation, OperationStatus.FAILED, at, detail, error=error)


def event_of(operation: OperationRecord, event_type: str, now: datetime) -> EventRow:
    """An event about an operation; its subject is the SIM, so that order per SIM holds."""
    return EventRow(
        event_id=new_id(now),
        tenant=operation.tenant,
        type=event_type,
        source=f"/v1/sims/{operation.iccid}",
        subject=operation.iccid,
        took_effect_at=now,
        known_at=now,
        data={"known_at": now.isoformat(), "operation": shown(operation)},
    )
