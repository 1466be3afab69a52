"""The answers that the Jasper client expects (`docs/carriers/jasper.md`, A1.2 to A1.4)."""

from __future__ import annotations

from app.carriers.expectations import Content, Expectations, ExpectedAnswer, known, read, required
from app.carriers.jasper import wire

C = Content


def _numbered(name: str, last: int) -> str:
    return " ".join(f"{name}{number}" for number in range(1, last + 1))


_CUSTOM = f"{_numbered('operatorCustom', 5)} {_numbered('accountCustom', 10)} {_numbered('customerCustom', 5)}"
_DEVICE = (
    required("status", C.CODE, "A1.4.2", values=wire.STATES),
    read("imei", C.IDENTITY, "A1.4.2", "text|null"),
    read("dateActivated", C.TIME, "A1.4.2", "text|null"),
    *known(C.IDENTITY, "A1.4.2", "iccid imsi msisdn ratePlan communicationPlan accountId", "text"),
    *known(C.TIME, "A1.4.2", "dateAdded dateUpdated dateShipped", "text|null"),
    *known(C.IDENTITY, "A1.4.2", "customer endConsumerId fixedIPAddress fixedIpv6Address simNotes", "text|null"),
    *known(C.IDENTITY, "A1.4.2", "deviceID modemID eid simProfileId", "text|null"),
    *known(C.IDENTITY, "A1.4.2", _CUSTOM, "text|null"),
    *known(C.CODE, "A1.4.2 [F]", "globalSimType", "text|null"),
    *known(C.IDENTITY, "A1.4.2 [F]", "mec euiccid", "text|null"),
)
_CYCLE_TO_DATE = (
    read("ctdDataUsage", C.FIGURE, "A1.4.4", "number"),
    read("overageLimitReached", C.FLAG, "A1.4.4 [F]"),
    *known(C.IDENTITY, "A1.4.4", "iccid imsi msisdn ratePlan communicationPlan", "text"),
    *known(C.IDENTITY, "A1.4.4", "imei", "text|null"),
    *known(C.CODE, "A1.4.4", "status overageLimitOverride"),
    *known(C.FIGURE, "A1.4.4", "ctdSMSUsage ctdVoiceUsage ctdSessionCount", "number"),
)
_ZONE = "deviceCycleUsageInZones.{}[]"
_USAGE_IN_ZONE = (
    required("deviceCycleUsageInZones", C.STRUCTURE, "A1.4.5", "object"),
    *known(C.STRUCTURE, "A1.4.5", "deviceCycleUsageInZones.{}", "list"),
    *known(C.STRUCTURE, "A1.4.5", _ZONE, "object"),
    required(f"{_ZONE}.dataUsage", C.FIGURE, "A1.4.5", "number|null"),
    read(f"{_ZONE}.dataUsageUnit", C.CODE, "A1.4.5", "text|null", values=("bytes",)),
    *known(C.IDENTITY, "A1.4.5", f"iccid {_ZONE}.ratePlan {_ZONE}.zone"),
    *known(C.CODE, "A1.4.5", f"{_ZONE}.ratePlanVersion", "numeric"),
    *known(C.TIME, "A1.4.5", "timeStamp cycleStartDate cycleEndDate"),
    *known(C.FIGURE, "A1.4.5", f"{_ZONE}.voiceMTUsage {_ZONE}.voiceMOUsage", "number|null"),
    *known(C.FIGURE, "A1.4.5", f"{_ZONE}.smsmtusage {_ZONE}.smsmousage", "number|null"),
    *known(C.CODE, "A1.4.5", f"{_ZONE}.voiceMTUsageUnit {_ZONE}.voiceMOUsageUnit", "text|null"),
)
_SESSION = (
    required("dateSessionStarted", C.TIME, "A1.4.6", "text|null"),
    required("dateSessionEnded", C.TIME, "A1.4.6", "text|null"),
    read("ipAddress", C.IDENTITY, "A1.4.6", "text|null"),
    read("apn", C.IDENTITY, "A1.4.6 [F]", "text|null"),
    *known(C.IDENTITY, "A1.4.6", "iccid"),
)
_TRAIL = "deviceAuditTrails[]"
_AUDIT = (
    required("deviceAuditTrails", C.STRUCTURE, "A1.4.7", "list"),
    *known(C.STRUCTURE, "A1.4.7", _TRAIL, "object"),
    read(f"{_TRAIL}.value", C.CODE, "A1.4.7", "text|null"),
    read(f"{_TRAIL}.effectiveDate", C.TIME, "A1.4.7", "text|null"),
    read(f"{_TRAIL}.userName", C.IDENTITY, "A1.4.7", "text|null"),
    *known(C.CODE, "A1.4.7", f"{_TRAIL}.field {_TRAIL}.status", "text|null"),
    *known(C.IDENTITY, "A1.4.7", f"{_TRAIL}.priorValue {_TRAIL}.delegatedUser {_TRAIL}.ipAddress", "text|null"),
    *known(C.IDENTITY, "A1.4.7", "iccid"),
    *known(C.TIME, "A1.4.7", "timestamp"),
    *known(C.FIGURE, "A1.4.7", "pageNumber", "number"),
    *known(C.FLAG, "A1.4.7", "lastPage", "boolean"),
)
_PAGE = (
    required("devices", C.STRUCTURE, "A1.4.1", "list"),
    *known(C.STRUCTURE, "A1.4.1", "devices[]", "object"),
    required("devices[].iccid", C.IDENTITY, "A1.4.1"),
    read("devices[].status", C.CODE, "A1.4.1", values=wire.STATES),
    *known(C.IDENTITY, "A1.4.1", "devices[].ratePlan devices[].communicationPlan"),
    required("lastPage", C.FLAG, "A1.4.1", "boolean"),
    *known(C.FIGURE, "A1.4.1", "pageNumber", "number"),
)

EXPECTED = Expectations(
    answers=(
        ExpectedAnswer(call="echo/{}", fields=known(C.IDENTITY, "A1.4", "context")),
        ExpectedAnswer(call="devices/{}", fields=_DEVICE),
        ExpectedAnswer(call="devices/{}/ctdUsages", fields=_CYCLE_TO_DATE),
        ExpectedAnswer(call="devices/{}/usageInZone", fields=_USAGE_IN_ZONE),
        ExpectedAnswer(call="devices/{}/sessionInfo", fields=_SESSION),
        ExpectedAnswer(call="devices/{}/auditTrails", fields=_AUDIT, when="a card is stopped without a reason"),
        ExpectedAnswer(call="devices", fields=_PAGE),
    ),
    refusal=(required("errorMessage", C.MESSAGE, "A1.3"), read("errorCode", C.CODE, "A1.3")),
    code_names=("errorCode",),
    codes=wire.CODES,
)
