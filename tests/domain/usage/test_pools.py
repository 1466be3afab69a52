"""Pools, regions and device binding (PL, RG, DV)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.regions.names import PLACES, PROVINCES
from app.domain.regions.rules import Risk, border_risk, bound_province, high_risk, out_of_region, region_table
from app.domain.regions.tables import HIGH_RISK, MISPRINTED, PREFECTURE_OF
from app.domain.sim.binding import DeviceCheck, check_device, rebinds_left
from app.domain.units import MB
from app.domain.usage.pools import (
    PoolOrder,
    PoolState,
    crossed_levels,
    forming_refusal,
    joined_by,
    member_ceiling,
    pool_holds,
    pool_usage,
    postpaid_state,
)
from app.domain.vocabulary import Carrier, HoldCode, PlanKind, SimState, Supplier
from tests.domain.cards import a_sim

S = SimState
FLEXEM, GSL, STANDARD = Supplier.FLEXEM, Supplier.GSL, Supplier.STANDARD
TODAY = date(2024, 6, 12)
FORWARD, BACKWARD = PlanKind.PREPAID_POOL, PlanKind.POSTPAID_POOL


def test_a_forward_pool_holds_what_its_active_members_bring() -> None:
    """PL-1, PL-2, BC-3: whole allowance each, no pro rata; expired, cancelled and not activated bring nothing."""
    members = [S.ACTIVE, S.ACTIVE, S.SILENT, S.TESTING, S.EXPIRED, S.CANCELLED]
    use = pool_usage(FORWARD, 100 * MB, members, used=30 * MB, addons=10 * MB)
    assert (use.cards, use.effective_cards, use.total, use.remaining) == (6, 2, 210 * MB, 180 * MB)


def test_a_forward_pool_is_exhausted_at_remaining_zero() -> None:
    """PL-1, ST-4, QT-8: every activated member is held, the others are not."""
    brim = pool_usage(FORWARD, MB, [S.ACTIVE], used=MB)
    almost = pool_usage(FORWARD, MB, [S.ACTIVE], used=MB - 1)
    assert (brim.exhausted, almost.exhausted) == (True, False)
    assert pool_holds(a_sim(GSL), brim) == {HoldCode.POOL_EXHAUSTED}
    assert pool_holds(a_sim(GSL), almost) == frozenset()
    assert pool_holds(a_sim(GSL, state=S.SILENT), brim) == frozenset()
    assert not pool_usage(FORWARD, MB, [S.SILENT], used=0).exhausted


def test_a_backward_pool_has_no_ceiling_but_its_rules_threshold() -> None:
    """PL-4, ST-13, QT-8: reached is enough."""
    use = pool_usage(BACKWARD, MB, [S.ACTIVE], used=500)
    assert (use.total, use.remaining, use.exhausted) == (None, None, False)
    assert pool_holds(a_sim(GSL), use, 500) == {HoldCode.POOL_THRESHOLD}
    assert pool_holds(a_sim(GSL), use, 501) == frozenset()
    assert pool_holds(a_sim(GSL), use) == frozenset()


def test_a_members_ceiling_is_the_pool_or_its_own_threshold() -> None:
    """PL-3."""
    use = pool_usage(FORWARD, 100, [S.ACTIVE, S.ACTIVE], used=0)
    assert member_ceiling(a_sim(GSL), use) == 200
    assert member_ceiling(a_sim(GSL, threshold=70), use) == 70


@given(st.lists(st.integers(1, 150), max_size=4), st.lists(st.integers(0, 3000), min_size=1, max_size=6))
def test_each_threshold_speaks_once_a_cycle_whatever_corrections_do(levels: list[int], figures: list[int]) -> None:
    """PL-8."""
    already_sent: frozenset[int] = frozenset()
    told: list[int] = []
    for used in figures:
        now = crossed_levels(levels, used, 1000, already_sent)
        told.extend(now)
        already_sent |= set(now)
    assert sorted(told) == sorted({level for level in levels if level * 10 <= max(figures)})
    assert crossed_levels(levels, 5000, None, frozenset()) == ()


def test_a_backward_pools_states() -> None:
    """PL-4."""
    for arrears, over, threshold, state in (
        (False, False, False, PoolState.IN_USE),
        (True, False, False, PoolState.STOPPED),
        (False, False, True, PoolState.STOPPED),
        (True, True, False, PoolState.RELEASED),
    ):
        assert postpaid_state(arrears=arrears, retention_over=over, over_threshold=threshold) is state


def test_which_orders_may_form_a_pool() -> None:
    """PL-5."""
    telecom = PoolOrder(carrier=Carrier.CTCC, plan="p", terms=GSL, at_purchase=False)

    def detail(kind: PlanKind, *batches: PoolOrder) -> str | None:
        refused = forming_refusal(kind, batches, TODAY)
        assert refused is None or refused.rule == "PL-5"
        return None if refused is None else refused.detail

    assert detail(FORWARD, telecom, telecom) is None
    assert detail(FORWARD, telecom, replace(telecom, plan="q")) == "pool_one_carrier_one_plan"
    assert detail(FORWARD, replace(telecom, test_cards=True)) == "pool_no_test_cards"
    assert detail(FORWARD, replace(telecom, whole=False)) == "pool_whole_orders"
    assert detail(FORWARD, replace(telecom, shipped=True)) == "pool_before_shipping_only"
    assert detail(FORWARD, replace(telecom, carrier=Carrier.CMCC)) == "pool_at_purchase_only"
    assert detail(FORWARD, replace(telecom, carrier=Carrier.CMCC, at_purchase=True)) is None
    assert detail(BACKWARD, telecom) == "pool_at_purchase_only"
    assert detail(BACKWARD, replace(telecom, terms=STANDARD)) is None


def test_joining_is_in_effect_by_the_next_cycle() -> None:
    """PL-6."""
    assert joined_by(Carrier.CUCC, date(2024, 6, 26)) == date(2024, 6, 27)
    assert joined_by(Carrier.CMCC, date(2024, 6, 26)) == date(2024, 7, 1)


@pytest.mark.parametrize(
    ("carrier", "province", "city", "risk"),
    [
        (Carrier.CMCC, "内蒙古自治区", None, Risk.YES),
        (Carrier.CTCC, "西藏", "拉萨", Risk.YES),
        (Carrier.CMCC, "云南省", "临沧市", Risk.YES),
        (Carrier.CUCC, "云南", "沧临", Risk.YES),
        (Carrier.CUCC, "云南", "红河", Risk.NO),
        (Carrier.CMCC, "云南", "红河哈尼族彝族自治州", Risk.YES),
        (Carrier.CTCC, "云南", "普洱", Risk.NO),
        (Carrier.CMCC, "河北", "丰宁满族自治县", Risk.YES),
        (Carrier.CMCC, "河北", "承德市", Risk.UNKNOWN),
        (Carrier.CMCC, "河北", "石家庄", Risk.NO),
        (Carrier.CMCC, "河北", None, Risk.UNKNOWN),
        (Carrier.CTCC, "河北", "丰宁", Risk.NO),
        (Carrier.CUCC, "湖北", "新洲", Risk.YES),
        (Carrier.CUCC, "湖北", "武汉", Risk.UNKNOWN),
        (Carrier.CMCC, "湖北", "武汉", Risk.NO),
        (Carrier.CMCC, "福建", "长汀", Risk.UNKNOWN),
        (Carrier.CUCC, "广东", "茂名市", Risk.YES),
        (Carrier.CMCC, "上海", None, Risk.NO),
        (Carrier.CMCC, "黑龙江", "哈尔滨", Risk.NO),
        (Carrier.CUCC, "黑龙江", "哈尔滨", Risk.YES),
        (Carrier.OVERSEAS, "西藏", None, Risk.UNKNOWN),
    ],
)
def test_high_risk_regions_are_as_printed(carrier: Carrier, province: str, city: str | None, risk: Risk) -> None:
    """RG-4: a prefecture with a listed county, or a county of which we cannot tell the prefecture, is unknown."""
    assert high_risk(carrier, province, city) is risk


def test_a_local_card_passes() -> None:
    """RG-4, RG-5."""
    assert high_risk(Carrier.CMCC, "新疆", None, "新疆维吾尔自治区") is Risk.NO
    assert (border_risk("广西"), border_risk("广西", "广西壮族自治区"), border_risk("湖北")) == (
        Risk.UNKNOWN,
        Risk.NO,
        Risk.NO,
    )


def test_a_card_is_bound_where_its_test_traffic_was_used() -> None:
    """RG-2: 20 MB in A, sent to B half a year later → out of region; none used → the first place after activation."""
    assert bound_province(["A"]) == "A"
    assert bound_province(["A", "C"], "B") == "C"
    assert (bound_province([], "B"), bound_province([])) == ("B", None)
    card = a_sim(region_limited=True, province="湖北省")
    assert (out_of_region(card, "湖南"), out_of_region(card, "Hubei")) == (Risk.YES, Risk.NO)
    assert out_of_region(card, "Hubay") is Risk.UNKNOWN
    assert out_of_region(replace(card, province=None), "湖南") is Risk.UNKNOWN
    assert out_of_region(replace(card, region_limited=False), "湖南") is Risk.NO


def test_the_tables_of_high_risk_regions_are_complete() -> None:
    """RG-4: counted in the source; every listed county's prefecture is known."""
    counted = {carrier: sum(map(len, table.values())) for carrier, table in HIGH_RISK.items()}
    assert counted == {Carrier.CMCC: 26, Carrier.CUCC: 27, Carrier.CTCC: 20}
    assert region_table(Carrier.CMCC)["云南"] == ("普洱", "西双版纳", "沧临", "德宏", "红河", "文山")
    assert region_table(Carrier.OVERSEAS) == {}
    for table in HIGH_RISK.values():
        assert set(table) <= set(PROVINCES)
        for province, places in table.items():
            for place in places if places != ("all",) else ():
                assert MISPRINTED.get(place, place) in PLACES[province], place
    assert all(
        any(county in names and prefecture in names for names in PLACES.values())
        for county, prefecture in PREFECTURE_OF.items()
    )


