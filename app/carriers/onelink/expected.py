"""The answers that the OneLink client expects (`docs/carriers/onelink.md`, A2 to A8)."""

from __future__ import annotations

from app.carriers.expectations import Content, Expectations, ExpectedAnswer, Field, known, read, required
from app.carriers.onelink import wire

C = Content
PLATFORMS = ("OneLink-CT", "OneLink-PB")

ENVELOPE = (
    required("status", C.CODE, "A3"),
    read("message", C.MESSAGE, "A3"),
    *known(C.MESSAGE, "A3 [F]", "description", "text|null"),
)
RESULT = (
    required("result", C.STRUCTURE, "A3", "list|object"),
    *known(C.STRUCTURE, "A3", "result[]", "object"),
)


def _answer(call: str, *fields: Field, when: str = "always") -> ExpectedAnswer:
    return ExpectedAnswer(call=call, fields=(*ENVELOPE, *RESULT, *fields), when=when)


_NAMES = "result[].msisdn result[].iccid result[].imsi"
_AMOUNTS = (
    read("result[].dataAmountList", C.STRUCTURE, "A6 25U01", "list"),
    *known(C.STRUCTURE, "A6 25U01", "result[].dataAmountList[]", "object"),
    read("result[].dataAmountList[].iccid", C.IDENTITY, "A6 25U01"),
    read("result[].dataAmountList[].msisdn", C.IDENTITY, "A6 25U01 [F]"),
    read("result[].dataAmountList[].imsi", C.IDENTITY, "A6 25U01"),
    required("result[].dataAmountList[].dataAmount", C.FIGURE, "A6 25U01"),
    *known(C.TIME, "A6 [F]", "result[].dataAmountList[].deadLine"),
    *known(C.STRUCTURE, "A6 25U01", "result[].dataAmountList[].apnDataAmountList", "list"),
    *known(C.STRUCTURE, "A6 25U01", "result[].dataAmountList[].apnDataAmountList[]", "object"),
    *known(C.IDENTITY, "A6 25U01", "result[].dataAmountList[].apnDataAmountList[].apnName"),
    *known(C.FIGURE, "A6 25U01", "result[].dataAmountList[].apnDataAmountList[].apnDataAmount"),
)
_PCC = "result[].apnUseAmountList[].pccCodeUseAmountList"

