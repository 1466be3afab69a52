"""Ask for an operation: checked, accepted as a row, worked later. Accepted is not done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db.access import AuditRow
from app.db.mapping import OperationRecord, SimRecord
from app.db.operations import OpenOperationExists
from app.db.uow import UnitOfWork
from app.domain.operation.decision import Accepted
from app.domain.operation.refusal import Refusal, RefusalCode
from app.domain.vocabulary import OperationKind, OperationSource
from app.usecases.context import Context
from app.usecases.errors import Conflict, NotFound, OperationRefused
from app.usecases.operations.record import new_operation
from app.usecases.operations.validate import enqueued, evaluate_sim, references_of
from app.usecases.operations.views import operation_view

RECHECKED_WHEN_DUE = frozenset(
    {RefusalCode.INCOMPATIBLE_STATE, RefusalCode.OPERATION_IN_PROGRESS, RefusalCode.RULE_VIOLATION}
)
"""What does not keep an operation from being scheduled: it is checked again when its time comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOperation:
    """A caller's wish for one card. `execute_at`: not before then; `wait`: behind the open operation, if any."""

    tenant: str
    iccid: str
    kind: OperationKind
    arguments: Mapping[str, Any] = field(default_factory=dict)
    execute_at: datetime | None = None
    wait: bool = False
    source: OperationSource = OperationSource.API
    requested_by: str | None = None
    reason: str | None = None
    correlation_id: str | None = None
    bulk_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What the rules say of a wish, and the card they looked at (locked until the transaction ends)."""

    record: SimRecord
    answer: Accepted | Refusal
    busy: bool


async def evaluate(ctx: Context, work: UnitOfWork, command: RequestOperation) -> Evaluation:
    """Ask the rules. Raises `NotFound`, and `Malformed` for arguments that make no sense."""
    record = await work.sims.get(command.tenant, command.iccid, for_update=True)
    if record is None:
        raise NotFound("sim")
    if mismatch := (await references_of(ctx, work, command.tenant, command.kind)).mismatch(
        record, command.kind, command.arguments
    ):
        raise mismatch
    busy = record.id in await work.operations.open_of([record.id])
    answer = await evaluate_sim(ctx, work, record, command.kind, command.arguments, open_operation=busy)
    return Evaluation(record=record, answer=answer, busy=busy)


async def request_operation(ctx: Context, work: UnitOfWork, command: RequestOperation) -> OperationRecord:
    """Accept the command as a row of this transaction.

    Raises `OperationRefused`, `NotFound`, `Malformed`; `Conflict` where a transaction beside this one was first.
    """
    considered = await evaluate(ctx, work, command)
    operation = accept(ctx, command, considered)
    try:
        await work.operations.add([operation])
    except OpenOperationExists:
        raise Conflict("OPERATION_IN_PROGRESS", "another operation on this SIM is open") from None
    await work.access.add_audit([_audit(ctx, command, considered.record, operation)])
    return operation


def accept(ctx: Context, command: RequestOperation, considered: Evaluation) -> OperationRecord:
    """The row of an accepted wish. Raises `OperationRefused`."""
    now, answer = ctx.now(), considered.answer
    later = command.execute_at is not None and command.execute_at > now
    behind = command.wait and considered.busy
    if isinstance(answer, Refusal):
        if not ((later or behind) and answer.code in RECHECKED_WHEN_DUE):
            raise OperationRefused(answer)
        return _scheduled(_row(command, considered.record, now), command, now, behind=behind and not later)
    row = replace(
        _row(command, considered.record, now),
        arguments=dict(answer.arguments),
        channel=answer.channel,
        due_at=answer.due.due_at,
        due_rule=answer.due.rule,
    )
    return _scheduled(row, command, now, behind=False) if later else enqueued(row, now, channel=answer.channel)


def _row(command: RequestOperation, record: SimRecord, now: datetime) -> OperationRecord:
    return new_operation(
        record,
        command.kind,
        source=command.source,
        now=now,
        arguments=dict(command.arguments),
        execute_at=command.execute_at,
        bulk_id=command.bulk_id,
        requested_by=command.requested_by,
        reason=command.reason,
        correlation_id=command.correlation_id,
    )


def _scheduled(row: OperationRecord, command: RequestOperation, now: datetime, *, behind: bool) -> OperationRecord:
    line = {"at": now.isoformat(), "status": "scheduled", "note": "behind the open operation" if behind else ""}
    return replace(row, run_after=command.execute_at or now, waits=behind, history=(line,))


async def dry_run(ctx: Context, work: UnitOfWork, command: RequestOperation) -> dict[str, Any]:
    """What would happen; nothing does."""
    answer = (await evaluate(ctx, work, command)).answer
    if isinstance(answer, Refusal):
        return {"allowed": False, "refusal": answer, "due_at": None, "cost_fen": None, "consumes": None}
    due = answer.due
    return {
        "allowed": True,
        "refusal": None,
        "due_at": due.due_at.isoformat() if due.due_at else None,
        "cost_fen": answer.cost_fen,
        "consumes": dict(answer.consumes) if answer.consumes else None,
        "due_rule": due.rule,
        "channel": answer.channel.value,
        "assumed": list(answer.assumed),
        "notes": list(answer.notes),
    }


def _audit(ctx: Context, command: RequestOperation, record: SimRecord, operation: OperationRecord) -> AuditRow:
    return AuditRow(
        tenant=command.tenant,
        at=ctx.now(),
        actor=command.requested_by or command.source.value,
        action=f"operation.{command.kind.value}",
        subject=record.sim.iccid,
        reason=command.reason,
        correlation_id=command.correlation_id,
        after=operation_view(operation),
    )
