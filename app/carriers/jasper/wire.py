"""Cisco IoT Control Center REST v1, as China Unicom runs it (`docs/carriers/jasper.md`; [n] as there)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from types import MappingProxyType

from app.carriers.base import CarrierHold, StateChange
from app.carriers.errors import CarrierError, CarrierProtocolError
from app.carriers.http import parse
from app.carriers.http.parse import Object
from app.carriers.http.transport import Call, Reply
from app.carriers.result_codes import CodeMeaning, Codes, interpret_code
from app.domain.vocabulary import HoldCode, OperationKind, SimState

_REFUSED = (
    *("10000002", "10000003", "10000004", "10000005", "10000006", "10000007", "10000008", "10000009", "10000010"),
    *("10000011", "10000012", "10000013", "10000014", "10000015", "10000016", "10000017", "10000018", "10000019"),
    *("10000020", "10000021", "10000022", "10000023", "10000024", "10000025", "10000026", "10000027", "10000028"),
    *("10000029", "10000031", "10000032", "10000049", "10000602", "20000002", "20000003", "20000005"),
)
"""Bad requests and illegal moves (10000029: not back to a state before activation) [1: J4; some 2]."""

_FORBIDDEN = ("10000001", "10000030", "10000062", "10000079", "10000080")
"""Invalid credentials or address [2]; role, account or API not enabled [1]."""

CODES: Codes = MappingProxyType(
    {
        **dict.fromkeys(_REFUSED, CodeMeaning.REJECTED),
        **dict.fromkeys(_FORBIDDEN, CodeMeaning.AUTH),
        "20000001": CodeMeaning.NO_SUCH_CARD,
        "30000001": CodeMeaning.BROKEN,  # unknown server error
        "30000002": CodeMeaning.BROKEN,  # could not submit the SMS
        "400101": CodeMeaning.RATE_LIMITED,  # the rate limit of the SOAP API [1: J3]
    }
)

STATES: Mapping[str, SimState] = MappingProxyType(
    {
        "INVENTORY": SimState.INVENTORY,
        "START": SimState.INVENTORY,
        "TEST_READY": SimState.TESTING,
        "ACTIVATION_READY": SimState.SILENT,
        "ACTIVATED": SimState.ACTIVE,
        "DEACTIVATED": SimState.SUSPENDED,
        "RETIRED": SimState.CANCELLED,
        "PURGED": SimState.CANCELLED,
        "REPLACED": SimState.CANCELLED,
    }
)
"""status in neutral states (LC-13)."""

TARGETS: Mapping[OperationKind, str] = MappingProxyType(
    {
        OperationKind.ACTIVATE: "ACTIVATED",
        OperationKind.SUSPEND: "DEACTIVATED",
        OperationKind.RESUME: "ACTIVATED",
        OperationKind.TERMINATE: "RETIRED",
    }
)
"""PUT /devices/{iccid} {"status": …} (A1.9) [3]."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of GET /devices: (iccid, status) pairs."""

    devices: list[tuple[str, str]]
    last: bool


def explain(call: Call, reply: Reply, codes: Codes) -> CarrierError | None:
    """The error of `{"errorMessage","errorCode"}`; None where the body is no such thing (then the status decides)."""
    charset = "iso-8859-1" if "8859-1" in reply.headers.get("content-type", "").lower() else "utf-8"
    try:
        body = parse.json_object(reply.body, charset)
        code, message = parse.text(body.get("errorCode")), parse.text(body.get("errorMessage"))
    except CarrierProtocolError:
        return None
    if not code:
        return None
    try:
        interpret_code(codes, code, message, changes=call.changes)
    except CarrierError as error:
        return error
    return CarrierProtocolError(f"HTTP {reply.status} with a code that means success", carrier_code=code)


def device(reply: Reply) -> Object:
    """The bare resource of a 200; its status must be there."""
    body = parse.json_object(reply.body)
    parse.required_text(body.get("status"), "status")
    return body


def edited(reply: Reply) -> bool:
    """Whether an edit is in force (200 and the ICCID) or only accepted (202, whose body is not published)."""
    if reply.status == 202:
        return False
    parse.required_text(parse.json_object(reply.body).get("iccid"), "iccid")
    return True


def page(reply: Reply) -> Page:
    """A page of the search; `lastPage` ends it."""
    body = parse.json_object(reply.body)
    rows = parse.objects(body.get("devices"))
    found = [(parse.required_text(row.get("iccid"), "iccid"), parse.text(row.get("status"))) for row in rows]
    return Page(found, last=parse.flag(body.get("lastPage")) is not False or not rows)


def holds(code: str, *, over_limit: bool | None) -> tuple[CarrierHold, ...]:
    """A deactivated SIM is over its quota where overageLimitReached says so; Jasper has no other reason (LC-15)."""
    if STATES.get(code) is not SimState.SUSPENDED or not over_limit:
        return ()
    return (CarrierHold(code=HoldCode.OVER_QUOTA, carrier_code=code),)


CARRIERS_OWN = frozenset({"", "system"})
"""User names in the audit trail that mean the platform itself: the names of its automation are not published (D)."""


def last_state_change(body: Object, zone: tzinfo) -> StateChange | None:
    """The newest record whose value is a SIM status (A1.4.7 lists the newest first); None: there is none."""
    for row in parse.objects(body.get("deviceAuditTrails")):
        at = parse.instant(row.get("effectiveDate"), zone)
        if parse.text(row.get("value")) in STATES and at is not None:
            user = parse.text(row.get("userName"))
            return StateChange(at=at, user=None if user.casefold() in CARRIERS_OWN else user)
    return None


def zone_usage(body: Object) -> int:
    """Bytes in all zones and rate plans of a usageInZone answer."""
    plans = parse.as_object(body.get("deviceCycleUsageInZones"))
    total = 0
    for rows in plans.values():
        for row in parse.rows_once(rows):
            unit = parse.text(row.get("dataUsageUnit")).lower()
            if unit not in ("bytes", ""):
                raise CarrierProtocolError("usageInZone in a unit no table knows", carrier_code=unit)
            total += parse.required_amount(row.get("dataUsage"), 1, "dataUsage")
    return total
