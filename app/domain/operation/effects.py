"""The effect of a succeeded operation on the SIM: state, holds, dates, bindings (LC-16, ST-20, ST-24)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from types import MappingProxyType

from app.domain.calendar.cycles import cycle_on
from app.domain.operation.arguments import Arguments
from app.domain.operation.limits import retention_end
from app.domain.sim.hold_changes import SimUpdate, add_hold, lift_holds
from app.domain.sim.holds import codes, resume_lifts
from app.domain.sim.lifecycle import activated
from app.domain.sim.model import Hold, Plan, Sim
from app.domain.sim.transitions import NOT_YET_ACTIVATED, Cause, move
from app.domain.sim.validity import renewed
from app.domain.terms.book import terms_in_force
from app.domain.terms.model import ThresholdRight
from app.domain.vocabulary import Channel, HoldCode, HoldSource, OperationKind, OperationSource, RealName, SimState


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledOperation:
    """A succeeded operation: settled `at` an instant, which is the day `on` in the carrier's zone.

    `carrier_activated_on`: the activation date that the carrier reports (LC-16); `plan`: the new plan of a plan change;
    `channel`: how it was carried out.
    """

    arguments: Arguments
    at: datetime
    on: date
    carrier_activated_on: date | None = None
    plan: Plan | None = None
    channel: Channel | None = None
    source: OperationSource = OperationSource.API


_RULE_SOURCES = frozenset({OperationSource.RULE, OperationSource.JOB})
"""Sources of operations that enforce a hold set or lifted by a rule: the hold itself has changed already (ST-24)."""


def _activate(sim: Sim, done: SettledOperation) -> SimUpdate:
    """LC-16: active from the carrier's date, else the day of settlement. An already active SIM stays unchanged."""
    if sim.underlying not in NOT_YET_ACTIVATED:
        return sim, ()
    return activated(sim, done.carrier_activated_on or done.on, Cause.OPERATION, "LC-16", at=done.at)


def _suspend(sim: Sim, done: SettledOperation) -> SimUpdate:
    """ST-24: sets the hold that the caller requested; a hold set by a rule is on already."""
    if done.source in _RULE_SOURCES:
        return sim, ()
    return add_hold(sim, Hold(code=HoldCode.MANUAL, since=done.at, source=HoldSource.CALLER))


def _resume(sim: Sim, done: SettledOperation) -> SimUpdate:
    """ST-20: lifts what a resume lifts; a threshold lifted this way stays off until the cycle ends (D)."""
    if done.source in _RULE_SOURCES:
        return sim, ()
    freed, records = lift_holds(sim, resume_lifts(sim, done.on))
    if HoldCode.OVER_THRESHOLD in codes(sim.holds) - codes(freed.holds):
        freed = replace(freed, threshold_off_until=cycle_on(sim.carrier, done.on).end)
    return freed, records


def _rebind(sim: Sim, done: SettledOperation) -> SimUpdate:
    """DV-3: bound to the given IMEI, or to the next device seen where none was given."""
    imei = done.arguments.get("imei")
    bound = replace(sim, imei=None if imei is None else str(imei), devices=())
    return lift_holds(bound, frozenset({HoldCode.DEVICE_MISMATCH}))


def _change_region(sim: Sim, done: SettledOperation) -> SimUpdate:
    """RG-3: bound to the new province."""
    moved = replace(sim, province=str(done.arguments["province"]), region_limited=True)
    return lift_holds(moved, frozenset({HoldCode.OUT_OF_REGION}))


def _set_threshold(sim: Sim, done: SettledOperation) -> SimUpdate:
    """ST-3: removing the threshold lifts its hold; a new value is compared with usage by the caller (QT-8)."""
    amount = done.arguments.get("bytes")
    if amount is None:
        return lift_holds(replace(sim, threshold=None), frozenset({HoldCode.OVER_THRESHOLD}))
    capped = replace(sim, threshold=int(amount), threshold_off_until=None)
    return lift_holds(capped, frozenset({HoldCode.OUT_OF_REGION})) if _is_cap(sim, done) else (capped, ())


def _is_cap(sim: Sim, done: SettledOperation) -> bool:
    """Whether the threshold is the cap that stands in for a change of region, set by the supplier (RG-3, QT-6)."""
    right = terms_in_force(sim.terms, sim.carrier, done.on).threshold_right.value
    return right is ThresholdRight.CAP_ONLY and done.channel is Channel.DESK


def _cut_network(sim: Sim, done: SettledOperation) -> SimUpdate:
    """ST-16: data off, the state stays."""
    return add_hold(sim, Hold(code=HoldCode.NETWORK_CUT, since=done.at, source=HoldSource.CALLER))


def _restore_network(sim: Sim, done: SettledOperation) -> SimUpdate:  # noqa: ARG001
    """ST-16: data on again."""
    return lift_holds(sim, frozenset({HoldCode.NETWORK_CUT}))


