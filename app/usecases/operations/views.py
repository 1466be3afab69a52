"""An operation as callers, events and files see it (`docs/api.md`, Operations), without the job queue's columns."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from app.db.mapping import OperationRecord
from app.domain.vocabulary import Channel, OperationStatus

ATTEMPTED = frozenset({OperationStatus.QUEUED, OperationStatus.VERIFYING, OperationStatus.WAITING_CARRIER})
"""Statuses in which a worker takes an operation up again by itself, unless it is desk work."""


def operation_view(operation: OperationRecord) -> dict[str, Any]:
    """The operation as a JSON object; instants are ISO 8601 text with an offset."""
    return {
        "id": str(operation.id),
        "kind": operation.kind.value,
        "sim": operation.iccid,
        "status": operation.status.value,
        "channel": operation.channel.value,
        "source": operation.source.value,
        "arguments": operation.arguments,
        "result": operation.result,
        "due_at": _text(operation.due_at),
        "due_rule": operation.due_rule,
        "overdue": operation.overdue,
        "attempts": operation.attempts,
        "sent_at": _text(operation.sent_at),
        "execute_at": _text(operation.execute_at),
        "carrier_reference": operation.carrier_reference,
        "error": operation.error,
        "bulk_operation": str(operation.bulk_id) if operation.bulk_id else None,
        "order": str(operation.order_id) if operation.order_id else None,
        "correlation_id": operation.correlation_id,
        "created_at": _text(operation.created_at),
        "settled_at": _text(operation.settled_at),
        "history": list(operation.history),
    }


def current_view(operation: OperationRecord) -> dict[str, Any]:
    """The operation as it stands now: `operation_view` with the next attempt, which events do not tell."""
    return operation_view(operation) | {"next_attempt_at": _text(next_attempt_at(operation))}


def next_attempt_at(operation: OperationRecord) -> datetime | None:
    """When a worker sends, verifies or polls it next, not before; None while nobody but a person or another does."""
    by_itself = operation.status in ATTEMPTED and operation.channel is not Channel.DESK
    due = by_itself or (operation.status is OperationStatus.SCHEDULED and not operation.waits)
    return operation.run_after if due else None


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
