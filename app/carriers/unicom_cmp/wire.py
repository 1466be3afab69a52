"""Unicom's capability gateway gwapi (雁飞智连 CMP 5.0) on the wire (`docs/carriers/unicom_cmp.md`; [n] as there)."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from types import MappingProxyType

from app.carriers.base import CarrierHold
from app.carriers.errors import CarrierProtocolError
from app.carriers.http import parse
from app.carriers.http.parse import Object
from app.carriers.http.transport import Reply
from app.carriers.result_codes import CodeMeaning, Codes, interpret_code
from app.carriers.sm3 import sm3_hex
from app.domain.units import KB
from app.domain.vocabulary import HoldCode, OperationKind, SimState

CODES: Codes = MappingProxyType(
    {
        "0000": CodeMeaning.OK,  # [6]
        "1193": CodeMeaning.ALREADY,  # the card is in the requested status [1: U3]
        "9017": CodeMeaning.ACCEPTED,  # taken as success by U3; "change already in progress" is assumed [inf]
        "1044": CodeMeaning.ACCEPTED,
        "1074": CodeMeaning.REJECTED,  # billing month outside the kept range [1: U4]
        "1104": CodeMeaning.REJECTED,  # 账户阻止状态变更为预激活状态 [F]
        "6079": CodeMeaning.ALREADY,  # the communication plan is so already [1: U3]
        # the SOAP vocabulary that gwapi mirrors [1: J3]; not seen on gwapi itself
        "100100": CodeMeaning.NO_SUCH_CARD,
        "100101": CodeMeaning.NO_SUCH_CARD,
        "400101": CodeMeaning.RATE_LIMITED,
        "400200": CodeMeaning.AUTH,
        "400201": CodeMeaning.NO_SUCH_CARD,
    }
)
NOT_KEPT = "1074"

STATES: Mapping[str, SimState] = MappingProxyType(
    {
        "0": SimState.TESTING,
        "1": SimState.SILENT,
        "2": SimState.ACTIVE,
        "3": SimState.SUSPENDED,
        "4": SimState.CANCELLED,
        "5": SimState.CANCELLED,
        "6": SimState.CANCELLED,
        "7": SimState.INVENTORY,
        "8": SimState.INVENTORY,
        "9": SimState.CANCELLED,
    }
)
"""simStatus in neutral states (LC-13)."""

STATUS_CHANGE = "3"
TARGETS: Mapping[OperationKind, str] = MappingProxyType(
    {
        OperationKind.ACTIVATE: "2",
        OperationKind.RESUME: "2",
        OperationKind.SUSPEND: "3",
        OperationKind.TERMINATE: "4",
    }
)
"""wsEditTerminal, changeType 3: targetValue (A2.7) [4]."""

LOCKED = "1"
"""lockStatus of a SIM that is locked to a device [2]."""

VERIFIED = frozenset({"2", "3"})
NOT_VERIFIED = frozenset({"0", "1"})
"""realNameStatus: 0 and 1 not real-named, 2 and 3 real-named, whether needed or not [4]."""


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """An answer without a failure code: the meaning of its code, and its business data."""

    meaning: CodeMeaning
    data: Object


def path(api: str) -> str:
    """`wsEditTerminal` → its path below `/api/` [6]."""
    return f"{api}/V1/1Main/vV1.1"


def token(app_id: str, timestamp: str, trans_id: str, secret: str) -> str:
    """SM3 over the three named values and the bare secret; the data is not signed (A2.2) [5]."""
    return sm3_hex(f"app_id{app_id}timestamp{timestamp}trans_id{trans_id}{secret}".encode())


def envelope(credentials: Mapping[str, str], moment: datetime, data: Mapping[str, object]) -> bytes:
    """A signed request; `moment` is Beijing time."""
    thousandths = f"{moment.microsecond // 1000:03d}"
    timestamp = f"{moment:%Y-%m-%d %H:%M:%S} {thousandths}"
    trans_id = f"{moment:%Y%m%d%H%M%S}{thousandths}{secrets.randbelow(1_000_000):06d}"
    app_id = credentials["app_id"]
    body = {
        "app_id": app_id,
        "timestamp": timestamp,
        "trans_id": trans_id,
        "token": token(app_id, timestamp, trans_id, credentials["app_secret"]),
        "data": {"messageId": "1", "openId": credentials["open_id"], "version": "1.0", **data},
    }
    return json.dumps(body, ensure_ascii=False).encode()


def parse_reply(reply: Reply, codes: Codes, *, changes: bool) -> ParsedReply:
    """Both levels: the gateway's status, then the business resultCode (or rspcode)."""
    outer = parse.json_object(reply.body)
    interpret_code(
        codes, parse.required_text(outer.get("status"), "status"), parse.text(outer.get("message")), changes=changes
    )
    data = parse.as_object(outer.get("data"))
    code = parse.text(data.get("resultCode")) or parse.text(data.get("rspcode"))
    if not code:
        raise CarrierProtocolError("resultCode is missing")
    return ParsedReply(interpret_code(codes, code, parse.text(data.get("resultDesc")), changes=changes), data)


def holds(terminal: Object, code: str) -> tuple[CarrierHold, ...]:
    """Why a SIM is deactivated: over its quota by overageLimitReached, locked to its device by lockStatus (LC-15).

    There is no other reason. A lock of a SIM that is not deactivated stops nothing: it may be the binding alone [inf].
    """
    if STATES.get(code) is not SimState.SUSPENDED:
        return ()
    over = parse.flag(terminal.get("overageLimitReached"), yes=("1", "true", "True", "TRUE", "Y"), no=("0",))
    found = [CarrierHold(code=HoldCode.OVER_QUOTA, carrier_code=code)] if over else []
    if parse.text(terminal.get("lockStatus")) == LOCKED:
        found.append(CarrierHold(code=HoldCode.DEVICE_MISMATCH, carrier_code=f"lockStatus={LOCKED}"))
    return tuple(found)


def real_named(terminal: Object) -> bool | None:
    """realNameStatus, None where it is not reported."""
    return parse.flag(terminal.get("realNameStatus"), yes=VERIFIED, no=NOT_VERIFIED)


def add_sessions(totals: dict[date, int], rows: Iterable[Object], zone: tzinfo) -> None:
    """Add usageDetails to the days on which the sessions began; dataVolume is KB [1: U3].

    Raises `CarrierProtocolError` for a session without its start or volume: its day would be short of it.
    """
    for row in rows:
        day = parse.day(row.get("sessionStartTime"), zone)
        if day is None:
            raise CarrierProtocolError("sessionStartTime is missing")
        totals[day] = totals.get(day, 0) + parse.required_amount(row.get("dataVolume"), KB, "dataVolume")
