"""Request an operation on one SIM: validated, stored as a row, executed later by the worker.

An accepted operation is not a completed one: callers poll it or take its webhook (OP-1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db.access import AuditRow
from app.db.mapping import OperationRecord, SimRecord
from app.db.operations.repository import OpenOperationExists
from app.db.uow import UnitOfWork
from app.domain.operation.decision import Accepted, BudgetUse
from app.domain.operation.refusal import Refusal, RefusalCode
from app.domain.preflight.irreversible import irreversible_of
from app.domain.vocabulary import OperationKind, OperationSource
from app.usecases.context import Context
from app.usecases.errors import Conflict, NotFound, OperationRefused
from app.usecases.operations.record import enqueued, new_operation
from app.usecases.operations.validate import references_of, validate_sim
from app.usecases.operations.views import operation_view

RECHECKED_WHEN_DUE = frozenset(
    {RefusalCode.INCOMPATIBLE_STATE, RefusalCode.OPERATION_IN_PROGRESS, RefusalCode.RULE_VIOLATION}
)
"""Refusals that do not prevent scheduling, because they may no longer hold when the operation is due (OP-2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOperation:
    """The command: one operation on one SIM.

    `execute_at`: not before this instant; `wait`: behind the SIM's open operation, if there is one.
    """

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
    """The rules' decision on a command, and the SIM it is about (locked until the transaction ends)."""

    record: SimRecord
    decision: Accepted | Refusal
    open_operation: OperationRecord | None
    """The operation in progress on the SIM, if any (OP-4)."""


async def evaluate(ctx: Context, work: UnitOfWork, command: RequestOperation) -> Evaluation:
    """Evaluate the rules; nothing is stored.

    Raises: `NotFound`; `Malformed` for arguments that cannot be right or name an unknown plan or pool.
    """
    record = await work.sims.get(command.tenant, command.iccid, for_update=True)
    if record is None:
        raise NotFound("sim")
    references = await references_of(ctx, work, [record], command.kind)
    if mismatch := references.mismatch(record, command.kind, command.arguments):
        raise mismatch
    # The SIM's row is locked, so no other transaction can open an operation on it before this one commits (OP-4).
    open_operation = await work.operations.open_on(record.id)
    busy = open_operation is not None
    decision = await validate_sim(ctx, work, record, command.kind, command.arguments, open_operation=busy)
    return Evaluation(record=record, decision=decision, open_operation=open_operation)


async def request_operation(ctx: Context, work: UnitOfWork, command: RequestOperation) -> OperationRecord:
    """Store the accepted operation in this transaction.

    Raises: `OperationRefused`, `NotFound`, `Malformed`; `Conflict` where a transaction beside this one was first.
    """
    evaluation = await evaluate(ctx, work, command)
    operation = accept(ctx, command, evaluation)
    try:
        await work.operations.add([operation])
    except OpenOperationExists:
        raise Conflict("OPERATION_IN_PROGRESS", "another operation on this SIM is open") from None
    await work.access.add_audit([_audit(ctx, command, evaluation.record, operation)])
    return operation


def accept(ctx: Context, command: RequestOperation, evaluation: Evaluation) -> OperationRecord:
    """The row of an accepted command: queued now, or scheduled. Raises `OperationRefused`."""
    now, decision = ctx.now(), evaluation.decision
    later = command.execute_at is not None and command.execute_at > now
    waits = command.wait and evaluation.open_operation is not None
    row = _row(command, evaluation.record, now)
    if isinstance(decision, Refusal):
        if not ((later or waits) and decision.code in RECHECKED_WHEN_DUE):
            raise _refused(decision, evaluation.open_operation)
        return _scheduled(row, command, now, behind=waits and not later)
    row = replace(
        row,
        arguments=dict(decision.arguments),
        channel=decision.channel,
        due_at=decision.due.due_at,
        due_rule=decision.due.rule,
    )
    return _scheduled(row, command, now, behind=False) if later else enqueued(row, now, channel=decision.channel)


def _refused(refusal: Refusal, open_operation: OperationRecord | None) -> OperationRefused:
    """The refusal; one for the operation in progress names it and when it is due."""
    if refusal.code is not RefusalCode.OPERATION_IN_PROGRESS or open_operation is None:
        return OperationRefused(refusal)
    due_at = open_operation.due_at
    return OperationRefused(refusal, operation=str(open_operation.id), due_at=due_at.isoformat() if due_at else None)


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
    """The decision a command would get, with due date and cost in fen; nothing is stored.

    Raises `NotFound`, `Malformed`.
    """
    decision = (await evaluate(ctx, work, command)).decision
    if isinstance(decision, Refusal):
        nothing = {"due_at": None, "cost_fen": None, "consumes": None, "irreversible": ()}
        return {"allowed": False, "refusal": decision} | nothing
    due = decision.due
    return {
        "allowed": True,
        "refusal": None,
        "due_at": due.due_at.isoformat() if due.due_at else None,
        "cost_fen": decision.cost_fen,
        "consumes": decision.consumes or None,
        "budgets": [_budget_view(budget) for budget in decision.budgets],
        "irreversible": irreversible_of(command.kind, decision.consumes),
        "due_rule": due.rule,
        "channel": decision.channel.value,
        "assumed": list(decision.assumed),
        "notes": list(decision.notes),
    }


def _budget_view(budget: BudgetUse) -> dict[str, Any]:
    """What is taken from a budget, and what is left of it then; null: not limited."""
    return {
        "budget": budget.name,
        "takes": budget.takes,
        "used": budget.used,
        "limit": budget.limit,
        "left": budget.left,
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
