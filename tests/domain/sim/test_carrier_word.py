"""Taking the carrier's word (LC-6, LC-14, LC-15)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.sim.carrier_holds import CarrierHolds, with_carrier_words
from app.domain.sim.holds import codes
from app.domain.sim.model import Sim
from app.domain.sim.network_cut import NETWORK_CUT_CODE, THRESHOLD_CUT_CODE, holds_from_network_cut
from app.domain.sim.snapshot import (
    Drift,
    SnapshotApplied,
    apply_snapshot,
    gateway_stop_in_force,
)
from app.domain.sim.transitions import Cause, HoldChange, Transition
from app.domain.units import MB
from app.domain.vocabulary import Carrier, HoldCode, HoldSource, PlanKind, ProtocolName, RealName, SimState, Supplier
from tests.domain.cards import NOON, a_hold, a_plan, a_sim

S, H = SimState, HoldCode
GSL, STANDARD = Supplier.GSL, Supplier.STANDARD
TODAY = date(2024, 6, 12)


def word(sim: Sim, state: SimState | None, *holds: tuple[HoldCode, str], **facts: Any) -> SnapshotApplied:
    told: dict[str, Any] = {"at": NOON, "on": TODAY}
    return apply_snapshot(sim, state, holds, **(told | facts))


def theirs(code: HoldCode, raw: str | None = "4") -> Sim:
    return replace(a_sim(), holds=(a_hold(code, HoldSource.CARRIER, raw),))


@pytest.mark.parametrize("state", [S.INVENTORY, S.TESTING, S.SILENT])
def test_before_activation_the_terms_decide_and_the_carriers_word_moves_nothing(state: SimState) -> None:
    """LC-14, LC-1: shown as 库存, 可测试 or 测试中, none of it drift."""
    card = a_sim(state=state)
    for told in (S.INVENTORY, S.TESTING, S.SILENT, S.EXPIRED):
        assert word(card, told) == SnapshotApplied(sim=card, changes=(), drift=None)


def test_active_on_a_card_not_yet_activated_is_its_first_use() -> None:
    """LC-4, LC-14, LC-16: from the carrier's own day where it tells one."""
    taken = word(a_sim(state=S.TESTING), S.ACTIVE)
    assert (taken.sim.underlying, taken.sim.activated_on) == (S.ACTIVE, TODAY)
    assert isinstance(taken.changes[0], Transition)
    assert taken.changes[0].cause is Cause.FIRST_USE
    told = word(a_sim(state=S.SILENT), S.ACTIVE, activated_on=date(2024, 6, 10))
    assert told.sim.activated_on == date(2024, 6, 10)
    unverified = word(a_sim(STANDARD, state=S.SILENT, real_name=RealName.INDIVIDUAL), S.ACTIVE)
    assert unverified.sim.holds == ()


def test_suspended_on_a_card_not_yet_activated_activates_it_held() -> None:
    """LC-5, LC-14: powered on before real-name it is `not_real_named`, and its validity runs."""
    card = a_sim(GSL, Carrier.CMCC, S.SILENT, real_name=RealName.INDIVIDUAL)
    taken = word(card, S.SUSPENDED)
    assert (taken.sim.underlying, codes(taken.sim.holds)) == (S.ACTIVE, {H.NOT_REAL_NAMED})
    assert taken.sim.expires_on == date(2025, 6, 11)
    assert taken.sim.holds[0].source is HoldSource.CARRIER
    other = word(replace(card, real_name=RealName.ENTERPRISE), S.SUSPENDED, (H.VIOLATION, "6"))
    assert codes(other.sim.holds) == {H.VIOLATION}


