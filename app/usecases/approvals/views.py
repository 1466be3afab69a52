"""Approvals as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from app.db.automation.approvals import ApprovalRecord
from app.domain.automation.approval import ApprovalSubject, status_at

PATHS = {ApprovalSubject.BULK_OPERATION: "/v1/bulk-operations", ApprovalSubject.AUTOMATION: "/v1/automations"}


def approval_view(approval: ApprovalRecord, now: datetime) -> dict[str, Any]:
    """One approval at an instant: what waits, on how many SIMs, who asked, how it was decided."""
    return {
        "id": str(approval.id),
        "status": status_at(approval.status, approval.expires_at, now).value,
        "subject": {
            "kind": approval.subject.value,
            "id": str(approval.subject_id),
            "path": f"{PATHS[approval.subject]}/{approval.subject_id}",
            "summary": approval.summary,
        },
        "cards": approval.cards,
        "above": approval.above,
        "requested_by": approval.requested_by,
        "reason": approval.reason,
        "requested_at": approval.requested_at.isoformat(),
        "expires_at": approval.expires_at.isoformat(),
        "decided_by": approval.decided_by,
        "decided_at": approval.decided_at.isoformat() if approval.decided_at else None,
        "note": approval.note,
    }
