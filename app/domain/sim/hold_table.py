"""The table of holds (ST-1 to ST-18): other names, remedies, who may lift it, source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from app.domain.terms.model import AllowanceStop, Terms, ThresholdRight
from app.domain.vocabulary import Actor, HoldCode


class RemedyAction(StrEnum):
    """The action of a remedy; the values are text keys below `remedy.`"""

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


class OfferedWhere(StrEnum):
    """Which value of a SIM's terms decides whether a remedy exists at all; no supplier is named (TM-2)."""

    EVERYWHERE = "everywhere"
    ALLOWANCE_STOPS = "allowance_stops"
    """The terms stop a SIM at its allowance, always or as chosen (QT-2, QT-3)."""
    ALLOWANCE_NEVER_STOPS = "allowance_never_stops"
    """They never do, so that such a stop is the carrier's own (QT-1)."""
    THRESHOLD_SETTABLE = "threshold_settable"
    """A threshold may be set to another value or none (QT-4), which the 100 MB cap may not (QT-6)."""
    RESUME_LIFTS = "resume_lifts"
    """A resume on request lifts this hold (ST-20)."""
    REGION_BOUND = "region_bound"
    """The terms bind a SIM to a region, and lift that in their ways (RG-3, TM-4)."""
    REGION_FREE = "region_free"


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRemedy:
    """One way to lift a hold: `actor` None: as DV-3 says for the SIM; `automatic`: it happens by itself."""

    by: RemedyAction
    actor: Actor | None
    automatic: bool = False
    where: OfferedWhere = OfferedWhere.EVERYWHERE

    def offered(self, code: HoldCode, terms: Terms) -> bool:
        """Whether these terms know this way out of the hold `code`."""
        stops = terms.allowance_stop.value is not AllowanceStop.NEVER
        settable = terms.threshold_right.value in (ThresholdRight.ANY, ThresholdRight.POOL_MEMBERS)
        return {
            OfferedWhere.EVERYWHERE: True,
            OfferedWhere.ALLOWANCE_STOPS: stops,
            OfferedWhere.ALLOWANCE_NEVER_STOPS: not stops,
            OfferedWhere.THRESHOLD_SETTABLE: settable,
            OfferedWhere.RESUME_LIFTS: code in (terms.resume_lifts.value or ()),
            OfferedWhere.REGION_BOUND: bool(terms.region_limited.value),
            OfferedWhere.REGION_FREE: not terms.region_limited.value,
        }[self.where]


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRule:
    """One row of the table; `recoverable` False: nothing lifts it, or only the carrier (ST-7, ST-11)."""

    rule: str
    code: HoldCode
    also_called: tuple[str, ...]
    lifted_by: tuple[HoldRemedy, ...]
    source: str
    recoverable: bool = True


def _self(by: RemedyAction, where: OfferedWhere = OfferedWhere.EVERYWHERE) -> HoldRemedy:
    return HoldRemedy(by=by, actor=Actor.SELF, where=where)


def _next_cycle(where: OfferedWhere = OfferedWhere.EVERYWHERE) -> HoldRemedy:
    return HoldRemedy(by=RemedyAction.NEXT_CYCLE, actor=Actor.NOBODY, automatic=True, where=where)


def _by_supplier(by: RemedyAction, where: OfferedWhere = OfferedWhere.EVERYWHERE) -> HoldRemedy:
    return HoldRemedy(by=by, actor=Actor.SUPPLIER, where=where)


_SUPPLIER_DESK = _by_supplier(RemedyAction.ASK_SUPPLIER)

