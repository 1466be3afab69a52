"""What China Telecom's two generations share: envelopes, codes and answers (`docs/carriers/`: B1.4, B1.5, B2.2).

There is no common envelope: eleven shapes and plain text. The first character shows whether it is JSON, XML or text;
the code is then looked for under the names that the shapes use.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from types import MappingProxyType
from typing import Any
from xml.etree.ElementTree import Element

from app.carriers.base import Session
from app.carriers.errors import CarrierProtocolError, CarrierRejected
from app.carriers.http import parse
from app.carriers.http.parse import Object
from app.carriers.http.transport import Reply
from app.carriers.result_codes import CodeMeaning, Codes, interpret_code
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

ALREADY = ("已存在相关停机记录", "已存在停机类型为120000的停机记录")
"""Texts of a refused suspend: the card is suspended already [1 each]."""

NO_THRESHOLD = "未订购达量断网"
"""Text of a refused change or cancelling of a threshold: there is none [1]."""

CUT_ALREADY = ("取消/恢复上网", "不能重复订购")
"""Both stand in the -9 that a network cut (or its end) of a card in that state is refused with [F]."""

ACTIVATABLE = "100008"
"""Business error; of a resume it means 待激活: requestServActive is the call for such a card [F]."""

RETRY_ABOVE = 9000
"""RspCode above this: a fault upstream, the call may be repeated [F]; 9000 itself says nothing about what was done."""

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

_CODE_NAMES = ("RspCode", "IRESULT", "RESULT", "resultCode", "result", "code", "info")
_MESSAGE_NAMES = ("RspDesc", "resultMsg", "SMSG", "message", "msg", "checkout", "messg")
_REFERENCE_NAMES = ("GROUP_TRANSACTIONID", "groupTransactionId", "group_TRANSACTIONID")
_PLAIN_CODE = re.compile(r"-?\d{1,12}")


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """An answer without a failure code: the meaning of its code, the transaction it began, and its body."""

    meaning: CodeMeaning
    reference: str | None
    json: Object
    xml: Element | None


def parse_reply(reply: Reply, codes: Codes, *, changes: bool) -> ParsedReply:
    """Read any of the shapes. Raises: the tree, by `codes`; what is no shape at all is unreadable."""
    body = reply.body.removeprefix(parse.BOM).strip()
    first = body[:1]
    if first == b"{":
        content: Object = parse.json_object(body)
        fields = _json_fields(content)
        return _parsed(fields, codes, changes=changes, json=content)
    if first == b"<":
        root = parse.xml_root(body)
        return _parsed(_leaves(root), codes, changes=changes, xml=root)
    return _plain(body, codes, changes=changes)


def is_already(message: str) -> bool:
    """Whether a refusal's text says that the card is in the requested state already."""
    return any(text in message for text in ALREADY) or all(text in message for text in CUT_ALREADY)


def explained(kind: OperationKind, error: CarrierRejected) -> CarrierRejected:
    """The refusal of a change, in words where its code alone would mislead."""
    if kind is OperationKind.RESUME and error.carrier_code == ACTIVATABLE:
        return CarrierRejected("the card was never active (待激活): activate it instead", carrier_code=ACTIVATABLE)
    return error


def leaf(root: Element, name: str) -> str:
    """The text of the first element of that local name that holds no others; empty where there is none."""
    return _leaves(root).get(name, "")


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
        for place, child in enumerate(children):
            if (child.text or "").strip() == name:
                value = _value_beside(children, place)
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


def _parsed(
    fields: Mapping[str, str], codes: Codes, *, changes: bool, json: Object | None = None, xml: Element | None = None
) -> ParsedReply:
    code = next((fields[name] for name in _CODE_NAMES if fields.get(name)), "")
    message = next((fields[name] for name in _MESSAGE_NAMES if fields.get(name)), "")
    reference = next((fields[name] for name in _REFERENCE_NAMES if fields.get(name)), None)
    if not code:
        raise CarrierProtocolError("an answer without any result code")
    if is_already(message):
        return ParsedReply(CodeMeaning.ALREADY, reference, json or {}, xml)
    meaning = interpret_code(_with_upstream_faults(codes, code), code, message, changes=changes)
    if fields.get("RspType", "0") != "0":
        raise CarrierProtocolError("RspType and the code disagree", carrier_code=code)
    return ParsedReply(meaning, reference, json or {}, xml)


def _with_upstream_faults(codes: Codes, code: str) -> Codes:
    """The table, with a code above 9000 that it does not name as busy."""
    upstream = code.isascii() and code.isdigit() and len(code) == 4 and int(code) > RETRY_ABOVE
    return {code: CodeMeaning.BUSY, **codes} if upstream else codes


def _plain(body: bytes, codes: Codes, *, changes: bool) -> ParsedReply:
    """`-N` or `<code>：<text>` (full-width colon): never a success (B1.4)."""
    try:
        plain = parse.text(body.decode())
    except UnicodeDecodeError:
        raise CarrierProtocolError(f"an answer in no known encoding ({len(body)} bytes)") from None
    if is_already(plain):
        return ParsedReply(CodeMeaning.ALREADY, None, {}, None)
    match = _PLAIN_CODE.match(plain)
    if match is None:
        raise CarrierProtocolError(f"an answer that is neither JSON, XML nor a code ({len(body)} bytes)")
    message = plain[match.end() :].lstrip("：: ") or "refused"
    interpret_code(codes, match[0], message, changes=changes)
    raise CarrierProtocolError("a bare code that means success", carrier_code=match[0])


def _json_fields(content: Object) -> Mapping[str, str]:
    """The scalar fields at the top, and those of `Response`."""
    response = content.get("Response")
    both: dict[str, Any] = {**content, **(response if isinstance(response, dict) else {})}
    return {name: parse.text(value) for name, value in both.items() if not isinstance(value, dict | list | bool)}


def _leaves(root: Element) -> Mapping[str, str]:
    """Local name → text of the first element of that name that holds no others."""
    found: dict[str, str] = {}
    for element in root.iter():
        if len(element) == 0:
            found.setdefault(element.tag.rpartition("}")[2], parse.text(element.text))
    return found


def _value_beside(children: list[Element], place: int) -> str | None:
    """The sibling whose name says value, else the next one."""
    valued = [child for child in children if child.tag.lower().endswith("value")]
    if valued:
        return valued[0].text
    return children[place + 1].text if place + 1 < len(children) else None
