"""What is made of a disagreement with the carrier: lag, one repair, or drift (LC-6, ST-21, ST-24)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.sim.model import Sim
from app.domain.sim.reconciliation import REPAIRS, DriftDecision, DriftExplanation, Repair, classify_drift
from app.domain.sim.snapshot import VIEW_LAG, Drift
from app.domain.vocabulary import Carrier, HoldCode, OperationKind, SimState, Supplier
from tests.domain.cards import NOON, SHANGHAI, a_sim

HELD = a_sim(Supplier.GSL, Carrier.CMCC, SimState.ACTIVE, HoldCode.MANUAL)
LAST_CYCLE = NOON - timedelta(days=20)
THIRD_OF_MONTH = NOON.replace(day=3)


def classified(
    drift: Drift = Drift.RUNNING_THOUGH_HELD,
    sim: Sim = HELD,
    *,
    now: datetime = NOON,
    seen: timedelta = VIEW_LAG,
    repair: Repair | None = None,
) -> DriftDecision:
    return classify_drift(sim, drift, since=now - seen, now=now, zone=SHANGHAI, repair=repair)


def over_quota(since: datetime) -> Sim:
    card = a_sim(Supplier.GSL, Carrier.CMCC, SimState.ACTIVE, HoldCode.OVER_QUOTA)
    return replace(card, holds=tuple(replace(hold, since=since) for hold in card.holds))


def test_a_disagreement_is_lag_for_a_day() -> None:
    """LC-6."""
    assert classified(seen=VIEW_LAG - timedelta(seconds=1)).explanation is DriftExplanation.LAG
    assert classified().explanation is not DriftExplanation.LAG


def test_at_a_cycles_start_a_hold_of_the_cycle_before_lags() -> None:
    """ST-21."""
    there = Drift.EXPIRED_THERE
    assert classified(there, over_quota(LAST_CYCLE), now=THIRD_OF_MONTH).explanation is DriftExplanation.CYCLE_START
    assert classified(there, over_quota(LAST_CYCLE)).explanation is DriftExplanation.DRIFT
    assert classified(there, now=THIRD_OF_MONTH).explanation is DriftExplanation.DRIFT


def test_a_hold_of_the_new_cycle_is_no_lag_of_the_old_one() -> None:
    """ST-21: by the day in the card's zone."""
    midnight = THIRD_OF_MONTH.replace(day=1, hour=0)
    new, old = over_quota(midnight), over_quota(midnight - timedelta(seconds=1))
    told = [classified(Drift.EXPIRED_THERE, card, now=THIRD_OF_MONTH).explanation for card in (new, old)]
    assert told == [DriftExplanation.DRIFT, DriftExplanation.CYCLE_START]


def test_a_card_that_runs_though_held_is_stopped_also_at_a_cycles_start() -> None:
    """ST-21 speaks of a card still stopped."""
    for drift, ask in REPAIRS.items():
        told = classified(drift, over_quota(LAST_CYCLE), now=THIRD_OF_MONTH)
        assert told == DriftDecision(explanation=DriftExplanation.REPAIRING, repair_with=ask)


def test_what_runs_against_our_will_is_stopped_once_and_then_told() -> None:
    """ST-24: nothing is done that nobody asked for."""
    assert classified() == DriftDecision(explanation=DriftExplanation.REPAIRING, repair_with=OperationKind.SUSPEND)
    fresh = Repair(requested_at=NOON - timedelta(hours=1), failed=False)
    assert classified(repair=fresh) == DriftDecision(explanation=DriftExplanation.REPAIRING)
    for repair in (Repair(requested_at=NOON - VIEW_LAG, failed=False), Repair(requested_at=NOON, failed=True)):
        assert classified(repair=repair) == DriftDecision(explanation=DriftExplanation.DRIFT)
    for drift in set(Drift) - set(REPAIRS):
        assert classified(drift) == DriftDecision(explanation=DriftExplanation.DRIFT)