def _verify_real_name(sim: Sim, done: SettledOperation) -> SimUpdate:
    """LC-5: verified, which lifts `not_real_named`; only the supplier's desk also lifts the region limit (RG-3)."""
    verified = replace(sim, real_name=RealName.VERIFIED)
    leaving = frozenset({HoldCode.NOT_REAL_NAMED})
    if done.channel is Channel.DESK and terms_in_force(sim.terms, sim.carrier, done.on).region_limited.value:
        verified, leaving = replace(verified, region_limited=False), leaving | {HoldCode.OUT_OF_REGION}
    return lift_holds(verified, leaving)


def _renew(sim: Sim, done: SettledOperation) -> SimUpdate:
    """VD-5, RN-8: extends the validity, now that the new plan is in force; an expired SIM becomes active again."""
    if sim.expires_on is None:
        return sim, ()
    months = int(done.arguments.get("months") or sim.plan.months)
    end = renewed(sim.terms, sim.carrier, sim.expires_on, months, done.on).last_valid_day
    longer = replace(sim, expires_on=end, expires_forecast_on=None, retained_until=None)
    if sim.underlying is not SimState.EXPIRED:
        return longer, ()
    active_again, record = move(longer, SimState.ACTIVE, Cause.OPERATION, "VD-5", done.on)
    freed, records = lift_holds(active_again, frozenset({HoldCode.PLAN_EXPIRED}))
    return freed, (record, *records)


def _change_plan(sim: Sim, done: SettledOperation) -> SimUpdate:
    """RN-4, RN-10: the new plan applies from now on; the end date stays."""
    return (sim if done.plan is None else replace(sim, plan=done.plan)), ()


def _join_pool(sim: Sim, done: SettledOperation) -> SimUpdate:
    """PL-6: a member of the pool from now on."""
    return replace(sim, pool=str(done.arguments["pool"])), ()


def _retain_number(sim: Sim, done: SettledOperation) -> SimUpdate:
    """LC-10: retained for the longest published time; None where its length is not published."""
    return replace(sim, retained_until=retention_end(sim, done.on)), ()


def _terminate(sim: Sim, done: SettledOperation) -> SimUpdate:
    """LC-11: final."""
    moved, record = move(sim, SimState.CANCELLED, Cause.OPERATION, "OP-1", done.on)
    return moved, (record,)


def _nothing(sim: Sim, done: SettledOperation) -> SimUpdate:  # noqa: ARG001
    """No effect on the SIM: a network reset, a refresh; add-ons are rows of their own (QT-7)."""
    return sim, ()


EFFECTS: Mapping[OperationKind, Callable[[Sim, SettledOperation], SimUpdate]] = MappingProxyType(
    {
        OperationKind.ACTIVATE: _activate,
        OperationKind.SUSPEND: _suspend,
        OperationKind.RESUME: _resume,
        OperationKind.REBIND: _rebind,
        OperationKind.CHANGE_REGION: _change_region,
        OperationKind.SET_THRESHOLD: _set_threshold,
        OperationKind.CUT_NETWORK: _cut_network,
        OperationKind.RESTORE_NETWORK: _restore_network,
        OperationKind.RESET_NETWORK: _nothing,
        OperationKind.VERIFY_REAL_NAME: _verify_real_name,
        OperationKind.ORDER_ADDON: _nothing,
        OperationKind.RENEW: _renew,
        OperationKind.CHANGE_PLAN: _change_plan,
        OperationKind.JOIN_POOL: _join_pool,
        OperationKind.RETAIN_NUMBER: _retain_number,
        OperationKind.REFRESH: _nothing,
        OperationKind.TERMINATE: _terminate,
    },
)
"""The effect of each kind (OP-1)."""


STOPPED_AFTER: Mapping[OperationKind, bool] = MappingProxyType(
    {
        OperationKind.SUSPEND: True,
        OperationKind.RESUME: False,
        OperationKind.RESET_NETWORK: False,
        OperationKind.TERMINATE: False,
    }
)
"""Whether the gateway's own suspend is in force at the carrier after a kind; others do not change it (ST-24)."""


def lost_to_cancellation(sim: Sim, kind: OperationKind, carrier_state: SimState | None) -> bool:
    """Whether the SIM was cancelled before this change was in force, so that the operation has failed (OP-7, RN-11).

    `carrier_state`: what the carrier last reported; it moves no state while an operation is open (LC-14).
    """
    cancelled = SimState.CANCELLED in (sim.underlying, carrier_state)
    return cancelled and kind not in (OperationKind.TERMINATE, OperationKind.REFRESH)


def apply_effects(sim: Sim, kind: OperationKind, done: SettledOperation) -> SimUpdate:
    """The SIM after an operation succeeded, and every change in order.

    A SIM that was cancelled in the meantime stays cancelled (LC-11): the operation then changes nothing.
    """
    return (sim, ()) if sim.underlying is SimState.CANCELLED else EFFECTS[kind](sim, done)
