"""The answers that the gwapi client expects (`docs/carriers/unicom_cmp.md`, A2.3 to A2.4)."""

from __future__ import annotations

from app.carriers.expectations import Content, Expectations, ExpectedAnswer, Field, known, read, required
from app.carriers.unicom_cmp import wire

C = Content


def _numbered(name: str, last: int) -> str:
    return " ".join(f"data.terminals[].{name}{number}" for number in range(1, last + 1))


_ENVELOPE = (
    required("status", C.CODE, "A2.3"),
    read("message", C.MESSAGE, "A2.3"),
    required("data", C.STRUCTURE, "A2.3", "object"),
    required("data.resultCode", C.CODE, "A2.3"),
    read("data.rspcode", C.CODE, "A2.3"),
    read("data.resultDesc", C.MESSAGE, "A2.3"),
    *known(C.CODE, "A2.3", "data.messageId data.version"),
    *known(C.TIME, "A2.3", "data.timestamp"),
)


def _answer(api: str, *fields: Field) -> ExpectedAnswer:
    return ExpectedAnswer(call=wire.path(api), fields=(*_ENVELOPE, *fields))


_ROW = "data.terminals[]."
_TERMINAL = (
    required("data.terminals", C.STRUCTURE, "A2.4", "list"),
    *known(C.STRUCTURE, "A2.4", "data.terminals[]", "object"),
    required(f"{_ROW}iccid", C.IDENTITY, "A2.4.1"),
    required(f"{_ROW}simStatus", C.CODE, "A2.4.1", "numeric", values=wire.STATES),
    read(f"{_ROW}imei", C.IDENTITY, "A2.4.1"),
    read(f"{_ROW}dateActivated", C.TIME, "A2.4.1"),
    read(f"{_ROW}realNameStatus", C.CODE, "A2.4.1", "numeric", values=wire.VERIFIED | wire.NOT_VERIFIED),
    read(f"{_ROW}monthToDateDataUsage", C.FIGURE, "A2.4.1"),
    read(f"{_ROW}overageLimitReached", C.FLAG, "A2.4.1 [F]"),
    read(f"{_ROW}lockStatus", C.CODE, "A2.4.1", "numeric", values=("0", wire.LOCKED)),
    *known(C.CODE, "A2.4.1", f"{_ROW}networkType {_ROW}overageLimitOverride"),
    *known(C.IDENTITY, "A2.4.1 [F]", f"{_ROW}ratePlan", "numeric"),
    *known(C.IDENTITY, "A2.4.1", f"{_ROW}msisdn {_ROW}imsi {_ROW}accountId {_ROW}operatorAccountId {_ROW}Customer"),
    *known(C.IDENTITY, "A2.4.1", f"{_ROW}deviceId {_ROW}modemId {_ROW}fixedIpAddress {_ROW}secureSimId"),
    *known(C.IDENTITY, "A2.4.1", f"{_ROW}copyRulePwd {_ROW}simNotes"),
    *known(C.IDENTITY, "A2.4.1", f"{_numbered('customerCustom', 5)} {_numbered('operatorCustom', 5)}"),
    *known(C.IDENTITY, "A2.4.1", f"{_numbered('provinceCusutom', 5)} {_numbered('fieldValue', 10)}"),
    *known(C.FIGURE, "A2.4.1", f"{_ROW}monthToDateUsage {_ROW}monthToDateSMSUsage {_ROW}monthToDateSMSUsageMO"),
    *known(C.FIGURE, "A2.4.1", f"{_ROW}monthToDateVoiceUsage {_ROW}monthToDateVoiceUsageMO {_ROW}testableDataUsage"),
    *known(C.FIGURE, "A2.4.1", f"{_ROW}ctdSessionCount {_ROW}totalTimeValue"),
    *known(C.TIME, "A2.4.1", f"{_ROW}dateAdded {_ROW}dateShipped {_ROW}dateModified {_ROW}dateReceivied"),
)
_SESSION = (
    required("data.sessionInfo", C.STRUCTURE, "A2.4 [inf]", "list"),
    *known(C.STRUCTURE, "A2.4 [inf]", "data.sessionInfo[]", "object"),
    required("data.sessionInfo[].dateSessionStarted", C.TIME, "A2.4 [inf]"),
    required("data.sessionInfo[].dateSessionEnded", C.TIME, "A2.4 [inf]"),
    read("data.sessionInfo[].ipAddress", C.IDENTITY, "A2.4 [inf]"),
    *known(C.IDENTITY, "A2.4 [inf]", "data.sessionInfo[].iccid data.sessionInfo[].imei data.sessionInfo[].ipv6Address"),
)
_CLOSED = (
    required("data.totalDataVolume", C.FIGURE, "A2.4"),
    *known(C.IDENTITY, "A2.4", "data.iccid data.ratePlan", "numeric"),
    *known(C.TIME, "A2.4", "data.cycleStartDate"),
    *known(C.FLAG, "A2.4", "data.billable"),
    *known(C.FIGURE, "A2.4", "data.billableDataVolume data.totalSMSVolume data.totalVoiceVolume"),
)
_DETAIL = "data.usageDetails[]."
_DETAILS = (
    required("data.usageDetails", C.STRUCTURE, "A2.4", "list"),
    *known(C.STRUCTURE, "A2.4", "data.usageDetails[]", "object"),
    required(f"{_DETAIL}sessionStartTime", C.TIME, "A2.4"),
    required(f"{_DETAIL}dataVolume", C.FIGURE, "A2.4"),
    read("data.totalPages", C.FIGURE, "A2.4"),
    *known(C.IDENTITY, "A2.4", f"{_DETAIL}iccid {_DETAIL}zone"),
    *known(C.TIME, "A2.4", f"{_DETAIL}cycleStartDate"),
    *known(C.FLAG, "A2.4", f"{_DETAIL}billable"),
    *known(C.FIGURE, "A2.4", f"{_DETAIL}duration"),
    *known(C.CODE, "A2.4", f"{_DETAIL}countryCode {_DETAIL}serviceType"),
)

EXPECTED = Expectations(
    answers=(
        _answer("wsGetTerminalDetails", *_TERMINAL),
        _answer("wsGetSessionInfo", *_SESSION),
        _answer("wsGetTerminalUsage", *_CLOSED),
        _answer("wsGetTerminalUsageDataDetails", *_DETAILS),
    ),
    refusal=(
        *(row for row in _ENVELOPE if row.path not in ("data", "data.resultCode")),
        read("data", C.STRUCTURE, "A2.3", "object|null"),
        read("data.resultCode", C.CODE, "A2.3"),
    ),
    code_names=("status", "data.resultCode", "data.rspcode"),
    codes=wire.CODES,
)
