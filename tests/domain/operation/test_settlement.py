"""What an operation that succeeded does to the card."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from app.domain.operation.decision import Accepted
from app.domain.operation.effects import SettledOperation, apply_effects, lost_to_cancellation
from app.domain.sim.holds import codes
from app.domain.sim.model import Sim
from app.domain.sim.transitions import Change, HoldChange, Transition
from app.domain.units import MB
from app.domain.vocabulary import (
    Carrier,
    Channel,
    HoldCode,
    HoldSource,
    OperationKind,
    OperationSource,
    RealName,
    SimState,
    Supplier,
)
from tests.domain.cards import NOON, a_plan, a_sim
from tests.domain.operation.test_decision import ARGUMENTS, UNDERLYING, ask

FLEXEM, GSL, STANDARD = Supplier.FLEXEM, Supplier.GSL, Supplier.STANDARD
K, S, H = OperationKind, SimState, HoldCode
TODAY = date(2024, 6, 12)


def done(
    sim: Sim, kind: OperationKind, arguments: dict[str, Any] | None = None, **facts: Any
) -> tuple[Sim, tuple[Change, ...]]:
    told = ARGUMENTS.get(kind, {}) if arguments is None else arguments
    return apply_effects(sim, kind, SettledOperation(arguments=told, at=NOON, on=TODAY, **facts))


def held(*holds: HoldCode, terms: Supplier = FLEXEM, carrier: Carrier = Carrier.CMCC, **facts: Any) -> Sim:
    return a_sim(terms, carrier, S.ACTIVE, *holds, **facts)


def test_an_activation_counts_from_the_carriers_date_else_from_today() -> None:
    """LC-16, VD-1."""
    silent = a_sim(GSL, Carrier.CUCC, S.SILENT)
    assert done(silent, K.ACTIVATE)[0].expires_on == date(2025, 6, 11)
    theirs, changes = done(silent, K.ACTIVATE, carrier_activated_on=date(2024, 6, 1))
    assert (theirs.activated_on, theirs.expires_on) == (date(2024, 6, 1), date(2025, 5, 31))
    assert isinstance(changes[0], Transition)
    assert changes[0].rule == "LC-16"
    assert done(a_sim(), K.ACTIVATE) == (a_sim(), ())


def test_a_suspend_puts_the_callers_hold_on_and_a_resume_takes_it_off() -> None:
    """ST-1, ST-24."""
    stopped, changes = done(a_sim(), K.SUSPEND)
    assert changes == (HoldChange(code=H.MANUAL, on=True, rule="ST-1", source=HoldSource.CALLER),)
    free, changes = done(stopped, K.RESUME)
    assert free == a_sim()
    assert changes == (HoldChange(code=H.MANUAL, on=False, rule="ST-1", source=HoldSource.CALLER),)
    assert done(stopped, K.SUSPEND) == (stopped, ())


@pytest.mark.parametrize("source", [OperationSource.RULE, OperationSource.JOB])
def test_a_stop_or_start_that_follows_a_rules_hold_changes_no_hold(source: OperationSource) -> None:
    """ST-24: the hold is on or off already."""
    cut = held(H.POLICY_CUTOFF)
    assert done(cut, K.SUSPEND, source=source) == (cut, ())
    assert done(held(H.MANUAL), K.RESUME, source=source) == (held(H.MANUAL), ())


def test_a_threshold_lifted_by_resume_stays_off_till_the_cycles_end() -> None:
    """ST-20: `standard`, assumed."""
    card, _ = done(held(H.OVER_THRESHOLD, terms=STANDARD, carrier=Carrier.CUCC, threshold=5 * MB), K.RESUME)
    assert (card.holds, card.threshold_off_until) == ((), date(2024, 6, 27))


def test_a_rebind_binds_to_the_new_device_or_to_the_next() -> None:
    """DV-3, ST-6."""
    card, changes = done(held(H.DEVICE_MISMATCH, H.MANUAL, imei="1"), K.REBIND)
    assert (card.imei, codes(card.holds), len(changes)) == ("490154203237518", {H.MANUAL}, 1)
    assert done(held(H.DEVICE_MISMATCH, imei="1"), K.REBIND, {})[0].imei is None


def test_a_change_of_region_binds_to_the_new_province() -> None:
    """RG-3, ST-9."""
    card, _ = done(held(H.OUT_OF_REGION, province="广东"), K.CHANGE_REGION)
    assert (card.province, card.region_limited, card.holds) == ("湖北", True, ())


def test_a_threshold_removed_lifts_its_hold_and_a_new_one_is_weighed_later() -> None:
    """ST-3."""
    card = held(H.OVER_THRESHOLD, terms=STANDARD, threshold=MB)
    assert done(card, K.SET_THRESHOLD, {"bytes": None})[0] == replace(card, threshold=None, holds=())
    assert done(card, K.SET_THRESHOLD, {"bytes": 9 * MB})[0] == replace(card, threshold=9 * MB)


def test_a_cut_network_is_a_hold_under_which_the_state_stays() -> None:
    """ST-16."""
    cut, _ = done(a_sim(GSL, Carrier.CTCC), K.CUT_NETWORK)
    assert codes(cut.holds) == {H.NETWORK_CUT}
    assert done(cut, K.RESTORE_NETWORK)[0] == a_sim(GSL, Carrier.CTCC)


def test_real_name_lifts_its_hold_by_itself_but_a_region_limit_only_by_hand() -> None:
    """LC-5, ST-10, RG-3."""
    card = held(H.NOT_REAL_NAMED, H.OUT_OF_REGION, region_limited=True, real_name=RealName.INDIVIDUAL)
    by_api, _ = done(card, K.VERIFY_REAL_NAME, channel=Channel.API)
    assert (by_api.real_name, codes(by_api.holds), by_api.region_limited) == (
        RealName.VERIFIED,
        {H.OUT_OF_REGION},
        True,
    )
    by_hand, _ = done(card, K.VERIFY_REAL_NAME, channel=Channel.DESK)
    assert (by_hand.holds, by_hand.region_limited) == ((), False)


def test_a_renewal_moves_the_end_and_brings_an_expired_card_back() -> None:
    """VD-5, RN-8, ST-5."""
    assert done(a_sim(), K.RENEW)[0] == a_sim(expires_on=date(2025, 12, 31))
    expired = a_sim(state=S.EXPIRED, retained_until=date(2024, 8, 31))
    alive, changes = done(expired, K.RENEW, {"months": 1})
    assert (alive.underlying, alive.expires_on, alive.holds, alive.retained_until) == (
        S.ACTIVE,
        date(2024, 6, 30),
        (),
        None,
    )
    assert [type(change) for change in changes] == [Transition, HoldChange]
    assert done(a_sim(), K.RENEW, {})[0].expires_on == date(2025, 12, 31)
    assert done(a_sim(expires_on=None), K.RENEW) == (a_sim(expires_on=None), ())


def test_a_plan_a_pool_and_a_retention_are_kept_on_the_card() -> None:
    """RN-4, PL-6, LC-10."""
    plan = a_plan(id="p-1g")
    assert done(a_sim(), K.CHANGE_PLAN, plan=plan)[0].plan is plan
    assert done(a_sim(), K.CHANGE_PLAN)[0] == a_sim()
    assert done(a_sim(), K.JOIN_POOL)[0].pool == "p"
    retained = done(a_sim(STANDARD, Carrier.CMCC, S.EXPIRED, expires_on=date(2024, 1, 31)), K.RETAIN_NUMBER)[0]
    assert retained.retained_until == date(2024, 4, 30)
    assert done(a_sim(STANDARD, Carrier.CUCC, S.EXPIRED), K.RETAIN_NUMBER)[0].retained_until is None


@pytest.mark.parametrize("kind", [K.RESET_NETWORK, K.REFRESH, K.ORDER_ADDON])
def test_some_operations_leave_the_card_as_it_was(kind: OperationKind) -> None:
    """SL-5, QT-7: an add-on counts beside the card."""
    assert done(a_sim(), kind) == (a_sim(), ())


@pytest.mark.parametrize("kind", OperationKind)
def test_a_card_cancelled_meanwhile_stays_cancelled(kind: OperationKind) -> None:
    """LC-11."""
    dead = a_sim(state=S.CANCELLED)
    assert done(dead, kind) == (dead, ())


def test_whatever_is_taken_can_be_settled() -> None:
    """OP-1: no accepted operation meets a move that the lifecycle does not know; each ends in a state of the table."""
    for terms in Supplier:
        for carrier in Carrier:
            for state in UNDERLYING:
                for hold in (None, *HoldCode):
                    card = a_sim(terms, carrier, state, *([] if hold is None else [hold]))
                    for kind in OperationKind:
                        if isinstance(ask(card, kind), Accepted):
                            after, _ = done(card, kind)
                            assert after.underlying in UNDERLYING
                            assert kind is not K.TERMINATE or after.underlying is S.CANCELLED


@pytest.mark.parametrize("kind", OperationKind)
def test_a_change_on_a_card_that_is_cancelled_here_or_at_the_carrier_is_lost(kind: OperationKind) -> None:
    """OP-7, RN-11: but for what does not change it, or ends it."""
    lost = kind not in (OperationKind.TERMINATE, OperationKind.REFRESH)
    assert lost_to_cancellation(a_sim(state=SimState.CANCELLED), kind, None) is lost
    assert lost_to_cancellation(a_sim(), kind, SimState.CANCELLED) is lost
    assert not lost_to_cancellation(a_sim(), kind, SimState.SUSPENDED)