def test_flexem_binds_the_type_and_lets_ten_devices_of_it_pass() -> None:
    """DV-1, DV-2: the first included."""
    card = a_sim(imei="490154203237518")
    assert check_device(a_sim(), "490154203237518", TODAY) is DeviceCheck.BINDS
    assert check_device(card, "490154203237518", TODAY) is DeviceCheck.PASSES
    assert check_device(card, "490154209999999", TODAY, 9) is DeviceCheck.PASSES
    assert check_device(card, "490154209999999", TODAY, 10) is DeviceCheck.LOCKS
    assert check_device(card, "490155203237518", TODAY) is DeviceCheck.LOCKS
    assert check_device(card, "490155203237518", TODAY, first_device=True) is DeviceCheck.PASSES


def test_gsl_binds_one_device_and_standard_only_cards_sold_so() -> None:
    """DV-1."""
    assert check_device(a_sim(GSL, imei="490154203237518"), "490154209999999", TODAY) is DeviceCheck.LOCKS
    assert check_device(a_sim(GSL), "490154209999999", TODAY) is DeviceCheck.BINDS
    assert check_device(a_sim(STANDARD), "490154209999999", TODAY) is DeviceCheck.PASSES


def test_rebinds_left_are_counted_by_the_month() -> None:
    """DV-3."""
    assert rebinds_left(2, 1) == 1
    assert rebinds_left(5, 5) == 0
    assert rebinds_left(None, 5) is None
