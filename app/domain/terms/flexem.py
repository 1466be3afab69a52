"""The terms of FlexManager (繁易), from its manual of 2022-07: FM in docs/catalogue.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from types import MappingProxyType

from app.domain.terms.model import (
    AllowanceStop,
    ClockLevel,
    Counting,
    DeskLevel,
    Edge,
    ForcedDay,
    Level,
    LevelName,
    Term,
    Terms,
    ThresholdRight,
    service_level,
)
from app.domain.units import GB, MB
from app.domain.vocabulary import Actor, Carrier, HoldCode, OperationKind, SimState, Supplier

TEST_TRAFFIC_SINCE = date(2022, 2, 7)
"""Cards bought from this day on have test traffic; 后 read as inclusive (LC-1, D)."""

CANCELLATION_DAY_SINCE = date(2022, 7, 6)
"""From this day the carriers cancel on the 23rd at `cucc` and `ctcc` too (RN-1, FM 二.3)."""

_DESK = service_level(level=DeskLevel(rule="SL-1"), source="FM 一.3.1.2")
_REGION_DESK = service_level(level=DeskLevel(rule="SL-2", same_evening=True), source="FM 一.3.2.1")

_SERVICE: Mapping[str, Term[Level]] = MappingProxyType(
    {
        OperationKind.ACTIVATE: _DESK,
        OperationKind.SUSPEND: _DESK,
        OperationKind.RESUME: _DESK,
        LevelName.RESUME_IN_FIRST_DEVICE: service_level(
            level=ClockLevel(rule="DV-4", earliest=timedelta(minutes=10), latest=timedelta(minutes=20)),
            source="FM FAQ 4",
        ),
        LevelName.RESTORE: service_level(
            level=ClockLevel(
                rule="SL-4",
                earliest=timedelta(hours=2),
                latest=timedelta(hours=4),
                first_days_latest=timedelta(hours=8),
            ),
            source="FM 二.3, 三.2.1 注意 5",
            assumed=("SL-4",),
        ),
    },
)

_CUTOFFS = MappingProxyType(
    {
        30 * MB: 3 * GB,
        100 * MB: 3 * GB,
        200 * MB: 3 * GB,
        300 * MB: 3 * GB,
        500 * MB: 4 * GB,
        1 * GB: 5 * GB,
        2 * GB: 5 * GB,
        4 * GB: 8 * GB,
    },
)

_NETWORKS: Term[tuple[str, ...]] = Term(value=("2G", "3G", "4G"), source="FM 一.1")

_EVERY_CARRIER = Terms(
    supplier=Supplier.FLEXEM,
    carrier=Carrier.OVERSEAS,
    period_rule="LC-1",
    unverified_is_held=Term(value=False, source="FM 一.1"),
    counting=Term(value=Counting.CALENDAR_MONTHS, source="FM FAQ 5, 二.3"),
    cancels_on_day=Term(value=23, source="FM 二.3"),
    renewable_until_day=Term(value=22, source="FM 二.3, 一.2, 三.2.1 注意 2", assumed=("RN-1",)),
    renewal_last_safe_day=Term(value=21, source="FM 二.3", assumed=("RN-1",)),
    profile_required=Term(value=True, source="FM 三.1"),
    invoice_over_fen=Term(value=10_000, source="FM 三.2.5"),
    invoice_within_months=Term(value=3, source="FM 三.2.5, 三.2.1 注意 7", assumed=("IV-1",)),
    invoice_details=Term(value=("title", "tax_id", "address", "phone", "bank", "account"), source="FM 三.2.5"),
    plan_change=Term(value=True, source="FM 二.2, FAQ 3"),
    allowance_stop=Term(value=AllowanceStop.NEVER, source="FM 一.3.3"),
    cutoffs=Term(value=_CUTOFFS, source="FM 一.3.3", assumed=("QT-1",)),
    threshold_right=Term(value=ThresholdRight.NONE, source="FM 一.3.2.1"),
    resume_lifts=Term(
        value=frozenset({HoldCode.MANUAL, HoldCode.DEVICE_MISMATCH}),
        source="FM FAQ 4, GSL 10.9, SIX 4",
    ),
    binds_at=Term(value="first_insertion", source="FM 一.3.1, 一.3.5.2"),
    bound_digits=Term(value=8, source="FM 一.3.1"),
    bound_devices=Term(value=10, source="FM 一.3.1", assumed=("DV-2",)),
    directed_by=Term(value=("ip",), source="FM 一.3.4"),
)

_CMCC = replace(
    _EVERY_CARRIER,
    carrier=Carrier.CMCC,
    test_months=Term(value=3, source="FM 一.3.5.2", assumed=("LC-1",)),
    test_ends_in=Term(value=SimState.ACTIVE, source="FM 一.3.5.2"),
    forced_day=Term(value=ForcedDay.END_OF_PERIOD, source="FM 一.3.5.2"),
    renewal_pause_from_day=Term(value=23, source="FM 三.2.1 注意 2"),
    addons=Term(value=True, source="FM 三.2.2"),
    threshold_right=Term(value=ThresholdRight.CAP_ONLY, source="FM 一.3.2.1"),
    threshold_cap=Term(value=100 * MB, source="FM 一.3.2.1"),
    threshold_edge=Term(value=Edge.PASSED, source="FM 一.3.2.1"),
    rebind_by=Term(value=Actor.CARRIER, source="FM 一.3.1.2"),
    region_limited=Term(value=True, source="FM 一.2, 一.3.2"),
    networks=_NETWORKS,
    card_type=Term(value="public", source="FM 一.2"),
    directed_by=Term(value=(), source="FM 一.2"),
    service=MappingProxyType(
        {
            **_SERVICE,
            OperationKind.REBIND: _DESK,
            OperationKind.CHANGE_REGION: _REGION_DESK,
            OperationKind.SET_THRESHOLD: _REGION_DESK,
            OperationKind.VERIFY_REAL_NAME: _REGION_DESK,
        },
    ),
)

_SILENT_CARD = replace(
    _EVERY_CARRIER,
    silent_months=Term(value=3, source="FM 一.3.5.1"),
    forced_day=Term(value=ForcedDay.END_OF_PERIOD, source="FM 一.3.5.1"),
    addons=Term(value=True, source="FM 三.2.2"),
    region_limited=Term(value=False, source="FM 一.2, 一.3.2.1"),
    networks=_NETWORKS,
    card_type=Term(value="directed", source="FM 一.2, 一.3.4"),
    directed_may_be_empty=Term(value=True, source="FM 一.3.4"),
    cancels_on_day=Term(value=23, source="FM 二.3", assumed=("RN-1",)),
)

_CUCC = replace(
    _SILENT_CARD,
    carrier=Carrier.CUCC,
    rebind_by=Term(value=Actor.NOBODY, source="FM 一.3.1.2"),
    service=MappingProxyType(
        {
            **_SERVICE,
            OperationKind.REBIND: service_level(
                level=ClockLevel(rule="DV-3", earliest=timedelta(minutes=15), latest=timedelta(minutes=30)),
                source="FM 一.3.1.2",
            ),
        },
    ),
)

_CTCC = replace(
    _SILENT_CARD,
    carrier=Carrier.CTCC,
    rebind_by=Term(value=Actor.SUPPLIER, source="FM 一.3.1.2"),
    rebinds_a_month=Term(value=3, source="FM 一.3.1.2"),
    rebind_refused_beyond=Term(value=False, source="FM 一.3.1.2"),
    service=MappingProxyType(
        {
            **_SERVICE,
            OperationKind.REBIND: service_level(
                level=ClockLevel(rule="DV-3", latest=timedelta(minutes=30)),
                source="FM 一.3.1.2",
            ),
            LevelName.REBIND_OVER_BUDGET: _DESK,
        },
    ),
)

_SINCE_2022_07 = Term(value=23, source="FM 二.3")

FLEXEM: tuple[Terms, ...] = (
    _CMCC,
    replace(
        _CMCC,
        since=TEST_TRAFFIC_SINCE,
        test_months=Term(value=3, source="FM 一.3.5.2"),
        test_bytes=Term(value=30 * MB, source="FM 一.3.5.2"),
    ),
    _CUCC,
    replace(_CUCC, since=CANCELLATION_DAY_SINCE, cancels_on_day=_SINCE_2022_07),
    _CTCC,
    replace(_CTCC, since=CANCELLATION_DAY_SINCE, cancels_on_day=_SINCE_2022_07),
    replace(_EVERY_CARRIER, service=MappingProxyType({LevelName.RESTORE: _SERVICE[LevelName.RESTORE]})),
)
