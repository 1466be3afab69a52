"""The worker's turn on bulk operations: admit the next items, stop, cancel, complete. Each turn is one transaction.

Whoever holds the row of a bulk operation works on it; who dies leaves nothing behind. No more than `BACKLOG` bulk
operations of one account wait to be sent, so that accounts go on side by side and the queue stays short.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from app.db.bulk.repository import BulkRecord, ItemEnd
from app.db.mapping import OperationRecord, SimRecord
from app.db.uow import UnitOfWork
from app.domain.errors import Malformed
from app.domain.operation.decision import Accepted
from app.domain.operation.refusal import Refusal
from app.domain.vocabulary import OperationKind, OperationSource, OperationStatus
from app.texts.catalogue import text
from app.usecases.bulk.views import bulk_view
from app.usecases.context import Context
from app.usecases.events import EventStamp, bulk_operation_completed
from app.usecases.execution.settle import observe_ended, save_settled
from app.usecases.operations.record import with_status
from app.usecases.operations.request_many import RequestMany, evaluate_many, request_many
from app.usecases.sim_changes import SimChangeRecorder

CHUNK = 500
BACKLOG = 1_000
ENDING = frozenset({"stopping", "cancelling"})


async def advance_bulk(ctx: Context, *, chunk: int = CHUNK) -> int:
    """One turn on the bulk operation that waited longest, at most `chunk` items per account; gives how many moved.

    Safe in several workers at once.
    """
    ended: list[OperationRecord] = []
    async with ctx.work() as work:
        bulk = await work.bulk.lock_next_due(ctx.now())
        if bulk is None:
            return 0
        bulk = await _begun(ctx, work, bulk)
        if bulk.status in ENDING:
            ended = await _cancel_unsent(ctx, work, bulk)
            moved_items = len(ended) or await work.bulk.cancel_pending(bulk.id)
        else:
            moved_items = await _admit(ctx, work, bulk, chunk)
        finished = not moved_items and await _finish(ctx, work, bulk)
        await work.bulk.change(bulk.id, fed_at=ctx.now())
        await work.commit()
    observe_ended(ctx, ended)
    return moved_items + finished


async def _begun(ctx: Context, work: UnitOfWork, bulk: BulkRecord) -> BulkRecord:
    """Scheduled ones start; one with too many failures begins to stop."""
    status = "running" if bulk.status == "scheduled" else bulk.status
    limit = bulk.max_failures
    if status == "running" and limit is not None and await work.bulk.failures(bulk.id, limit + 1) > limit:
        status = "stopping"
    if status == bulk.status:
        return bulk
    started = bulk.started_at or ctx.now()
    await work.bulk.change(bulk.id, status=status, started_at=started)
    return replace(bulk, status=status, started_at=started)


async def _admit(ctx: Context, work: UnitOfWork, bulk: BulkRecord, chunk: int) -> int:
    """Admit the next items of every account that has room for a whole chunk: smaller ones would cost as much each."""
    backlog = await work.bulk.backlog(bulk.accounts)
    admitted = 0
    for account in bulk.accounts:
        size = await _chunk(work, bulk, chunk)
        room = BACKLOG - (0 if bulk.dry_run else backlog.get(account, 0)) >= size
        items = await work.bulk.pending(bulk.id, account, size) if room else []
        if items:
            sims = await work.sims.by_ids([sim_id for _, sim_id in items], for_update=not bulk.dry_run)
            ends = await _ends(ctx, work, bulk, items, sims)
            await work.bulk.end_items(bulk.id, ends)
            admitted += len(items)
    return admitted


async def _chunk(work: UnitOfWork, bulk: BulkRecord, chunk: int) -> int:
    """How many items may be admitted at once: no more than could fail before the limit is passed."""
    if bulk.max_failures is None or bulk.dry_run:
        return chunk
    left = bulk.max_failures + 1 - await work.bulk.failures(bulk.id, bulk.max_failures + 1)
    return max(1, min(chunk, left))


async def _ends(
    ctx: Context,
    work: UnitOfWork,
    bulk: BulkRecord,
    items: Sequence[tuple[int, int]],
    sims: dict[int, SimRecord],
) -> list[ItemEnd]:
    command = RequestMany(
        kind=OperationKind(bulk.kind),
        source=OperationSource.BULK,
        arguments={name: value for name, value in bulk.arguments.items() if name != "confirm"},
        bulk_id=bulk.id,
        requested_by=bulk.requested_by,
        reason=bulk.reason,
        correlation_id=bulk.correlation_id,
    )
    ask = evaluate_many if bulk.dry_run else request_many
    became = await ask(ctx, work, list(sims.values()), command)
    return [_end(bulk, position, became.get(sim_id)) for position, sim_id in items]


def _end(bulk: BulkRecord, position: int, became: object) -> ItemEnd:
    """What became of one item; its card may have been deleted since it was selected."""
    if isinstance(became, OperationRecord):
        return ItemEnd(position=position, status="open", operation_id=became.id)
    if isinstance(became, Accepted):
        return ItemEnd(position=position, status="allowed")
    status = "refused" if bulk.dry_run else "failed"
    return ItemEnd(position=position, status=status, error=_error(became))


def _error(became: object) -> dict[str, Any]:
    if isinstance(became, Refusal):
        return {
            "code": became.code.value,
            "detail": text(f"refusal.{became.detail}", "en", **became.facts),
            "carrier_code": None,
            "rule": became.rule,
            "holds": [hold.value for hold in became.holds],
        }
    if isinstance(became, Malformed):
        return {"code": became.code, "detail": became.detail, "carrier_code": None}
    return {"code": "NOT_FOUND", "detail": "the card is gone", "carrier_code": None}


async def _cancel_unsent(ctx: Context, work: UnitOfWork, bulk: BulkRecord) -> list[OperationRecord]:
    """Cancel operations that were not sent, some at a time; gives those it ended."""
    unsent = await work.bulk.unsent(bulk.id, CHUNK)
    if not unsent:
        return []
    await work.sims.by_ids([sim_id for _, sim_id in unsent], for_update=True)
    now = ctx.now()
    held = await work.operations.lock_unsent([operation_id for operation_id, _ in unsent])
    ended = [
        with_status(operation, OperationStatus.CANCELLED, now, "its bulk operation was ended") for operation in held
    ]
    await save_settled(ctx, work, SimChangeRecorder(now), ended, ended)
    return ended


async def _finish(ctx: Context, work: UnitOfWork, bulk: BulkRecord) -> bool:
    """Where nothing is pending or open any more, it has ended, and others are told."""
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
