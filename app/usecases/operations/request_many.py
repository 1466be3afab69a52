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
from app.domain.operation.refusal import Refused
from app.domain.vocabulary import OperationKind, OperationSource
from app.usecases.context import Context
from app.usecases.operations.record import new_row
from app.usecases.operations.validate import admitted, counts_of, decision, names_of

BEHIND_SINGLE_ONES = 1
"""Priority of bulk operations: a person who waits for one card goes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestMany:
    """A wish for many cards; each is decided, accepted and ends on its own (AC-4)."""

    kind: OperationKind
    source: OperationSource
    arguments: Mapping[str, Any] = field(default_factory=dict)
    priority: int = BEHIND_SINGLE_ONES
    bulk_id: UUID | None = None
    requested_by: str | None = None
    reason: str | None = None
    correlation_id: str | None = None


Answer = Accepted | Refused | Malformed


async def consider_many(
    ctx: Context, work: UnitOfWork, records: Sequence[SimRecord], wish: RequestMany
) -> dict[int, Answer]:
    """What the rules say of the wish for each card, by row id."""
    busy = await work.operations.open_of([record.id for record in records])
    counts = await counts_of(ctx, work, records, wish.kind)
    names = await names_of(ctx, work, records[0].tenant, wish.kind) if records else None
    answers: dict[int, Answer] = {}
    for record in records:
        if names is not None and (wrong := names.wrong(record, wish.kind, wish.arguments)):
            answers[record.id] = wrong
            continue
        try:
            answers[record.id] = decision(
                ctx, record, wish.kind, wish.arguments, counts[record.id], open_operation=record.id in busy
            )
        except Malformed as malformed:
            answers[record.id] = malformed
    return answers


async def request_many(
    ctx: Context, work: UnitOfWork, records: Sequence[SimRecord], wish: RequestMany
) -> dict[int, OperationRecord | Refused | Malformed]:
    """Accept the wish for each card the rules allow it for, as rows of this transaction; by row id what became of it.

    The cards are locked by the caller, in the order of their ids.
    """
    answers = await consider_many(ctx, work, records, wish)
    became: dict[int, OperationRecord | Refused | Malformed] = {}
    for record in records:
        answer = answers[record.id]
        became[record.id] = _row(ctx, record, wish, answer) if isinstance(answer, Accepted) else answer
    await work.operations.add([row for row in became.values() if isinstance(row, OperationRecord)])
    return became


def _row(ctx: Context, record: SimRecord, wish: RequestMany, answer: Accepted) -> OperationRecord:
    now = ctx.now()
    row = new_row(
        record,
        wish.kind,
        source=wish.source,
        now=now,
        arguments=dict(answer.arguments),
        due_at=answer.due.due_at,
        due_rule=answer.due.rule,
        priority=wish.priority,
        bulk_id=wish.bulk_id,
        requested_by=wish.requested_by,
        reason=wish.reason,
        correlation_id=wish.correlation_id,
    )
    return admitted(row, now, channel=answer.channel)
