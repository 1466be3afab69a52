"""Apply carrier snapshots to SIMs (LC-6, LC-14, LC-15).

A snapshot is stored with its time and shown beside our own state, never as it; the rules decide what follows from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from app.carriers.base import Failures, SimSnapshot
from app.carriers.errors import NoSuchCard
from app.db.mapping import SimRecord
from app.domain.calendar.days import start_of_day
from app.domain.events import EventType
from app.domain.sim.binding import with_device
from app.domain.sim.carrier_holds import CarrierHolds, with_carrier_words
from app.domain.sim.model import Sim
from app.domain.sim.network_cut import holds_from_network_cut
from app.domain.sim.snapshot import (
    Drift,
    SnapshotApplied,
    apply_snapshot,
    gateway_stop_in_force,
)
from app.domain.sim.transitions import Cause
from app.domain.sim.validity import with_reported_end
from app.domain.vocabulary import HoldCode, ProtocolName
from app.usecases.context import Context
from app.usecases.operations.enforce_holds import enqueue_enforcement
from app.usecases.sim_changes import ChangeReason, SimChangeRecorder


async def apply_snapshots(ctx: Context, snapshots: Sequence[SimSnapshot]) -> int:
    """Apply snapshots of many SIMs in one transaction; returns how many SIMs the rules changed."""
    by_iccid = {snapshot.iccid: snapshot for snapshot in snapshots}
    if not by_iccid:
        return 0
    async with ctx.work() as work:
        # SIM rows first, by id: no operation can begin or end on them before this commits, so `operation_open` holds.
        records = await work.sims.by_iccids(sorted(by_iccid), for_update=True)
        open_operations = await work.operations.open_of([record.id for record in records.values()])
        recorder = SimChangeRecorder(ctx.now(), ctx.zone)
        changed = []
        for iccid, record in records.items():
            busy = record.id in open_operations
            after = with_snapshot(ctx, recorder, record, by_iccid[iccid], operation_open=busy)
            if after.sim != record.sim:
                changed.append((record, after))
        await recorder.write(work)
        await enqueue_enforcement(ctx, work, changed, reason="LC-14")
        await work.commit()
    return len(changed)


def with_snapshot(
    ctx: Context, recorder: SimChangeRecorder, record: SimRecord, snapshot: SimSnapshot, *, operation_open: bool
) -> SimRecord:
    """The SIM after a snapshot: the carrier's view is newer, and state and holds follow by LC-14 and LC-15.

    A snapshot older than the stored one changes nothing; one older than our last change at the carrier is stored, but
    the rules do not see it, and none while an operation is open. A disagreement is dated from when it was first seen.
    """
    if record.carrier_as_of is not None and snapshot.as_of < record.carrier_as_of:
        return record
    on = snapshot.as_of.astimezone(ctx.zone(record.account)).date()
    seen = _with_carrier_view(record, snapshot, on)
    if record.carrier_changed_at is not None and snapshot.as_of < record.carrier_changed_at:
        told = ChangeReason(cause=Cause.CARRIER_WORD, actor="carrier", effective_at=snapshot.as_of, rule="DV-6")
        recorder.note_device(record, seen.sim, told)
        recorder.save(seen)
        return seen
    protocol = ctx.clients[record.account].protocol if record.account in ctx.clients else None
    holds = _reported_holds(record, snapshot, protocol)
    applied = SnapshotApplied(sim=seen.sim, changes=(), drift=None)
    if not operation_open:
        applied = apply_snapshot(
            seen.sim,
            snapshot.state,
            holds,
            at=snapshot.as_of,
            on=on,
            activated_on=snapshot.activated_on,
            stopped_by_us=record.stopped_by_us,
            protocol=protocol,
        )
        worded = with_carrier_words(applied.sim, _words(snapshot, holds))
        applied = replace(applied, sim=_with_device(worded, snapshot, on))
    stopped = gateway_stop_in_force(record.sim, snapshot.state, holds, stopped_by_us=record.stopped_by_us)
    seen, end_applied = _with_reported_end(seen, applied.sim, snapshot, operation_open=operation_open)
    disagrees_since = (record.disagrees_since or recorder.now) if applied.drift else None
    active_on = applied.sim.activated_on
    began = start_of_day(active_on, ctx.zone(record.account)) if active_on else None
    reason = ChangeReason(
        cause=Cause.CARRIER_WORD, actor="carrier", effective_at=snapshot.as_of, rule="LC-14", activated_at=began
    )
    recorder.note_device(record, seen.sim, replace(reason, rule="DV-6"))
    changed = recorder.change(
        replace(seen, stopped_by_us=stopped, disagrees_since=disagrees_since), end_applied, reason
    )
    if end_applied != applied.sim:
        recorder.add_event(changed, EventType.CARRIER_DRIFT_DETECTED, *_end_date_drift(applied.sim, snapshot))
    recorder.save(changed)
    return changed


def _reported_holds(record: SimRecord, snapshot: SimSnapshot, protocol: ProtocolName | None) -> CarrierHolds:
    """The holds that a snapshot names, else the one that it implies where data is off under an active state."""
    named = [(hold.code, hold.carrier_code) for hold in snapshot.holds]
    return named or holds_from_network_cut(
        record.sim, snapshot.state, network_cut=snapshot.network_cut, code=snapshot.cut_code, protocol=protocol
    )


def _words(snapshot: SimSnapshot, holds: CarrierHolds) -> list[tuple[HoldCode, str, str | None]]:
    """Each reported hold with the carrier's code, and its reason where the snapshot has words for it."""
    reasons = {hold.code: hold.reason for hold in snapshot.holds}
    return [(code, raw, reasons.get(code)) for code, raw in holds]


