"""Apply a succeeded operation to its SIM: the domain's effects (LC-14, LC-16, ST-24), with timeline and events."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

from app.db.mapping import OperationRecord, SimRecord
from app.domain.operation.effects import STOPPED_AFTER, SettledOperation, apply_effects
from app.domain.sim.model import Plan
from app.domain.sim.transitions import Cause
from app.domain.vocabulary import Channel, OperationKind
from app.usecases.context import Context
from app.usecases.sim_changes import ChangeReason, SimChangeRecorder

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
"""Kinds after which an earlier snapshot no longer shows the SIM's state."""


CANCELLED_MEANWHILE = "the SIM was cancelled before the change was in force (OP-7, RN-11)"
"""The detail of an operation that the carrier completed on a SIM which is cancelled."""


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
    """Record what a succeeded operation does to its SIM; returns the SIM after it.

    `activated_on` is the carrier's own date of activation (LC-16), `plan` the new plan of a change of plan.
    """
    settled = SettledOperation(
        arguments=operation.arguments,
        at=now,
        on=now.astimezone(ctx.zone(record.account)).date(),
        carrier_activated_on=activated_on,
        plan=plan,
        channel=operation.channel,
        source=operation.source,
    )
    sim, changes = apply_effects(record.sim, operation.kind, settled)
    record = _with_carrier_change(recorder, operation, record, now)
    reason = ChangeReason(
        cause=Cause.OPERATION,
        actor=operation.requested_by or operation.source.value,
        effective_at=now,
        rule=next((change.rule for change in changes if change.rule), None),
        operation_id=operation.id,
        correlation_id=operation.correlation_id,
    )
    return recorder.change(record, sim, reason)


def _with_carrier_change(
    recorder: SimChangeRecorder, operation: OperationRecord, record: SimRecord, now: datetime
) -> SimRecord:
    """The row with what the operation did at the carrier: when its state changed, whether we stop it (ST-24)."""
    by_api = operation.channel is Channel.API and operation.kind in CHANGES_STATE
    changed = replace(
        record,
        carrier_changed_at=now if by_api else record.carrier_changed_at,
        stopped_by_us=STOPPED_AFTER.get(operation.kind, record.stopped_by_us),
    )
    if changed != record:
        recorder.save(changed)
    return changed
