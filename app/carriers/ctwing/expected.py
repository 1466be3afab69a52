"""The answers that the CTWing client expects (`docs/carriers/ctwing.md`, B2.2)."""

from __future__ import annotations

from app.carriers.expectations import Content, Expectations, ExpectedAnswer, known, read, required
from app.carriers.telecom import expected as telecom_expected
from app.carriers.telecom import wire as telecom

C = Content

_INFO = "data.qrySimInfoList[]."
_INFOS = (
    *telecom_expected.JSON_ENVELOPE,
    required("data", C.STRUCTURE, "B2.2", "object"),
    required("data.qrySimInfoList", C.STRUCTURE, "B2.2", "list"),
    *known(C.STRUCTURE, "B2.2", "data.qrySimInfoList[]", "object"),
    required(f"{_INFO}accessNumber", C.IDENTITY, "B2.2"),
    read(f"{_INFO}simStatus", C.CODE, "B2.2 [I]", "numeric", values=telecom.STATES),
    read(f"{_INFO}productMainStatusCd", C.CODE, "B2.2 [I]", "numeric", values=telecom.STATES),
    *known(C.IDENTITY, "B2.2 [I]", f"{_INFO}iccid {_INFO}imsi {_INFO}imei {_INFO}prodOfferName"),
    read(f"{_INFO}netBlockStatusName", C.CODE, "B2.2 [I]", values=("已断网", "未断网")),
    *known(C.CODE, "B2.2 [I]", f"{_INFO}simStatusName {_INFO}productMainStatusName"),
    *known(C.FLAG, "B2.2 [I]", f"{_INFO}authStatus"),
    *known(C.TIME, "B2.2 [I]", f"{_INFO}activationTime"),
)
_FLOWS = (
    *telecom_expected.JSON_ENVELOPE,
    required("data", C.STRUCTURE, "B2.2", "list"),
    *known(C.STRUCTURE, "B2.2", "data[]", "object"),
    required("data[].accessNumber", C.IDENTITY, "B2.2"),
    required("data[].flowAmount", C.FIGURE, "B2.2"),
    required("data[].unit", C.CODE, "B2.2", values=("B", "KB", "MB", "GB")),
    read("data[].month", C.TIME, "B2.2"),
    *known(C.TIME, "B2.2", "data[].date"),
    *known(C.CODE, "B2.2", "data[].result data[].status", "numeric"),
    *known(C.MESSAGE, "B2.2", "data[].statusDesc"),
)
_REAL_NAMES = (
    *telecom_expected.JSON_ENVELOPE,
    required("data", C.STRUCTURE, "B2.2", "object"),
    required("data.statusList", C.STRUCTURE, "B2.2", "list"),
    *known(C.STRUCTURE, "B2.2", "data.statusList[]", "object"),
    required("data.statusList[].accessNumber", C.IDENTITY, "B2.2"),
    required("data.statusList[].status", C.CODE, "B2.2 [F]", "numeric", values=("0", "1")),
)
_CHANGES = (
    *telecom_expected.JSON_ENVELOPE,
    *known(C.FIGURE, "B2.2 [I]", "total"),
    required("list", C.STRUCTURE, "B2.2 [I]", "list"),
    *known(C.STRUCTURE, "B2.2 [I]", "list[]", "object"),
    required("list[].iccid", C.IDENTITY, "B2.2 [I]"),
    *known(C.IDENTITY, "B2.2 [I]", "list[].accessNumber"),
    *(read(f"list[].{name}", C.TIME, "B2.2 [I]") for name in ("statusDate", "changeTime", "changeDate")),
    *known(C.CODE, "B2.2 [I]", "list[].cardStatus list[].status list[].simStatus list[].productMainStatusCd"),
)

EXPECTED = Expectations(
    answers=(
        ExpectedAnswer(call="getSIMList", fields=telecom_expected.SIM_LIST),
        ExpectedAnswer(
            call="getTelephone", fields=telecom_expected.JSON_ENVELOPE, when="the card's number is not known here"
        ),
        ExpectedAnswer(call="queryCardMainStatus", fields=telecom_expected.MAIN_STATUS),
        ExpectedAnswer(call="queryCardStatus", fields=telecom_expected.CARD_STATUS, when="the card is suspended"),
        ExpectedAnswer(call="prodInstQuery", fields=telecom_expected.PRODUCT, when="the card is active or suspended"),
        ExpectedAnswer(call="getOnlineStatus", fields=telecom_expected.ONLINE),
        ExpectedAnswer(call="openbill/queryTrafficByDate", fields=telecom_expected.TRAFFIC),
        ExpectedAnswer(call="batchQrySimInfo", fields=_INFOS),
        ExpectedAnswer(call="batchQryFlowByMonth", fields=_FLOWS),
        ExpectedAnswer(call="batchQryFlowByDate", fields=_FLOWS),
        ExpectedAnswer(call="qryRealNameStatus", fields=_REAL_NAMES),
        ExpectedAnswer(call="cradStatus", fields=_CHANGES),
    ),
    refusal=telecom_expected.REFUSAL,
    code_names=telecom_expected.CODE_NAMES,
    codes=telecom.CODES,
)
