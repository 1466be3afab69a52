"""Holds: what shows, what lifts, what turns over (ST)."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.events import EventType, state_event
from app.domain.sim.holds import (
    HOLDS,
    RemedyAction,
    codes,
    is_ours,
    lagging,
    leaves_by_next_cycle,
    network_allowed,
    resume_lifts,
    shown_state,
    start_cycle,
    with_hold,
    without_hold,
)
from app.domain.terms.book import BOOK
from app.domain.vocabulary import Actor, Carrier, HoldCode, HoldSource, SimState, Supplier
from tests.domain.cards import NOON, a_hold, a_sim

FLEXEM, GSL, STANDARD = Supplier.FLEXEM, Supplier.GSL, Supplier.STANDARD


def test_the_table_knows_every_hold_by_its_rule() -> None:
    """ST-1 to ST-18: one row each, every one with a way out or none on purpose (ST-7)."""
    assert set(HOLDS) == set(HoldCode)
    assert {row.rule for row in HOLDS.values()} == {f"ST-{number}" for number in range(1, 19)}
    assert all(row.lifted_by and row.source and row.also_called for row in HOLDS.values())
    assert [row.code for row in HOLDS.values() if not row.recoverable] == [
        HoldCode.PHONE_MISUSE,
        HoldCode.CARRIER_CONTROL,
    ]


@pytest.mark.parametrize(
    ("code", "by", "actor"),
    [
        (HoldCode.MANUAL, RemedyAction.RESUME, Actor.SELF),
        (HoldCode.PLAN_EXPIRED, RemedyAction.RENEW, Actor.SELF),
        (HoldCode.PHONE_MISUSE, RemedyAction.REPLACE_CARD, Actor.NOBODY),
        (HoldCode.HIGH_RISK_REGION, RemedyAction.ASK_SUPPLIER, Actor.SUPPLIER),
        (HoldCode.NOT_REAL_NAMED, RemedyAction.VERIFY_REAL_NAME, Actor.SELF),
        (HoldCode.CARRIER_CONTROL, RemedyAction.ASK_CARRIER, Actor.CARRIER),
        (HoldCode.POOL_FROZEN, RemedyAction.TOP_UP, Actor.SELF),
        (HoldCode.ARREARS, RemedyAction.PAY, Actor.SELF),
        (HoldCode.NETWORK_CUT, RemedyAction.RESTORE_NETWORK, Actor.SELF),
        (HoldCode.VIOLATION, RemedyAction.ASK_SUPPLIER, Actor.SUPPLIER),
    ],
)
def test_each_hold_says_what_lifts_it_and_who_may(code: HoldCode, by: RemedyAction, actor: Actor) -> None:
    """ST-1, ST-5, ST-7, ST-8, ST-10, ST-11, ST-12, ST-14, ST-16, ST-17."""
    assert (HOLDS[code].lifted_by[0].by, HOLDS[code].lifted_by[0].actor) == (by, actor)


def test_which_holds_go_by_themselves_at_the_next_cycle() -> None:
    """ST-2, ST-3, ST-4, ST-13, ST-15: `over_quota` never under `flexem`, where only the carrier's word lifts it."""
    everywhere = {HoldCode.OVER_THRESHOLD, HoldCode.POOL_EXHAUSTED, HoldCode.POOL_THRESHOLD, HoldCode.POLICY_CUTOFF}
    for (supplier, _), versions in BOOK.items():
        going = {code for code in HoldCode if leaves_by_next_cycle(code, versions[-1])}
        assert going == everywhere | (set() if supplier is FLEXEM else {HoldCode.OVER_QUOTA})


def test_a_hold_suspends_and_an_expired_card_reads_expired() -> None:
    """ST-1, ST-5, LC-8."""
    manual = (a_hold(HoldCode.MANUAL),)
    for state in (SimState.INVENTORY, SimState.TESTING, SimState.SILENT, SimState.ACTIVE):
        assert shown_state(state, manual, Carrier.CMCC) is SimState.SUSPENDED
        assert shown_state(state, (), Carrier.CMCC) is state
    for state in (SimState.EXPIRED, SimState.CANCELLED):
        assert shown_state(state, manual, Carrier.CMCC) is state


def test_a_cut_network_and_a_changed_device_at_telecom_go_on_reading_active() -> None:
    """ST-16, ST-22: but data is off."""
    cut, device = (a_hold(HoldCode.NETWORK_CUT),), (a_hold(HoldCode.DEVICE_MISMATCH),)
    assert shown_state(SimState.ACTIVE, cut, Carrier.CTCC) is SimState.ACTIVE
    assert shown_state(SimState.ACTIVE, device, Carrier.CTCC) is SimState.ACTIVE
    assert shown_state(SimState.ACTIVE, device, Carrier.CMCC) is SimState.SUSPENDED
    both = (*cut, *device, a_hold(HoldCode.MANUAL))
    assert shown_state(SimState.ACTIVE, both, Carrier.CTCC) is SimState.SUSPENDED
    assert not network_allowed(SimState.ACTIVE, cut)
    assert network_allowed(SimState.ACTIVE, ())
    assert not network_allowed(SimState.INVENTORY, ())
    assert not network_allowed(SimState.EXPIRED, ())