def test_suspended_on_a_free_card_adds_the_carriers_reasons() -> None:
    """LC-14, LC-15: with the raw code kept; without a told reason `unexplained` (ST-18)."""
    taken = word(a_sim(), S.SUSPENDED, (H.OUT_OF_REGION, "000000000200"), (H.ARREARS, "000020000000"))
    assert [(hold.code, hold.source, hold.carrier_code) for hold in taken.sim.holds] == [
        (H.OUT_OF_REGION, HoldSource.CARRIER, "000000000200"),
        (H.ARREARS, HoldSource.CARRIER, "000020000000"),
    ]
    assert taken.drift is None
    plain = word(a_sim(), S.SUSPENDED)
    assert [(hold.code, hold.carrier_code) for hold in plain.sim.holds] == [(H.UNEXPLAINED, None)]
    own = apply_snapshot(a_sim(), S.SUSPENDED, (), at=NOON, on=NOON.date(), stopped_by_us=True)
    assert [hold.code for hold in own.sim.holds] == [H.MANUAL]


def test_gsl_reasons_mean_what_the_card_says_they_mean() -> None:
    """LC-15: 6 on a card that lacks its real-name, 3 on a member of a postpaid pool; China Telecom's 7 stays."""
    unverified = a_sim(Supplier.GSL, Carrier.CUCC, real_name=RealName.INDIVIDUAL)
    pooled = a_sim(Supplier.GSL, Carrier.CUCC, plan=a_plan(carrier=Carrier.CUCC, kind=PlanKind.POSTPAID_POOL))
    for card, code, raw, expected in (
        (unverified, H.VIOLATION, "6", H.NOT_REAL_NAMED),
        (unverified, H.VIOLATION, "7", H.VIOLATION),
        (a_sim(Supplier.GSL, Carrier.CUCC), H.VIOLATION, "6", H.VIOLATION),
        (pooled, H.POOL_EXHAUSTED, "3", H.POOL_FROZEN),
        (a_sim(Supplier.GSL, Carrier.CUCC), H.POOL_EXHAUSTED, "3", H.POOL_EXHAUSTED),
    ):
        assert [hold.code for hold in word(card, S.SUSPENDED, (code, raw)).sim.holds] == [expected]


def test_a_named_reason_keeps_its_name_while_the_carrier_reports_the_same() -> None:
    """ST-18, ST-23."""
    named = replace(theirs(H.DEVICE_MISMATCH).holds[0], reported=H.VIOLATION)
    card = replace(a_sim(Supplier.GSL, Carrier.CMCC), holds=(named,))
    assert word(card, S.SUSPENDED, (H.VIOLATION, "6")).sim == card
    assert word(card, S.ACTIVE).sim.holds == ()


def test_hearing_the_same_word_again_changes_nothing() -> None:
    """LC-15: a hold keeps its since."""
    for told in ((), ((H.MANUAL, "x"),), ((H.OUT_OF_REGION, "y"),)):
        first = word(a_sim(), S.SUSPENDED, *told)
        again = word(first.sim, S.SUSPENDED, *told)
        assert (again.sim, again.changes) == (first.sim, ())


def test_a_carriers_own_hold_leaves_when_its_word_no_longer_has_it() -> None:
    """LC-15."""
    taken = word(theirs(H.OUT_OF_REGION), S.ACTIVE)
    assert (taken.sim.holds, taken.drift) == ((), None)
    assert taken.changes == (HoldChange(code=H.OUT_OF_REGION, on=False, rule="ST-9", source=HoldSource.CARRIER),)
    swapped = word(theirs(H.OUT_OF_REGION), S.SUSPENDED, (H.VIOLATION, "7"))
    assert codes(swapped.sim.holds) == {H.VIOLATION}
    kept = word(theirs(H.OUT_OF_REGION), S.SUSPENDED)
    assert kept.sim == theirs(H.OUT_OF_REGION)


def test_active_on_a_card_we_hold_is_drift_and_never_a_release() -> None:
    """LC-14, LC-6."""
    card = a_sim(Supplier.FLEXEM, Carrier.CMCC, S.ACTIVE, H.POLICY_CUTOFF)
    assert word(card, S.ACTIVE) == SnapshotApplied(sim=card, changes=(), drift=Drift.RUNNING_THOUGH_HELD)


