"""Request the same operation on many SIMs: one query for open operations, one for budgets, one insert (AC-4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db.mapping import OperationRecord, SimRecord
from app.db.uow import UnitOfWork
from app.domain.errors import Malformed
from app.domain.operation.decision import Accepted
from app.domain.operation.prices import as_ordered
from app.domain.operation.refusal import Refusal
from app.domain.vocabulary import OperationKind, OperationSource
from app.usecases.context import Context
from app.usecases.operations.record import enqueued, new_operation
from app.usecases.operations.validate import budget_counts_of, catalogue_for, references_of, validate_counted

BULK_PRIORITY = 1
"""Priority of bulk operations, behind 0: a person who waits for one SIM is served first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestMany:
    """The command: one operation on each of many SIMs; each is decided, accepted and settled on its own (AC-4)."""

    kind: OperationKind
    source: OperationSource
    arguments: Mapping[str, Any] = field(default_factory=dict)
    priority: int = BULK_PRIORITY
    bulk_id: UUID | None = None
    order_id: UUID | None = None
    window_at: datetime | None = None
    """The instant at which renewal windows are judged: that of a payment (RN-1); None: now."""
    behind_open: bool = False
    """Decide as if no operation were open: what is bought now begins behind it."""
    profile_complete: bool = True
    """Whether the buyer's profile is complete (RN-9); an operation alone does not ask for it."""
    requested_by: str | None = None
    reason: str | None = None
    correlation_id: str | None = None


Decision = Accepted | Refusal | Malformed


async def evaluate_many(
    ctx: Context, work: UnitOfWork, records: Sequence[SimRecord], command: RequestMany
) -> dict[int, Decision]:
    """The rules' decision for each SIM, by row id; nothing is stored. All SIMs belong to one tenant."""
    if not records:
        return {}
    open_operations = await work.operations.open_of([record.id for record in records])
    counts = await budget_counts_of(ctx, work, records, command.kind)
    references = await references_of(ctx, work, records, command.kind)
    catalogue = await catalogue_for(work, records[0].tenant, command.kind)
    if command.order_id is not None:
        catalogue = as_ordered(catalogue, command.arguments)
    decisions: dict[int, Decision] = {}
    for record in records:
        if mismatch := references.mismatch(record, command.kind, command.arguments):
            decisions[record.id] = mismatch
            continue
        try:
            decisions[record.id] = validate_counted(
                ctx,
                record,
                command.kind,
                command.arguments,
                replace(counts[record.id], profile_complete=command.profile_complete),
                open_operation=record.id in open_operations and not command.behind_open,
                window_at=command.window_at,
                catalogue=catalogue,
            )
        except Malformed as malformed:
            decisions[record.id] = malformed
    return decisions


async def request_many(
    ctx: Context, work: UnitOfWork, records: Sequence[SimRecord], command: RequestMany
) -> dict[int, OperationRecord | Refusal | Malformed]:
    """Store an operation for each SIM the rules allow it for; the outcome by row id.

    The caller holds the SIMs locked, in the order of their row ids.
    """
    decisions = await evaluate_many(ctx, work, records, command)
    outcomes: dict[int, OperationRecord | Refusal | Malformed] = {}
    for record in records:
        decision = decisions[record.id]
        outcomes[record.id] = _queued(ctx, record, command, decision) if isinstance(decision, Accepted) else decision
    await work.operations.add([row for row in outcomes.values() if isinstance(row, OperationRecord)])
    return outcomes


def _queued(ctx: Context, record: SimRecord, command: RequestMany, decision: Accepted) -> OperationRecord:
    now = ctx.now()
    row = new_operation(
        record,
        command.kind,
        source=command.source,
        now=now,
        arguments=dict(decision.arguments),
        due_at=decision.due.due_at,
        due_rule=decision.due.rule,
        priority=command.priority,
        bulk_id=command.bulk_id,
        order_id=command.order_id,
        requested_by=command.requested_by,
        reason=command.reason,
        correlation_id=command.correlation_id,
    )
    return enqueued(row, now, channel=decision.channel)
