"""Quota, cut-off, thresholds (QT) and usage from two sources (US)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.sim.holds import codes
from app.domain.sim.model import Sim
from app.domain.terms.book import terms_in_force
from app.domain.terms.model import Edge, Term, Terms
from app.domain.units import GB, MB
from app.domain.usage.figures import (
    CarrierFigure,
    DayFigure,
    UsageSource,
    day_usage,
    latest_figure,
    merge_usage,
    with_days,
)
from app.domain.usage.quota import (
    USAGE_HOLDS,
    apply_usage_holds,
    cutoff_for,
    limits,
    usage_holds,
    with_overrun_charged,
)
from app.domain.vocabulary import Carrier, HoldCode, HoldSource, PlanKind, SimState, Supplier
from tests.domain.cards import NOON, a_hold, a_plan, a_sim

FLEXEM, GSL, STANDARD = Supplier.FLEXEM, Supplier.GSL, Supplier.STANDARD
H = HoldCode
TODAY = date(2024, 6, 12)


def by_use(sim: Sim, used: int, addons: int = 0) -> set[HoldCode]:
    return set(usage_holds(sim, used, addons, TODAY))


@pytest.mark.parametrize(
    ("allowance", "cutoff"),
    [
        (30 * MB, 3 * GB),
        (100 * MB, 3 * GB),
        (200 * MB, 3 * GB),
        (300 * MB, 3 * GB),
        (500 * MB, 4 * GB),
        (1 * GB, 5 * GB),
        (2 * GB, 5 * GB),
        (4 * GB, 8 * GB),
        (3 * GB, None),
        (31457281, None),
    ],
)
def test_flexem_cuts_off_by_the_plans_size(allowance: int, cutoff: int | None) -> None:
    """QT-1, ST-15: reached is enough; nothing stops at the allowance; other sizes have no cut."""
    policy = terms_in_force(FLEXEM, Carrier.CTCC, TODAY)
    assert cutoff_for(policy, allowance) == cutoff
    card = a_sim(FLEXEM, Carrier.CTCC, plan=a_plan(allowance=allowance))
    assert by_use(card, allowance + 1) == set()
    if cutoff is not None:
        assert (by_use(card, cutoff - 1), by_use(card, cutoff)) == (set(), {H.POLICY_CUTOFF})
        assert (by_use(card, cutoff + 4, 5), by_use(card, cutoff + 5, 5)) == (set(), {H.POLICY_CUTOFF})


def test_gsl_stops_a_single_card_once_it_passes_its_allowance() -> None:
    """QT-2, QT-8: exactly at the allowance it still runs."""
    card = a_sim(GSL)
    assert (by_use(card, 100 * MB), by_use(card, 100 * MB + 1)) == (set(), {H.OVER_QUOTA})
    assert (by_use(card, 110 * MB, 10 * MB), by_use(card, 110 * MB + 1, 10 * MB)) == (set(), {H.OVER_QUOTA})


def test_a_pools_card_does_not_stop_at_its_own_allowance() -> None:
    """QT-2, PL-3: a single card's rule."""
    assert by_use(a_sim(GSL, pool="p"), GB) == set()
    assert by_use(a_sim(GSL, plan=a_plan(kind=PlanKind.PREPAID_POOL)), GB) == set()


def test_standard_stops_at_the_allowance_where_chosen() -> None:
    """QT-3, QT-8: reached is enough; the card's choice goes before the plan's."""
    assert by_use(a_sim(STANDARD), GB) == set()
    chosen = a_sim(STANDARD, plan=a_plan(auto_stop=True))
    assert (by_use(chosen, 100 * MB - 1), by_use(chosen, 100 * MB)) == (set(), {H.OVER_QUOTA})
    assert by_use(replace(chosen, auto_stop=False), GB) == set()
    assert by_use(a_sim(STANDARD, auto_stop=True), GB) == {H.OVER_QUOTA}


