"""Telecom's reply shapes (B1.4): JSON of four sorts, XML of seven, and plain text."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from sandbox.http.messages import HTML, XML, Answer, json_answer, text_answer
from sandbox.time import BEIJING

DONE = "处理成功！"
TAKEN = "成功接收消息"
_HEAD = '<?xml version="1.0" encoding="utf-8"?>'
_WEB = 'xmlns:web="http://www.example.org/webservice"'

USER = "-1"
MISSING = "-2"
SIGN = "-3"
CARD = "-4"
IN_PROGRESS = "-7：该号码已有业务正在处理，请稍后下发"
TOO_MANY = "101004：请求过于频繁，请稍后再试"
STOPPED = "已存在相关停机记录，无需再次办理停机"
NOT_RESUMABLE = "100008：该号码当前状态不允许办理此业务"
NO_THRESHOLD = "-5：未订购达量断网"
HAS_PRODUCT = "-5：已经订购该产品，请不要重复订购"
CHECK = "-5：业务校验失败"
REBINDS_USED = "业务校验失败（单卡本月调用次数已超过限定次数！）"


class Refusal(Exception):
    """A reply that refuses; its body is the whole answer. The real service calls its text errors text/html [F]."""

    def __init__(self, answer: Answer | str) -> None:
        super().__init__("refused")
        self.answer = text_answer(answer, HTML) if isinstance(answer, str) else answer


def transaction(now: int, serial: int) -> str:
    """GROUP_TRANSACTIONID: a node of 10 digits, the day, 10 digits more."""
    return f"1000000252{BEIJING.text(now, '%Y%m%d')}{serial:010d}"


def elements(value: Any) -> str:
    """A mapping as XML elements; a list repeats its element, None and "" are empty ones."""
    parts = []
    for name, item in value.items():
        for one in item if isinstance(item, list) else [item]:
            if isinstance(one, dict):
                parts.append(f"<{name}>{elements(one)}</{name}>")
            elif one in (None, ""):
                parts.append(f"<{name}/>")
            else:
                parts.append(f"<{name}>{escape(str(one))}</{name}>")
    return "".join(parts)


def xml(root: str, values: dict[str, Any]) -> Answer:
    """A document with a plain root."""
    return text_answer(f"{_HEAD}\n<{root}>{elements(values)}</{root}>", XML)


def web(name: str, values: dict[str, Any]) -> Answer:
    """`root/web:<name>` in the example namespace."""
    return text_answer(f"{_HEAD}<root><web:{name} {_WEB}>{elements(values)}</web:{name}></root>", XML)


def result_code(values: dict[str, Any]) -> Answer:
    """`{resultCode, resultMsg, …}`."""
    return json_answer({"resultCode": "0", "resultMsg": DONE, **values})


def service_response(number: str) -> Answer:
    """BusinessServiceResponse."""
    return xml(
        "businessServiceResponse", {"RspType": 0, "result": 0, "resultMsg": TAKEN, "GROUP_TRANSACTIONID": number}
    )


def service_content(number: str) -> Answer:
    """root/SvcCont/Response, as offNetAction answers [F]."""
    response = {"RspType": "0", "RspCode": "0000", "RspDesc": TAKEN}
    return xml("root", {"SvcCont": {"Response": response, "GROUP_TRANSACTIONID": number}})


def upper_result(text: str, number: str) -> Answer:
    """`{RESULT, SMSG}`."""
    return json_answer({"RESULT": "0", "SMSG": text, "GROUP_TRANSACTIONID": number})


def json_response(number: str, code: str = "0000", text: str = TAKEN) -> Answer:
    """`{Response: {RspType, RspCode, RspDesc}}`."""
    response = {"RspType": "0" if code == "0000" else "1", "RspCode": code, "RspDesc": text}
    return json_answer({"Response": response, "GROUP_TRANSACTIONID": number})


def info(number: str) -> Answer:
    """`{info, checkout, messg}`."""
    return json_answer({"info": "success", "checkout": TAKEN, "messg": "", "GROUP_TRANSACTIONID": number})


def megabytes(used: int) -> str:
    """Bytes as MB with two decimals, rounded."""
    hundredths = (used * 100 + (1 << 19)) >> 20
    return f"{hundredths // 100}.{hundredths % 100:02d}"
