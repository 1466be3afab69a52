"""China Unicom gwapi, server side: SM3 token in the body, two-level envelope, always HTTP 200 (A2.1 to A2.3)."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.fleet.card import Card
from sandbox.fleet.world import World
from sandbox.http.messages import Answer, Request, json_answer
from sandbox.http.server import Call, find_card
from sandbox.http.skew import outside
from sandbox.time import BEIJING
from sandbox.unicom_cmp import tables as t
from sandbox.unicom_cmp.sm3 import sm3_hex

_OPERATION = re.compile(r"(?:/?api)*/(?:cn\.)?([A-Za-z]+)(?:[_/].*)?")
_STAMP = "%Y-%m-%d %H:%M:%S %f"
_COMPACT = "%Y%m%d%H%M%S%f"
"""17 digits, as public clients send it [F]."""
Data = dict[str, Any]


class GatewayRefusal(Exception):
    """The gateway refuses: no `data` in the answer."""

    def __init__(self, error: tuple[str, str]) -> None:
        super().__init__(error[0])
        self.error = error


class Refusal(Exception):
    """The business level refuses: a resultCode in `data`."""

    def __init__(self, error: tuple[str, str]) -> None:
        super().__init__(error[0])
        self.error = error


@dataclass(frozen=True, slots=True)
class Op:
    """One API."""

    run: Callable[[UnicomCmp, Call], Data]
    kind: str | Callable[[Data, Card | None], str] = "other"


class UnicomCmp:
    """The server."""

    name = "unicom_cmp"

    def __init__(self, world: World, credentials: dict[str, str], operations: Mapping[str, Op]) -> None:
        self.world = world
        self._app_id, self._secret = credentials["app_id"], credentials["app_secret"]
        self._open_id = credentials["open_id"]
        self._operations = operations

    def identify(self, request: Request) -> Call:
        """By the first segment after `/api/`; versions are taken as they come."""
        found = _OPERATION.fullmatch(request.path)
        name = found[1] if found else request.path
        whole = request.merged
        data = whole.get("data")
        data = data if isinstance(data, dict) else {}
        call = Call(request, name, "other", data)
        call.request.notes["envelope"] = whole
        iccid = data.get("iccid")
        if iccid:
            call.card = self.find(str(iccid))
        op = self._operations.get(name)
        if op is not None:
            call.kind = op.kind if isinstance(op.kind, str) else op.kind(data, call.card)
        call.pushed = False
        return call

    def find(self, iccid: str) -> Card | None:
        """A card by its whole ICCID or the first 19 digits of it."""
        return find_card(self.world, self.name, iccid)

    def answer(self, call: Call) -> Answer:
        """`{status, message, data}`."""
        try:
            self._authenticate(call)
            op = self._operations.get(call.op)
            if op is None:
                raise GatewayRefusal(t.NO_API)
            data = self._business(op, call)
        except GatewayRefusal as refusal:
            return failed(refusal.error)
        return json_answer({"status": t.OK, "message": "成功", "data": data})

    def _business(self, op: Op, call: Call) -> Data:
        head, tail = self._frame(call)
        try:
            data = op.run(self, call)
        except Refusal as refusal:
            return self._refused(call, refusal.error)
        if "rspcode" in data:
            return {**head, **data, **tail}
        return {**head, "resultCode": t.OK, "resultDesc": "成功", **tail, **data}

    def _refused(self, call: Call, error: tuple[str, str]) -> Data:
        head, tail = self._frame(call)
        return {**head, "resultCode": error[0], "resultDesc": error[1], **tail}

    def _frame(self, call: Call) -> tuple[Data, Data]:
        """What stands before and after the business data."""
        head = {"messageId": call.text("messageId") or "1", "version": call.text("version") or "1.0"}
        return head, {"timestamp": BEIJING.text(self.world.now(), "%Y-%m-%d %H:%M:%S")}

    def _authenticate(self, call: Call) -> None:
        whole = call.request.notes["envelope"]
        app_id, stamp, number, token = (
            str(whole.get(name, "")) for name in ("app_id", "timestamp", "trans_id", "token")
        )
        if not all((app_id, stamp, number, token)):
            raise GatewayRefusal(t.MISSING)
        expected = token_of(app_id, stamp, number, self._secret)
        if app_id != self._app_id or not hmac.compare_digest(expected.encode(), token.lower().encode()):
            raise GatewayRefusal(t.BAD_TOKEN)
        try:
            stamped = BEIJING.parse(stamp, _COMPACT if re.fullmatch(r"\d{17}", stamp) else _STAMP)
        except ValueError as error:
            if self.world.settings(self.name).strict:
                raise GatewayRefusal(t.STALE) from error
            stamped = self.world.now()
        if outside(self.world, self.name, call, stamped):
            raise GatewayRefusal(t.STALE)
        open_id = call.text("openId")
        if open_id != self._open_id and (open_id or self.world.settings(self.name).strict):
            raise GatewayRefusal(t.OPEN_ID)

    def card(self, call: Call) -> Card:
        """The card of `iccid`. Raises Refusal."""
        if call.card is None:
            raise Refusal(t.UNKNOWN_ICCID if call.text("iccid") else t.BAD_VALUE)
        return call.card

    def cards(self, call: Call) -> list[Card]:
        """The cards of `iccids`, at most 50; unknown ones are left out. Raises Refusal."""
        iccids = call.params.get("iccids")
        if isinstance(iccids, str):
            iccids = [part.strip() for part in iccids.split(",")]
        if not isinstance(iccids, list) or not iccids:
            raise Refusal(t.BAD_VALUE)
        if len(iccids) > 50:
            raise Refusal(t.TOO_MANY)
        return [card for iccid in iccids if (card := self.find(str(iccid))) is not None]

    def rate_limited(self, call: Call) -> Answer:
        """HTTP 429 with a gateway answer; the real one is unknown."""
        return failed(t.THROTTLED, 429)

    def unknown_card(self, call: Call) -> Answer:
        """The SOAP twin's code for it [J3]: gwapi's own is not published."""
        return json_answer({"status": t.OK, "message": "成功", "data": self._refused(call, t.UNKNOWN_TO_SOAP)})

    def revoke(self, call: Call) -> Answer | None:
        """No token here: this one call meets credentials that do not count."""
        return failed(t.BAD_TOKEN)

    def native_state(self, card: Card) -> str:
        """`simStatus`."""
        return status_of(card, card.visible_state())

    def push_body(self, push: dict[str, Any]) -> tuple[bytes, str]:
        """simImeiChange: only the ICCID is known to be sent (A2.6)."""
        return json_answer({"data": {"iccid": push["iccid"]}}).body, "application/json;charset=UTF-8"


def token_of(app_id: str, timestamp: str, trans_id: str, secret: str) -> str:
    """A2.2: names followed by their values, the bare secret at the end, SM3."""
    return sm3_hex(f"app_id{app_id}timestamp{timestamp}trans_id{trans_id}{secret}".encode())


def failed(error: tuple[str, str], status: int = 200) -> Answer:
    """A gateway's refusal: no data."""
    return json_answer({"status": error[0], "message": error[1]}, status)


def status_of(card: Card, state: str) -> str:
    """`simStatus` of a neutral state."""
    return "5" if state == "cancelled" and card.extra.get("final") == "PURGED" else t.STATUS[state]
