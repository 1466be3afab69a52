"""Ask for the same operation on many cards at once: one query for what is open, one for the counts, one insert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from app.db.mapping import OperationRecord, SimRecord
from app.db.uow import UnitOfWork
from app.domain.errors import Malformed
from app.domain.operation.decision import Accepted
from app.domain.operation.refusal import Refusal
from app.domain.vocabulary import OperationKind, OperationSource
from app.usecases.context import Context
from app.usecases.operations.record import new_operation
from app.usecases.operations.validate import budget_counts_of, decision, enqueued, references_of

BULK_PRIORITY = 1
"""Priority of bulk operations: a person who waits for one card goes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestMany:
    """A wish for many cards; each is decided, accepted and ends on its own (AC-4)."""

    kind: OperationKind
    source: OperationSource
    arguments: Mapping[str, Any] = field(default_factory=dict)
    priority: int = BULK_PRIORITY
    bulk_id: UUID | None = None
    requested_by: str | None = None
    reason: str | None = None
    correlation_id: str | None = None


Answer = Accepted | Refusal | Malformed


async def evaluate_many(
    ctx: Context, work: UnitOfWork, records: Sequence[SimRecord], command: RequestMany
) -> dict[int, Answer]:
    """What the rules say of the wish for each card, by row id."""
    busy = await work.operations.open_of([record.id for record in records])
    counts = await budget_counts_of(ctx, work, records, command.kind)
    names = await references_of(ctx, work, records[0].tenant, command.kind) if records else None
    answers: dict[int, Answer] = {}
    for record in records:
        if names is not None and (mismatch := names.mismatch(record, command.kind, command.arguments)):
            answers[record.id] = mismatch
            continue
        try:
            answers[record.id] = decision(
                ctx, record, command.kind, command.arguments, counts[record.id], open_operation=record.id in busy
            )
        except Malformed as malformed:
            answers[record.id] = malformed
    return answers


async def request_many(
    ctx: Context, work: UnitOfWork, records: Sequence[SimRecord], command: RequestMany
) -> dict[int, OperationRecord | Refusal | Malformed]:
    """Accept the wish for each card the rules allow it for, as rows of this transaction; by row id what became of it.

    The cards are locked by the caller, in the order of their ids.
    """
    answers = await evaluate_many(ctx, work, records, command)
    became: dict[int, OperationRecord | Refusal | Malformed] = {}
    for record in records:
        answer = answers[record.id]
        became[record.id] = _row(ctx, record, command, answer) if isinstance(answer, Accepted) else answer
    await work.operations.add([row for row in became.values() if isinstance(row, OperationRecord)])
    return became


def _row(ctx: Context, record: SimRecord, command: RequestMany, answer: Accepted) -> OperationRecord:
    now = ctx.now()
    row = new_operation(
        record,
        command.kind,
        source=command.source,
        now=now,
        arguments=dict(answer.arguments),
        due_at=answer.due.due_at,
        due_rule=answer.due.rule,
        priority=command.priority,
        bulk_id=command.bulk_id,
        requested_by=command.requested_by,
        reason=command.reason,
        correlation_id=command.correlation_id,
    )
    return enqueued(row, now, channel=answer.channel)
