"""The terms of Huawei Cloud Global SIM Link, from its FAQ of 2024-06-17: GSL in docs/catalogue.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

from app.domain.terms.model import (
    AllowanceStop,
    ClockLevel,
    Counting,
    DayLevel,
    Edge,
    ForcedDay,
    Level,
    LevelName,
    PoolForming,
    Term,
    Terms,
    ThresholdRight,
    WorkdayLevel,
    service_level,
)
from app.domain.units import MB
from app.domain.vocabulary import (
    Actor,
    AfterSalesRequest,
    Carrier,
    DirectedEntryState,
    HoldCode,
    OperationKind,
    SimState,
    Supplier,
)

_DELIVERY: Mapping[str, Term[Level]] = MappingProxyType(
    {LevelName.DELIVERY: service_level(level=WorkdayLevel(rule="SL-6", latest=10), source="GSL 6.1")},
)

_QUICK = service_level(level=WorkdayLevel(rule="SL-3", earliest=1, latest=2), source="GSL 9.9")
_SLOW = service_level(level=WorkdayLevel(rule="SL-3", earliest=1, latest=2, or_days=7), source="GSL 9.9")

_OVERSEAS = Terms(
    supplier=Supplier.GSL,
    carrier=Carrier.OVERSEAS,
    period_rule="LC-2",
    test_months=Term(value=6, source="GSL 2.3"),
    test_bytes_of_plan=Term(value=True, source="GSL 9.10"),
    test_ends_in=Term(value=SimState.ACTIVE, source="GSL 2.3"),
    test_order_shows_unused=Term(value=True, source="GSL 9.10"),
    forced_day=Term(value=ForcedDay.END_OF_PERIOD, source="GSL 2.1, 2.3"),
    unverified_is_held=Term(value=True, source="GSL 9.11, 9.12"),
    counting=Term(value=Counting.ANNIVERSARY, source="GSL 2.4", assumed=("VD-3",)),
    renewable_after_days=Term(value=0, source="GSL 3.10, 10.2", assumed=("RN-3",)),
    renewal_reminder_months=Term(value=1, source="GSL 3.10", assumed=("RN-3",)),
    plan_change=Term(value=False, source="GSL 5.4, 12.5"),
    allowance_stop=Term(value=AllowanceStop.ALWAYS, source="GSL 8.1, 10.2"),
    allowance_edge=Term(value=Edge.PASSED, source="GSL 10.2"),
    threshold_right=Term(value=ThresholdRight.NONE, source="GSL 3.12"),
    threshold_edge=Term(value=Edge.PASSED, source="GSL 10.2"),
    addons=Term(value=False, source="GSL 5.8, 13.5"),
    resume_lifts=Term(value=frozenset({HoldCode.MANUAL}), source="GSL 10.9"),
    binds_at=Term(value="first_activation", source="GSL 9.2"),
    networks=Term(value=("4G",), source="GSL 3.3"),
    directed_by=Term(value=("ip", "domain"), source="GSL 3.4"),
    directed_protocols=Term(value=("http", "https", "tcp", "udp", "mqtt"), source="GSL 4.1"),
    directed_may_be_empty=Term(value=False, source="GSL 4.3"),
    directed_deletable=Term(
        value=frozenset(DirectedEntryState) - {DirectedEntryState.SUBMITTED},
        source="GSL 4.3",
    ),
    directed_reversible=Term(value=False, source="GSL 3.6"),
    general_up_to=Term(value=100 * MB, source="GSL 9.4"),
    after_sales_refused=Term(
        value=frozenset(AfterSalesRequest),
        source="GSL 3.8, 3.10, 5.4, 5.5, 5.9, 9.6, 12.5",
    ),
    small_order_cards=Term(value=10, source="GSL 5.1"),
    pool_forming=Term(value=PoolForming.AT_PURCHASE, source="GSL 13.3"),
    service=_DELIVERY,
)

_MAINLAND = replace(
    _OVERSEAS,
    test_months=Term(value=None, source="GSL 2.2"),
    test_ends_in=Term(value=None, source="GSL 2.2"),
    silent_months=Term(value=6, source="GSL 2.1, 2.2"),
    addons=Term(value=True, source="GSL 5.8, 13.5"),
)

_CMCC = replace(
    _MAINLAND,
    carrier=Carrier.CMCC,
    threshold_right=Term(value=ThresholdRight.POOL_MEMBERS, source="GSL 3.12, 10.2, 13.7"),
    rebind_by=Term(value=Actor.SELF, source="GSL 9.3, 10.4"),
    industrial_over=Term(value=100 * MB, source="GSL 6.1"),
    service=MappingProxyType(
        {
            **_DELIVERY,
            LevelName.DELIVERY_INDUSTRIAL: service_level(level=DayLevel(rule="SL-6", days=42), source="GSL 6.1"),
            OperationKind.ACTIVATE: _SLOW,
            OperationKind.SUSPEND: _SLOW,
            OperationKind.RESUME: _SLOW,
            OperationKind.REBIND: service_level(level=WorkdayLevel(rule="DV-3", latest=3), source="GSL 9.3, 10.4"),
        },
    ),
)

_CUCC = replace(
    _MAINLAND,
    carrier=Carrier.CUCC,
    networks=Term(value=("3G", "4G"), source="GSL 3.3"),
    threshold_right=Term(value=ThresholdRight.POOL_MEMBERS, source="GSL 3.12, 10.2, 13.7"),
    rebind_by=Term(value=Actor.CARRIER, source="GSL 9.3, 10.4"),
    service=MappingProxyType(
        {
            **_DELIVERY,
            OperationKind.ACTIVATE: _QUICK,
            OperationKind.SUSPEND: _QUICK,
            OperationKind.RESUME: _QUICK,
            OperationKind.REBIND: service_level(
                level=WorkdayLevel(rule="DV-3", earliest=1, latest=3),
                source="GSL 9.3, 10.4",
            ),
        },
    ),
)

_CTCC = replace(
    _MAINLAND,
    carrier=Carrier.CTCC,
    threshold_right=Term(value=ThresholdRight.ANY, source="GSL 3.12, 10.2, 13.7"),
    rebind_by=Term(value=Actor.SELF, source="GSL 9.3, 10.4"),
    rebinds_a_month=Term(value=2, source="GSL 9.3, 10.4"),
    rebind_refused_beyond=Term(value=True, source="GSL 9.3, 10.4"),
    pool_forming=Term(value=PoolForming.BEFORE_SHIPPING, source="GSL 13.3, 13.11"),
    service=MappingProxyType(
        {
            **_DELIVERY,
            OperationKind.ACTIVATE: _QUICK,
            OperationKind.SUSPEND: _QUICK,
            OperationKind.RESUME: _QUICK,
            OperationKind.REBIND: service_level(
                level=ClockLevel(rule="DV-3", latest=timedelta(minutes=5)),
                source="GSL 9.3, 10.4",
            ),
        },
    ),
)

GSL: tuple[Terms, ...] = (_CMCC, _CUCC, _CTCC, _OVERSEAS)
