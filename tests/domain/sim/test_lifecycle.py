"""Test and silent periods, forced activation, the sweep, early ends (LC)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import Malformed
from app.domain.sim.holds import codes
from app.domain.sim.lifecycle import (
    activated,
    allowed_test_bytes,
    end_test_early,
    forced_activation,
    has_used_test_traffic,
    next_due_on,
    state_from_dates,
    sweep,
)
from app.domain.sim.model import Sim
from app.domain.sim.transitions import TRANSITIONS, Cause, move
from app.domain.units import MB
from app.domain.vocabulary import Carrier, HoldCode, RealName, SimState, Supplier
from tests.domain.cards import NOON, a_plan, a_sim

FLEXEM, GSL, STANDARD = Supplier.FLEXEM, Supplier.GSL, Supplier.STANDARD
DAYS = st.dates(date(2018, 1, 1), date(2030, 12, 31))


def _fresh(terms: Supplier, carrier: Carrier, opened_on: date, **facts: object) -> Sim:
    return a_sim(terms, carrier, SimState.INVENTORY, opened_on=opened_on, **facts)


def test_months_are_added_by_day_number_and_the_day_found_is_the_first_of_what_follows() -> None:
    """LC-1: opened 2024-11-30 + 3 months → 2025-02-28 is the first day of the new state, 02-27 the last of the old."""
    answer = forced_activation(FLEXEM, Carrier.CUCC, date(2024, 11, 30))
    assert (answer.silent_until, answer.forced_on) == (date(2025, 2, 27), date(2025, 2, 28))
    assert (answer.testing_until, answer.rule, answer.assumed) == (None, "LC-1", ())


def test_flexem_mobile_tests_and_the_others_are_silent() -> None:
    """LC-1: cards bought before 2022-02-07 have the months without the traffic, assumed."""
    answer = forced_activation(FLEXEM, Carrier.CMCC, date(2024, 1, 15))
    assert (answer.testing_until, answer.silent_until) == (date(2024, 4, 14), None)
    assert (answer.forced_on, answer.assumed) == (date(2024, 4, 15), ())
    early = forced_activation(FLEXEM, Carrier.CMCC, date(2022, 2, 7), purchased_on=date(2022, 2, 6))
    assert (early.forced_on, early.assumed) == (date(2022, 5, 7), ("LC-1",))
    assert forced_activation(FLEXEM, Carrier.OVERSEAS, date(2024, 1, 15)).forced_on is None


def test_test_traffic_holds_by_the_day_of_purchase() -> None:
    """LC-1: 30 MB from 2022-02-07 on, that day included; 30 MB means exactly 31457280."""
    bought = [date(2022, 2, 6), date(2022, 2, 7)]
    cards = [a_sim(state=SimState.TESTING, purchased_on=day) for day in bought]
    assert [allowed_test_bytes(card) for card in cards] == [None, 31457280]
    assert allowed_test_bytes(a_sim(state=SimState.TESTING, opened_on=None)) is None
    assert allowed_test_bytes(a_sim(FLEXEM, Carrier.CUCC, plan=a_plan(test_bytes=5 * MB))) is None


def test_gsl_is_silent_at_home_and_tests_overseas() -> None:
    """LC-2."""
    home = forced_activation(GSL, Carrier.CTCC, date(2024, 3, 31))
    assert (home.testing_until, home.silent_until, home.forced_on) == (None, date(2024, 9, 29), date(2024, 9, 30))
    abroad = forced_activation(GSL, Carrier.OVERSEAS, date(2024, 3, 31))
    assert (abroad.testing_until, abroad.silent_until, abroad.forced_on) == (date(2024, 9, 29), None, date(2024, 9, 30))


@pytest.mark.parametrize(
    ("opened_on", "test_months", "forced_on"),
    [("2024-01-15", 0, "2024-08-01"), ("2024-01-01", None, "2024-08-01"), ("2024-01-15", 3, "2024-11-01")],
)
def test_standard_activates_on_the_first_of_the_month_after(opened_on: str, test_months: int, forced_on: str) -> None:
    """LC-3."""
    answer = forced_activation(STANDARD, Carrier.CMCC, date.fromisoformat(opened_on), test_months)
    assert answer.forced_on == date.fromisoformat(forced_on)
    assert answer.silent_until == date.fromisoformat(forced_on) - timedelta(days=1)


def test_a_test_used_up_early_starts_the_silent_period_early() -> None:
    """LC-3: assumed; a day after the planned end changes nothing."""
    early = forced_activation(STANDARD, Carrier.CMCC, date(2024, 1, 15), 3, silent_since=date(2024, 2, 20))
    assert (early.testing_until, early.forced_on, early.assumed) == (date(2024, 2, 19), date(2024, 9, 1), ("LC-3",))
    late = forced_activation(STANDARD, Carrier.CMCC, date(2024, 1, 15), 3, silent_since=date(2024, 5, 20))
    assert (late.testing_until, late.forced_on) == (date(2024, 4, 14), date(2024, 11, 1))
    none = forced_activation(STANDARD, Carrier.CMCC, date(2024, 3, 15), 0, silent_since=date(2024, 2, 20))
    assert none.testing_until is None


@pytest.mark.parametrize("months", [10, -1])
def test_a_test_of_unheard_length_is_malformed(months: int) -> None:
    """LC-3: 1 to 9 months."""
    with pytest.raises(Malformed):
        forced_activation(STANDARD, Carrier.CMCC, date(2024, 1, 15), months)


def test_the_sweep_leads_a_card_through_its_whole_life() -> None:
    """LC-3, LC-8, LC-9, LC-12: each move with its cause, its rule and the day it took effect, in order."""
    card = _fresh(STANDARD, Carrier.CUCC, date(2024, 1, 15), test_months=3)
    dead, moves = sweep(card, date(2030, 1, 1), NOON)
    assert [(m.to_state, m.cause, m.rule, str(m.effective_on)) for m in moves] == [
        (SimState.TESTING, Cause.OPENING, "LC-3", "2024-01-15"),
        (SimState.SILENT, Cause.TEST_TIME_UP, "LC-3", "2024-04-15"),
        (SimState.ACTIVE, Cause.FORCED_ACTIVATION, "LC-3", "2024-11-01"),
        (SimState.EXPIRED, Cause.EXPIRY, "LC-8", "2025-11-01"),
        (SimState.CANCELLED, Cause.CANCELLATION, "LC-9", "2026-01-30"),
    ]
    assert (dead.activated_on, dead.expires_on) == (date(2024, 11, 1), date(2025, 10, 31))
    assert codes(dead.holds) == {HoldCode.PLAN_EXPIRED}
    assert next_due_on(dead) is None


def test_expiry_comes_the_day_after_the_last_valid_day() -> None:
    """LC-8, VD-4: a card never activated has no expiry."""
    card = a_sim(expires_on=date(2024, 5, 31))
    assert next_due_on(card) == date(2024, 6, 1)
    assert sweep(card, date(2024, 5, 31), NOON) == (card, ())
    assert sweep(card, date(2024, 6, 1), NOON)[0].underlying is SimState.EXPIRED
    assert next_due_on(a_sim(expires_on=None)) is None
    assert a_sim(state=SimState.SILENT).expires_on is None


def test_gsl_waits_for_the_carrier_to_cancel() -> None:
    """LC-9: no day of ours."""
    assert next_due_on(a_sim(GSL, Carrier.CMCC, SimState.EXPIRED)) is None


def test_a_card_without_an_opening_day_waits() -> None:
    card = a_sim(state=SimState.SILENT, opened_on=None)
    assert next_due_on(card) is None
    assert sweep(card, date(2040, 1, 1), NOON) == (card, ())
    stock = _fresh(FLEXEM, Carrier.OVERSEAS, date(2024, 1, 1))
    assert next_due_on(stock) is None


def test_a_used_up_test_activates_or_silences() -> None:
    """LC-1, LC-3: by the terms; LC-16 counts the end."""
    flexem, moves = end_test_early(a_sim(state=SimState.TESTING), date(2024, 6, 12), at=NOON)
    assert (flexem.underlying, flexem.expires_on) == (SimState.ACTIVE, date(2025, 5, 31))
    assert (moves[0].cause, moves[0].rule) == (Cause.TEST_USED_UP, "LC-1")
    standard, _ = end_test_early(a_sim(STANDARD, state=SimState.TESTING, test_months=3), date(2024, 6, 12), at=NOON)
    assert (standard.underlying, standard.silent_since) == (SimState.SILENT, date(2024, 6, 12))
    assert next_due_on(standard) == date(2025, 1, 1)


def test_a_test_is_used_up_by_what_was_reported() -> None:
    """LC-1, LC-7: 30 MB reached is used up; a card without test traffic has nothing to use up."""
    card = a_sim(state=SimState.TESTING)
    assert [has_used_test_traffic(card, used) for used in (31457279, 31457280)] == [False, True]
    assert not has_used_test_traffic(a_sim(), 31457280)
    assert not has_used_test_traffic(replace(card, purchased_on=date(2022, 2, 6)), 31457280)


def test_forced_activation_without_real_name_activates_and_holds() -> None:
    """LC-5: `standard` and `gsl` hold the card, its validity runs; `flexem` asks for none; RG-2 binds the region."""
    for terms, held in ((STANDARD, True), (GSL, True), (FLEXEM, False)):
        card = _fresh(terms, Carrier.CMCC, date(2023, 1, 5), real_name=RealName.INDIVIDUAL)
        awake, _ = sweep(card, date(2023, 9, 1), NOON)
        assert awake.underlying is SimState.ACTIVE
        assert awake.expires_on is not None
        assert (HoldCode.NOT_REAL_NAMED in codes(awake.holds)) is held
        assert awake.region_limited is (terms is FLEXEM)


def test_the_state_of_an_import_defaults_to_what_its_dates_say() -> None:
    """LC-1, LC-8, LC-9, VD-2."""
    today = date(2024, 6, 12)

    def state(**facts: object) -> SimState:
        card = _fresh(FLEXEM, Carrier.CMCC, date(2024, 5, 1))
        return state_from_dates(replace(card, **facts), today, NOON)[0].underlying  # type: ignore[arg-type]

    assert state() is SimState.TESTING
    assert state(opened_on=None) is SimState.INVENTORY
    assert state(opened_on=date(2024, 6, 13)) is SimState.INVENTORY
    assert state(opened_on=date(2024, 3, 12)) is SimState.ACTIVE
    assert state(activated_on=date(2023, 7, 1)) is SimState.ACTIVE
    assert state(activated_on=date(2023, 6, 30)) is SimState.EXPIRED
    assert state(expires_on=date(2024, 4, 30)) is SimState.CANCELLED
    filled, _ = state_from_dates(
        _fresh(FLEXEM, Carrier.CMCC, date(2024, 1, 1), activated_on=date(2024, 2, 3)), today, NOON
    )
    assert filled.expires_on == date(2025, 1, 31)


@given(st.sampled_from(Supplier), st.sampled_from(Carrier), DAYS, st.integers(0, 9), st.integers(0, 2500))
def test_sweeping_in_steps_is_sweeping_at_once(
    terms: Supplier, carrier: Carrier, opened_on: date, months: int, later: int
) -> None:
    """LC-12: what fell due in between is caught up in the same order, and nothing more."""
    card = _fresh(terms, carrier, opened_on, test_months=months)
    half, first = sweep(card, opened_on + timedelta(days=later // 2), NOON)
    stepped, second = sweep(half, opened_on + timedelta(days=later), NOON)
    at_once, moves = sweep(card, opened_on + timedelta(days=later), NOON)
    assert (stepped, (*first, *second)) == (at_once, moves)
    due = next_due_on(at_once)
    assert due is None or due > opened_on + timedelta(days=later)


def test_nothing_leaves_cancelled() -> None:
    """LC-11."""
    assert not [pair for pair in TRANSITIONS if pair[0] is SimState.CANCELLED]
    for state in SimState:
        for cause in Cause:
            with pytest.raises(ValueError, match="no move"):
                move(a_sim(state=SimState.CANCELLED), state, cause, "LC-11", date(2024, 1, 1))


def test_every_state_but_suspended_can_be_reached_and_ended() -> None:
    """LC-12: `suspended` is shown, never an underlying state."""
    states = {state for pair in TRANSITIONS for state in pair}
    assert states == set(SimState) - {SimState.SUSPENDED}
    assert all((state, SimState.CANCELLED) in TRANSITIONS for state in states - {SimState.CANCELLED})


def test_an_activation_counts_from_its_day() -> None:
    """LC-16, VD-1: not from order or delivery."""
    card, moves = activated(a_sim(state=SimState.SILENT), date(2024, 6, 30), Cause.OPERATION, "LC-16", at=NOON)
    assert (card.activated_on, card.expires_on) == (date(2024, 6, 30), date(2025, 5, 31))
    assert moves[0].effective_on == date(2024, 6, 30)
    with pytest.raises(ValueError, match="no move"):
        activated(replace(card, underlying=SimState.ACTIVE), date(2024, 7, 1), Cause.OPERATION, "LC-16", at=NOON)


def test_an_open_renewal_keeps_the_card_from_being_cancelled_and_from_nothing_else() -> None:
    """RN-11, LC-9."""
    card = a_sim(STANDARD, Carrier.CMCC, activated_on=date(2023, 2, 1), expires_on=date(2024, 1, 31))
    kept, moves = sweep(card, date(2024, 6, 1), NOON, renewing=True)
    assert (kept.underlying, [move.rule for move in moves]) == (SimState.EXPIRED, ["LC-8"])
    assert next_due_on(kept) == date(2024, 5, 1)
    assert sweep(kept, date(2024, 6, 1), NOON)[0].underlying is SimState.CANCELLED