def test_our_own_stop_seen_at_the_carrier_adds_no_second_manual() -> None:
    """LC-14, ST-24: but a reason of the carrier's own does."""
    card = a_sim(Supplier.FLEXEM, Carrier.CMCC, S.ACTIVE, H.POLICY_CUTOFF)
    assert word(card, S.SUSPENDED, (H.MANUAL, "8")) == SnapshotApplied(sim=card, changes=(), drift=None)
    assert word(card, S.SUSPENDED).sim == card
    more = word(card, S.SUSPENDED, (H.MANUAL, "8"), (H.ARREARS, "4"))
    assert codes(more.sim.holds) == {H.POLICY_CUTOFF, H.ARREARS}


def test_our_stop_outlives_our_hold_under_one_of_the_carriers() -> None:
    """LC-14, ST-24: its `manual` stays our own stop until the last hold leaves; on a free card a stop is told."""
    both = ((H.MANUAL, "8"), (H.DEVICE_MISMATCH, "1"))
    card = theirs(H.DEVICE_MISMATCH, "1")
    assert word(card, S.SUSPENDED, *both, stopped_by_us=True).sim == card
    assert word(card, S.SUSPENDED, both[0], stopped_by_us=True).sim.holds == ()
    assert codes(word(card, S.SUSPENDED, *both).sim.holds) == {H.DEVICE_MISMATCH, H.MANUAL}
    assert codes(word(a_sim(), S.SUSPENDED, both[0], stopped_by_us=True).sim.holds) == {H.MANUAL}


def test_the_carriers_word_tells_whether_our_stop_stands() -> None:
    """ST-24, LC-14: a card that runs is not stopped, `manual` under a hold of ours is our stop, the rest tells nothing."""
    manual, arrears = ((H.MANUAL, "8"),), ((H.ARREARS, "4"),)
    ours = a_sim(Supplier.FLEXEM, Carrier.CMCC, S.ACTIVE, H.POLICY_CUTOFF)
    both = replace(ours, holds=(*ours.holds, *theirs(H.MANUAL).holds))

    def stands(sim: Sim, state: SimState | None, *holds: tuple[HoldCode, str]) -> tuple[bool, bool]:
        return (
            gateway_stop_in_force(sim, state, holds, stopped_by_us=False),
            gateway_stop_in_force(sim, state, holds, stopped_by_us=True),
        )

    assert stands(ours, S.ACTIVE, *manual) == (False, False)
    assert stands(ours, S.SUSPENDED, *manual) == (True, True)
    as_before = (False, True)
    assert stands(both, S.SUSPENDED, *manual) == as_before
    assert stands(a_sim(), S.SUSPENDED, *manual) == as_before
    assert stands(ours, S.SUSPENDED, *arrears) == as_before
    assert [stands(ours, state, *manual) for state in (S.EXPIRED, S.SILENT, None)] == [as_before] * 3


def test_telecom_data_off_is_a_changed_device_unless_we_cut_it() -> None:
    """LC-15, ST-16, ST-22."""
    free = a_sim(GSL, Carrier.CTCC)
    assert codes(word(free, S.ACTIVE, (H.DEVICE_MISMATCH, "已断网")).sim.holds) == {H.DEVICE_MISMATCH}
    cut = a_sim(GSL, Carrier.CTCC, S.ACTIVE, H.NETWORK_CUT)
    taken = word(cut, S.ACTIVE, (H.DEVICE_MISMATCH, "已断网"))
    assert taken == SnapshotApplied(sim=cut, changes=(), drift=None)


def cut_holds(sim: Sim, state: SimState, protocol: ProtocolName | None, code: str) -> list[CarrierHolds]:
    """The holds of data that is off, not off, and of which nothing is said."""
    return [
        holds_from_network_cut(sim, state, network_cut=cut, code=code, protocol=protocol) for cut in (True, False, None)
    ]


