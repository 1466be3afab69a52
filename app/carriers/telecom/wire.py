"""What China Telecom's two generations share: codes and fields of answers (`docs/carriers/`: B1.4, B1.5, B2.2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, tzinfo
from types import MappingProxyType
from xml.etree.ElementTree import Element

from app.carriers.base import Session
from app.carriers.errors import CarrierProtocolError, CarrierRejected
from app.carriers.http import parse
from app.carriers.http.parse import Object
from app.carriers.result_codes import CodeMeaning, Codes
from app.carriers.telecom.reply import ParsedReply, leaves
from app.domain.units import MB, ceil_div
from app.domain.vocabulary import OperationKind, SimState

CODES: Codes = MappingProxyType(
    {
        "0": CodeMeaning.OK,
        "0000": CodeMeaning.OK,
        "success": CodeMeaning.OK,  # orderFlow's info
        "-1": CodeMeaning.AUTH,  # 用户名或者密码错误，无权限 [C 3]
        "-2": CodeMeaning.REJECTED,  # 必传参数缺失 [C 3]
        "-3": CodeMeaning.AUTH,  # sign参数值错误 [C 3]
        "-4": CodeMeaning.NO_SUCH_CARD,  # iccid号码错误或不存在 [C 2]
        "-5": CodeMeaning.REJECTED,  # business check failed [C 2]
        "-7": CodeMeaning.BUSY,  # 该号码已有业务正在处理，请稍后下发 [1]
        "-9": CodeMeaning.REJECTED,  # CRM refused [1]
        "100008": CodeMeaning.REJECTED,  # business error [C 2]
        "101004": CodeMeaning.RATE_LIMITED,  # 请求过于频繁 [1]
        "9000": CodeMeaning.BROKEN,  # upstream failure 接口入参转换异常 [C 2]; above it see RETRY_ABOVE
    }
)

NO_THRESHOLD = "未订购达量断网"
"""Text of a refused change or cancelling of a threshold: there is none [1]."""

ACTIVATABLE = "100008"
"""Business error; of a resume it means 待激活: requestServActive is the call for such a card [F]."""

STATES: Mapping[str, SimState] = MappingProxyType(
    {
        "1": SimState.SILENT,  # 可激活
        "2": SimState.TESTING,  # 测试激活
        "3": SimState.TESTING,  # 测试去激活
        "4": SimState.ACTIVE,  # 在用
        "5": SimState.SUSPENDED,  # 停机
        "6": SimState.SUSPENDED,  # 运营商管理状态
        "7": SimState.CANCELLED,  # 拆机
    }
)
"""productMainStatusCd in neutral states (LC-13) [C 6]."""

SUSPEND_TYPE = "19"
RESUME_TYPE = "20"
"""orderTypeId 停机保号 and its end [C 6]; 21 and 22 (test period) are not offered."""

MANAGED = "6"
"""运营商管理状态: the carrier has taken the card over."""

ADD_QUOTA, MODIFY_QUOTA, CANCEL_QUOTA = "1", "2", "3"
"""offNetAction `action` [C 4]."""

TOTAL_USAGE = "1"
"""offNetAction `type`: of all usage; 2 would be of usage beyond the plan [C 4]."""

UNLIMITED = "-1"
THRESHOLD_ATTRIBUTE = "断网阀值"
REACHED_ATTRIBUTE = "是否已达量断网"

TARGETS: Mapping[OperationKind, str] = MappingProxyType(
    {OperationKind.ACTIVATE: "4", OperationKind.SUSPEND: "5", OperationKind.RESUME: "4"}
)
"""The productMainStatusCd that a change of state leads to."""


def explained(kind: OperationKind, error: CarrierRejected) -> CarrierRejected:
    """The refusal of a change, in words where its code alone would mislead."""
    if kind is OperationKind.RESUME and error.carrier_code == ACTIVATABLE:
        return CarrierRejected("the card was never active (待激活): activate it instead", carrier_code=ACTIVATABLE)
    return error


def leaf(root: Element, name: str) -> str:
    """The text of the first element of that local name that holds no others; empty where there is none."""
    return leaves(root).get(name, "")


def main_status(json: Object) -> str:
    """productMainStatusCd: the first entry that is not 6, which may stand beside the real one [1] S14."""
    codes = [parse.text(entry.get("productMainStatusCd")) for entry in parse.objects(json.get("productInfo"))]
    known = [code for code in codes if code]
    if not known:
        raise CarrierProtocolError("productMainStatusCd is missing")
    return next((code for code in known if code != MANAGED), MANAGED)


def attribute(root: Element, name: str) -> str | None:
    """The value beside an element whose text is `name`, as prodInstQuery lists a function's attributes."""
    for parent in root.iter():
        children = list(parent)
        for index, child in enumerate(children):
            if (child.text or "").strip() == name:
                value = _value_beside(children, index)
                return parse.text_or_none(value)
    return None


def threshold(arguments: Mapping[str, object]) -> str | None:
    """The quota of a threshold in whole MB, rounded up; None cancels it. Raises `CarrierRejected` for no number."""
    size = arguments.get("bytes")
    if size is None:
        return None
    if not isinstance(size, int) or size < 0:
        raise CarrierRejected("a threshold is a number of bytes, or null for none")
    return str(ceil_div(size, MB))


async def set_quota(quota: str | None, send: Callable[[str, str], Awaitable[ParsedReply]]) -> ParsedReply:
    """Set a threshold by `send(action, quota)`: modify first, and add where there is none to modify.

    The other way round does not work: adding "succeeds" without effect where a threshold exists [F]. Cancelling one
    that does not exist leaves the card as requested.
    """
    try:
        return await send(MODIFY_QUOTA, quota) if quota is not None else await send(CANCEL_QUOTA, UNLIMITED)
    except CarrierRejected as error:
        if NO_THRESHOLD not in error.detail:
            raise
        if quota is None:
            return ParsedReply(CodeMeaning.ALREADY, None, {}, None)
    return await send(ADD_QUOTA, quota)


def traffic(root: Element | None) -> int | None:
    """Bytes of TOTAL_BYTES_CNT, MB as a text suffix [C 5]; None for a blank."""
    if root is None:
        raise CarrierProtocolError("usage was expected as XML")
    return parse.amount_with_unit(leaf(root, "TOTAL_BYTES_CNT"))


def session(json: Object, zone: tzinfo, as_of: datetime) -> Session:
    """getOnlineStatus: description.result -1 = offline, and the session has not stopped; online 0 is assumed [I]."""
    description = parse.as_object(json.get("description"))
    result = parse.required_text(description.get("result"), "description.result")
    online = result != "-1" and parse.text(description.get("acctStatusType")) != "stop"
    return Session(
        online=online,
        as_of=as_of,
        ip=parse.text_or_none(description.get("framedIpAddress")) if online else None,
        rat=parse.text_or_none(description.get("rattype")) if online else None,
        imei=parse.text_or_none(description.get("imei")),
        apn=parse.text_or_none(description.get("apn")) if online else None,
        since=parse.instant(description.get("startTime"), zone) if online else None,
    )


def _value_beside(children: list[Element], index: int) -> str | None:
    """The sibling whose name says value, else the next one."""
    valued = [child for child in children if child.tag.lower().endswith("value")]
    if valued:
        return valued[0].text
    return children[index + 1].text if index + 1 < len(children) else None
