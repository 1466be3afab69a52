"""Start scheduled operations that are due, and those that waited behind an open one: validated again (OP-2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from app.db.mapping import OperationRecord, SimRecord
from app.db.quarantine import put_off_scheduled
from app.db.uow import UnitOfWork
from app.domain.operation.refusal import Refusal
from app.domain.vocabulary import OperationSource, OperationStatus
from app.usecases.context import Context
from app.usecases.operations.log_lines import log_status
from app.usecases.operations.record import end_events, enqueued, with_failure
from app.usecases.operations.validate import references_of, validate_sim
from app.usecases.quarantine import SubjectKind, Task, handle_isolated


async def start_scheduled(ctx: Context, limit: int = 500) -> int:
    """Start every operation whose time has come, `limit` per transaction; returns how many left the schedule.

    A SIM whose operations cannot be started is set aside, and they wait until it is attempted again.
    """
    started = 0
    while True:
        async with ctx.work() as work:
            sim_ids = await work.operations.sims_with_due_scheduled(ctx.now(), limit)
        if sim_ids:
            started += await _start_isolated(ctx, list(dict.fromkeys(sim_ids)))
        if len(sim_ids) < limit:
            return started


async def start_again(ctx: Context, kind: SubjectKind, sim_ids: Sequence[int]) -> None:
    """Start the due operations of these SIMs; one that cannot be handled stays set aside."""
    await _start_isolated(ctx, sim_ids, kind)


async def _start_isolated(ctx: Context, sim_ids: Sequence[int], kind: SubjectKind = SubjectKind.SIM) -> int:
    started = await handle_isolated(ctx, Task.SCHEDULE, sim_ids, partial(_start_due, ctx), kind=kind)
    async with ctx.pool.acquire() as connection:
        await put_off_scheduled(connection, sim_ids, ctx.now())
    return started


async def _start_due(ctx: Context, sim_ids: Sequence[int]) -> int:
    """Start the due operations of these SIMs in one transaction; gives how many.

    SIMs are locked before their operations, as everywhere; what another worker has started meanwhile is not due again.
    """
    async with ctx.work() as work:
        await work.sims.lock(sim_ids)
        due = await work.operations.due_scheduled(sim_ids, ctx.now())
        started = await _start(ctx, work, due)
        await work.commit()
    log_status(started)
    return len(due)


async def promote_waiting(ctx: Context, work: UnitOfWork, sim_ids: Sequence[int]) -> None:
    """Start the first operation that waits behind the one just ended, per SIM. The caller holds the SIMs locked.

    Where that one is refused, the next is started: no other event would start it.
    """
    waiting = await work.operations.waiting_of(sim_ids)
    while waiting:
        started = await _start(ctx, work, list(waiting.values()))
        refused = [operation.sim_id for operation in started if operation.status is OperationStatus.FAILED]
        waiting = await work.operations.waiting_of(refused) if refused else {}


async def _start(ctx: Context, work: UnitOfWork, operations: Sequence[OperationRecord]) -> list[OperationRecord]:
    """Queue each operation, or let it wait where its SIM has an open one: at most one is open per SIM (OP-4)."""
    sims = await work.sims.by_ids([o.sim_id for o in operations], for_update=True)
    open_operations = await work.operations.open_of(sims)
    changed = []
    for operation in operations:
        if operation.sim_id in open_operations:
            changed.append(replace(operation, waits=True))
            continue
        started = await _validated(ctx, work, operation, sims.get(operation.sim_id))
        if started.status is not OperationStatus.FAILED:
            open_operations[operation.sim_id] = started
        changed.append(started)
    await work.operations.save(changed)
    await work.events.add(end_events(changed, ctx.now()))
    return changed


async def _validated(
    ctx: Context, work: UnitOfWork, operation: OperationRecord, record: SimRecord | None
) -> OperationRecord:
    """The operation queued, or failed where the rules refuse it now. What a rule itself requested is not questioned."""
    now = ctx.now()
    if record is None:
        return with_failure(operation, now, code="NOT_FOUND", detail="the card is gone")
    if operation.source is OperationSource.RULE:
        return enqueued(operation, now, channel=operation.channel)
    references = await references_of(ctx, work, [record], operation.kind)
    if mismatch := references.mismatch(record, operation.kind, operation.arguments):
        return with_failure(operation, now, code=mismatch.code, detail=f"refused when due: {mismatch.detail}")
    decision = await validate_sim(ctx, work, record, operation.kind, operation.arguments, open_operation=False)
    if isinstance(decision, Refusal):
        return with_failure(operation, now, code=decision.code, detail=f"refused when due: {decision.rule}")
    due = replace(operation, due_at=decision.due.due_at, due_rule=decision.due.rule)
    return enqueued(due, now, channel=decision.channel)