TOKEN = _answer(
    "get/token",
    required("result[].token", C.IDENTITY, "A2"),
    required("result[].ttl", C.FIGURE, "A2"),
)
STATUS = _answer(
    "query/sim-status",
    required("result[].cardStatus", C.CODE, "A6 25S04", values=wire.STATES),
    *known(C.TIME, "A6 25S04", "result[].lastChangeDate"),
)
STOP_REASON = _answer(
    "query/sim-stop-reason",
    read("result[].stopReason", C.CODE, "A6 25S02"),
    *known(C.CODE, "A6 25S02", "result[].platformType"),
    read("result[].shutdownReasonDesc", C.MESSAGE, "A6 25S02"),
    when="the card is suspended",
)
FREEZE = _answer(
    "query/sim-manage-stop-restart-status",
    read("result[].manageStopRestartStatus", C.CODE, "A6 23M40", values=("0", "1")),
    read("result[].reason", C.MESSAGE, "A6 23M40"),
    *known(C.TIME, "A6 23M40", "result[].manageStopRestartStatusTime"),
    when="the card is suspended",
)
FUNCTIONS = _answer(
    "query/sim-communication-function-status",
    read("result[].serviceTypeList", C.STRUCTURE, "A6 23M08", "list"),
    *known(C.STRUCTURE, "A6 23M08", "result[].serviceTypeList[]", "object"),
    read("result[].serviceTypeList[].serviceType", C.CODE, "A6 23M08"),
    read("result[].serviceTypeList[].serviceStatus", C.CODE, "A6 23M08", values=("0", "1")),
    *known(C.IDENTITY, "A6 23M08", "result[].serviceTypeList[].apnName"),
    *known(C.TIME, "A6 23M08", "result[].serviceTypeList[].statusTime"),
    when="the card is active",
)
BASIC_INFO = _answer(
    "query/sim-basic-info",
    *known(C.IDENTITY, "A6 23S00", f"{_NAMES} result[].remark"),
    read("result[].activeDate", C.TIME, "A6 23S00"),
    read("result[].activateDate", C.TIME, "A6 23S00 S5"),
    *known(C.TIME, "A6 23S00", "result[].openDate"),
)
IMEI = _answer("query/sim-imei", read("result[].imei", C.IDENTITY, "A6 23S04"))
USAGE = _answer(
    "query/sim-data-usage",
    read("result[].dataAmount", C.FIGURE, "A6 25U04"),
    *known(C.STRUCTURE, "A6 25U04", f"result[].apnUseAmountList {_PCC}", "list"),
    *known(C.STRUCTURE, "A6 25U04", f"result[].apnUseAmountList[] {_PCC}[]", "object"),
    *known(C.IDENTITY, "A6 25U04", "result[].apnUseAmountList[].apnName"),
    *known(C.FIGURE, "A6 25U04", f"result[].apnUseAmountList[].apnUseAmount {_PCC}[].pccCodeUseAmount"),
    *known(C.CODE, "A6 25U04", f"{_PCC}[].pccCode"),
)
PLATFORM = _answer(
    "query/sim-platform/batch",
    read("result[].platformType", C.CODE, "A6 25S06", values=PLATFORMS),
    *known(C.IDENTITY, "A6 25S06", _NAMES),
    *known(C.CODE, "A6 25S06", "result[].status"),
    *known(C.MESSAGE, "A6 25S06", "result[].message"),
)
SESSION = _answer(
    "query/sim-session",
    read("result[].simSessionList", C.STRUCTURE, "A6 25M01", "list"),
    *known(C.STRUCTURE, "A6 25M01", "result[].simSessionList[]", "object"),
    read("result[].simSessionList[].status", C.CODE, "A6 25M01", values=("00", "01")),
    read("result[].simSessionList[].apnId", C.IDENTITY, "A6 25M01"),
    read("result[].simSessionList[].ip", C.IDENTITY, "A6 25M01"),
    read("result[].simSessionList[].createDate", C.TIME, "A6 25M01"),
    read("result[].simSessionList[].rat", C.CODE, "A6 25M01", values=wire.RATS),
    *known(C.IDENTITY, "A6 25M01", "result[].simSessionList[].ipv6 result[].simSessionList[].ipv6Prefix"),
)
REAL_NAME = _answer(
    "query/sim-real-name-status",
    required("result[].realNameStatus", C.CODE, "A6 23A10"),
    *known(C.MESSAGE, "A6 23A10", "result[].reason"),
)
CHANGED = _answer(
    "query/changeable-sim-date",
    read("result[].iccid", C.IDENTITY, "A6 23E00"),
    read("result[].msisdn", C.IDENTITY, "A6 23E00"),
    *known(C.IDENTITY, "A6 23E00", "result[].imsi"),
    *known(C.CODE, "A6 23E00", "result[].cardStatus"),
    *known(C.TIME, "A6 23E00", "result[].changeDate"),
)
CARD_INFO = _answer(
    "query/sim-card-info/batch",
    read("result[].status", C.CODE, "A6 25S05", values=wire.CODES),
    read("result[].iccid", C.IDENTITY, "A6 25S05"),
    *known(C.IDENTITY, "A6 25S05", "result[].msisdn result[].imsi"),
    *known(C.MESSAGE, "A6 25S05", "result[].message"),
    when="the change list has rows without an ICCID",
)
ORDER = _answer(
    "query/order-info",
    required("result[].status", C.CODE, "A8", values=wire.ORDER_STATES),
    *known(C.IDENTITY, "A8", "result[].orderNum"),
    *known(C.TIME, "A8", "result[].statusDate result[].createDate"),
    when="a change is under way",
)
JOB = _answer(
    "query/sim-batch-result",
    required("result[].jobStatus", C.CODE, "A8", values=("0", "1", "2", "3", "4")),
    read("result[].resultList", C.STRUCTURE, "A8", "list"),
    *known(C.STRUCTURE, "A8", "result[].resultList[]", "object"),
    required("result[].resultList[].resultId", C.IDENTITY, "A8"),
    required("result[].resultList[].status", C.CODE, "A8", values=wire.CODES),
    read("result[].resultList[].message", C.MESSAGE, "A8"),
    *known(C.CODE, "A8", "result[].resultList[].resultType"),
    when="a batch of changes is under way",
)

EXPECTED = Expectations(
    answers=(
        TOKEN,
        STATUS,
        STOP_REASON,
        FREEZE,
        FUNCTIONS,
        BASIC_INFO,
        IMEI,
        USAGE,
        PLATFORM,
        _answer("query/sim-data-usage-monthly/batch", *_AMOUNTS),
        _answer("query/sim-data-usage-daily/batch", *_AMOUNTS),
        SESSION,
        REAL_NAME,
        CHANGED,
        CARD_INFO,
        ORDER,
        JOB,
    ),
    refusal=(*ENVELOPE, read("result", C.STRUCTURE, "A3", "list|object|null")),
    code_names=("status",),
    codes=wire.CODES,
)
