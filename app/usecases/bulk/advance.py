"""Advance bulk operations: enqueue the next items, stop, cancel, complete. Each step is one transaction.

The row lock on a bulk operation decides which worker advances it; a worker that dies leaves nothing behind. At most
`BACKLOG` operations of bulks wait per account, so that accounts proceed side by side and the queue stays short.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from app.db.bulk.repository import BulkRecord, ItemEnd
from app.db.mapping import OperationRecord
from app.db.uow import UnitOfWork
from app.domain.errors import Malformed
from app.domain.operation.decision import Accepted
from app.domain.operation.refusal import Refusal
from app.domain.vocabulary import OperationKind, OperationSource, OperationStatus
from app.telemetry import begun_by
from app.texts.catalogue import text
from app.usecases.bulk.preflight import Evaluated, with_items
from app.usecases.bulk.views import bulk_view
from app.usecases.context import Context
from app.usecases.events import EventStamp, bulk_operation_completed
from app.usecases.execution.settle import observe_ended, save_settled
from app.usecases.operations.record import with_status
from app.usecases.operations.request_many import RequestMany, evaluate_many, request_many
from app.usecases.quarantine import SubjectKind, Task, handle_isolated, is_of_data, set_aside
from app.usecases.sim_changes import SimChangeRecorder

CHUNK = 500
"""Items enqueued, or operations cancelled, in one transaction."""

BACKLOG = 1_000
"""Operations of bulks that may wait to be sent per account."""
ENDING = frozenset({"stopping", "cancelling"})

Outcome = OperationRecord | Accepted | Refusal | Malformed
"""What evaluating or requesting one item yields."""


async def advance_bulk(ctx: Context, *, chunk: int = CHUNK) -> int:
    """Advance the bulk operation that waited longest, at most `chunk` items per account; returns how many changed.

    Safe in any number of processes. A SIM whose item cannot be handled is set aside, and its item waits; a bulk
    operation that cannot be advanced for another reason is set aside as a whole.
    """
    chosen: list[BulkRecord] = []
    try:
        return await _advance(ctx, chunk, chosen)
    except Exception as error:
        if not chosen or not is_of_data(error):
            raise
        if not await _sims_set_aside(ctx, chosen[0], chunk):
            await set_aside(ctx, Task.BULK, SubjectKind.BULK_OPERATION, str(chosen[0].id), error)
        return 1


async def advance_again(ctx: Context, kind: SubjectKind, keys: Sequence[Any]) -> None:
    """Attempt SIMs or bulk operations that were set aside; what cannot be handled stays set aside."""

    async def advance(ids: Sequence[str]) -> int:
        return sum([await _advance(ctx, CHUNK, [], only=UUID(one)) for one in ids])

    async def read(sim_ids: Sequence[int]) -> int:
        async with ctx.work() as work:
            return len(await work.sims.by_ids(sim_ids))

    if kind is SubjectKind.SIM:
        await handle_isolated(ctx, Task.BULK, keys, read)
        return
    for key in keys:  # each by itself: `advance` commits for each
        await handle_isolated(ctx, Task.BULK, [key], advance, kind=kind)


async def _advance(ctx: Context, chunk: int, chosen: list[BulkRecord], *, only: UUID | None = None) -> int:
    """Advance one bulk operation, which is added to `chosen`; returns how many items changed."""
    ended: list[OperationRecord] = []
    async with ctx.work() as work:
        bulk = await work.bulk.lock_next_due(ctx.now(), only=only)
        if bulk is None:
            return 0
        chosen.append(bulk)
        bulk = await _with_current_status(ctx, work, bulk)
        if bulk.status in ENDING:
            ended = await _cancel_unsent(ctx, work, bulk)
            changed = len(ended) or await work.bulk.cancel_pending(bulk.id)
        else:
            take = _evaluate_items if bulk.dry_run else _enqueue_items
            changed = await take(ctx, work, bulk, chunk)
        finished = not changed and await _finish(ctx, work, bulk)
        await work.bulk.change(bulk.id, fed_at=ctx.now())
        await work.commit()
    observe_ended(ctx, ended)
    return changed + finished


async def _sims_set_aside(ctx: Context, bulk: BulkRecord, chunk: int) -> bool:
    """Evaluate the next items without changing anything, and set aside SIMs that cannot be; whether there were any."""
    try:
        command = _command(bulk)
    except ValueError:
        return False
    async with ctx.work() as work:
        pages = [await work.bulk.pending(bulk.id, account, ctx.now(), chunk) for account in bulk.accounts]
    sim_ids = sorted({sim_id for page in pages for _, sim_id in page})
    handled: set[int] = set()

    async def evaluate(ids: Sequence[int]) -> int:
        async with ctx.work() as work:
            records = await work.sims.by_ids(ids)
            await evaluate_many(ctx, work, list(records.values()), command)
        handled.update(ids)
        return 0

    await handle_isolated(ctx, Task.BULK, sim_ids, evaluate)
    return len(handled) < len(sim_ids)


async def _with_current_status(ctx: Context, work: UnitOfWork, bulk: BulkRecord) -> BulkRecord:
    """The bulk operation started where it is due, or stopping where too many items have failed."""
    status = "running" if bulk.status == "scheduled" else bulk.status
    limit = bulk.max_failures
    if status == "running" and limit is not None and await work.bulk.failures(bulk.id, limit + 1) > limit:
        status = "stopping"
    if status == bulk.status:
        return bulk
    started = bulk.started_at or ctx.now()
    await work.bulk.change(bulk.id, status=status, started_at=started)
    return replace(bulk, status=status, started_at=started)


async def _enqueue_items(ctx: Context, work: UnitOfWork, bulk: BulkRecord, chunk: int) -> int:
    """Enqueue the next chunk of each account whose backlog leaves room for it; a smaller chunk would cost as much."""
    backlog = await work.bulk.backlog(bulk.accounts)
    size = await _chunk_size(work, bulk, chunk)
    accounts = [account for account in bulk.accounts if BACKLOG - backlog.get(account, 0) >= size]
    pending = {account: await work.bulk.pending(bulk.id, account, ctx.now(), size) for account in accounts}
    # All accounts' SIMs at once, in id order, before any is worked on.
    await work.sims.lock(sim_id for items in pending.values() for _, sim_id in items)
    enqueued = 0
    for of_account in pending.values():
        items = of_account[: await _chunk_size(work, bulk, chunk)]
        if items:
            sims = await work.sims.by_ids([sim_id for _, sim_id in items], for_update=True)
            with begun_by(bulk.traceparent):
                outcomes = await request_many(ctx, work, list(sims.values()), _command(bulk))
            await work.bulk.end_items(bulk.id, [_end(bulk, place, outcomes.get(sim_id)) for place, sim_id in items])
            enqueued += len(items)
    return enqueued


async def _evaluate_items(ctx: Context, work: UnitOfWork, bulk: BulkRecord, chunk: int) -> int:
    """Evaluate the next chunk of each account of a dry run, and add what was found to its pre-flight."""
    evaluated: list[Evaluated] = []
    for account in bulk.accounts:
        items = await work.bulk.pending(bulk.id, account, ctx.now(), chunk)
        sims = await work.sims.by_ids([sim_id for _, sim_id in items])
        outcomes = await evaluate_many(ctx, work, list(sims.values()), _command(bulk))
        await work.bulk.end_items(bulk.id, [_end(bulk, place, outcomes.get(sim_id)) for place, sim_id in items])
        for _, sim_id in items:
            iccid, outcome = sims[sim_id].sim.iccid if sim_id in sims else "", outcomes.get(sim_id)
            evaluated.append((iccid, account, outcome if isinstance(outcome, Accepted) else _error(outcome)))
    if evaluated:
        # The row is locked: no other worker adds to it at the same time.
        await work.bulk.change(bulk.id, preflight=with_items(bulk, evaluated))
    return len(evaluated)


async def _chunk_size(work: UnitOfWork, bulk: BulkRecord, chunk: int) -> int:
    """Items to enqueue at once: no more than may fail before `max_failures` is exceeded."""
    if bulk.max_failures is None:
        return chunk
    left = bulk.max_failures + 1 - await work.bulk.failures(bulk.id, bulk.max_failures + 1)
    return max(1, min(chunk, left))


def _command(bulk: BulkRecord) -> RequestMany:
    return RequestMany(
        kind=OperationKind(bulk.kind),
        source=OperationSource.BULK,
        arguments={name: value for name, value in bulk.arguments.items() if name != "confirm"},
        bulk_id=bulk.id,
        requested_by=bulk.requested_by,
        reason=bulk.reason,
        correlation_id=bulk.correlation_id,
    )


def _end(bulk: BulkRecord, position: int, outcome: Outcome | None) -> ItemEnd:
    """The status of one item; None: its SIM was deleted after it was selected."""
    if isinstance(outcome, OperationRecord):
        return ItemEnd(position=position, status="open", operation_id=outcome.id)
    if isinstance(outcome, Accepted):
        return ItemEnd(position=position, status="allowed")
    status = "refused" if bulk.dry_run else "failed"
    return ItemEnd(position=position, status=status, error=_error(outcome))


def _error(outcome: Outcome | None) -> dict[str, Any]:
    if isinstance(outcome, Refusal):
        return {
            "code": outcome.code.value,
            "detail": text(f"refusal.{outcome.detail}", "en", **outcome.facts),
            "carrier_code": None,
            "rule": outcome.rule,
            "holds": [hold.value for hold in outcome.holds],
        }
    if isinstance(outcome, Malformed):
        return {"code": outcome.code, "detail": outcome.detail, "carrier_code": None}
    return {"code": "NOT_FOUND", "detail": "the card is gone", "carrier_code": None}


async def _cancel_unsent(ctx: Context, work: UnitOfWork, bulk: BulkRecord) -> list[OperationRecord]:
    """Cancel a chunk of operations that were not sent; returns those cancelled."""
    unsent = await work.bulk.unsent(bulk.id, CHUNK)
    if not unsent:
        return []
    await work.sims.by_ids([sim_id for _, sim_id in unsent], for_update=True)
    now = ctx.now()
    # SIMs first, then operations: the lock order of every settlement.
    held = await work.operations.lock_unsent([operation_id for operation_id, _ in unsent])
    ended = [
        with_status(operation, OperationStatus.CANCELLED, now, "its bulk operation was ended") for operation in held
    ]
    await save_settled(ctx, work, SimChangeRecorder(now, ctx.zone), ended, ended)
    return ended


async def _finish(ctx: Context, work: UnitOfWork, bulk: BulkRecord) -> bool:
    """Complete the bulk operation, with its event, once no item is pending or open; whether it was completed."""
    if await work.bulk.unfinished(bulk.id):
        return False
    now = ctx.now()
    status = {"stopping": "stopped", "cancelling": "cancelled"}.get(bulk.status, "completed")
    await work.bulk.change(bulk.id, status=status, finished_at=now)
    ended = replace(bulk, status=status, finished_at=now)
    event = bulk_operation_completed(
        EventStamp(tenant=bulk.tenant, known_at=now),
        bulk.id,
        before=bulk.status,
        after=status,
        view=bulk_view(ended, await work.bulk.counts(bulk.id), now),
    )
    await work.events.add([event])
    return True
