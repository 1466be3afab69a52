"""Holds (停机原因, ST): the reasons why data is off, as a set that stacks; what lifts each, who may, and when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from types import MappingProxyType

from app.domain.cycles import cycle_on
from app.domain.sim import Hold, Sim
from app.domain.terms.book import terms_in_force
from app.domain.vocabulary import Actor, Carrier, HoldCode, HoldSource, SimState, Supplier

LAG = timedelta(days=3)
"""Carriers' data may lag about so long at a cycle's start (ST-21, GSL 10.8)."""


class Lifts(StrEnum):
    """What lifts a hold; the action of a remedy."""

    RESUME = "resume"
    ORDER_ADDON = "order_addon"
    NEXT_CYCLE = "next_cycle"
    RAISE_THRESHOLD = "raise_threshold"
    REMOVE_THRESHOLD = "remove_threshold"
    ACTIVATE_POOL_MEMBERS = "activate_pool_members"
    ADD_POOL_CARDS = "add_pool_cards"
    ORDER_POOL_ADDON = "order_pool_addon"
    RENEW = "renew"
    REBIND = "rebind"
    WAIT = "wait"
    VERIFY_REAL_NAME = "verify_real_name"
    CAP_USAGE = "cap_usage"
    CHANGE_REGION = "change_region"
    TOP_UP = "top_up"
    PAY = "pay"
    RESTORE_NETWORK = "restore_network"
    UPGRADE_PLAN = "upgrade_plan"
    ASK_SUPPLIER = "ask_supplier"
    ASK_CARRIER = "ask_carrier"
    REPLACE_CARD = "replace_card"


ALL = frozenset(Supplier)
_ALL_BUT_FLEXEM = ALL - {Supplier.FLEXEM}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """One way to lift a hold: by whom (None: as DV-3 says for the card), by itself or not, under which terms."""

    by: Lifts
    actor: Actor | None
    automatic: bool = False
    suppliers: frozenset[Supplier] = ALL


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRule:
    """One row of the table of holds."""

    rule: str
    code: HoldCode
    also_called: tuple[str, ...]
    lifted_by: tuple[Lift, ...]
    source: str
    recoverable: bool = True


def _self(by: Lifts, *suppliers: Supplier) -> Lift:
    return Lift(by=by, actor=Actor.SELF, suppliers=frozenset(suppliers) or ALL)


def _next_cycle(suppliers: frozenset[Supplier] = ALL) -> Lift:
    return Lift(by=Lifts.NEXT_CYCLE, actor=Actor.NOBODY, automatic=True, suppliers=suppliers)


_SUPPLIER_DESK = Lift(by=Lifts.ASK_SUPPLIER, actor=Actor.SUPPLIER)

_ROWS = (
    HoldRule(
        rule="ST-1",
        code=HoldCode.MANUAL,
        also_called=("主动停机", "主动停用"),
        lifted_by=(_self(Lifts.RESUME),),
        source="GSL 10.2, SIX 4",
    ),
    HoldRule(
        rule="ST-2",
        code=HoldCode.OVER_QUOTA,
        also_called=("超流量停机", "自动超停", "信控停用"),
        lifted_by=(
            _self(Lifts.ORDER_ADDON, Supplier.GSL, Supplier.STANDARD),
            _next_cycle(_ALL_BUT_FLEXEM),
            Lift(by=Lifts.ASK_CARRIER, actor=Actor.CARRIER, suppliers=frozenset({Supplier.FLEXEM})),
        ),
        source="GSL 10.2, SIX 4, OVR 一",
    ),
    HoldRule(
        rule="ST-3",
        code=HoldCode.OVER_THRESHOLD,
        also_called=("超流量阈值停机", "达量停用"),
        lifted_by=(
            _self(Lifts.RAISE_THRESHOLD, Supplier.GSL, Supplier.STANDARD),
            _self(Lifts.REMOVE_THRESHOLD, Supplier.GSL, Supplier.STANDARD),
            _self(Lifts.RESUME, Supplier.STANDARD),
            _next_cycle(),
        ),
        source="GSL 10.2, SIX 4",
    ),
    HoldRule(
        rule="ST-4",
        code=HoldCode.POOL_EXHAUSTED,
        also_called=("流量池停机",),
        lifted_by=(
            _self(Lifts.ACTIVATE_POOL_MEMBERS),
            _self(Lifts.ADD_POOL_CARDS),
            _self(Lifts.ORDER_POOL_ADDON),
            _next_cycle(),
        ),
        source="GSL 10.2, 13.5",
    ),
    HoldRule(
        rule="ST-5",
        code=HoldCode.PLAN_EXPIRED,
        also_called=("套餐到期停机", "已停机"),
        lifted_by=(_self(Lifts.RENEW),),
        source="GSL 10.2, FM 二.3",
    ),
    HoldRule(
        rule="ST-6",
        code=HoldCode.DEVICE_MISMATCH,
        also_called=("机卡分离", "换绑停用"),
        lifted_by=(
            Lift(by=Lifts.REBIND, actor=None),
            Lift(by=Lifts.RESUME, actor=Actor.SUPPLIER, suppliers=frozenset({Supplier.FLEXEM})),
        ),
        source="GSL 9.3, SIX 4, FM 一.3.1",
    ),
    HoldRule(
        rule="ST-7",
        code=HoldCode.PHONE_MISUSE,
        also_called=("手机内使用",),
        lifted_by=(Lift(by=Lifts.REPLACE_CARD, actor=Actor.NOBODY),),
        source="GSL 10.3, FM 一.1",
        recoverable=False,
    ),
    HoldRule(
        rule="ST-8",
        code=HoldCode.HIGH_RISK_REGION,
        also_called=("高危地区使用",),
        lifted_by=(_SUPPLIER_DESK,),
        source="GSL 10.2, 3.2",
    ),
    HoldRule(
        rule="ST-9",
        code=HoldCode.OUT_OF_REGION,
        also_called=("超出区域限制",),
        lifted_by=(
            Lift(by=Lifts.VERIFY_REAL_NAME, actor=Actor.SUPPLIER),
            Lift(by=Lifts.CAP_USAGE, actor=Actor.SUPPLIER),
            Lift(by=Lifts.CHANGE_REGION, actor=Actor.SUPPLIER),
        ),
        source="FM 一.3.2",
    ),
    HoldRule(
        rule="ST-10",
        code=HoldCode.NOT_REAL_NAMED,
        also_called=("未实名制违规停机", "实名停用"),
        lifted_by=(_self(Lifts.VERIFY_REAL_NAME),),
        source="GSL 9.11, SIX 4, OVR 五",
    ),
    HoldRule(
        rule="ST-11",
        code=HoldCode.CARRIER_CONTROL,
        also_called=("异常停用",),
        lifted_by=(Lift(by=Lifts.ASK_CARRIER, actor=Actor.CARRIER),),
        source="SIX 4",
        recoverable=False,
    ),
    HoldRule(
        rule="ST-12",
        code=HoldCode.POOL_FROZEN,
        also_called=("流量池冻结停机",),
        lifted_by=(_self(Lifts.TOP_UP),),
        source="GSL 10.2",
    ),
    HoldRule(
        rule="ST-13",
        code=HoldCode.POOL_THRESHOLD,
        also_called=("后向流量池超阈值停机",),
        lifted_by=(_next_cycle(),),
        source="GSL 10.2",
    ),
    HoldRule(
        rule="ST-14",
        code=HoldCode.ARREARS,
        also_called=("欠费停机",),
        lifted_by=(_self(Lifts.PAY), _self(Lifts.RESUME, Supplier.STANDARD)),
        source="OVR 三",
    ),
    HoldRule(
        rule="ST-15",
        code=HoldCode.POLICY_CUTOFF,
        also_called=("套餐断网阈值",),
        lifted_by=(
            _self(Lifts.ORDER_ADDON),
            Lift(by=Lifts.UPGRADE_PLAN, actor=Actor.SUPPLIER),
            _next_cycle(),
        ),
        source="FM 一.3.3",
    ),
    HoldRule(
        rule="ST-16",
        code=HoldCode.NETWORK_CUT,
        also_called=("单独断网",),
        lifted_by=(_self(Lifts.RESTORE_NETWORK),),
        source="GSL 3.12",
    ),
    HoldRule(
        rule="ST-17",
        code=HoldCode.VIOLATION,
        also_called=("违规停机",),
        lifted_by=(_SUPPLIER_DESK,),
        source="GSL 10.2",
    ),
)

HOLDS: Mapping[HoldCode, HoldRule] = MappingProxyType({row.code: row for row in _ROWS})
"""Every hold, by its code (ST-1 to ST-17)."""


def codes(holds: Iterable[Hold]) -> frozenset[HoldCode]:
    """The codes of some holds."""
    return frozenset(hold.code for hold in holds)


def _leaves_the_state(code: HoldCode, carrier: Carrier) -> bool:
    """Whether the state goes on showing under this hold: a network cut (ST-16), at `ctcc` a changed device (ST-22)."""
    return code is HoldCode.NETWORK_CUT or (code is HoldCode.DEVICE_MISMATCH and carrier is Carrier.CTCC)


def shown_state(underlying: SimState, holds: Iterable[Hold], carrier: Carrier) -> SimState:
    """What a reader sees: `suspended` under any hold, but an expired or cancelled card reads as it is (ST)."""
    if underlying in (SimState.EXPIRED, SimState.CANCELLED):
        return underlying
    stopped = any(not _leaves_the_state(code, carrier) for code in codes(holds))
    return SimState.SUSPENDED if stopped else underlying


def network_allowed(underlying: SimState, holds: Iterable[Hold], carrier: Carrier) -> bool:  # noqa: ARG001
    """Whether data may flow: with any hold on it is off (ST), also where the state goes on showing (ST-16, ST-22)."""
    return underlying in (SimState.TESTING, SimState.SILENT, SimState.ACTIVE) and not codes(holds)


def is_ours(hold: Hold) -> bool:
    """Whether the stop was asked for by a caller or a rule of ours, not by the carrier itself (ST-24)."""
    return hold.source is not HoldSource.CARRIER


def with_hold(sim: Sim, hold: Hold) -> Sim:
    """The card with the hold on; one that is on already stays as it was."""
    return sim if hold.code in codes(sim.holds) else replace(sim, holds=(*sim.holds, hold))


def without_hold(sim: Sim, code: HoldCode) -> Sim:
    """The card without the hold; the others stay (ST)."""
    return replace(sim, holds=tuple(hold for hold in sim.holds if hold.code is not code))


def resume_lifts(sim: Sim, on: date) -> frozenset[HoldCode]:
    """What a resume on request lifts under the card's terms (ST-20)."""
    return terms_in_force(sim.terms, sim.carrier, on).resume_lifts.value or frozenset({HoldCode.MANUAL})