def _with_carrier_view(record: SimRecord, snapshot: SimSnapshot, on: date) -> SimRecord:
    """The row with the carrier's view of a snapshot, but for its end date.

    The device that the carrier names is kept as seen, and the first one binds where the terms say so (DV-1, DV-6).
    """
    return replace(
        record,
        sim=_with_device(record.sim, snapshot, on),
        carrier_state=snapshot.state,
        carrier_code=snapshot.code,
        carrier_as_of=snapshot.as_of,
        carrier_unknown_at=None,
    )


def _with_device(sim: Sim, snapshot: SimSnapshot, on: date) -> Sim:
    """The SIM in the device of a snapshot; asked again once the snapshot has activated it, which may bind (DV-1)."""
    return with_device(sim, snapshot.imei, snapshot.as_of, on) if snapshot.imei else sim


def _with_reported_end(
    seen: SimRecord, sim: Sim, snapshot: SimSnapshot, *, operation_open: bool
) -> tuple[SimRecord, Sim]:
    """The row with the end date that the carrier reports, and the SIM for which it counts from now on (VD-6).

    A date reported before is not applied again: after a renewal the carrier's view lags, and would take it back.
    One reported while an operation is open waits for a snapshot after it, as the operation may be that renewal.
    """
    if snapshot.expires_on is None or sim.expires_on is None or operation_open:
        return seen, sim
    is_new = seen.carrier_expires_on != snapshot.expires_on
    seen = replace(seen, carrier_expires_on=snapshot.expires_on, carrier_expires_as_of=snapshot.as_of)
    return seen, with_reported_end(sim, snapshot.expires_on) if is_new else sim


def _end_date_drift(sim: Sim, snapshot: SimSnapshot) -> tuple[ChangeReason, dict[str, Any]]:
    """Why and what the event about another end date says."""
    reason = ChangeReason(cause=Cause.CARRIER_WORD, actor="carrier", effective_at=snapshot.as_of, rule="VD-6")
    counted, reported = str(sim.expires_on), str(snapshot.expires_on)
    return reason, {
        "drift": Drift.OTHER_END_DATE.value,
        "since": snapshot.as_of.isoformat(),
        "intended": counted,
        "reported": {"expires_on": reported, "as_of": snapshot.as_of.isoformat()},
        "before": {"expires_on": counted},
        "after": {"expires_on": reported},
    }


async def mark_unknown(ctx: Context, failures: Failures) -> None:
    """Store, with its time, that a carrier does not know the SIMs that failed for this reason (LC-18)."""
    unknown = sorted(iccid for iccid, error in failures.items() if isinstance(error, NoSuchCard))
    if not unknown:
        return
    async with ctx.work() as work:
        recorder = SimChangeRecorder(ctx.now(), ctx.zone)
        for record in (await work.sims.by_iccids(unknown, for_update=True)).values():
            recorder.save(replace(record, carrier_unknown_at=recorder.now))
        await recorder.write(work)
        await work.commit()
