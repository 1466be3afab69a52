"""Scheduled operations whose turn has come: checked again (OP-2), then queued, or ended as refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from app.db.mapping import OperationRecord, SimRecord
from app.db.uow import UnitOfWork
from app.domain.operation.refusal import Refusal
from app.domain.vocabulary import OperationSource, OperationStatus
from app.usecases.context import Context
from app.usecases.operations.record import END_EVENTS, operation_event, with_failure
from app.usecases.operations.validate import enqueued, evaluate_sim, references_of


async def start_scheduled(ctx: Context, limit: int = 500) -> int:
    """Start what was scheduled for a time that has come; gives how many left the schedule."""
    started = 0
    while True:
        async with ctx.work() as work:
            due = await work.operations.due_scheduled(ctx.now(), limit)
            if due:
                await _start(ctx, work, due)
            await work.commit()
        started += len(due)
        if len(due) < limit:
            return started


async def promote_waiting(ctx: Context, work: UnitOfWork, sim_ids: Sequence[int]) -> None:
    """Let the next operation that waits behind the one just ended have its turn; the cards are locked by the caller.

    One that is refused when its turn comes gives way to the one behind it: nothing else would.
    """
    waiting = await work.operations.waiting_of(sim_ids)
    while waiting:
        started = await _start(ctx, work, list(waiting.values()))
        refused = [operation.sim_id for operation in started if operation.status is OperationStatus.FAILED]
        waiting = await work.operations.waiting_of(refused) if refused else {}


async def _start(ctx: Context, work: UnitOfWork, operations: Sequence[OperationRecord]) -> list[OperationRecord]:
    sims = await work.sims.by_ids([o.sim_id for o in operations], for_update=True)
    busy = await work.operations.open_of(sims)
    changed = []
    for operation in operations:
        if operation.sim_id in busy:
            changed.append(replace(operation, waits=True))
            continue
        started = await _started(ctx, work, operation, sims.get(operation.sim_id))
        if started.status is not OperationStatus.FAILED:
            busy[operation.sim_id] = started
        changed.append(started)
    await work.operations.save(changed)
    await work.events.add(
        [operation_event(o, END_EVENTS[o.status], ctx.now()) for o in changed if o.status in END_EVENTS]
    )
    return changed


async def _started(
    ctx: Context, work: UnitOfWork, operation: OperationRecord, record: SimRecord | None
) -> OperationRecord:
    now = ctx.now()
    if record is None:
        return with_failure(operation, now, code="NOT_FOUND", detail="the card is gone")
    if operation.source is OperationSource.RULE:
        return enqueued(operation, now, channel=operation.channel)
    names = await references_of(ctx, work, record.tenant, operation.kind)
    if mismatch := names.mismatch(record, operation.kind, operation.arguments):
        return with_failure(operation, now, code=mismatch.code, detail=f"refused when due: {mismatch.detail}")
    decision = await evaluate_sim(ctx, work, record, operation.kind, operation.arguments, open_operation=False)
    if isinstance(decision, Refusal):
        return with_failure(operation, now, code=decision.code, detail=f"refused when due: {decision.rule}")
    return enqueued(
        replace(operation, due_at=decision.due.due_at, due_rule=decision.due.rule), now, channel=decision.channel
    )
