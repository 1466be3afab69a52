"""Write down what came of operations: rows, cards, timeline and events in one transaction per batch.

Locks are taken in one order everywhere: cards by id, then operations by id. A row that another worker claimed in the
meantime is left to that worker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from app.db.mapping import OperationRecord, SimRecord
from app.db.uow import UnitOfWork
from app.domain.operation.effects import STOPPED_AFTER, SettledOperation
from app.domain.operation.effects import settle as settled_sim
from app.domain.operation.outcomes import steps_of
from app.domain.operation.service_levels import RESET_PAUSE
from app.domain.sim.model import Plan
from app.domain.vocabulary import Channel, OperationKind, OperationStatus
from app.usecases.carrier_sync.snapshots import with_snapshot
from app.usecases.context import Context
from app.usecases.execution.attempt import AttemptResult
from app.usecases.execution.schedule import promote_waiting
from app.usecases.limits.addons import apply_settled_operations
from app.usecases.operations.enforce_holds import enqueue_enforcement_after
from app.usecases.operations.record import END_EVENTS, ENDED, operation_event, with_failure, with_status
from app.usecases.sim_changes import ChangeReason, SimChangeRecorder

CAUSE = "operation"

CHANGES_STATE = frozenset(
    {
        OperationKind.ACTIVATE,
        OperationKind.SUSPEND,
        OperationKind.RESUME,
        OperationKind.RESET_NETWORK,
        OperationKind.CUT_NETWORK,
        OperationKind.RESTORE_NETWORK,
        OperationKind.TERMINATE,
    }
)
"""Kinds after which an older word of the carrier says nothing about the card's state."""


async def settle(ctx: Context, came: Sequence[AttemptResult]) -> list[OperationRecord]:
    """Settle a batch; gives the operations that ended. Guarded by claim: a lost lease settles nothing."""
    now = ctx.now()
    async with ctx.work() as work:
        sims = await work.sims.by_ids([c.operation.sim_id for c in came], for_update=True)
        held = await work.operations.lock_claimed([c.operation for c in came])
        recorder = SimChangeRecorder(now)
        saved = [
            _settle_one(ctx, recorder, held[c.operation.id], c, sims.get(c.operation.sim_id), now)
            for c in came
            if c.operation.id in held
        ]
        ended = [operation for operation in saved if operation.status in ENDED]
        await save_settled(ctx, work, recorder, saved, ended, cards=sims)
        await work.commit()
    observe_ended(ctx, ended)
    return ended


async def save_settled(
    ctx: Context,
    work: UnitOfWork,
    recorder: SimChangeRecorder,
    saved: Sequence[OperationRecord],
    ended: Sequence[OperationRecord],
    *,
    cards: Mapping[int, SimRecord] | None = None,
) -> None:
    """The common end of every settlement: write all, tell of the ends, let who waits behind have its turn.

    `cards` are those of the operations as they were before, for what the carrier is to be asked now. That comes last:
    what waited before has the first turn, and a stop that waits already is not asked for twice.
    """
    await recorder.write(work)
    await work.operations.save(saved)
    await work.events.add(
        [operation_event(o, END_EVENTS[o.status], recorder.now) for o in ended if o.status in END_EVENTS]
    )
    await work.bulk.settle_items([(o.id, o.status.value, o.error) for o in ended if o.bulk_id is not None])
    if ended:
        await apply_settled_operations(ctx, work, ended)
        await promote_waiting(ctx, work, [operation.sim_id for operation in ended])
        await enqueue_enforcement_after(ctx, work, _done(recorder, ended, cards or {}))


def _done(
    recorder: SimChangeRecorder, ended: Sequence[OperationRecord], cards: Mapping[int, SimRecord]
) -> list[tuple[OperationKind, SimRecord, SimRecord]]:
    """What succeeded on which card, as it was and as it is."""
    known = [(o.kind, cards[o.sim_id]) for o in ended if o.status is OperationStatus.SUCCEEDED and o.sim_id in cards]
    return [(kind, before, recorder.records.get(before.id, before)) for kind, before in known]


def observe_ended(ctx: Context, ended: Sequence[OperationRecord]) -> None:
    """Metrics of operations that ended."""
    for operation in ended:
        labels = operation.kind.value, operation.carrier.value
        ctx.telemetry.operations.labels(*labels, operation.status.value).inc()
        seconds = ((operation.settled_at or operation.created_at) - operation.created_at).total_seconds()
        ctx.telemetry.operation_seconds.labels(*labels).observe(max(seconds, 0))


