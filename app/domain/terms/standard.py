"""The common terms of the trade: SIX (the six card states) and OVR (why a card stops) in docs/catalogue.md."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from app.domain.terms.model import (
    AllowanceStop,
    Counting,
    Edge,
    ForcedDay,
    LevelName,
    MonthLevel,
    Term,
    Terms,
    ThresholdRight,
    service_level,
)
from app.domain.units import MB
from app.domain.vocabulary import Carrier, HoldCode, SimState, Supplier

_OVERSEAS = Terms(
    supplier=Supplier.STANDARD,
    carrier=Carrier.OVERSEAS,
    period_rule="LC-3",
    test_choice_months=Term(value=(1, 9), source="SIX 1"),
    test_choice_bytes=Term(value=(5 * MB, 30 * MB), source="SIX 1"),
    test_bytes_of_plan=Term(value=True, source="SIX 1"),
    test_ends_in=Term(value=SimState.SILENT, source="SIX 1"),
    test_overrun_charged=Term(value=False, source="OVR 2(1)", assumed=("LC-3",)),
    silent_months=Term(value=6, source="SIX 2"),
    forced_day=Term(value=ForcedDay.FIRST_OF_NEXT_MONTH, source="SIX 2"),
    unverified_is_held=Term(value=True, source="SIX 3, OVR 五", assumed=("LC-5",)),
    counting=Term(value=Counting.ANNIVERSARY, source="GSL 2.4", assumed=("VD-3",)),
    renewable_after_days=Term(value=90, source="SIX 5, OVR 四", assumed=("LC-9",)),
    plan_change=Term(value=True, source="OVR 一"),
    allowance_stop=Term(value=AllowanceStop.CHOSEN, source="OVR 一, 三, SIX 4"),
    allowance_edge=Term(value=Edge.REACHED, source="SIX 4"),
    threshold_right=Term(value=ThresholdRight.ANY, source="SIX 4", assumed=("QT-4",)),
    threshold_edge=Term(value=Edge.REACHED, source="SIX 4"),
    resume_lifts=Term(
        value=frozenset({HoldCode.MANUAL, HoldCode.OVER_THRESHOLD, HoldCode.ARREARS}),
        source="SIX 4, OVR 三",
        assumed=("ST-20",),
    ),
    binds_at=Term(value="where_sold_with_the_limit", source="SIX 4"),
    service=MappingProxyType(
        {LevelName.RESTORE: service_level(level=MonthLevel(rule="SL-4"), source="OVR 四")},
    ),
)

_MAINLAND = replace(
    _OVERSEAS,
    cancels_after_days=Term(value=90, source="SIX 5, OVR 四", assumed=("LC-9",)),
    retention_offered=Term(value=True, source="OVR 四"),
    addons=Term(value=True, source="SIX 4, OVR 一"),
)

STANDARD: tuple[Terms, ...] = (
    replace(
        _MAINLAND,
        carrier=Carrier.CMCC,
        retention_months=Term(value=3, source="OVR 四"),
        retention_fee_fen=Term(value=500, source="OVR 四"),
    ),
    replace(_MAINLAND, carrier=Carrier.CUCC),
    replace(_MAINLAND, carrier=Carrier.CTCC),
    _OVERSEAS,
)
