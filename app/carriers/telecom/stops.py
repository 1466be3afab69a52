"""What China Telecom tells of a stopped card, and of one whose data is off under an active state (B1.5, B2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from xml.etree.ElementTree import Element

from app.carriers.base import CarrierHold
from app.carriers.http import parse
from app.carriers.http.parse import Object
from app.carriers.telecom import wire as telecom
from app.domain.sim.network_cut import NETWORK_CUT_CODE, THRESHOLD_CUT_CODE
from app.domain.units import MB
from app.domain.vocabulary import HoldCode

STOP_REASONS: Mapping[str, HoldCode] = MappingProxyType(
    {
        "2": HoldCode.MANUAL,  # 用户报停
        "120000": HoldCode.MANUAL,
        "5": HoldCode.ARREARS,  # 欠停(双向)
        "6": HoldCode.ARREARS,  # 欠停(单向)
        "7": HoldCode.VIOLATION,  # 违章停机
        "150001": HoldCode.NOT_REAL_NAMED,  # 未实名制违规停机
    }
)
"""queryCardStatus codes that stop a card (LC-15); those of `NO_REASON` stop nothing, any other is carrier_control."""

NO_REASON = frozenset({"1", "3", "19", "100001", "140003", "99999"})
"""在用, 用户拆机, 活卡待激活, 已激活, 未激活, 销户."""

NOT_CUT = "未断网"
REACHED = "是"


@dataclass(frozen=True, slots=True)
class CutOff:
    """What prodInstQuery tells: the threshold (bytes), whether it is reached, and stopFlag, the sign of a cut [I]."""

    threshold: int | None
    reached: bool
    stop_flag: bool | None


UNTOLD = CutOff(None, reached=False, stop_flag=None)


def stop_holds(root: Element | None, json: Object) -> tuple[CarrierHold, ...]:
    """The hold that queryCardStatus names; the field's own name is not published, its codes are.

    The reason is the first words in Chinese beside the code [I].
    """
    texts = _texts(root) if root is not None else _json_texts(json.get("productInfo"))
    name = next((text for text in texts if not text.isascii()), None)
    known = [text for text in texts if text in STOP_REASONS or text in NO_REASON]
    if known and known[0] in NO_REASON:
        return ()
    code = known[0] if known else next((text for text in texts if text.isdigit()), "")
    if not code:
        return ()
    return (CarrierHold(code=STOP_REASONS.get(code, HoldCode.CARRIER_CONTROL), carrier_code=code[:64], reason=name),)


def network_cut(json: Object) -> bool | None:
    """`netBlockStatusName` 未断网 or 已断网; None where it is not said."""
    return {NETWORK_CUT_CODE: True, NOT_CUT: False}.get(parse.text(json.get("netBlockStatusName")))


def with_management(code: str, found: tuple[CarrierHold, ...], name: str | None) -> tuple[CarrierHold, ...]:
    """The holds of a stopped card; one that is shown as 运营商管理状态 alone is not stopped at our request (D)."""
    if code != telecom.MANAGED:
        return found
    others = tuple(hold for hold in found if hold.code is not HoldCode.MANUAL)
    return others or (CarrierHold(code=HoldCode.CARRIER_CONTROL, carrier_code=code, reason=name),)


def status_name(json: Object, code: str) -> str | None:
    """The words beside a productMainStatusCd, of the carrier's own definition where it gives one [C 3]."""
    for entry in parse.objects(json.get("productInfo")):
        if parse.text(entry.get("productMainStatusCd")) == code:
            names = (entry.get("operatorDefinitionStatusName"), entry.get("productMainStatusName"))
            return next((text for name in names if (text := parse.text_or_none(name))), None)
    return None


def cut_off(root: Element | None) -> CutOff:
    """The threshold and the cut, from prodInstQuery [C 2]."""
    if root is None:
        return UNTOLD
    quota = telecom.attribute(root, telecom.THRESHOLD_ATTRIBUTE)
    return CutOff(
        threshold=None if quota in (None, telecom.UNLIMITED) else parse.amount(quota, MB),
        reached=telecom.attribute(root, telecom.REACHED_ATTRIBUTE) == REACHED,
        stop_flag=parse.flag(telecom.leaf(root, "stopFlag")),
    )


def cut_holds(cut: CutOff) -> tuple[CarrierHold, ...]:
    """The hold of data that is off because the threshold is reached (ST-3); any other cut is the domain's to judge."""
    return (CarrierHold(code=HoldCode.OVER_THRESHOLD, carrier_code=THRESHOLD_CUT_CODE),) if cut.reached else ()


def _texts(root: Element) -> list[str]:
    """The texts below productInfo, in order."""
    return [
        parse.text(element.text)
        for info in root.iter()
        if info.tag.rpartition("}")[2] == "productInfo"
        for element in info.iter()
        if (element.text or "").strip()
    ]


def _json_texts(value: object) -> list[str]:
    return [
        parse.text(item)
        for entry in parse.objects(value)
        for item in entry.values()
        if not isinstance(item, dict | list | bool)
    ]
