"""Compare what the gateway intends with what carriers show: explain the difference, repair it, or tell of it, once.

The carrier's word is asked for with no transaction open and taken by the rules (`carrier_view`); what still disagrees
afterwards is judged (`app.domain.sim.reconciliation`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from app.carriers.base import SimRef
from app.carriers.errors import CarrierError
from app.db.mapping import OperationRecord, SimRecord
from app.db.sims.drifts import DriftRow
from app.domain.events import EventType
from app.domain.operation.capabilities import CAPABILITIES
from app.domain.sim.holds import is_ours, shown_state
from app.domain.sim.reconciliation import DriftDecision, DriftExplanation, Repair, classify_drift
from app.domain.sim.snapshot import VIEW_LAG, Drift, apply_snapshot
from app.domain.vocabulary import OperationSource, OperationStatus
from app.usecases.carrier_sync.snapshots import apply_snapshots
from app.usecases.context import Context
from app.usecases.operations.record import enqueued, new_operation
from app.usecases.operations.routing import channel_of
from app.usecases.sim_changes import ChangeReason, SimChangeRecorder

CALLS = 60
"""Questions a pass may put to one account, beside those about what its change list names."""

LOOK_AGAIN = timedelta(days=7)
"""A card in agreement is asked about again once its carrier's word is so old; the daily pull sees changes sooner."""

AT_ONCE = 500
"""Cards whose words are taken in one transaction."""

MOST = 10_000
ACTOR = "reconcile"
RULE = "LC-6"


async def reconcile(ctx: Context) -> dict[str, Any]:
    """One pass over every account that is not paused; gives what was seen, explained, repaired and told."""
    report: Counter[str] = Counter(seen=0, changed=0, lag=0, cycle_start=0, repairing=0, drift=0, unreachable=0)
    async with ctx.work() as work:
        states = await work.account_states.all()
    for account in ctx.accounts:
        if account in ctx.clients and not states.get(account, {}).get("paused_at"):
            report.update(await _reconcile_account(ctx, account, states.get(account, {}).get("changes_seen_at")))
    return dict(report)


async def _reconcile_account(ctx: Context, account: str, seen_at: datetime | None) -> Counter[str]:
    report: Counter[str] = Counter()
    began = ctx.now()
    client, size = ctx.clients[account], CAPABILITIES[ctx.clients[account].protocol].read_batch.value or 1
    try:
        named = await client.changed_since((seen_at or began) - VIEW_LAG) or []
        chosen = await _chosen(ctx, account, named, CALLS * size)
        for start in range(0, len(chosen), AT_ONCE):
            words = await client.snapshot(chosen[start : start + AT_ONCE])
            report["seen"] += len(words)
            report["changed"] += await apply_snapshots(ctx, words)
    except CarrierError:
        report["unreachable"] += 1
    else:
        await _remember(ctx, account, began)
    report.update(await _judge_account(ctx, account))
    return report


async def _chosen(ctx: Context, account: str, named: Sequence[str], limit: int) -> list[SimRef]:
    """The cards to ask about: those of the change list, those that disagree, those not asked about for a week."""
    async with ctx.work() as work:
        changed = await work.sims.by_iccids(named[:MOST]) if named else {}
        ids = [record.id for record in changed.values() if record.account == account]
        chosen = dict.fromkeys([*ids, *await work.drifts.to_reconcile(account, ctx.now() - LOOK_AGAIN, limit)])
        known = await work.sims.identities(list(chosen))
    return [SimRef(iccid=iccid, msisdn=msisdn, imsi=imsi) for iccid, msisdn, imsi in known.values()]


async def _remember(ctx: Context, account: str, began: datetime) -> None:
    async with ctx.work() as work:
        await work.account_states.set(account, changes_seen_at=began)
        await work.commit()


