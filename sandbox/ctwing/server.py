"""CTWing 5G-CMP, server side: signed headers, three envelopes on one host, GET or POST for all (B2)."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.ctwing import batches as b
from sandbox.fleet.card import Card
from sandbox.fleet.world import World
from sandbox.http.messages import HTML, XML, Answer, Request, json_answer, text_answer
from sandbox.http.server import Call, find_card
from sandbox.http.skew import outside
from sandbox.telecom import replies as r
from sandbox.telecom.core import MethodCall, kind_of, push_xml
from sandbox.telecom.states import main_status
from sandbox.time import BEIJING

UNAUTHORISED = ("99401", "AppKey或签名校验失败")
STALE = ("99408", "时间戳超出允许范围")
NO_API = ("99404", "接口不存在")
TOO_MANY = ("99429", "请求过于频繁，请稍后再试")
"""Ours: gateway-level errors of this host were found nowhere (B2.2)."""
_CHANGES = frozenset({"activate", "suspend", "resume", "rebind", "set_threshold", "cut_network", "restore_network"})


class CtWing:
    """The server."""

    name = "ctwing"

    def __init__(self, world: World, credentials: dict[str, str], operations: Mapping[str, b.Op]) -> None:
        self.world = world
        self._key, self._secret = credentials["app_key"], credentials["app_secret"]
        self.cust_number = credentials["cust_number"]
        self._operations = operations

    def identify(self, request: Request) -> Call:
        """By the path's last segments; a card number may stand in the path."""
        path = request.path.rstrip("/")
        inside = re.fullmatch(r"(.*)/(\d{11,15})(/\w+)?", path)
        params = request.merged
        if inside is not None:
            path = inside[1] + (inside[3] or "")
            params = {"access_number": inside[2], **params}
        op = self._operations.get(path)
        name = path.rpartition("/")[2]
        kind = "other" if op is None else kind_of(name, op.kind, params)
        return Call(request, path, kind, params, pushed=kind in _CHANGES)

    def answer(self, call: Call) -> Answer:
        """The signature, then the method; a refusal in the shape of the method's own replies."""
        refused = self._authenticate(call)
        if refused is not None:
            return json_answer({"code": refused[0], "message": refused[1]}, 401)
        op = self._operations.get(call.op)
        if op is None:
            return json_answer({"code": NO_API[0], "message": NO_API[1]}, 404)
        try:
            return self._run(op, call)
        except r.Refusal as refusal:
            return self._shaped(op, refusal.answer)

    def _run(self, op: b.Op, call: Call) -> Answer:
        params = call.params
        if op.card:
            number = params.get("access_number") or params.get("accessNumber") or ""
            if isinstance(number, list):
                number = number[0] if number else ""
            iccid = str(params.get("iccid") or "")
            if not number and not iccid:
                raise r.Refusal(r.MISSING)
            call.card = find_card(self.world, self.name, iccid, str(number))
            if call.card is None:
                raise r.Refusal(r.CARD)
        return op.run(MethodCall(self.world, self.name, call, params, call.card))

    def _shaped(self, op: b.Op, answer: Answer) -> Answer:
        """A plain-text refusal of the older platform in this host's envelopes (B2.2: `<result>100008</result>`)."""
        text = answer.body.decode()
        if answer.kind != HTML:
            return answer
        found = re.match(r"-?\d+", text)
        code = found[0] if found else "-5"
        message = text.partition("：")[2] or text
        if op.shape == "service":
            return r.xml("businessServiceResponse", {"RspType": 1, "result": code, "resultMsg": message})
        if op.shape == "content":
            response = {"RspType": "1", "RspCode": code, "RspDesc": message}
            return r.xml("SvcCont", {"Response": response})
        if op.shape == "code":
            return json_answer({"code": code, "msg": message, "message": message})
        key = ("RESULT", "SMSG") if op.shape == "upper" else ("result", "resultMsg")
        return json_answer({key[0]: code, key[1]: message, "resultCode": code})

    def _authenticate(self, call: Call) -> tuple[str, str] | None:
        headers = call.request.headers
        key, stamp, sign = (headers.get(name, "") for name in ("appkey", "timestamp", "sign"))
        if key != self._key or not re.fullmatch(r"\d{14}", stamp):
            return UNAUTHORISED
        right = any(
            hmac.compare_digest(sign_of(text, self._secret, stamp), sign.lower()) for text in self._signed(call.request)
        )
        if not right:
            return UNAUTHORISED
        stamped = BEIJING.parse(stamp, "%Y%m%d%H%M%S")
        return STALE if outside(self.world, self.name, call, stamped) else None

    def _signed(self, request: Request) -> Iterator[str]:
        """Q + B as documented; leniently also Q as sent, and a JSON body as sorted fields (S3)."""
        body = request.body.decode("utf-8", "replace")
        query = "&".join(f"{name}={value}" for name, value in sorted(request.query.items()))
        yield query + body
        if self.world.settings(self.name).strict:
            return
        yield "&".join(sorted(request.raw_query.split("&"))) + body if request.raw_query else body
        if request.body[:1] == b"{":
            yield "&".join(f"{name}={_go(value)}" for name, value in sorted(request.merged.items()))

    def rate_limited(self, call: Call) -> Answer:
        """HTTP 429; the real answer is unknown."""
        return json_answer({"code": TOO_MANY[0], "message": TOO_MANY[1]}, 429)

    def unknown_card(self, call: Call) -> Answer:
        """-4, in the shape of the method."""
        op = self._operations.get(call.op)
        refused = text_answer(r.CARD, HTML)
        return self._shaped(op, refused) if op is not None else refused

    def revoke(self, call: Call) -> Answer | None:
        """No token here: this one call meets a key that does not count."""
        return json_answer({"code": UNAUTHORISED[0], "message": UNAUTHORISED[1]}, 401)

    def native_state(self, card: Card) -> str:
        """`productMainStatusCd`."""
        return main_status(card, card.visible_state())

    def push_body(self, push: dict[str, Any]) -> tuple[bytes, str]:
        """The completion XML, as on the older platform."""
        return push_xml(push), XML


def sign_of(text: str, secret: str, stamp: str) -> str:
    """Hex of the ASCII of the lower-case MD5 hex (B2.1)."""
    inner = hashlib.md5(f"{text}{secret}{stamp}".encode(), usedforsecurity=False).hexdigest()
    return inner.encode().hex()


def _go(value: Any) -> str:
    """A value as Go prints it."""
    if isinstance(value, list):
        return f"[{' '.join(_go(item) for item in value)}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
