"""One log line for each change of an operation's status, after its commit: what somebody at night greps for.

Codes and ids only: an error's text may hold what a caller or a carrier has written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from app.db.mapping import OperationRecord
from app.domain.vocabulary import OperationStatus
from app.telemetry import get_logger

_log = get_logger("operations")

LEVELS: Mapping[OperationStatus, str] = MappingProxyType(
    {
        OperationStatus.SCHEDULED: "debug",
        OperationStatus.QUEUED: "debug",
        OperationStatus.RUNNING: "debug",
        OperationStatus.WAITING_CARRIER: "info",
        OperationStatus.VERIFYING: "warning",
        OperationStatus.SUCCEEDED: "info",
        OperationStatus.FAILED: "warning",
        OperationStatus.CANCELLED: "info",
    }
)
"""How loud an operation is that reaches a status; `verifying`: its outcome is unknown."""


def log_sent(operations: Iterable[OperationRecord]) -> None:
    """`operation.sent` for each change that is sent to its carrier now."""
    for operation in operations:
        _write("info", "operation.sent", operation)


def log_status(operations: Iterable[OperationRecord]) -> None:
    """`operation.<status>` for each, with the error's code and the carrier's own."""
    for operation in operations:
        _write(LEVELS[operation.status], f"operation.{operation.status.value}", operation)


def log_overdue(operations: Iterable[OperationRecord]) -> None:
    """`operation.overdue` for each that is past its `due_at`."""
    for operation in operations:
        _write("warning", "operation.overdue", operation)


def _write(level: str, event: str, operation: OperationRecord) -> None:
    facts = {
        "operation": str(operation.id),
        "tenant": operation.tenant,
        "kind": operation.kind.value,
        "account": operation.account,
        "iccid": operation.iccid,
        "source": operation.source.value,
        "attempts": operation.attempts,
        "correlation_id": operation.correlation_id,
    }
    error = operation.error or {}
    found = {"code": error.get("code"), "carrier_code": error.get("carrier_code")}
    getattr(_log, level)(event, **facts, **{name: value for name, value in found.items() if value is not None})