async def _judge_account(ctx: Context, account: str) -> Counter[str]:
    """Judge every disagreement of an account in one transaction."""
    report: Counter[str] = Counter()
    async with ctx.work() as work:
        await work.drifts.delete_settled(account)
        records = await work.sims.by_ids(await work.drifts.disagreeing(account, MOST), for_update=True)
        known = await work.drifts.of(list(records))
        busy = await work.operations.open_of(records)
        repairs = await work.operations.by_ids([row.operation_id for row in known.values() if row.operation_id])
        recorder = SimChangeRecorder(ctx.now())
        rows: list[DriftRow] = []
        asked: list[OperationRecord] = []
        for record in records.values():
            if record.id in busy:
                continue
            row, operation = _judged(ctx, recorder, record, known.get(record.id), repairs)
            report.update([row.explanation])
            rows.append(row)
            asked += [operation] if operation is not None else []
        await work.drifts.upsert(rows)
        await work.operations.add(asked)
        await work.events.add(recorder.events)
        await work.commit()
    return report


def _judged(
    ctx: Context,
    recorder: SimChangeRecorder,
    record: SimRecord,
    known: DriftRow | None,
    repairs: dict[Any, OperationRecord],
) -> tuple[DriftRow, OperationRecord | None]:
    since = record.disagrees_since or recorder.now
    same = known if known is not None and known.seen_at == since else None
    earlier = repairs.get(same.operation_id) if same is not None and same.operation_id else None
    drift = _drift_of(ctx, record)
    zone = ctx.zone(record.account)
    verdict = classify_drift(record.sim, drift, since=since, now=recorder.now, zone=zone, repair=_repair_of(earlier))
    operation = _ask(ctx, record, verdict, recorder.now)
    if verdict.repair_with is not None and operation is None:
        verdict = DriftDecision(explanation=DriftExplanation.DRIFT)
    told_at = same.told_at if same is not None else None
    if verdict.explanation is DriftExplanation.DRIFT and told_at is None:
        _raise_drift(recorder, record, drift, earlier)
        told_at = recorder.now
    row = DriftRow(
        sim_id=record.id,
        seen_at=since,
        intended=shown_state(record.sim.underlying, record.sim.holds, record.sim.carrier).value,
        reported=record.carrier_state.value if record.carrier_state else None,
        explanation=verdict.explanation.value,
        told_at=told_at,
        operation_id=operation.id if operation else (earlier.id if earlier else None),
    )
    return row, operation


def _drift_of(ctx: Context, record: SimRecord) -> Drift:
    """The disagreement once more from what is kept: the word was taken before, so taking it again changes nothing."""
    holds = [(hold.code, hold.carrier_code or "") for hold in record.sim.holds if not is_ours(hold)]
    at = record.carrier_as_of or ctx.now()
    on = at.astimezone(ctx.zone(record.account)).date()
    taken = apply_snapshot(record.sim, record.carrier_state, holds, at=at, on=on, operation_open=False)
    return taken.drift or Drift.UNKNOWN_CODE


def _repair_of(operation: OperationRecord | None) -> Repair | None:
    if operation is None:
        return None
    ended_badly = operation.status in (OperationStatus.FAILED, OperationStatus.CANCELLED)
    return Repair(requested_at=operation.created_at, failed=ended_badly)


def _ask(ctx: Context, record: SimRecord, verdict: DriftDecision, now: datetime) -> OperationRecord | None:
    """The repair as a row, where the account has a way for it."""
    channel = channel_of(ctx, record, verdict.repair_with, {}) if verdict.repair_with is not None else None
    if verdict.repair_with is None or channel is None:
        return None
    row = new_operation(
        record, verdict.repair_with, source=OperationSource.JOB, now=now, reason=RULE, requested_by=ACTOR
    )
    return enqueued(row, now, channel=channel)


def _raise_drift(recorder: SimChangeRecorder, record: SimRecord, drift: Drift, repair: OperationRecord | None) -> None:
    since = record.disagrees_since or recorder.now
    tried = repair.id if repair else None
    reason = ChangeReason(cause=drift.value, actor=ACTOR, effective_at=since, rule=RULE, operation_id=tried)
    intended = shown_state(record.sim.underlying, record.sim.holds, record.sim.carrier).value
    reported = {
        "state": record.carrier_state.value if record.carrier_state else None,
        "code": record.carrier_code,
        "as_of": record.carrier_as_of.isoformat() if record.carrier_as_of else None,
    }
    data = {"drift": drift.value, "since": since.isoformat(), "intended": intended, "reported": reported}
    data |= {"before": {"state": intended}, "after": {"state": reported["state"]}}
    recorder.add_event(record, EventType.CARRIER_DRIFT_DETECTED, reason, data)
