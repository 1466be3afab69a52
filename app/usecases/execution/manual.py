"""What people do to operations: cancel them before they are sent, complete what no API completes (docs/api.md)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from app.db.access import AuditRow
from app.db.mapping import OperationRecord
from app.db.uow import UnitOfWork
from app.domain.operation.effects import lost_to_cancellation
from app.domain.operation.outcomes import may_cancel
from app.domain.sim.model import Plan
from app.domain.usage.addons import pack_bytes
from app.domain.vocabulary import Channel, OperationKind, OperationStatus
from app.usecases.context import Context
from app.usecases.errors import Conflict, NotFound
from app.usecases.execution.settle import save_settled
from app.usecases.execution.sim_effects import CANCELLED_MEANWHILE, apply_success
from app.usecases.limits.addons import PACK
from app.usecases.operations.record import with_failure, with_status
from app.usecases.operations.views import next_attempt_at, operation_view
from app.usecases.sim_changes import SimChangeRecorder


async def cancel(ctx: Context, work: UnitOfWork, tenant: str, operation_id: UUID, *, actor: str) -> OperationRecord:
    """Cancel an operation that was not sent; desk work too, until it is completed. Raises `NotFound`, `Conflict`."""
    operation = await _locked(work, tenant, operation_id)
    unsent_desk = _is_desk_work(operation) and operation.sent_at is None
    if not (may_cancel(operation.status, operation.sent_at, operation.step) or unsent_desk):
        raise Conflict(
            "INCOMPATIBLE_STATE", "only what was not sent can be cancelled", status_now=operation.status.value
        )
    now = ctx.now()
    ended = with_status(operation, OperationStatus.CANCELLED, now, "cancelled")
    await save_settled(ctx, work, SimChangeRecorder(now, ctx.zone), [ended], [ended])
    await work.access.add_audit([_audit(ctx, operation, ended, actor, "cancel")])
    return ended


async def complete(
    ctx: Context,
    work: UnitOfWork,
    tenant: str,
    operation_id: UUID,
    *,
    succeeded: bool,
    note: str,
    actor: str,
    pack: int | None = None,
) -> OperationRecord:
    """Settle desk work, or an operation whose outcome the carrier cannot tell, by a person's statement.

    `pack`: the bytes that an add-on brings. Raises: `NotFound`, `Conflict`.
    """
    operation = await _locked(work, tenant, operation_id)
    if not (_is_desk_work(operation) or operation.status is OperationStatus.VERIFYING):
        raise Conflict(
            "INCOMPATIBLE_STATE",
            "only desk work and verifying operations are completed",
            status_now=operation.status.value,
        )
    now = ctx.now()
    recorder = SimChangeRecorder(now, ctx.zone)
    sims = await work.sims.by_ids([operation.sim_id], for_update=True) if succeeded else {}
    if any(lost_to_cancellation(one.sim, operation.kind, one.carrier_state) for one in sims.values()):
        sims, succeeded, note = {}, False, CANCELLED_MEANWHILE
    ended = _ended(_with_pack(operation, pack) if succeeded else operation, now, note, succeeded=succeeded)
    for record in sims.values():
        apply_success(ctx, recorder, ended, record, now, plan=await _new_plan(work, operation))
    await save_settled(ctx, work, recorder, [ended], [ended], sims=sims)
    await work.access.add_audit([_audit(ctx, operation, ended, actor, "complete")])
    return ended


async def look_now(ctx: Context, work: UnitOfWork, tenant: str, operation_id: UUID, *, actor: str) -> OperationRecord:
    """Have the carrier asked at once about an operation that waits, or a change sent that could not be.

    What is done is what the next attempt would do: nothing is sent twice. Raises `NotFound`, `Conflict` for what no
    worker takes up by itself.
    """
    operation = await _locked(work, tenant, operation_id)
    if next_attempt_at(operation) is None or operation.status is OperationStatus.SCHEDULED:
        raise Conflict(
            "INCOMPATIBLE_STATE",
            "nothing is attempted by itself here",
            status_now=operation.status.value,
        )
    now = ctx.now()
    await work.operations.look_now(operation.id, now)
    looked = replace(operation, run_after=min(operation.run_after, now), tries=0)
    await work.access.add_audit([_audit(ctx, operation, looked, actor, "refresh")])
    return looked


def _is_desk_work(operation: OperationRecord) -> bool:
    return operation.channel is Channel.DESK and operation.status is OperationStatus.WAITING_CARRIER


def _with_pack(operation: OperationRecord, pack: int | None) -> OperationRecord:
    """An add-on order with its size in bytes, as stated or as the order says; null where nobody knows it (QT-7)."""
    if operation.kind is not OperationKind.ORDER_ADDON:
        return operation
    size = pack_bytes(operation.arguments) if pack is None else pack
    return replace(operation, result={**(operation.result or {}), PACK: size})


async def _new_plan(work: UnitOfWork, operation: OperationRecord) -> Plan | None:
    """The plan that a change of plan names; None for other kinds."""
    plan_id = operation.arguments.get("plan")
    return (await work.plans.all(operation.tenant)).get(plan_id) if isinstance(plan_id, str) else None


def _ended(operation: OperationRecord, now: datetime, note: str, *, succeeded: bool) -> OperationRecord:
    if succeeded:
        return with_status(operation, OperationStatus.SUCCEEDED, now, note or "completed by a person", error=None)
    return with_failure(operation, now, code="DESK_FAILED", detail=note or "a person reports that it failed")


async def _locked(work: UnitOfWork, tenant: str, operation_id: UUID) -> OperationRecord:
    """The operation and its SIM, locked. Raises `NotFound`."""
    seen = await work.operations.get(tenant, operation_id)
    if seen is None:
        raise NotFound("operation")
    # The SIM before the operation, as in every settlement; the operation is then read again, under its lock.
    await work.sims.by_ids([seen.sim_id], for_update=True)
    operation = await work.operations.get(tenant, operation_id, for_update=True)
    if operation is None:
        raise NotFound("operation")
    return operation


def _audit(ctx: Context, before: OperationRecord, after: OperationRecord, actor: str, action: str) -> AuditRow:
    return AuditRow(
        tenant=before.tenant,
        at=ctx.now(),
        actor=actor,
        action=f"operation.{action}",
        subject=before.iccid,
        before=operation_view(before),
        after=operation_view(after),
    )
