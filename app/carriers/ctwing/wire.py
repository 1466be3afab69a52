"""The CTWing 5G-CMP gateway on the wire: signature, paths, batch rows (`docs/carriers/ctwing.md`; [C n] as there)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from app.carriers.errors import CarrierProtocolError
from app.carriers.http import parse
from app.carriers.http.parse import Object
from app.carriers.telecom import stops
from app.carriers.telecom import wire as telecom
from app.domain.vocabulary import OperationKind, SimState

MAIN_STATUS = ("GET", "openapi/v1/prodinst/queryCardMainStatus")
CARD_STATUS = ("GET", "openapi/v1/prodinst/queryCardStatus")
ONLINE = ("GET", "openapi/v1/prodinst/getOnlineStatus")
PRODUCT = ("GET", "openapi/v1/prodinst/prodInstQuery")
TELEPHONE = ("GET", "openapi/v1/prodinst/getTelephone")
CHANGES = ("GET", "openapi/v1/prodinst/cradStatus")
SIM_LIST = ("GET", "openapi/v1/prodinst/getSIMList")
TRAFFIC = ("GET", "api/v1/openbill/queryTraffic")
TRAFFIC_BY_DATE = ("GET", "api/v1/openbill/queryTrafficByDate")
SIM_INFO = ("POST", "api/v1/prod/batchQrySimInfo")
REAL_NAME = ("POST", "api/v1/realName/qryRealNameStatus")
FLOW_BY_MONTH = ("POST", "api/v1/batchQry/batchQryFlowByMonth")
FLOW_BY_DATE = ("POST", "api/v1/batchQry/batchQryFlowByDate")
THRESHOLD = ("GET", "5gcmp/openapi/v1/common/offNetAction")
"""Verb and path of each call: sources differ on the verb, so it stands beside the path (B2.2)."""

CHANGE_CALLS: Mapping[OperationKind, tuple[str, str, tuple[tuple[str, str], ...]]] = MappingProxyType(
    {
        OperationKind.ACTIVATE: ("GET", "5gcmp/openapi/v1/common/requestServActive", ()),
        # acctCd is needed although undocumented [1] S18
        OperationKind.SUSPEND: (
            "GET",
            "5gcmp/openapi/v1/common/disabledNumberService",
            (("acctCd", ""), ("orderTypeId", "19")),
        ),
        OperationKind.RESUME: (
            "GET",
            "5gcmp/openapi/v1/common/disabledNumberService",
            (("acctCd", ""), ("orderTypeId", "20")),
        ),
        OperationKind.CUT_NETWORK: ("GET", "5gcmp/openapi/v1/common/singleCutNet", (("action", "ADD"),)),
        OperationKind.RESTORE_NETWORK: ("GET", "5gcmp/openapi/v1/common/singleCutNet", (("action", "DEL"),)),
    }
)

_NUMBER_NAMES = ("accessNumber", "access_number", "accNumber", "accNbr", "msisdn", "number")
_STATE_NAMES = ("simStatus", "productMainStatusCd", "mainStatusCd", "cardStatus", "status", "statusCd")
_TIME_NAMES = ("statusDate", "changeTime", "changeDate", "updateTime", "statusChangeDate", "statusTime", "time")


def sign(secret: str, timestamp: str, query: Iterable[tuple[str, str]], body: bytes) -> str:
    """hex(ascii(md5_hex(Q + B + secret + timestamp))), Q sorted by name and not URL-encoded (B2.1) [C 3]."""
    q = "&".join(f"{name}={value}" for name, value in sorted(query))
    inner = hashlib.md5(q.encode() + body + f"{secret}{timestamp}".encode()).hexdigest()
    return inner.encode("ascii").hex()


def number_of(row: Object) -> str:
    """The card's number in a batch row."""
    return next((parse.text(row[name]) for name in _NUMBER_NAMES if row.get(name)), "")


def state_of(row: Object) -> str:
    """The state code in a row of batchQrySimInfo, whose names are not published; empty where none is found."""
    return next((parse.text(row[name]) for name in _STATE_NAMES if row.get(name)), "")


def time_of(row: Object) -> str:
    """When a row of cradStatus says the change was; empty where it does not."""
    return next((parse.text(row[name]) for name in _TIME_NAMES if row.get(name)), "")


def is_real_named(row: Object) -> bool:
    """`status` of a qryRealNameStatus row: 1 = real-named [C 3]."""
    return parse.required_text(row.get("status"), "status") == "1"


def rows(content: Object, depth: int = 4) -> list[Object]:
    """The rows of a batch answer: the first list of objects in it, wherever the envelope keeps it."""
    for value in content.values():
        if isinstance(value, list) and value:
            return parse.objects(value)
        if isinstance(value, dict) and depth:
            found = rows(value, depth - 1)
            if found:
                return found
    return []


def flow(row: Object) -> int | None:
    """Bytes of a flow row: an amount and its unit, such as `"42118.59"`, `"MB"`; None where there is no figure."""
    number = parse.text_or_none(row.get("flowAmount"))
    unit = parse.required_text(row.get("unit"), "unit") if number else ""
    if number and unit[-1:].isdigit():
        raise CarrierProtocolError("a usage unit no table knows", carrier_code=unit)
    return parse.amount_with_unit(f"{number}{unit}") if number else None


def is_plain(row: Object | None) -> bool:
    """Whether a batch row needs no second question: a known state that is not stopped, and data is not off."""
    if row is None or stops.network_cut(row):
        return False
    return telecom.STATES.get(state_of(row)) not in (None, SimState.SUSPENDED)