@given(st.sets(st.sampled_from(HoldCode)), st.permutations(list(HoldCode)), st.permutations(list(HoldCode)))
def test_adding_then_lifting_in_any_order_ends_where_it_began(
    before: set[HoldCode], order: list[HoldCode], back: list[HoldCode]
) -> None:
    """ST-1 to ST-17 stack: each leaves without touching the others."""
    card = a_sim(GSL, Carrier.CMCC, SimState.ACTIVE, *sorted(before))
    busy = card
    for code in order:
        busy = with_hold(busy, a_hold(code, HoldSource.CALLER))
    assert codes(busy.holds) == set(HoldCode)
    assert len(busy.holds) == len(HoldCode)
    for code in back:
        if code not in before:
            busy = without_hold(busy, code)
    assert busy == card


def test_a_new_cycle_lifts_only_what_is_ours() -> None:
    """ST-21, ST-24, BC-4: a suspension on request stays, and a carrier's own hold awaits its word."""
    ours = a_sim(GSL, Carrier.CMCC, SimState.ACTIVE, HoldCode.OVER_QUOTA, HoldCode.MANUAL)
    turned, left = start_cycle(ours, NOON.date())
    assert left == (HoldCode.OVER_QUOTA,)
    assert codes(turned.holds) == {HoldCode.MANUAL}
    theirs = with_hold(a_sim(GSL), a_hold(HoldCode.OVER_QUOTA, HoldSource.CARRIER, "1"))
    assert start_cycle(theirs, NOON.date()) == (theirs, ())
    assert [is_ours(a_hold(HoldCode.MANUAL, source)) for source in HoldSource] == [True, True, False, False]


def test_within_three_days_of_a_cycles_start_a_hold_is_lag_and_no_fault() -> None:
    """ST-21: for `cucc` also in the first three days of the month."""

    def lags(carrier: Carrier, day: int, code: HoldCode = HoldCode.OVER_QUOTA, since: date | None = None) -> bool:
        return lagging(carrier, code, GSL, date(2024, 6, day), since)

    assert [day for day in range(1, 31) if lags(Carrier.CMCC, day)] == [1, 2, 3]
    assert [day for day in range(1, 31) if lags(Carrier.CUCC, day)] == [1, 2, 3, 27, 28, 29]
    assert not lags(Carrier.CMCC, 1, HoldCode.MANUAL)
    assert not lags(Carrier.CMCC, 2, since=date(2024, 6, 1))
    assert lags(Carrier.CMCC, 2, since=date(2024, 5, 31))


def test_a_hold_of_the_running_unicom_cycle_does_not_lag_at_the_months_start() -> None:
    """ST-21, BC-2: the month's first days excuse what the 27th should have lifted, not what came on after it."""

    def lags(since: date) -> bool:
        return lagging(Carrier.CUCC, HoldCode.OVER_QUOTA, GSL, date(2024, 6, 2), since)

    assert [lags(date(2024, 5, day)) for day in (26, 27, 31)] == [True, False, False]
    assert not lags(date(2024, 6, 1))


def test_what_a_resume_lifts_is_the_terms_to_say() -> None:
    """ST-20; and a stop that the carrier does not explain everywhere (ST-18)."""
    day, always = NOON.date(), {HoldCode.MANUAL, HoldCode.UNEXPLAINED}
    assert resume_lifts(a_sim(GSL), day) == always
    assert resume_lifts(a_sim(FLEXEM), day) == always | {HoldCode.DEVICE_MISMATCH}
    assert resume_lifts(a_sim(STANDARD), day) == always | {HoldCode.OVER_THRESHOLD, HoldCode.ARREARS}


@pytest.mark.parametrize(
    ("before", "after", "event"),
    [
        (a_sim(state=SimState.SILENT), a_sim(), EventType.SIM_ACTIVATED),
        (a_sim(), a_sim(FLEXEM, Carrier.CMCC, SimState.ACTIVE, HoldCode.MANUAL), EventType.SIM_SUSPENDED),
        (a_sim(FLEXEM, Carrier.CMCC, SimState.ACTIVE, HoldCode.MANUAL), a_sim(), EventType.SIM_RESUMED),
        (a_sim(), a_sim(state=SimState.EXPIRED), EventType.SIM_EXPIRED),
        (a_sim(state=SimState.EXPIRED), a_sim(), EventType.SIM_RESUMED),
        (a_sim(state=SimState.EXPIRED), a_sim(state=SimState.CANCELLED), EventType.SIM_CANCELLED),
        (a_sim(state=SimState.TESTING), a_sim(state=SimState.SILENT), None),
        (a_sim(), a_sim(), None),
    ],
)
def test_a_change_of_state_has_its_event(before: object, after: object, event: EventType | None) -> None:
    """LC-12."""
    assert state_event(before, after) is event  # type: ignore[arg-type]