@pytest.mark.parametrize(("terms", "at_threshold"), [(GSL, set()), (STANDARD, {H.OVER_THRESHOLD}), (FLEXEM, set())])
def test_a_threshold_stops_at_its_own_edge(terms: Supplier, at_threshold: set[HoldCode]) -> None:
    """QT-4, QT-6, QT-8: passed under `gsl` and the cap, reached under `standard`."""
    card = a_sim(terms, Carrier.CMCC, pool="p", threshold=50 * MB)
    assert by_use(card, 50 * MB - 1) == set()
    assert by_use(card, 50 * MB) == at_threshold
    assert by_use(card, 50 * MB + 1) == {H.OVER_THRESHOLD}


def test_a_threshold_put_off_by_resume_counts_again_in_the_next_cycle() -> None:
    """ST-20."""
    card = a_sim(STANDARD, threshold=MB, threshold_off_until=date(2024, 7, 1))
    assert usage_holds(card, GB, 0, date(2024, 6, 30)) == frozenset()
    assert usage_holds(card, GB, 0, date(2024, 7, 1)) == {H.OVER_THRESHOLD}


def test_overrun_test_traffic_is_charged_only_where_the_terms_say_so() -> None:
    """LC-3, ST-14: a switch, off by default."""
    off = terms_in_force(STANDARD, Carrier.CMCC, TODAY)
    on = replace(off, test_overrun_charged=Term(value=True, source="OVR 2(1)"))
    card = a_sim(STANDARD)

    def held(policy: Terms, used: int) -> set[HoldCode]:
        return set(codes(with_overrun_charged(card, policy, allowed=30 * MB, used=used, at=NOON)[0].holds))

    assert held(off, 31 * MB) == held(on, 30 * MB) == set()
    assert held(on, 30 * MB + 1) == {H.ARREARS}


def test_only_an_active_card_is_stopped_by_use() -> None:
    """US-4."""
    for state in (SimState.TESTING, SimState.SILENT, SimState.EXPIRED, SimState.CANCELLED):
        assert by_use(a_sim(GSL, state=state), GB) == set()


def test_each_limit_names_its_rule() -> None:
    """QT-1, QT-2, QT-3, QT-4, QT-6."""
    named = {
        FLEXEM: [(H.POLICY_CUTOFF, "QT-1"), (H.OVER_THRESHOLD, "QT-6")],
        GSL: [(H.OVER_QUOTA, "QT-2"), (H.OVER_THRESHOLD, "QT-4")],
        STANDARD: [(H.OVER_QUOTA, "QT-3"), (H.OVER_THRESHOLD, "QT-4")],
    }
    for terms, expected in named.items():
        found = limits(a_sim(terms, threshold=MB, auto_stop=True), 0, TODAY)
        assert [(limit.code, limit.rule) for limit in found] == expected


def test_an_add_on_in_force_lifts_what_it_covers_and_nothing_else() -> None:
    """ST-2, ST-24, QT-7: ours leave, a carrier's own waits for its word, a suspension stays."""
    card = a_sim(GSL, Carrier.CMCC, SimState.ACTIVE, H.OVER_QUOTA, H.MANUAL)
    freed, changes = apply_usage_holds(card, 105 * MB, 10 * MB, at=NOON, today=TODAY)
    assert (codes(freed.holds), [change.code for change in changes]) == ({H.MANUAL}, [H.OVER_QUOTA])  # type: ignore[union-attr]
    theirs = replace(card, holds=(a_hold(H.OVER_QUOTA, HoldSource.CARRIER, "1"),))
    assert apply_usage_holds(theirs, 0, 0, at=NOON, today=TODAY) == (theirs, ())
    over, added = apply_usage_holds(a_sim(GSL), 200 * MB, 0, at=NOON, today=TODAY)
    assert (codes(over.holds), len(added)) == ({H.OVER_QUOTA}, 1)
    assert over.holds[0].source is HoldSource.GATEWAY


