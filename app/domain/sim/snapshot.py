"""Taking the carrier's word on a card: what moves it, which holds come and go, what is drift (LC-6, LC-14, LC-15)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from app.domain.sim.hold_changes import add_hold, hold_lifted
from app.domain.sim.holds import is_ours, shown_state, without_hold
from app.domain.sim.lifecycle import activated
from app.domain.sim.model import Hold, Sim
from app.domain.sim.transitions import NOT_YET_ACTIVATED, Cause, Change, move
from app.domain.terms.book import terms_in_force
from app.domain.vocabulary import Carrier, HoldCode, HoldSource, RealName, SimState

VIEW_LAG = timedelta(hours=24)
"""A carrier's view lags up to about so long; disagreement is drift once it outlasts it (LC-6)."""


class Drift(StrEnum):
    """How the carrier's word disagrees with ours."""

    RUNNING_THOUGH_HELD = "running_though_held"
    RUNNING_THOUGH_EXPIRED = "running_though_expired"
    NOT_ACTIVATED_THERE = "not_activated_there"
    EXPIRED_THERE = "expired_there"
    ALIVE_THERE = "alive_there"
    UNKNOWN_CODE = "unknown_code"


_REPORTED_BY_ALL = frozenset({HoldCode.MANUAL, HoldCode.OVER_QUOTA, HoldCode.PLAN_EXPIRED})
REPORTED_HOLDS: Mapping[Carrier, frozenset[HoldCode]] = MappingProxyType(
    {
        Carrier.CMCC: _REPORTED_BY_ALL
        | {HoldCode.DEVICE_MISMATCH, HoldCode.ARREARS, HoldCode.OUT_OF_REGION, HoldCode.CARRIER_CONTROL},
        Carrier.CUCC: _REPORTED_BY_ALL,
        Carrier.CTCC: _REPORTED_BY_ALL
        | {
            HoldCode.DEVICE_MISMATCH,
            HoldCode.ARREARS,
            HoldCode.VIOLATION,
            HoldCode.NOT_REAL_NAMED,
            HoldCode.CARRIER_CONTROL,
            HoldCode.NETWORK_CUT,
        },
    }
)
"""The holds a carrier has a word for (LC-15). Any other is the gateway's own, to the carrier a stop on request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotApplied:
    """The card after the carrier's word, every change in order, and the disagreement that is left."""

    sim: Sim
    changes: tuple[Change, ...]
    drift: Drift | None


CarrierHolds = Sequence[tuple[HoldCode, str]]
"""Stop reasons as the carrier tells them, translated (LC-15), each with its raw code."""

_IN_USE = {SimState.ACTIVE, SimState.SUSPENDED}


def apply_snapshot(
    sim: Sim,
    state: SimState | None,
    holds: CarrierHolds,
    *,
    at: datetime,
    on: date,
    operation_open: bool,
    activated_on: date | None = None,
    stopped_by_us: bool = False,
) -> SnapshotApplied:
    """The card after the carrier's word on it as of `at`, the day `on` in its zone (LC-14, LC-15).

    `activated_on`: the day of activation by the carrier's own word, else a first use counts from `on` (LC-16).
    `stopped_by_us`: a suspend of ours is in force there (ST-24).
    With an operation open nothing moves and nothing is drift; before activation the terms decide, not the carrier.
    """
    if operation_open or sim.underlying is SimState.CANCELLED:
        return SnapshotApplied(sim=sim, changes=(), drift=None if operation_open else _drift_of_cancelled(state))
    if state is SimState.CANCELLED:
        moved, record = move(sim, SimState.CANCELLED, Cause.CARRIER_WORD, "LC-14", on)
        return SnapshotApplied(sim=moved, changes=(record,), drift=None)
    if state is None:
        return SnapshotApplied(sim=sim, changes=(), drift=Drift.UNKNOWN_CODE)
    if sim.underlying in NOT_YET_ACTIVATED:
        return _before_activation(sim, state, holds, at=at, on=activated_on or on)
    return _after_activation(sim, state, holds, at=at, stopped_by_us=stopped_by_us)


def _drift_of_cancelled(state: SimState | None) -> Drift | None:
    """A card that we hold for cancelled and the carrier does not (LC-11)."""
    return Drift.ALIVE_THERE if state in _IN_USE else None


def _before_activation(sim: Sim, state: SimState, holds: CarrierHolds, *, at: datetime, on: date) -> SnapshotApplied:
    """LC-14: `active` or `suspended` is the first use; any other word moves nothing and is no drift."""
    if state not in _IN_USE:
        return SnapshotApplied(sim=sim, changes=(), drift=None)
    awake, moves = activated(sim, on, Cause.FIRST_USE, "LC-14", at=at, held=False)
    unverified = state is SimState.SUSPENDED and sim.real_name is RealName.INDIVIDUAL
    taken = _after_activation(awake, state, holds or (((HoldCode.NOT_REAL_NAMED, ""),) if unverified else ()), at=at)
    return replace(taken, changes=(*moves, *taken.changes))


