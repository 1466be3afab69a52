"""Approve, reject and expire: the decision and what follows from it are one transaction.

A process that dies before the commit has decided nothing; after it, what was approved waits for a worker like any other
work, and is begun once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from uuid import UUID

from app.db.automation.approvals import ApprovalRecord
from app.db.automation.automations import DISARMED
from app.db.bulk.repository import AWAITING_APPROVAL
from app.db.uow import UnitOfWork
from app.domain.automation.approval import ApprovalStatus, ApprovalSubject, Objection, objection_to, status_at
from app.usecases.access import Caller
from app.usecases.approvals.request import told
from app.usecases.context import Context
from app.usecases.errors import Conflict, NotFound

EXPIRED_AT_ONCE = 50
"""Approvals expired in one turn, each in a transaction of its own."""

ACTOR = "approvals"

Settle = Callable[[Context, UnitOfWork, ApprovalRecord, bool], Awaitable[None]]
"""Starts what was approved (True), or ends what was not (False). Locks the subject."""


async def find_approval(work: UnitOfWork, tenant: str, approval_id: UUID) -> ApprovalRecord:
    """One approval. Raises `NotFound`."""
    found = await work.approvals.get(tenant, approval_id)
    if found is None:
        raise NotFound("approval")
    return found


async def decide(
    ctx: Context, work: UnitOfWork, caller: Caller, approval_id: UUID, *, approve: bool, note: str | None
) -> ApprovalRecord:
    """Approve or reject in this transaction; what was approved starts with its commit.

    Raises `NotFound`; `Conflict`: the same key asked, the key is another tenant's, or it has been decided already.
    """
    found = await find_approval(work, caller.tenant, approval_id)
    own_key = await work.access.is_key_of(found.tenant, caller.key_id)
    # The subject first: whoever cancels it holds it before its approval. Of two decisions the second waits here.
    await LOCKS[found.subject](work, found)
    held = await work.approvals.get(caller.tenant, approval_id, for_update=True) or found
    status = status_at(held.status, held.expires_at, ctx.now())
    objection = objection_to(status, requested_by=held.requested_by, decided_by=caller.name, own_key=own_key)
    if objection is not None:
        raise _conflict(objection, status)
    end = ApprovalStatus.APPROVED if approve else ApprovalStatus.REJECTED
    return await _end(ctx, work, held, end, by=caller.name, note=note)


def _conflict(objection: Objection, status: ApprovalStatus) -> Conflict:
    if objection is Objection.SAME_KEY:
        return Conflict("SECOND_PERSON_NEEDED", "the key that asked for it does not decide it")
    if objection is Objection.OTHER_TENANT:
        return Conflict("SECOND_PERSON_NEEDED", "only a key of the tenant itself decides it")
    return Conflict("INCOMPATIBLE_STATE", "it does not wait any more", status_now=status.value)


async def _end(
    ctx: Context, work: UnitOfWork, approval: ApprovalRecord, status: ApprovalStatus, *, by: str, note: str | None
) -> ApprovalRecord:
    """End an approval that waits and is locked with its subject; gives it as it is then."""
    await work.approvals.decide(approval.id, status, by=by, at=ctx.now(), note=note)
    await SETTLES[approval.subject](ctx, work, approval, status is ApprovalStatus.APPROVED)
    return await told(ctx, work, approval.tenant, approval.id, actor=by)


async def expire_approvals(ctx: Context) -> int:
    """End approvals that waited until their end, and what waited for them; gives how many."""
    async with ctx.work() as work:
        overdue = await work.approvals.overdue(ctx.now(), EXPIRED_AT_ONCE)
    ended = 0
    for tenant, approval_id in overdue:
        async with ctx.work() as work:
            found = await find_approval(work, tenant, approval_id)
            await LOCKS[found.subject](work, found)
            held = await work.approvals.get(tenant, approval_id, for_update=True)
            if held is None or held.status is not ApprovalStatus.WAITING:
                continue  # decided meanwhile
            await _end(ctx, work, held, ApprovalStatus.EXPIRED, by=ACTOR, note=None)
            await work.commit()
            ended += 1
    return ended


async def _lock_bulk(work: UnitOfWork, approval: ApprovalRecord) -> None:
    await work.bulk.get(approval.tenant, approval.subject_id, for_update=True)


async def _settle_bulk(ctx: Context, work: UnitOfWork, approval: ApprovalRecord, approved: bool) -> None:  # noqa: FBT001
    """Start the bulk operation with the items and arguments it was stored with, or let the worker cancel it.

    Each item is decided by the rules when its turn comes: what has changed since the request counts.
    """
    bulk = await work.bulk.get(approval.tenant, approval.subject_id, for_update=True)
    if bulk is None or bulk.status != AWAITING_APPROVAL:
        return
    if not approved:
        await work.bulk.change(bulk.id, status="cancelling", fed_at=None)
        return
    later = bulk.execute_at is not None and bulk.execute_at > ctx.now()
    started_at = None if later else ctx.now()
    await work.bulk.change(bulk.id, status="scheduled" if later else "running", started_at=started_at)


async def _lock_automation(work: UnitOfWork, approval: ApprovalRecord) -> None:
    await work.automations.get(approval.tenant, approval.subject_id, for_update=True)


async def _settle_automation(ctx: Context, work: UnitOfWork, approval: ApprovalRecord, approved: bool) -> None:  # noqa: FBT001
    """Arm the automation, or go on where it stood; else disarm it, and what waits lapses."""
    automation = await work.automations.get(approval.tenant, approval.subject_id, for_update=True)
    if automation is None or automation.approval_id != approval.id:
        return
    if approved:
        await work.automations.change(automation.id, approved_cards=approval.cards)
        await work.automations.begin(automation.id, ctx.now())
        return
    await work.automations.change(automation.id, **DISARMED)
    await work.firings.lapse(automation.id, ctx.now())


Lock = Callable[[UnitOfWork, ApprovalRecord], Awaitable[None]]

LOCKS: Mapping[ApprovalSubject, Lock] = MappingProxyType(
    {ApprovalSubject.BULK_OPERATION: _lock_bulk, ApprovalSubject.AUTOMATION: _lock_automation}
)
SETTLES: Mapping[ApprovalSubject, Settle] = MappingProxyType(
    {ApprovalSubject.BULK_OPERATION: _settle_bulk, ApprovalSubject.AUTOMATION: _settle_automation}
)
"""What an approval is about -> how it is locked, and what follows from the decision."""
