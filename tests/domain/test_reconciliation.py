"""What is made of a disagreement with the carrier: lag, one repair, or drift (LC-6, ST-21, ST-24)."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from app.domain.carrier_word import VIEW_LAG, Drift
from app.domain.reconciliation import REPAIRS, Explanation, Judgement, Repair, judge
from app.domain.sim import Sim
from app.domain.vocabulary import Carrier, HoldCode, OperationKind, SimState, Supplier
from tests.domain.cards import NOON, a_sim

HELD = a_sim(Supplier.GSL, Carrier.CMCC, SimState.ACTIVE, HoldCode.MANUAL)
SEEN_LONG_AGO = NOON - VIEW_LAG
MID_CYCLE = date(2024, 6, 12)


def judged(
    drift: Drift = Drift.RUNNING_THOUGH_HELD,
    sim: Sim = HELD,
    *,
    since: datetime = SEEN_LONG_AGO,
    today: date = MID_CYCLE,
    repair: Repair | None = None,
) -> Judgement:
    return judge(sim, drift, since=since, now=NOON, today=today, repair=repair)


def test_a_disagreement_is_lag_for_a_day() -> None:
    """LC-6."""
    assert judged(since=SEEN_LONG_AGO + timedelta(seconds=1)).explanation is Explanation.LAG
    assert judged().explanation is not Explanation.LAG


def test_at_a_cycles_start_a_hold_of_the_cycle_lags() -> None:
    """ST-21."""
    over = a_sim(Supplier.GSL, Carrier.CMCC, SimState.ACTIVE, HoldCode.OVER_QUOTA)
    assert judged(sim=over, today=date(2024, 6, 3)).explanation is Explanation.CYCLE_START
    assert judged(today=date(2024, 6, 3)).explanation is Explanation.REPAIRING


def test_what_runs_against_our_will_is_stopped_once_and_then_told() -> None:
    """ST-24: nothing is done that nobody asked for."""
    assert judged() == Judgement(explanation=Explanation.REPAIRING, ask=OperationKind.SUSPEND)
    fresh = Repair(asked_at=NOON - timedelta(hours=1), failed=False)
    assert judged(repair=fresh) == Judgement(explanation=Explanation.REPAIRING)
    for repair in (Repair(asked_at=NOON - VIEW_LAG, failed=False), Repair(asked_at=NOON, failed=True)):
        assert judged(repair=repair) == Judgement(explanation=Explanation.DRIFT)
    for drift in set(Drift) - set(REPAIRS):
        assert judged(drift) == Judgement(explanation=Explanation.DRIFT)