def _as_missing_real_name(sim: Sim, holds: CarrierHolds) -> CarrierHolds:
    """LC-5: where a card needs personal real-name and has none, a stop without a kind of its own is for that.

    Some carriers have no word for it (OneLink's reasons), and tell only that they control the card.
    """
    if sim.real_name is not RealName.INDIVIDUAL:
        return holds
    return tuple((HoldCode.NOT_REAL_NAMED if code is HoldCode.CARRIER_CONTROL else code, raw) for code, raw in holds)


def _complete_holds(sim: Sim, state: SimState, holds: CarrierHolds) -> CarrierHolds:
    """The carrier's reasons, made whole (LC-14, LC-15).

    A stop without a told reason keeps the reasons it had, on a free card it is `manual`. Data off at `ctcc` that we
    cut ourselves is no changed device.
    """
    if state is SimState.SUSPENDED and not holds:
        kept = tuple((hold.code, hold.carrier_code or "") for hold in sim.holds if not is_ours(hold))
        return kept if sim.holds else ((HoldCode.MANUAL, ""),)
    if state is SimState.ACTIVE and any(hold.code is HoldCode.NETWORK_CUT and is_ours(hold) for hold in sim.holds):
        return tuple(hold for hold in holds if hold[0] is not HoldCode.DEVICE_MISMATCH)
    return holds


def _after_activation(
    sim: Sim, state: SimState, holds: CarrierHolds, *, at: datetime, stopped_by_us: bool = False
) -> SnapshotApplied:
    """LC-14, LC-15: the carrier's own holds follow its word; ours stay, and disagreement is drift."""
    ours = any(map(is_ours, sim.holds)) or (stopped_by_us and bool(sim.holds))
    told = _as_missing_real_name(sim, _complete_holds(sim, state, holds))
    dated = {HoldCode.PLAN_EXPIRED} if sim.underlying is SimState.EXPIRED else set()
    there = frozenset(code for code, _ in told) | dated
    gone = tuple(hold for hold in sim.holds if not is_ours(hold) and hold.code not in there)
    changes: list[Change] = [hold_lifted(hold) for hold in gone]
    for hold in gone:
        sim = without_hold(sim, hold.code)
    if sim.underlying is SimState.ACTIVE:
        sim, added = _add_carrier_holds(sim, told, at=at, ours=ours)
        changes.extend(added)
    return SnapshotApplied(sim=sim, changes=tuple(changes), drift=_drift(sim, state))


def _add_carrier_holds(sim: Sim, told: CarrierHolds, *, at: datetime, ours: bool) -> tuple[Sim, list[Change]]:
    """LC-14: the carrier's reasons go on; where the stop is `ours` too, its `manual` is that and adds nothing.

    So under a hold of ours, and while a hold of the carrier outlives it with our suspend in force. On a free card the
    carrier's `manual` counts as its own: a stop is never hidden.
    """
    added: list[Change] = []
    for code, raw in told:
        if not ours or code is not HoldCode.MANUAL:
            hold = Hold(code=code, since=at, source=HoldSource.CARRIER, carrier_code=raw or None)
            sim, change = add_hold(sim, hold)
            added.extend(change)
    return sim, added


def gateway_stop_in_force(sim: Sim, state: SimState | None, holds: CarrierHolds, *, stopped_by_us: bool) -> bool:
    """Whether a suspend of ours is in force at the carrier after its word (ST-24).

    A card that runs there is not stopped; `manual` under a hold of ours is our own stop (LC-14), unless it was the
    carrier's before. Any other word tells nothing of it.
    """
    if state is SimState.ACTIVE:
        return False
    asked = state is SimState.SUSPENDED and any(code is HoldCode.MANUAL for code, _ in holds)
    theirs = any(hold.code is HoldCode.MANUAL and not is_ours(hold) for hold in sim.holds)
    return stopped_by_us or (asked and not theirs and any(map(is_ours, sim.holds)))


def _shows_test_state(sim: Sim, on: date) -> bool:
    """LC-2: an order with test traffic keeps a card in use as it was before, which is no drift."""
    policy = terms_in_force(sim.terms, sim.carrier, on)
    return bool(policy.test_order_shows_unused.value) and sim.plan.test_bytes is not None


def _drift(sim: Sim, state: SimState) -> Drift | None:
    """LC-6: how the carrier's word differs from what we show."""
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


NETWORK_CUT_CODE = "已断网"
"""The carrier's word for data cut off under an active state (ST-22)."""


def holds_from_network_cut(sim: Sim, state: SimState | None, network_cut: bool | None) -> CarrierHolds:  # noqa: FBT001
    """What data off under `active` means at `ctcc`: another device (LC-15, ST-22); that we cut it is judged later.

    Where the carrier did not say whether data is off (None), what it said before stands.
    """
    if sim.carrier is not Carrier.CTCC or state is not SimState.ACTIVE or network_cut is False:
        return ()
    known = any(hold.code is HoldCode.DEVICE_MISMATCH and not is_ours(hold) for hold in sim.holds)
    return ((HoldCode.DEVICE_MISMATCH, NETWORK_CUT_CODE),) if network_cut or known else ()
