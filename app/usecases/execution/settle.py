"""Settle attempts: operations, SIMs, timeline and events in one transaction per batch.

Lock order, the same in every use-case: SIMs by row id, then operations by id. An operation that another worker claimed
in the meantime is left to that worker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from app.db.mapping import OperationRecord, SimRecord
from app.db.uow import UnitOfWork
from app.domain.operation.effects import lost_to_cancellation
from app.domain.operation.outcomes import steps_of
from app.domain.operation.service_levels import RESET_PAUSE
from app.domain.vocabulary import Channel, OperationKind, OperationStatus
from app.usecases.balance.retention import charge_retained
from app.usecases.carrier_sync.snapshots import with_snapshot
from app.usecases.context import Context
from app.usecases.execution.results import AttemptResult
from app.usecases.execution.schedule import promote_waiting
from app.usecases.execution.sim_effects import CANCELLED_MEANWHILE, apply_success
from app.usecases.limits.addons import apply_settled_operations
from app.usecases.operations.enforce_holds import enqueue_enforcement_after
from app.usecases.operations.log_lines import log_status
from app.usecases.operations.record import ENDED, end_events, with_failure, with_status
from app.usecases.sim_changes import SimChangeRecorder


async def settle(ctx: Context, results: Sequence[AttemptResult]) -> list[OperationRecord]:
    """Store a batch of results; returns the operations that ended. A result whose claim was lost changes nothing."""
    now = ctx.now()
    async with ctx.work() as work:
        sims = await work.sims.by_ids([result.operation.sim_id for result in results], for_update=True)
        # The row must still bear our claim: after an expired lease another worker may be verifying it (OP-3).
        claimed = await work.operations.lock_claimed([result.operation for result in results])
        recorder = SimChangeRecorder(now, ctx.zone)
        saved = [
            _settle_one(ctx, recorder, claimed[result.operation.id], result, sims.get(result.operation.sim_id))
            for result in results
            if result.operation.id in claimed
        ]
        ended = [operation for operation in saved if operation.status in ENDED]
        await save_settled(ctx, work, recorder, saved, ended, sims=sims)
        await work.commit()
    observe_ended(ctx, ended)
    log_status(o for o in saved if o.status not in ENDED and o.status is not claimed[o.id].status)
    return ended


async def save_settled(
    ctx: Context,
    work: UnitOfWork,
    recorder: SimChangeRecorder,
    saved: Sequence[OperationRecord],
    ended: Sequence[OperationRecord],
    *,
    sims: Mapping[int, SimRecord] | None = None,
) -> None:
    """The common end of every settlement: store rows and events, start what waited behind, enforce holds.

    `sims` are the SIMs as they were before, where operations succeeded. Enforcement comes last: what waited goes first,
    and a suspend that waits already is not enqueued twice.
    """
    await recorder.write(work)
    await work.operations.save(saved)
    await work.events.add(end_events(ended, recorder.now))
    await work.bulk.settle_items([(o.id, o.status.value, o.error) for o in ended if o.bulk_id is not None])
    bought = [(o.id, o.status.value, _why(o)) for o in ended if o.order_id is not None]
    await work.order_items.settle(bought, recorder.now)
    if ended:
        await apply_settled_operations(ctx, work, ended)
        await promote_waiting(ctx, work, [operation.sim_id for operation in ended])
        succeeded = _succeeded(recorder, ended, sims or {})
        await enqueue_enforcement_after(ctx, work, succeeded)
        retained = [after for kind, _, after in succeeded if kind is OperationKind.RETAIN_NUMBER]
        await charge_retained(ctx, work, [(record, recorder.now) for record in retained])


def _why(operation: OperationRecord) -> dict[str, Any] | None:
    """Why the order item of an ended operation has failed; None where it has not."""
    if operation.status is OperationStatus.SUCCEEDED:
        return None
    cancelled = {"code": "OPERATION_CANCELLED", "detail": "its operation was cancelled", "carrier_code": None}
    return operation.error or cancelled


def _succeeded(
    recorder: SimChangeRecorder, ended: Sequence[OperationRecord], sims: Mapping[int, SimRecord]
) -> list[tuple[OperationKind, SimRecord, SimRecord]]:
    """(kind, SIM before, SIM after) of each operation that succeeded."""
    done = [(o.kind, sims[o.sim_id]) for o in ended if o.status is OperationStatus.SUCCEEDED and o.sim_id in sims]
    return [(kind, before, recorder.records.get(before.id, before)) for kind, before in done]


def observe_ended(ctx: Context, ended: Sequence[OperationRecord]) -> None:
    """Log and count operations that ended, and their seconds from creation to settlement. Called after the commit."""
    log_status(ended)
    for operation in ended:
        labels = operation.kind.value, operation.carrier.value
        ctx.telemetry.operations.labels(*labels, operation.status.value).inc()
        seconds = ((operation.settled_at or operation.created_at) - operation.created_at).total_seconds()
        ctx.telemetry.operation_seconds.labels(*labels).observe(max(seconds, 0))


def _settle_one(
    ctx: Context,
    recorder: SimChangeRecorder,
    operation: OperationRecord,
    result: AttemptResult,
    record: SimRecord | None,
) -> OperationRecord:
    """The operation after its attempt. `operation` is the row as it is now, `result.operation` as it was claimed."""
    step, now, columns = result.next, recorder.now, _columns(operation, result, recorder.now)
    if step.status is OperationStatus.SUCCEEDED:
        return _succeed(ctx, recorder, replace(operation, **columns), result, record)
    if step.status is OperationStatus.FAILED:
        error = result.error or {"code": "CARRIER_REJECTED", "detail": step.note, "carrier_code": None}
        return with_failure(replace(operation, **columns), now, **error)
    return with_status(operation, step.status, now, step.note, **columns)


def _columns(operation: OperationRecord, result: AttemptResult, now: datetime) -> dict[str, Any]:
    """The columns an attempt changes whatever its outcome. `tries` counts attempts in a row with the same status."""
    step = result.next
    repeated = step.status is operation.status or step.status is OperationStatus.QUEUED
    return {
        "run_after": now + step.after,
        "carrier_reference": result.reference or operation.carrier_reference,
        "result": result.result or operation.result,
        "error": result.error,
        "channel": Channel.DESK if step.channel is Channel.DESK else operation.channel,
        "sent_at": operation.sent_at if step.keep_sent_at else None,
        "attempts": operation.attempts if step.counts_as_attempt else max(0, operation.attempts - 1),
        "tries": operation.tries + 1 if repeated else 0,
    }


def _succeed(
    ctx: Context,
    recorder: SimChangeRecorder,
    operation: OperationRecord,
    result: AttemptResult,
    record: SimRecord | None,
) -> OperationRecord:
    """The change succeeded: go on to the next step of a composite operation, or apply the whole to the SIM."""
    now = recorder.now
    if operation.step + 1 < len(steps_of(operation.kind)):
        return _next_step(operation, result, now)
    done = with_status(operation, OperationStatus.SUCCEEDED, now, result.next.note, error=None)
    if record is None:
        return done
    if lost_to_cancellation(record.sim, operation.kind, record.carrier_state):
        return with_failure(operation, now, code="INCOMPATIBLE_STATE", detail=CANCELLED_MEANWHILE)
    snapshot = result.snapshot
    if snapshot is not None and operation.kind is OperationKind.REFRESH:
        recorder.save(with_snapshot(ctx, recorder, record, snapshot, operation_open=False))
        return done
    apply_success(ctx, recorder, done, record, now, activated_on=snapshot.activated_on if snapshot else None)
    return done


def _next_step(operation: OperationRecord, result: AttemptResult, now: datetime) -> OperationRecord:
    """Between suspend and resume of a reset: not before fifteen minutes after the SIM shows suspended (SL-5)."""
    return with_status(
        operation,
        OperationStatus.QUEUED,
        now,
        f"step {operation.step + 1} done: {result.next.note}",
        step=operation.step + 1,
        run_after=now + RESET_PAUSE,
        sent_at=None,
        carrier_reference=None,
        error=None,
        tries=0,
    )
