"""Automations and their firings as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.db.automation.automations import AutomationRecord
from app.domain.automation.actions import FiringStatus


def automation_view(record: AutomationRecord, counts: Mapping[str, int]) -> dict[str, Any]:
    """One automation with the number of its firings by status."""
    return {
        "id": str(record.id),
        "name": record.name,
        "status": record.status.value,
        "when": record.condition,
        "then": record.action,
        "scope": record.scope,
        "version": record.version,
        "backtested": record.backtested_version == record.version,
        "approval": str(record.approval_id) if record.approval_id else None,
        "firings": {status.value: counts.get(status.value, 0) for status in FiringStatus},
        "created_by": record.created_by,
        "created_at": record.created_at.isoformat(),
        "updated_at": record.updated_at.isoformat(),
        "armed_by": record.armed_by,
        "armed_at": _text(record.armed_at),
        "evaluated_at": _text(record.evaluated_at),
    }


def firing_view(row: Mapping[str, Any]) -> dict[str, Any]:
    """One firing: of which SIM, on which occasion, and what became of it."""
    return {
        "id": row["id"],
        "iccid": row["iccid"],
        "occasion": row["occasion"],
        "status": row["status"],
        "version": row["version"],
        "at": _text(row["at"]),
        "due_at": _text(row["due_at"]),
        "done_at": _text(row["done_at"]),
        "operation": str(row["operation_id"]) if row["operation_id"] else None,
        "error": row["error"],
    }


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
