"""Reads the answers of China Telecom's two generations (`docs/carriers/`: B1.4, B1.5, B2.2).

There is no common envelope: eleven shapes and plain text. The first character shows whether it is JSON, XML or text;
the code is then looked for under the names that the shapes use.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from app.carriers.errors import CarrierProtocolError
from app.carriers.http import parse
from app.carriers.http.parse import Object
from app.carriers.http.transport import Reply
from app.carriers.result_codes import CodeMeaning, Codes, interpret_code

ALREADY = ("已存在相关停机记录", "已存在停机类型为120000的停机记录")
"""Texts of a refused suspend: the card is suspended already [1 each]."""

CUT_ALREADY = ("取消/恢复上网", "不能重复订购")
"""Both stand in the -9 that a network cut (or its end) of a card in that state is refused with [F]."""

RETRY_ABOVE = 9000
"""RspCode above this: a fault upstream, the call may be repeated [F]; 9000 itself says nothing about what was done."""

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
        return _parsed(leaves(root), codes, changes=changes, xml=root)
    return _plain(body, codes, changes=changes)


def is_already(message: str) -> bool:
    """Whether a refusal's text says that the card is in the requested state already."""
    return any(text in message for text in ALREADY) or all(text in message for text in CUT_ALREADY)


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


def leaves(root: Element) -> Mapping[str, str]:
    """Local name → text of the first element of that name that holds no others."""
    found: dict[str, str] = {}
    for element in root.iter():
        if len(element) == 0:
            found.setdefault(element.tag.rpartition("}")[2], parse.text(element.text))
    return found