def _settle_one(
    ctx: Context,
    recorder: SimChangeRecorder,
    operation: OperationRecord,
    came: AttemptResult,
    record: SimRecord | None,
    now: datetime,
) -> OperationRecord:
    following = came.next
    columns: dict[str, Any] = {
        "run_after": now + following.after,
        "carrier_reference": came.reference or operation.carrier_reference,
        "result": came.result or operation.result,
        "error": came.error,
        "channel": Channel.DESK if following.channel is Channel.DESK else operation.channel,
        "sent_at": operation.sent_at if following.keep_sent_at else None,
        "attempts": operation.attempts if following.counts_as_attempt else max(0, operation.attempts - 1),
        "tries": 0 if following.status is not operation.status else operation.tries + 1,
    }
    if following.status is OperationStatus.QUEUED:
        columns["tries"] = operation.tries + 1
    if following.status is OperationStatus.SUCCEEDED:
        return _succeed(ctx, recorder, replace(operation, **columns), came, record, now)
    if following.status is OperationStatus.FAILED:
        error = came.error or {"code": "CARRIER_REJECTED", "detail": following.note, "carrier_code": None}
        return with_failure(replace(operation, **columns), now, **error)
    return with_status(operation, following.status, now, following.note, **columns)


def _succeed(
    ctx: Context,
    recorder: SimChangeRecorder,
    operation: OperationRecord,
    came: AttemptResult,
    record: SimRecord | None,
    now: datetime,
) -> OperationRecord:
    """One step is done: go on to the next, or apply the whole to the card."""
    if operation.step + 1 < len(steps_of(operation.kind)):
        return _next_step(operation, came, now)
    done = with_status(operation, OperationStatus.SUCCEEDED, now, came.next.note, error=None)
    if record is None:
        return done
    if came.snapshot is not None and operation.kind is OperationKind.REFRESH:
        recorder.save(with_snapshot(ctx, recorder, record, came.snapshot, operation_open=False))
        return done
    apply_success(ctx, recorder, done, record, now, activated_on=came.snapshot.activated_on if came.snapshot else None)
    return done


def _next_step(operation: OperationRecord, came: AttemptResult, now: datetime) -> OperationRecord:
    """Between the suspend and the resume of a reset: not before fifteen minutes after it shows suspended (SL-5)."""
    return with_status(
        operation,
        OperationStatus.QUEUED,
        now,
        f"step {operation.step + 1} done: {came.next.note}",
        step=operation.step + 1,
        run_after=now + RESET_PAUSE,
        sent_at=None,
        carrier_reference=None,
        error=None,
        tries=0,
    )


def apply_success(
    ctx: Context,
    recorder: SimChangeRecorder,
    operation: OperationRecord,
    record: SimRecord,
    now: datetime,
    *,
    activated_on: date | None = None,
    plan: Plan | None = None,
) -> SimRecord:
    """What a succeeded operation does to its card (LC-14, LC-16, ST-24), with timeline and events."""
    on = now.astimezone(ctx.zone(record.account)).date()
    done = SettledOperation(
        arguments=operation.arguments,
        at=now,
        on=on,
        carrier_activated_on=activated_on,
        plan=plan,
        channel=operation.channel,
        source=operation.source,
    )
    sim, changes = settled_sim(record.sim, operation.kind, done)
    record = _changed_there(recorder, operation, record, now)
    reason = ChangeReason(
        cause=CAUSE,
        actor=operation.requested_by or operation.source.value,
        effective_at=now,
        rule=next((change.rule for change in changes if change.rule), None),
        operation_id=operation.id,
        correlation_id=operation.correlation_id,
    )
    return recorder.change(record, sim, reason)


def _changed_there(
    recorder: SimChangeRecorder, operation: OperationRecord, record: SimRecord, now: datetime
) -> SimRecord:
    """What is known of the card at the carrier after the operation: when it was changed, whether we stop it (ST-24)."""
    by_api = operation.channel is Channel.API and operation.kind in CHANGES_STATE
    known = replace(
        record,
        carrier_changed_at=now if by_api else record.carrier_changed_at,
        stopped_by_us=STOPPED_AFTER.get(operation.kind, record.stopped_by_us),
    )
    if known != record:
        recorder.save(known)
    return known
