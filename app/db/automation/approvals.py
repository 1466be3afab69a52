"""Approvals by a second person. A decision is taken on the locked row: of two, one is first and the other too late.

Lock order: the subject (bulk operation or automation), then its approval.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.schema.automation import approvals
from app.domain.automation.approval import ApprovalStatus, ApprovalSubject


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRecord:
    """One approval: what it is about, how many SIMs, who asked, and how it was decided."""

    id: UUID
    tenant: str
    subject: ApprovalSubject
    subject_id: UUID
    status: ApprovalStatus
    cards: int
    above: int
    summary: dict[str, Any]
    requested_by: str
    requested_at: datetime
    expires_at: datetime
    reason: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    note: str | None = None


def _approval(row: Any) -> ApprovalRecord:
    values = {name: row[name] for name in ApprovalRecord.__dataclass_fields__}
    words = {"subject": ApprovalSubject(row["subject"]), "status": ApprovalStatus(row["status"])}
    return ApprovalRecord(**values | words)


class ApprovalRepository:
    """Approvals of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, approval: ApprovalRecord) -> None:
        """Add an approval."""
        values = {name: getattr(approval, name) for name in ApprovalRecord.__dataclass_fields__}
        await self._connection.execute(approvals.insert().values(values))

    async def get(self, tenant: str, approval_id: UUID, *, for_update: bool = False) -> ApprovalRecord | None:
        """One approval of a tenant."""
        c = approvals.c
        statement = select(approvals).where(c.tenant == tenant, c.id == approval_id)
        found = await self._connection.execute(statement.with_for_update() if for_update else statement)
        row = found.mappings().first()
        return _approval(row) if row else None

    async def page(
        self, tenant: str, now: datetime, *, status: ApprovalStatus | None, before: UUID | None, limit: int
    ) -> list[ApprovalRecord]:
        """A page of a tenant's approvals, newest first; one that waits is `expired` from its end on."""
        c = approvals.c
        statement = select(approvals).where(c.tenant == tenant)
        if status is ApprovalStatus.WAITING:
            statement = statement.where(c.status == status, c.expires_at > now)
        elif status is ApprovalStatus.EXPIRED:
            waits = (c.status == ApprovalStatus.WAITING) & (c.expires_at <= now)
            statement = statement.where((c.status == status) | waits)
        elif status is not None:
            statement = statement.where(c.status == status)
        if before is not None:
            statement = statement.where(c.id < before)
        rows = await self._connection.execute(statement.order_by(c.id.desc()).limit(limit))
        return [_approval(row) for row in rows.mappings()]

    async def decide(
        self, approval_id: UUID, status: ApprovalStatus, *, by: str, at: datetime, note: str | None = None
    ) -> bool:
        """End an approval that waits; False where it has been ended by another."""
        statement = (
            update(approvals)
            .where(approvals.c.id == approval_id, approvals.c.status == ApprovalStatus.WAITING)
            .values(status=status.value, decided_by=by, decided_at=at, note=note)
        )
        return (await self._connection.execute(statement)).rowcount > 0

    async def overdue(self, now: datetime, limit: int) -> list[tuple[str, UUID]]:
        """(tenant, approval) of those that waited until their end, the oldest first."""
        c = approvals.c
        statement = select(c.tenant, c.id).where(c.status == ApprovalStatus.WAITING, c.expires_at <= now)
        rows = await self._connection.execute(statement.order_by(c.expires_at).limit(limit))
        return [(row.tenant, row.id) for row in rows]

    async def next_due(self, after: datetime) -> datetime | None:
        """When the next one that waits expires after an instant."""
        c = approvals.c
        statement = select(func.min(c.expires_at)).where(c.status == ApprovalStatus.WAITING, c.expires_at > after)
        due: datetime | None = (await self._connection.execute(statement)).scalar_one()
        return due
