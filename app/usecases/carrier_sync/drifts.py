"""Explain disagreements between gateway and carrier: lag, repaired by one operation, or reported once (LC-6, ST-24)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from app.db.mapping import OperationRecord, SimRecord
from app.db.sims.drifts import DriftRow
from app.domain.events import EventType
from app.domain.sim.holds import is_ours, shown_state
from app.domain.sim.reconciliation import DriftDecision, DriftExplanation, Repair, classify_drift
from app.domain.sim.snapshot import Drift, apply_snapshot
from app.domain.vocabulary import OperationSource, OperationStatus
from app.usecases.context import Context
from app.usecases.operations.record import enqueued, new_operation
from app.usecases.operations.routing import channel_of
from app.usecases.quarantine import Task, handle_isolated
from app.usecases.sim_changes import ChangeReason, SimChangeRecorder

MAX_SIMS = 10_000
"""SIMs that one pass loads per account."""

CHUNK = 1_000
"""SIMs explained in one transaction."""

ACTOR = "reconcile"
RULE = "LC-6"


async def explain_drifts(ctx: Context, account: str) -> Counter[str]:
    """Explain every disagreement of an account; returns how many of each explanation.

    A SIM that cannot be handled is set aside.
    """
    report: Counter[str] = Counter()
    async with ctx.work() as work:
        await work.drifts.delete_settled(account)
        ids = await work.drifts.disagreeing(account, MAX_SIMS)
        await work.commit()

    async def explain(sim_ids: Sequence[int]) -> int:
        found = await explain_chunk(ctx, sim_ids)
        report.update(found)
        return sum(found.values())

    for start in range(0, len(ids), CHUNK):
        await handle_isolated(ctx, Task.RECONCILE, ids[start : start + CHUNK], explain)
    return report


async def explain_chunk(ctx: Context, sim_ids: Sequence[int]) -> Counter[str]:
    """Explain what disagrees of these SIMs in one transaction; returns how many of each explanation.

    A SIM with an open operation is left out: the operation may be what makes both sides agree.
    """
    async with ctx.work() as work:
        # SIM rows first, by id: no other transaction opens an operation on them between the look and the repair.
        found = await work.sims.by_ids(sim_ids, for_update=True)
        records = {i: record for i, record in found.items() if record.disagrees_since is not None}
        known = await work.drifts.of(list(records))
        open_operations = await work.operations.open_of(records)
        repairs = await work.operations.by_ids([row.operation_id for row in known.values() if row.operation_id])
        recorder = SimChangeRecorder(ctx.now(), ctx.zone)
        explained = [
            _explain(ctx, recorder, record, known.get(record.id), repairs)
            for record in records.values()
            if record.id not in open_operations
        ]
        await work.drifts.upsert([row for row, _ in explained])
        await work.operations.add([operation for _, operation in explained if operation is not None])
        await work.events.add(recorder.events)
        await work.commit()
    return Counter(row.explanation for row, _ in explained)


def _explain(
    ctx: Context,
    recorder: SimChangeRecorder,
    record: SimRecord,
    known: DriftRow | None,
    repairs: Mapping[UUID, OperationRecord],
) -> tuple[DriftRow, OperationRecord | None]:
    """The row of a disagreement, and the repair to enqueue, if any. A drift is reported once, by `reported_at`."""
    since, now = record.disagrees_since or recorder.now, recorder.now
    same = known if known is not None and known.seen_at == since else None
    earlier = repairs.get(same.operation_id) if same is not None and same.operation_id else None
    drift = _drift_of(ctx, record)
    zone = ctx.zone(record.account)
    decision = classify_drift(record.sim, drift, since=since, now=now, zone=zone, repair=_repair_of(earlier))
    operation = _repair(ctx, record, decision, now)
    if decision.repair_with is not None and operation is None:
        decision = DriftDecision(explanation=DriftExplanation.DRIFT)
    reported_at = same.reported_at if same is not None else None
    if decision.explanation is DriftExplanation.DRIFT and reported_at is None:
        _report_drift(recorder, record, drift, earlier)
        reported_at = now
    repair = operation or earlier
    row = DriftRow(
        sim_id=record.id,
        seen_at=since,
        intended=_intended(record),
        reported=record.carrier_state.value if record.carrier_state else None,
        explanation=decision.explanation.value,
        reported_at=reported_at,
        operation_id=repair.id if repair else None,
    )
    return row, operation


def _drift_of(ctx: Context, record: SimRecord) -> Drift:
    """The disagreement, derived again from the stored snapshot, which was applied before and so changes nothing."""
    holds = [(hold.code, hold.carrier_code or "") for hold in record.sim.holds if not is_ours(hold)]
    at = record.carrier_as_of or ctx.now()
    on = at.astimezone(ctx.zone(record.account)).date()
    applied = apply_snapshot(record.sim, record.carrier_state, holds, at=at, on=on)
    return applied.drift or Drift.UNKNOWN_CODE


def _repair_of(operation: OperationRecord | None) -> Repair | None:
    if operation is None:
        return None
    failed = operation.status in (OperationStatus.FAILED, OperationStatus.CANCELLED)
    return Repair(requested_at=operation.created_at, failed=failed)


def _repair(ctx: Context, record: SimRecord, decision: DriftDecision, now: datetime) -> OperationRecord | None:
    """The repair as a queued operation; None where none is due or no protocol of the account supports it."""
    channel = channel_of(ctx, record, decision.repair_with, {}) if decision.repair_with is not None else None
    if decision.repair_with is None or channel is None:
        return None
    row = new_operation(
        record, decision.repair_with, source=OperationSource.JOB, now=now, reason=RULE, requested_by=ACTOR
    )
    return enqueued(row, now, channel=channel)


def _report_drift(recorder: SimChangeRecorder, record: SimRecord, drift: Drift, repair: OperationRecord | None) -> None:
    since, intended = record.disagrees_since or recorder.now, _intended(record)
    reason = ChangeReason(
        cause=drift, actor=ACTOR, effective_at=since, rule=RULE, operation_id=repair.id if repair else None
    )
    reported = {
        "state": record.carrier_state.value if record.carrier_state else None,
        "code": record.carrier_code,
        "as_of": record.carrier_as_of.isoformat() if record.carrier_as_of else None,
    }
    data = {"drift": drift.value, "since": since.isoformat(), "intended": intended, "reported": reported}
    data |= {"before": {"state": intended}, "after": {"state": reported["state"]}}
    recorder.add_event(record, EventType.CARRIER_DRIFT_DETECTED, reason, data)


def _intended(record: SimRecord) -> str:
    return shown_state(record.sim.underlying, record.sim.holds, record.sim.carrier).value
