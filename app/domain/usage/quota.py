"""Quota, cut-off and thresholds: which holds a SIM's usage sets, at exactly which byte (QT, ST-24)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType

from app.domain.sim.hold_changes import SimUpdate, add_hold, hold_lifted
from app.domain.sim.holds import codes, is_ours, without_hold
from app.domain.sim.model import Hold, Sim
from app.domain.sim.transitions import Change
from app.domain.terms.book import terms_in_force
from app.domain.terms.model import AllowanceStop, Edge, Terms
from app.domain.vocabulary import HoldCode, HoldSource, OperationKind, PlanKind, SimState

USAGE_HOLDS = frozenset({HoldCode.OVER_QUOTA, HoldCode.OVER_THRESHOLD, HoldCode.POLICY_CUTOFF})
"""The holds that a SIM's own usage sets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit: the hold `code` that it sets `at` so many bytes, reached or passed (QT-8)."""

    code: HoldCode
    at: int
    edge: Edge
    rule: str

    def stops(self, used: int) -> bool:
        """Whether `used` bytes set the hold."""
        return used >= self.at if self.edge is Edge.REACHED else used > self.at


def cutoff_for(terms: Terms, allowance: int) -> int | None:
    """The bytes at which a plan of this allowance (bytes) is cut off; None: not published, no cut (QT-1)."""
    return (terms.cutoffs.value or {}).get(allowance)


def _quota(sim: Sim, policy: Terms, addons: int) -> Limit | None:
    """The SIM's own allowance, whole in every cycle; not in a pool (PL-3); always or as chosen (QT-2, QT-3, BC-3)."""
    stop = policy.allowance_stop.value
    chosen = sim.plan.auto_stop if sim.auto_stop is None else sim.auto_stop
    applies = stop is AllowanceStop.ALWAYS or (stop is AllowanceStop.CHOSEN and chosen)
    if not applies or sim.pool is not None or sim.plan.kind is not PlanKind.CARD:
        return None
    edge = policy.allowance_edge.value or Edge.REACHED
    rule = "QT-2" if stop is AllowanceStop.ALWAYS else "QT-3"
    return Limit(code=HoldCode.OVER_QUOTA, at=sim.plan.allowance + addons, edge=edge, rule=rule)


def _cutoff(sim: Sim, policy: Terms, addons: int) -> Limit | None:
    """The policy cut-off: the plan's and the cycle's add-ons (QT-1)."""
    cutoff = cutoff_for(policy, sim.plan.allowance)
    if cutoff is None:
        return None
    return Limit(code=HoldCode.POLICY_CUTOFF, at=cutoff + addons, edge=Edge.REACHED, rule="QT-1")


def _threshold(sim: Sim, policy: Terms, today: date) -> Limit | None:
    """The SIM's threshold, unless a resume disabled it until the cycle ends (QT-4, QT-6, ST-20)."""
    off = sim.threshold_off_until is not None and today < sim.threshold_off_until
    if sim.threshold is None or off:
        return None
    edge = policy.threshold_edge.value or Edge.REACHED
    rule = "QT-6" if policy.threshold_cap.value is not None else "QT-4"
    return Limit(code=HoldCode.OVER_THRESHOLD, at=sim.threshold, edge=edge, rule=rule)


def limits(sim: Sim, addons: int, today: date) -> tuple[Limit, ...]:
    """Every limit of the SIM's own usage in this cycle; `addons`: bytes of the packs in force (QT-7)."""
    policy = terms_in_force(sim.terms, sim.carrier, today)
    found = (_quota(sim, policy, addons), _cutoff(sim, policy, addons), _threshold(sim, policy, today))
    return tuple(limit for limit in found if limit is not None)


def usage_holds(sim: Sim, used: int, addons: int, today: date) -> frozenset[HoldCode]:
    """The holds that `used` bytes in the cycle set; none unless the SIM is active (US-4)."""
    return _passed(sim, used, addons, today) if sim.underlying is SimState.ACTIVE else frozenset()


def _passed(sim: Sim, used: int, addons: int, today: date) -> frozenset[HoldCode]:
    """The holds whose limits `used` bytes have reached or passed, whatever the SIM's state."""
    return frozenset(limit.code for limit in limits(sim, addons, today) if limit.stops(used))


REEVALUATED_AFTER: Mapping[OperationKind, frozenset[HoldCode]] = MappingProxyType(
    {
        OperationKind.ORDER_ADDON: frozenset({HoldCode.OVER_QUOTA, HoldCode.POLICY_CUTOFF}),
        OperationKind.SET_THRESHOLD: frozenset({HoldCode.OVER_THRESHOLD}),
        OperationKind.CHANGE_PLAN: frozenset({HoldCode.POLICY_CUTOFF}),
    }
)
"""Operation -> the holds evaluated anew after it, even if this cycle's usage did not set them (ST-2, ST-3, ST-15)."""


def _liftable(policy: Terms) -> frozenset[HoldCode]:
    """The holds that less usage or a higher limit may lift within the cycle.

    Not `over_quota` where the allowance never stops, which is the carrier's own hold (ST-2, QT-1); not the hold of the
    100 MB cap, which only the next cycle lifts (QT-6).
    """
    never = {HoldCode.OVER_QUOTA} if policy.allowance_stop.value is AllowanceStop.NEVER else set()
    capped = {HoldCode.OVER_THRESHOLD} if policy.threshold_cap.value is not None else set()
    return USAGE_HOLDS - never - capped


def apply_usage_holds(
    sim: Sim, used: int, addons: int, *, at: datetime, today: date, may_lift: frozenset[HoldCode] = USAGE_HOLDS
) -> SimUpdate:
    """The SIM with the holds that its usage sets, without those of the gateway that it no longer sets (ST-24).

    `used`, `addons`: bytes of the cycle. `may_lift`: the holds that usage may lift, because usage of this cycle set
    them or an operation remedied them; others wait for their remedy or the next cycle, and an expired SIM keeps those
    whose limits it has passed. A hold set by the carrier is never lifted here (LC-15); a cancelled SIM stays as it is
    (LC-11).
    """
    if sim.underlying is SimState.CANCELLED:
        return sim, ()
    wanted = usage_holds(sim, used, addons, today)
    liftable = _liftable(terms_in_force(sim.terms, sim.carrier, today))
    leaving = may_lift & liftable - _passed(sim, used, addons, today)
    changes: list[Change] = []
    for hold in sim.holds:
        if hold.code in leaving and is_ours(hold):
            sim = without_hold(sim, hold.code)
            changes.append(hold_lifted(hold))
    for code in sorted(wanted - codes(sim.holds)):
        sim, added = add_hold(sim, Hold(code=code, since=at, source=HoldSource.GATEWAY))
        changes.extend(added)
    return sim, tuple(changes)


def with_overrun_charged(sim: Sim, policy: Terms, *, allowed: int, used: int, at: datetime) -> SimUpdate:
    """The SIM after its test: `arrears` where `used` bytes overran the `allowed` and the terms charge that at once.

    LC-3: the switch `test_overrun_charged` is off under every supplier's published terms.
    """
    if not policy.test_overrun_charged.value or used <= allowed or HoldCode.ARREARS in codes(sim.holds):
        return sim, ()
    return add_hold(sim, Hold(code=HoldCode.ARREARS, since=at, source=HoldSource.GATEWAY))