def test_telecom_data_off_under_active_is_a_changed_device_and_what_it_said_before_stands() -> None:
    """LC-15, ST-22: where the carrier says nothing of it."""
    told, telecom = ((H.DEVICE_MISMATCH, NETWORK_CUT_CODE),), ProtocolName.CTCC_CMP
    free = a_sim(GSL, Carrier.CTCC)
    assert cut_holds(free, S.ACTIVE, telecom, NETWORK_CUT_CODE) == [told, (), ()]
    known = replace(free, holds=(a_hold(H.DEVICE_MISMATCH, HoldSource.CARRIER, NETWORK_CUT_CODE),))
    assert cut_holds(known, S.ACTIVE, telecom, NETWORK_CUT_CODE) == [told, (), told]
    assert cut_holds(free, S.SUSPENDED, telecom, NETWORK_CUT_CODE) == [(), (), ()]


def test_another_carriers_data_off_under_active_is_a_cut_network() -> None:
    """ST-16; a protocol that never tells of it does not keep the hold of an import (LC-17)."""
    told, free = ((H.NETWORK_CUT, "off"),), a_sim(GSL, Carrier.CMCC)
    assert cut_holds(free, S.ACTIVE, ProtocolName.ONELINK, "off") == [told, (), ()]
    known = replace(free, holds=(a_hold(H.NETWORK_CUT, HoldSource.CARRIER, "off"),))
    assert cut_holds(known, S.ACTIVE, ProtocolName.ONELINK, "off") == [told, (), told]
    assert cut_holds(known, S.ACTIVE, ProtocolName.JASPER, "off")[2] == ()
    # a changed device stops a card of China Mobile, it does not cut its network
    locked = replace(free, holds=(a_hold(H.DEVICE_MISMATCH, HoldSource.CARRIER, "1"),))
    assert cut_holds(locked, S.ACTIVE, ProtocolName.ONELINK, "off") == [told, (), ()]


def test_a_threshold_that_telecom_has_cut_at_stands_until_it_says_otherwise() -> None:
    """ST-3: a later word without the attribute does not make another device of it."""
    free = a_sim(GSL, Carrier.CTCC)
    cut = replace(free, holds=(a_hold(H.OVER_THRESHOLD, HoldSource.CARRIER, THRESHOLD_CUT_CODE),))
    stands = ((H.OVER_THRESHOLD, THRESHOLD_CUT_CODE),)
    assert cut_holds(cut, S.ACTIVE, ProtocolName.CTCC_CMP, NETWORK_CUT_CODE)[1:] == [(), stands]
    other = replace(free, holds=(a_hold(H.OVER_THRESHOLD, HoldSource.CARRIER, "2"),))
    assert cut_holds(other, S.ACTIVE, ProtocolName.CTCC_CMP, NETWORK_CUT_CODE)[2] == ()


def test_the_carriers_newest_code_and_words_are_kept_with_its_hold() -> None:
    """LC-15: since when it is on does not change, and a hold of ours has none."""
    first = a_hold(H.CARRIER_CONTROL, HoldSource.CARRIER, "8")
    sim = replace(a_sim(), holds=(first, a_hold(H.MANUAL)))
    after = with_carrier_words(sim, [(H.CARRIER_CONTROL, "9", "强制停机"), (H.MANUAL, "2", "用户报停")])
    assert after.holds == (replace(first, carrier_code="9", carrier_reason="强制停机"), a_hold(H.MANUAL))
    renamed = replace(a_sim(), holds=(a_hold(H.POOL_FROZEN, HoldSource.CARRIER, "3"),))
    assert with_carrier_words(renamed, [(H.POOL_EXHAUSTED, "3", "流量池")]).holds[0].carrier_reason == "流量池"
    assert with_carrier_words(sim, []) == sim


def test_cancelled_cancels_from_any_state() -> None:
    """LC-14, LC-9."""
    for state in (S.INVENTORY, S.TESTING, S.SILENT, S.ACTIVE, S.EXPIRED):
        taken = word(a_sim(state=state), S.CANCELLED)
        assert (taken.sim.underlying, taken.drift) == (S.CANCELLED, None)