_ROWS = (
    HoldRule(
        rule="ST-1",
        code=HoldCode.MANUAL,
        also_called=("主动停机", "主动停用"),
        lifted_by=(_self(RemedyAction.RESUME),),
        source="GSL 10.2, SIX 4",
    ),
    HoldRule(
        rule="ST-2",
        code=HoldCode.OVER_QUOTA,
        also_called=("超流量停机", "自动超停", "信控停用"),
        lifted_by=(
            _self(RemedyAction.ORDER_ADDON, OfferedWhere.ALLOWANCE_STOPS),
            _next_cycle(OfferedWhere.ALLOWANCE_STOPS),
            HoldRemedy(by=RemedyAction.ASK_CARRIER, actor=Actor.CARRIER, where=OfferedWhere.ALLOWANCE_NEVER_STOPS),
        ),
        source="GSL 10.2, SIX 4, OVR 一",
    ),
    HoldRule(
        rule="ST-3",
        code=HoldCode.OVER_THRESHOLD,
        also_called=("超流量阈值停机", "达量停用"),
        lifted_by=(
            _self(RemedyAction.RAISE_THRESHOLD, OfferedWhere.THRESHOLD_SETTABLE),
            _self(RemedyAction.REMOVE_THRESHOLD, OfferedWhere.THRESHOLD_SETTABLE),
            _self(RemedyAction.RESUME, OfferedWhere.RESUME_LIFTS),
            _next_cycle(),
        ),
        source="GSL 10.2, SIX 4",
    ),
    HoldRule(
        rule="ST-4",
        code=HoldCode.POOL_EXHAUSTED,
        also_called=("流量池停机",),
        lifted_by=(
            _self(RemedyAction.ACTIVATE_POOL_MEMBERS),
            _self(RemedyAction.ADD_POOL_CARDS),
            _self(RemedyAction.ORDER_POOL_ADDON),
            _next_cycle(),
        ),
        source="GSL 10.2, 13.5",
    ),
    HoldRule(
        rule="ST-5",
        code=HoldCode.PLAN_EXPIRED,
        also_called=("套餐到期停机", "已停机"),
        lifted_by=(_self(RemedyAction.RENEW),),
        source="GSL 10.2, FM 二.3",
    ),
    HoldRule(
        rule="ST-6",
        code=HoldCode.DEVICE_MISMATCH,
        also_called=("机卡分离", "换绑停用"),
        lifted_by=(
            HoldRemedy(by=RemedyAction.REBIND, actor=None),
            _by_supplier(RemedyAction.RESUME, OfferedWhere.RESUME_LIFTS),
        ),
        source="GSL 9.3, SIX 4, FM 一.3.1",
    ),
    HoldRule(
        rule="ST-7",
        code=HoldCode.PHONE_MISUSE,
        also_called=("手机内使用",),
        lifted_by=(HoldRemedy(by=RemedyAction.REPLACE_CARD, actor=Actor.NOBODY),),
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
            _by_supplier(RemedyAction.VERIFY_REAL_NAME, OfferedWhere.REGION_BOUND),
            _by_supplier(RemedyAction.CAP_USAGE, OfferedWhere.REGION_BOUND),
            _by_supplier(RemedyAction.CHANGE_REGION, OfferedWhere.REGION_BOUND),
            _by_supplier(RemedyAction.ASK_SUPPLIER, OfferedWhere.REGION_FREE),
        ),
        source="FM 一.3.2",
    ),
    HoldRule(
        rule="ST-10",
        code=HoldCode.NOT_REAL_NAMED,
        also_called=("未实名制违规停机", "实名停用"),
        lifted_by=(_self(RemedyAction.VERIFY_REAL_NAME),),
        source="GSL 9.11, SIX 4, OVR 五",
    ),
    HoldRule(
        rule="ST-11",
        code=HoldCode.CARRIER_CONTROL,
        also_called=("异常停用",),
        lifted_by=(HoldRemedy(by=RemedyAction.ASK_CARRIER, actor=Actor.CARRIER),),
        source="SIX 4",
        recoverable=False,
    ),
    HoldRule(
        rule="ST-12",
        code=HoldCode.POOL_FROZEN,
        also_called=("流量池冻结停机",),
        lifted_by=(_self(RemedyAction.TOP_UP),),
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
        lifted_by=(_self(RemedyAction.PAY), _self(RemedyAction.RESUME, OfferedWhere.RESUME_LIFTS)),
        source="OVR 三",
    ),
    HoldRule(
        rule="ST-15",
        code=HoldCode.POLICY_CUTOFF,
        also_called=("套餐断网阈值",),
        lifted_by=(
            _self(RemedyAction.ORDER_ADDON),
            _by_supplier(RemedyAction.UPGRADE_PLAN),
            _next_cycle(),
        ),
        source="FM 一.3.3",
    ),
    HoldRule(
        rule="ST-16",
        code=HoldCode.NETWORK_CUT,
        also_called=("单独断网",),
        lifted_by=(_self(RemedyAction.RESTORE_NETWORK),),
        source="GSL 3.12",
    ),
    HoldRule(
        rule="ST-17",
        code=HoldCode.VIOLATION,
        also_called=("违规停机",),
        lifted_by=(_SUPPLIER_DESK,),
        source="GSL 10.2",
    ),
    HoldRule(
        rule="ST-18",
        code=HoldCode.UNEXPLAINED,
        also_called=("停机，运营商未告知原因",),
        lifted_by=(_self(RemedyAction.RESUME), _SUPPLIER_DESK),
        source="FM 一.3.1.2",
    ),
)

HOLDS: Mapping[HoldCode, HoldRule] = MappingProxyType({row.code: row for row in _ROWS})
"""The row of each hold (ST-1 to ST-18)."""
