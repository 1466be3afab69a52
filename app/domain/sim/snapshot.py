"""Applies a carrier's snapshot to a SIM: transitions, the carrier's holds, drift (LC-6, LC-14, LC-15)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from app.domain.sim.carrier_holds import CarrierHolds, follows_carrier, kept_by_a_stop, with_imported_holds_decided
from app.domain.sim.hold_changes import add_hold, hold_lifted
from app.domain.sim.holds import is_ours, shown_state, without_hold
from app.domain.sim.lifecycle import activated
from app.domain.sim.model import Hold, Sim
from app.domain.sim.transitions import NOT_YET_ACTIVATED, Cause, Change, move
from app.domain.terms.book import terms_in_force
from app.domain.vocabulary import HoldCode, HoldSource, PlanKind, ProtocolName, RealName, SimState

STOPPED_STATES = frozenset({SimState.SUSPENDED, SimState.EXPIRED, SimState.CANCELLED})
"""Carrier states in which no traffic flows."""

VIEW_LAG = timedelta(hours=24)
"""How long a carrier's view may lag; a disagreement that lasts longer is drift (LC-6)."""


class Drift(StrEnum):
    """How the carrier's state disagrees with the gateway's."""

    RUNNING_THOUGH_HELD = "running_though_held"
    RUNNING_THOUGH_EXPIRED = "running_though_expired"
    NOT_ACTIVATED_THERE = "not_activated_there"
    EXPIRED_THERE = "expired_there"
    ALIVE_THERE = "alive_there"
    UNKNOWN_CODE = "unknown_code"
    OTHER_END_DATE = "other_end_date"
    """Its last valid day is not the one counted here: the carrier's counts from then on (VD-6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotApplied:
    """The SIM after a snapshot, every change in order, and the disagreement that remains."""

    sim: Sim
    changes: tuple[Change, ...]
    drift: Drift | None


_IN_USE = {SimState.ACTIVE, SimState.SUSPENDED}


def apply_snapshot(
    sim: Sim,
    state: SimState | None,
    holds: CarrierHolds,
    *,
    at: datetime,
    on: date,
    activated_on: date | None = None,
    stopped_by_us: bool = False,
    protocol: ProtocolName | None = None,
) -> SnapshotApplied:
    """The SIM after the carrier's snapshot as of `at`, which is the day `on` in its zone (LC-14, LC-15).

    `state` None: the carrier sent a code that no table knows. `activated_on`: the activation day that the carrier
    reports, else a first use counts from `on` (LC-16). `stopped_by_us`: a suspend of the gateway is in force (ST-24).
    `protocol`: of the snapshot, for the holds that it cannot report. Before activation the terms decide. Not for a SIM
    with an open operation, under which nothing changes and nothing is drift.
    """
    if sim.underlying is SimState.CANCELLED:
        return SnapshotApplied(sim=sim, changes=(), drift=_drift_of_cancelled(state))
    if state is SimState.CANCELLED:
        moved, record = move(sim, SimState.CANCELLED, Cause.CARRIER_WORD, "LC-14", on)
        return SnapshotApplied(sim=moved, changes=(record,), drift=None)
    if state is None:
        return SnapshotApplied(sim=sim, changes=(), drift=Drift.UNKNOWN_CODE)
    if sim.underlying in NOT_YET_ACTIVATED:
        return _before_activation(sim, state, holds, at=at, on=activated_on or on)
    return _after_activation(sim, state, holds, at=at, stopped_by_us=stopped_by_us, protocol=protocol)


def _drift_of_cancelled(state: SimState | None) -> Drift | None:
    """LC-11: cancelled here, and in use at the carrier."""
    return Drift.ALIVE_THERE if state in _IN_USE else None


def _before_activation(sim: Sim, state: SimState, holds: CarrierHolds, *, at: datetime, on: date) -> SnapshotApplied:
    """LC-14: `active` or `suspended` is the first use; any other state changes nothing and is no drift."""
    if state not in _IN_USE:
        return SnapshotApplied(sim=sim, changes=(), drift=None)
    awake, moves = activated(sim, on, Cause.FIRST_USE, "LC-14", at=at, held=False)
    unverified = state is SimState.SUSPENDED and sim.real_name is RealName.INDIVIDUAL
    taken = _after_activation(awake, state, holds or (((HoldCode.NOT_REAL_NAMED, ""),) if unverified else ()), at=at)
    return replace(taken, changes=(*moves, *taken.changes))


def _as_missing_real_name(sim: Sim, holds: CarrierHolds) -> CarrierHolds:
    """LC-5, LC-15: what carriers report of a SIM that lacks its personal real-name and have no code for.

    OneLink reports that it controls the SIM, GSL reason 6 (GSL 9.11). China Telecom's 7 is another violation.
    """
    if sim.real_name is not RealName.INDIVIDUAL:
        return holds
    means = {(HoldCode.VIOLATION, "6")}
    return tuple(
        (HoldCode.NOT_REAL_NAMED if code is HoldCode.CARRIER_CONTROL or (code, raw) in means else code, raw)
        for code, raw in holds
    )


def _as_postpaid_pool(sim: Sim, holds: CarrierHolds) -> CarrierHolds:
    """LC-15: a postpaid pool has no ceiling, so that its stop is for arrears: GSL reason 3 means `pool_frozen`."""
    if sim.plan.kind is not PlanKind.POSTPAID_POOL:
        return holds
    return tuple((HoldCode.POOL_FROZEN if code is HoldCode.POOL_EXHAUSTED else code, raw) for code, raw in holds)


def _as_named(sim: Sim, holds: CarrierHolds) -> CarrierHolds:
    """ST-18, ST-23: a reason that evidence has named keeps that name while the carrier reports the same."""
    named = {hold.reported: hold.code for hold in sim.holds if hold.reported is not None and not is_ours(hold)}
    return tuple((named.get(code, code), raw) for code, raw in holds)


def _complete_holds(
    sim: Sim, state: SimState, holds: CarrierHolds, *, stopped_by_us: bool, kept: frozenset[HoldCode]
) -> CarrierHolds:
    """The carrier's reasons, completed (LC-14, LC-15). `kept`: holds that explain a stop reported as `manual`.

    A stop without a reason keeps the reasons that it had. On a SIM without holds it is `manual` where the gateway's
    own suspend is in force, else `unexplained` (ST-18). Data off at `ctcc` that the gateway cut is no changed device.
    """
    if state is SimState.SUSPENDED and not holds:
        known = tuple((hold.code, hold.carrier_code or "") for hold in sim.holds if not is_ours(hold))
        return known if sim.holds else ((HoldCode.MANUAL if stopped_by_us else HoldCode.UNEXPLAINED, ""),)
    reported = {code for code, _ in holds}
    if state is SimState.SUSPENDED and HoldCode.MANUAL in reported:
        explained = tuple((hold.code, hold.carrier_code or "") for hold in sim.holds if hold.code in kept - reported)
        others = tuple(hold for hold in holds if hold[0] is not HoldCode.MANUAL)
        return (*explained, *others) if explained else holds
    if state is SimState.ACTIVE and any(hold.code is HoldCode.NETWORK_CUT and is_ours(hold) for hold in sim.holds):
        return tuple(hold for hold in holds if hold[0] is not HoldCode.DEVICE_MISMATCH)
    return holds


def _after_activation(
    sim: Sim,
    state: SimState,
    holds: CarrierHolds,
    *,
    at: datetime,
    stopped_by_us: bool = False,
    protocol: ProtocolName | None = None,
) -> SnapshotApplied:
    """LC-14, LC-15: the carrier's holds follow its snapshot; the gateway's stay, and disagreement is drift."""
    kept = kept_by_a_stop(sim, state, holds, protocol, at)
    sim = with_imported_holds_decided(sim, state, holds, at)
    ours = any(map(is_ours, sim.holds)) or (stopped_by_us and bool(sim.holds))
    complete = _complete_holds(sim, state, holds, stopped_by_us=stopped_by_us, kept=kept)
    reported = _as_named(sim, _as_postpaid_pool(sim, _as_missing_real_name(sim, complete)))
    dated = {HoldCode.PLAN_EXPIRED} if sim.underlying is SimState.EXPIRED else set()
    current = frozenset(code for code, _ in reported) | dated | kept
    gone = tuple(hold for hold in sim.holds if hold.code not in current and follows_carrier(hold, at))
    changes: list[Change] = [hold_lifted(hold) for hold in gone]
    for hold in gone:
        sim = without_hold(sim, hold.code)
    if sim.underlying is SimState.ACTIVE:
        sim, added = _add_carrier_holds(sim, reported, at=at, ours=ours)
        changes.extend(added)
    return SnapshotApplied(sim=sim, changes=tuple(changes), drift=_drift(sim, state))


def _add_carrier_holds(sim: Sim, reported: CarrierHolds, *, at: datetime, ours: bool) -> tuple[Sim, list[Change]]:
    """LC-14: adds the carrier's reasons, except a `manual` that only reflects the gateway's own suspend (`ours`).

    That is so under a hold of the gateway, and while a carrier's hold outlives it with that suspend still in force. On
    a SIM without holds the carrier's `manual` is its own: a stop is never hidden.
    """
    added: list[Change] = []
    for code, raw in reported:
        if not ours or code is not HoldCode.MANUAL:
            hold = Hold(code=code, since=at, source=HoldSource.CARRIER, carrier_code=raw or None)
            sim, change = add_hold(sim, hold)
            added.extend(change)
    return sim, added


def gateway_stop_in_force(sim: Sim, state: SimState | None, holds: CarrierHolds, *, stopped_by_us: bool) -> bool:
    """Whether a suspend of the gateway is in force at the carrier after its snapshot (ST-24).

    Not if the SIM runs there. `manual`, or no reason, under a hold of the gateway is the gateway's own stop (LC-14),
    unless the carrier had reported it before. Any other snapshot leaves it as it was.
    """
    if state is SimState.ACTIVE:
        return False
    manual = state is SimState.SUSPENDED and (not holds or any(code is HoldCode.MANUAL for code, _ in holds))
    unasked = {HoldCode.MANUAL, HoldCode.UNEXPLAINED}
    theirs = any({hold.code, hold.reported} & unasked and not is_ours(hold) for hold in sim.holds)
    return stopped_by_us or (manual and not theirs and any(map(is_ours, sim.holds)))


def _shows_test_state(sim: Sim, on: date) -> bool:
    """LC-2: under these terms a SIM ordered with test traffic reads as unused while in use, which is no drift."""
    policy = terms_in_force(sim.terms, sim.carrier, on)
    return bool(policy.test_order_shows_unused.value) and sim.plan.test_bytes is not None


def _drift(sim: Sim, state: SimState) -> Drift | None:
    """LC-6: how the carrier's state differs from the shown one."""
    if state is SimState.SUSPENDED:
        return None
    if state is SimState.EXPIRED:
        return Drift.EXPIRED_THERE if sim.underlying is SimState.ACTIVE else None
    if state in NOT_YET_ACTIVATED:
        return None if _shows_test_state(sim, sim.activated_on or date.max) else Drift.NOT_ACTIVATED_THERE
    if sim.underlying is SimState.EXPIRED:
        return Drift.RUNNING_THOUGH_EXPIRED
    shown = shown_state(sim.underlying, sim.holds, sim.carrier)
    return Drift.RUNNING_THOUGH_HELD if shown is SimState.SUSPENDED and any(map(is_ours, sim.holds)) else None