def leaves_by_next_cycle(code: HoldCode, terms: Supplier) -> bool:
    """Whether the hold goes by itself at the next cycle under these terms (ST-2, ST-3, ST-4, ST-13, ST-15)."""
    return any(lift.by is Lifts.NEXT_CYCLE and terms in lift.suppliers for lift in HOLDS[code].lifted_by)


def turnover(sim: Sim) -> tuple[Sim, tuple[HoldCode, ...]]:
    """The card at the start of a new cycle, and which holds left (ST-21, BC-4).

    Only holds of ours: one that the carrier put on leaves with the carrier's word (LC-15, ST-24).
    """
    leaving = tuple(
        hold.code for hold in sim.holds if is_ours(hold) and leaves_by_next_cycle(hold.code, sim.terms)
    )
    return replace(sim, holds=tuple(hold for hold in sim.holds if hold.code not in leaving)), leaving


def lagging(carrier: Carrier, code: HoldCode, terms: Supplier, today: date) -> bool:
    """Whether a hold still on is the carrier's lag and no fault: within 3 days of the cycle's start (ST-21).

    For `cucc` also within the first 3 days of the month (D).
    """
    since = today - cycle_on(carrier, today).start
    early = since < LAG or (carrier is Carrier.CUCC and today.day <= LAG.days)
    return early and leaves_by_next_cycle(code, terms)