def test_an_expired_card_still_running_is_drift() -> None:
    """LC-6, LC-8: and one that only the carrier calls expired."""
    expired = a_sim(state=S.EXPIRED)
    assert word(expired, S.ACTIVE) == SnapshotApplied(sim=expired, changes=(), drift=Drift.RUNNING_THOUGH_EXPIRED)
    for told in (S.EXPIRED, S.SUSPENDED):
        assert word(expired, told) == SnapshotApplied(sim=expired, changes=(), drift=None)
    assert word(a_sim(), S.EXPIRED).drift is Drift.EXPIRED_THERE


def test_an_expired_card_bears_its_hold_whatever_the_carrier_says() -> None:
    """ST-5: also where the carrier had told it first."""
    card = replace(a_sim(state=S.EXPIRED), holds=(a_hold(H.PLAN_EXPIRED, HoldSource.CARRIER, "0"),))
    assert word(card, S.ACTIVE) == SnapshotApplied(sim=card, changes=(), drift=Drift.RUNNING_THOUGH_EXPIRED)


def test_a_card_in_use_shown_as_unused_is_drift_save_for_a_test_order() -> None:
    """LC-2, LC-6."""
    assert word(a_sim(), S.SILENT).drift is Drift.NOT_ACTIVATED_THERE
    order = a_sim(GSL, plan=a_plan(test_bytes=10 * MB))
    assert word(order, S.TESTING).drift is None
    assert word(a_sim(GSL), S.TESTING).drift is Drift.NOT_ACTIVATED_THERE


def test_nothing_moves_after_the_end() -> None:
    """LC-11."""
    dead = a_sim(state=S.CANCELLED)
    assert word(dead, S.ACTIVE) == SnapshotApplied(sim=dead, changes=(), drift=Drift.ALIVE_THERE)
    assert word(dead, S.CANCELLED).drift is None


def test_a_code_that_no_table_knows_is_told_and_moves_nothing() -> None:
    """LC-13."""
    assert word(a_sim(), None) == SnapshotApplied(sim=a_sim(), changes=(), drift=Drift.UNKNOWN_CODE)


REASONS = st.lists(
    st.tuples(st.sampled_from(HoldCode), st.text(max_size=3)), max_size=4, unique_by=lambda pair: pair[0]
)


@given(
    st.sampled_from([None, *SimState]),
    REASONS,
    st.sampled_from([state for state in SimState if state is not S.SUSPENDED]),
    st.sets(st.sampled_from(HoldCode), max_size=3),
    st.sampled_from(Carrier),
    st.sampled_from(Supplier),
)
def test_no_word_of_a_carrier_releases_what_we_hold_or_revives_the_dead(
    state: SimState | None,
    reasons: list[tuple[HoldCode, str]],
    underlying: SimState,
    ours: set[HoldCode],
    carrier: Carrier,
    terms: Supplier,
) -> None:
    """LC-11, LC-14, LC-15."""
    card = a_sim(terms, carrier, underlying, *sorted(ours - {H.PLAN_EXPIRED}))
    taken = word(card, state, *reasons)
    assert codes(card.holds) <= codes(taken.sim.holds)
    if underlying is S.CANCELLED:
        assert taken.sim == card
    again = word(taken.sim, state, *reasons)
    assert again.sim == taken.sim


def test_the_same_word_twice_changes_nothing_also_where_it_names_a_cut_and_another_device() -> None:
    """LC-15: only a cut of ours explains away a changed device; one that the carrier names stands beside it."""
    reasons = ((H.NETWORK_CUT, ""), (H.DEVICE_MISMATCH, ""))
    taken = word(a_sim(carrier=Carrier.CTCC), S.ACTIVE, *reasons)
    assert codes(taken.sim.holds) == {H.NETWORK_CUT, H.DEVICE_MISMATCH}
    assert word(taken.sim, S.ACTIVE, *reasons).sim == taken.sim