def test_use_lifts_only_the_stops_it_answers_for() -> None:
    """ST-2, ST-3, QT-1, QT-6: neither what came with the card nor `flexem`'s allowance nor the cap's stop."""
    came = a_sim(GSL, Carrier.CMCC, SimState.ACTIVE, H.OVER_QUOTA, H.OVER_THRESHOLD)
    assert apply_usage_holds(came, 0, 0, at=NOON, today=TODAY, may_lift=frozenset()) == (came, ())
    freed, _ = apply_usage_holds(came, 0, 0, at=NOON, today=TODAY, may_lift=frozenset({H.OVER_QUOTA}))
    assert codes(freed.holds) == {H.OVER_THRESHOLD}
    expired = a_sim(GSL, Carrier.CMCC, SimState.EXPIRED, H.OVER_QUOTA, H.PLAN_EXPIRED)
    assert apply_usage_holds(expired, GB, 0, at=NOON, today=TODAY) == (expired, ())
    carriers = a_sim(FLEXEM, Carrier.CMCC, SimState.ACTIVE, H.OVER_QUOTA, H.OVER_THRESHOLD, H.POLICY_CUTOFF)
    left, _ = apply_usage_holds(carriers, 0, GB, at=NOON, today=TODAY)
    assert codes(left.holds) == {H.OVER_QUOTA, H.OVER_THRESHOLD}


@given(
    st.sampled_from(Supplier),
    st.sampled_from(Carrier),
    st.integers(0, 10 * GB),
    st.integers(0, GB),
    st.integers(0, 9 * GB),
)
def test_more_use_never_frees_a_card_and_weighing_twice_is_weighing_once(
    terms: Supplier, carrier: Carrier, used: int, more: int, threshold: int
) -> None:
    """QT-8, ST-24."""
    card = a_sim(terms, carrier, threshold=threshold, auto_stop=True)
    assert by_use(card, used) <= by_use(card, used + more)
    once, _ = apply_usage_holds(card, used, 0, at=NOON, today=TODAY)
    assert apply_usage_holds(once, used, 0, at=NOON, today=TODAY) == (once, ())
    assert codes(once.holds) & USAGE_HOLDS == by_use(card, used)
    assert {limit.edge for limit in limits(card, 0, TODAY)} <= set(Edge)


def test_used_is_the_carriers_figure_and_what_came_after_it() -> None:
    """US-5: both parts are shown; where only one exists, that one."""
    figure = CarrierFigure(used=3145728000, as_of=NOON)
    later = NOON + timedelta(hours=1)
    both = merge_usage(figure, 75497472, 90177536, later)
    assert (both.used, both.source, both.as_of) == (3221225472, UsageSource.GATEWAY, later)
    assert (both.reported_since, both.reported, both.carrier) == (75497472, 90177536, figure)
    carrier = merge_usage(figure, 0, 90177536, NOON - timedelta(hours=1))
    assert (carrier.used, carrier.source, carrier.as_of) == (3145728000, UsageSource.CARRIER, NOON)
    reports = merge_usage(None, 0, 500, NOON)
    assert (reports.used, reports.source, reports.reported_since) == (500, UsageSource.GATEWAY_REPORT, 500)
    assert merge_usage(None, 0, 0).as_of is None


def test_an_older_figure_changes_nothing_and_a_correction_replaces() -> None:
    """US-3, US-5: it does not add."""
    held = CarrierFigure(used=100, as_of=NOON)
    assert latest_figure(held, CarrierFigure(used=900, as_of=NOON - timedelta(seconds=1))) is held
    assert latest_figure(held, CarrierFigure(used=40, as_of=NOON)).used == 40
    assert latest_figure(None, held) is held


def test_of_a_day_and_a_cycle_figure_the_later_stands_for_that_day() -> None:
    """US-5."""
    cycle = CarrierFigure(used=1000, as_of=NOON)

    def day(used: int, as_of: datetime, held: int = 0) -> Any:
        return DayFigure(day=TODAY, used=used, as_of=as_of, in_cycle_figure=held)

    later = NOON + timedelta(hours=2)
    assert with_days(cycle, [day(300, later, 250)]) == CarrierFigure(used=1050, as_of=later)
    assert with_days(cycle, [day(300, NOON - timedelta(hours=2), 250)]) == cycle
    assert with_days(cycle, []) == cycle
    assert (day_usage(CarrierFigure(used=7, as_of=NOON), 9), day_usage(None, 9)) == (7, 9)
