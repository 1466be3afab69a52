"""The conditions of the findings, on both sides of every edge."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from app.domain.calendar.cycles import cycle_on
from app.domain.findings.facts import Finding, RegionChange, SimFacts
from app.domain.findings.rules import cards_per_person, findings_of
from app.domain.findings.table import FINDINGS, FindingCode
from app.domain.operation.prices import Catalogue
from app.domain.sim.model import Addon, DeviceSeen, Plan, Sim
from app.domain.terms.book import terms_in_force
from app.domain.units import GB, MB
from app.domain.vocabulary import AddonScope, Carrier, HoldCode, OperationKind, PlanKind, RealName, SimState, Supplier
from tests.domain.cards import a_plan, a_sim

TODAY = date(2024, 6, 12)
CYCLE = cycle_on(Carrier.CMCC, TODAY)
PLANS = (
    a_plan(id="30m", allowance=30 * MB, price_fen=1200),
    a_plan(price_fen=3600),
    a_plan(id="1g", allowance=GB, price_fen=12_000),
    a_plan(id="pool", allowance=30 * MB, price_fen=1, kind=PlanKind.PREPAID_POOL),
)
PACK = Addon(id="pack", carrier=Carrier.CMCC, scope=AddonScope.CARD, bytes=100 * MB, price_fen=500)
IMEI = "860000000000001"


def facts(*before: int, sim: Sim | None = None, **more: Any) -> SimFacts:
    catalogue = Catalogue(plans={plan.id: plan for plan in PLANS}, addons={PACK.id: PACK})
    given: dict[str, Any] = {"used": 0, "addons": 0, "catalogue": catalogue} | more
    verified = a_sim(real_name=RealName.VERIFIED, plan=PLANS[1])
    return SimFacts(sim=sim or verified, today=TODAY, cycle=CYCLE, before=before, **given)


def standard(plan: Plan = PLANS[1], **more: Any) -> Sim:
    return a_sim(Supplier.STANDARD, real_name=RealName.VERIFIED, plan=plan, **more)


def found(given: SimFacts, code: FindingCode) -> Finding | None:
    return next((one for one in findings_of(given) if one.code is code), None)


def codes_of(given: SimFacts) -> set[FindingCode]:
    return {one.code for one in findings_of(given)}


def test_every_finding_has_its_rule_and_source() -> None:
    assert set(FINDINGS) == set(FindingCode)


def test_an_active_sim_without_a_byte_for_two_whole_cycles_is_waste() -> None:
    one = found(facts(0, 0, 5), FindingCode.NO_TRAFFIC)
    assert one is not None
    assert (one.evidence["whole_cycles"], one.operation, one.saves_fen) == (2, OperationKind.SUSPEND, 3600)


@pytest.mark.parametrize("given", [facts(0), facts(0, 1), facts(0, 0, used=1), facts(0, 0, sim=None, used=1)])
def test_one_whole_cycle_or_a_byte_is_no_silence(given: SimFacts) -> None:
    assert found(given, FindingCode.NO_TRAFFIC) is None


@pytest.mark.parametrize("sim", [a_sim(state=SimState.EXPIRED), a_sim(state=SimState.SILENT)])
def test_nothing_is_found_of_a_sim_that_is_not_active(sim: Sim) -> None:
    assert findings_of(facts(0, 0, 0, sim=sim)) == ()


def test_a_suspended_sim_is_no_silent_one() -> None:
    held = a_sim(Supplier.FLEXEM, Carrier.CMCC, SimState.ACTIVE, HoldCode.MANUAL)
    assert found(facts(0, 0, sim=held), FindingCode.NO_TRAFFIC) is None


def test_a_cheaper_plan_must_hold_the_largest_cycle_with_a_quarter_to_spare() -> None:
    """RN-4: 24 MB and a quarter are 30 MB; a byte more is too much."""
    one = found(facts(24 * MB, 1, 1), FindingCode.PLAN_TOO_LARGE)
    assert one is not None
    assert (one.arguments, one.saves_fen) == ({"plan": "30m"}, 200)
    assert found(facts(24 * MB + 1, 1, 1), FindingCode.PLAN_TOO_LARGE) is None
    assert found(facts(1, 1, 1, used=24 * MB + 1), FindingCode.PLAN_TOO_LARGE) is None


def test_a_plan_is_judged_by_three_whole_cycles_and_not_in_a_pool() -> None:
    assert found(facts(MB, MB), FindingCode.PLAN_TOO_LARGE) is None
    assert found(facts(MB, MB, MB, sim=standard(pool="p")), FindingCode.PLAN_TOO_LARGE) is None


def test_a_plan_that_stops_a_sim_in_two_of_three_cycles_is_too_small() -> None:
    """QT-3: the stop at the allowance was chosen."""
    stops = standard(auto_stop=True)
    one = found(facts(100 * MB + 1, 100 * MB + 1, 0, sim=stops), FindingCode.PLAN_TOO_SMALL)
    assert one is not None
    assert (one.arguments, one.saves_fen) == ({"plan": "1g"}, None)
    assert found(facts(100 * MB + 1, 100 * MB, 0, sim=stops), FindingCode.PLAN_TOO_SMALL) is None
    assert found(facts(200 * MB, 200 * MB, 0), FindingCode.PLAN_TOO_SMALL) is None


@pytest.mark.parametrize(("beyond", "saves"), [(70, None), (71, 10)])
def test_overrun_is_compared_with_what_a_larger_plan_costs(beyond: int, saves: int | None) -> None:
    """QT-3: 300 fen a month and 10 fen a megabyte, against 1000 fen a month: 70 MB cost the same."""
    mine = a_plan(price_fen=3600, overrun_fen_per_mb=10)
    used = (100 + beyond) * MB
    given = facts(used, used, used, sim=standard(mine))
    one = found(given, FindingCode.PLAN_TOO_SMALL)
    assert (one and one.saves_fen) == saves


@pytest.mark.parametrize(("used", "near"), [(80 * MB - 1, False), (80 * MB, True)])
def test_four_fifths_of_a_limit_are_near_it(used: int, near: bool) -> None:
    """RM-1: on the second day of a cycle no pace is told yet."""
    early = replace(facts(used=used, sim=standard(auto_stop=True)), today=date(2024, 6, 2))
    one = found(early, FindingCode.NEAR_LIMIT)
    assert (one is not None) is near
    if one:
        assert (one.rule, one.operation, one.arguments) == ("QT-3", OperationKind.ORDER_ADDON, {"addon": "pack"})


@pytest.mark.parametrize(("used", "heading"), [(50 * MB - 1, False), (50 * MB, True)])
def test_a_half_at_a_pace_that_passes_the_limit_is_heading_for_it(used: int, heading: bool) -> None:
    """On the twelfth, 50 MB in eleven days are 136 MB in thirty."""
    given = facts(used=used, sim=standard(auto_stop=True))
    assert (found(given, FindingCode.NEAR_LIMIT) is not None) is heading


def test_a_limit_that_has_stopped_the_sim_is_not_near_any_more() -> None:
    held = a_sim(Supplier.STANDARD, Carrier.CMCC, SimState.ACTIVE, HoldCode.OVER_QUOTA, auto_stop=True)
    assert found(facts(used=120 * MB, sim=held), FindingCode.NEAR_LIMIT) is None


def test_the_cut_off_of_flexem_is_a_limit() -> None:
    """QT-1: 3 GB at 100 MB."""
    one = found(facts(used=3 * GB * 4 // 5 + 1), FindingCode.NEAR_LIMIT)
    assert one is not None
    assert (one.rule, one.evidence["limit"]) == ("QT-1", 3 * GB)


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (RegionChange(province="内蒙古", city=None, done=True), {FindingCode.HIGH_RISK_REGION}),
        (RegionChange(province="福建", city="龙岩", done=True), {FindingCode.HIGH_RISK_REGION}),
        (RegionChange(province="福建", city="福州", done=True), set()),
        (RegionChange(province="湖北", city="武汉", done=False), set()),
        (
            RegionChange(province="新疆", city=None, done=False),
            {FindingCode.HIGH_RISK_REGION, FindingCode.BORDER_REGION},
        ),
        (RegionChange(province="广西", city="柳州", done=False), {FindingCode.BORDER_REGION}),
    ],
)
def test_a_sim_moved_or_being_moved_to_a_high_risk_or_border_region_is_at_risk(
    change: RegionChange, codes: set[FindingCode]
) -> None:
    """RG-4, RG-5."""
    assert codes_of(facts(region_change=change)) == codes


def test_a_sim_passes_in_its_home_province() -> None:
    """RG-4: while it is being moved home; once it was moved, its home is not known any more."""
    at_home = a_sim(province="内蒙古", real_name=RealName.VERIFIED, plan=PLANS[1])
    home = RegionChange(province="内蒙古", city=None, done=False)
    assert codes_of(facts(sim=at_home, region_change=home)) == set()
    assert codes_of(facts(sim=at_home, region_change=replace(home, done=True))) == {FindingCode.HIGH_RISK_REGION}


def test_a_sim_held_for_a_high_risk_region_is_in_one() -> None:
    held = a_sim(Supplier.GSL, Carrier.CMCC, SimState.ACTIVE, HoldCode.HIGH_RISK_REGION, real_name=RealName.VERIFIED)
    assert codes_of(facts(sim=held)) == {FindingCode.HIGH_RISK_REGION}


def test_three_changes_of_device_are_repeated_and_two_are_not() -> None:
    """DV-2, DV-6: rebinds, other devices of the type, and the one it is seen in."""
    seen = DeviceSeen(imei="861111111111111", at=datetime(2024, 6, 1, tzinfo=UTC))
    sim = a_sim(real_name=RealName.VERIFIED, plan=PLANS[1], imei=IMEI, devices=(IMEI[:14], "86000000000001"), seen=seen)
    assert found(facts(sim=sim), FindingCode.DEVICE_CHANGES) is None
    one = found(facts(sim=sim, rebinds=1), FindingCode.DEVICE_CHANGES)
    assert one is not None
    assert one.evidence["changes"] == 3
    same = replace(sim, seen=DeviceSeen(imei=IMEI, at=seen.at))
    assert found(facts(sim=same, rebinds=1), FindingCode.DEVICE_CHANGES) is None


@pytest.mark.parametrize(
    ("before", "used", "unusual"),
    [
        ((5 * MB, 5 * MB, 5 * MB), 15 * MB, False),
        ((5 * MB, 5 * MB, 5 * MB), 15 * MB + 1, True),
        ((MB, MB, MB), 11 * MB - 1, False),
        ((MB, MB, MB), 11 * MB, True),
        ((5 * MB, 5 * MB, 40 * MB), 40 * MB, False),
        ((5 * MB, 5 * MB, 40 * MB), 40 * MB + 1, True),
        ((5 * MB, 5 * MB), 90 * MB, False),
    ],
)
def test_more_than_three_times_the_median_and_than_ever_is_out_of_habit(
    before: tuple[int, ...], used: int, unusual: bool
) -> None:
    assert (found(facts(*before, used=used), FindingCode.UNUSUAL_USAGE) is not None) is unusual


@pytest.mark.parametrize(
    ("sim", "used", "breach"),
    [
        (a_sim(plan=a_plan(allowance=100 * MB)), 100 * MB, False),
        (a_sim(plan=a_plan(allowance=100 * MB)), 100 * MB + 1, True),
        (a_sim(plan=a_plan(allowance=100 * MB + 1)), 0, True),
        (a_sim(plan=a_plan(allowance=GB, directed=True)), 0, False),
        (a_sim(plan=a_plan(allowance=GB), real_name=RealName.VERIFIED), 0, False),
        (a_sim(plan=a_plan(allowance=GB), real_name=RealName.INDIVIDUAL), 0, True),
    ],
)
def test_general_traffic_over_100_mb_needs_a_verified_person(sim: Sim, used: int, breach: bool) -> None:
    """DR-3, LC-5: directed plans, and SIMs that are directed by their terms, are not general."""
    one = found(facts(sim=sim, used=used), FindingCode.GENERAL_WITHOUT_REAL_NAME)
    assert (one is not None) is breach
    personal = sim.real_name is RealName.INDIVIDUAL
    assert (one and one.operation) == (OperationKind.VERIFY_REAL_NAME if personal else None)


def test_sims_that_are_directed_by_their_terms_are_not_general() -> None:
    sim = a_sim(Supplier.FLEXEM, Carrier.CUCC, plan=a_plan(carrier=Carrier.CUCC, allowance=GB))
    assert terms_in_force(Supplier.FLEXEM, Carrier.CUCC, TODAY).card_type.value == "directed"
    assert found(facts(sim=sim), FindingCode.GENERAL_WITHOUT_REAL_NAME) is None


def test_eleven_personal_cards_need_two_documents_which_are_not_known() -> None:
    assert cards_per_person(10) is None
    one = cards_per_person(11)
    assert one is not None
    assert dict(one.evidence) == {"cards": 11, "documents_known": False, "documents_at_least": 2}
