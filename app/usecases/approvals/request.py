"""Ask for a second person's approval, in the transaction that stores what is to be approved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from app.db.access import AuditRow
from app.db.automation.approvals import ApprovalRecord
from app.db.uow import UnitOfWork
from app.domain.automation.approval import VALIDITY, ApprovalPolicy, ApprovalStatus, ApprovalSubject
from app.domain.events import EventType
from app.usecases.approvals.views import approval_view
from app.usecases.context import Context
from app.usecases.events import EventStamp, approval_event
from app.usecases.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequest:
    """What is to be approved: a bulk operation or an automation, on how many SIMs, asked for by which key."""

    tenant: str
    subject: ApprovalSubject
    subject_id: UUID
    cards: int
    requested_by: str
    summary: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None


async def policy_of(work: UnitOfWork, tenant: str) -> ApprovalPolicy:
    """From how many SIMs on a tenant's work waits, and for how long."""
    above, hours = await work.access.approval_settings(tenant)
    return ApprovalPolicy(above=above, valid_for=VALIDITY if hours is None else timedelta(hours=hours))


async def ask_where_needed(ctx: Context, work: UnitOfWork, request: ApprovalRequest) -> ApprovalRecord | None:
    """The approval that is waited for, stored with its event; None where the tenant's settings ask for none."""
    policy = await policy_of(work, request.tenant)
    if policy.above is None or not policy.is_needed(request.cards):
        return None
    now = ctx.now()
    approval = ApprovalRecord(
        id=new_id(now),
        tenant=request.tenant,
        subject=request.subject,
        subject_id=request.subject_id,
        status=ApprovalStatus.WAITING,
        cards=request.cards,
        above=policy.above,
        summary=dict(request.summary),
        requested_by=request.requested_by,
        reason=request.reason,
        requested_at=now,
        expires_at=now + policy.valid_for,
    )
    await work.approvals.add(approval)
    await record(ctx, work, approval, EventType.APPROVAL_REQUESTED, actor=request.requested_by)
    return approval


async def withdraw(ctx: Context, work: UnitOfWork, tenant: str, approval_id: UUID, *, actor: str) -> None:
    """End an approval whose subject was cancelled. The caller holds the subject locked."""
    if await work.approvals.decide(approval_id, ApprovalStatus.WITHDRAWN, by=actor, at=ctx.now()):
        await told(ctx, work, tenant, approval_id, actor=actor)


async def told(ctx: Context, work: UnitOfWork, tenant: str, approval_id: UUID, *, actor: str) -> ApprovalRecord:
    """The approval as it was ended in this transaction, after its event and its entry of the audit trail."""
    ended = await work.approvals.get(tenant, approval_id)
    if ended is None:
        raise LookupError("the approval that was ended in this transaction")
    await record(ctx, work, ended, EventType.APPROVAL_DECIDED, actor=actor)
    return ended


async def record(ctx: Context, work: UnitOfWork, approval: ApprovalRecord, kind: EventType, *, actor: str) -> None:
    """Add an approval's event and its entry of the audit trail."""
    now = ctx.now()
    before = {} if kind is EventType.APPROVAL_REQUESTED else {"status": ApprovalStatus.WAITING.value}
    view = approval_view(approval, now)
    stamp = EventStamp(tenant=approval.tenant, known_at=now)
    await work.events.add([approval_event(kind, stamp, approval.id, before=before, view=view)])
    asked = kind is EventType.APPROVAL_REQUESTED
    entry = AuditRow(
        tenant=approval.tenant,
        at=now,
        actor=actor,
        action=f"approval.{'requested' if asked else approval.status.value}",
        subject=str(approval.id),
        before=dict(before),
        after=view,
    )
    await work.access.add_audit([entry])
