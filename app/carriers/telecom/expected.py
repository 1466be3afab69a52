"""The answers that both of China Telecom's clients expect (`docs/carriers/`: B1.4, B1.5, B2.2).

The parser looks for the result code, the message and the transaction under several names (`parse_reply`), so
every answer may carry any of them.
"""

from __future__ import annotations

from app.carriers.expectations import Content, Field, known, read, required
from app.carriers.telecom import stops
from app.carriers.telecom import wire as telecom

C = Content

CODE_NAMES = (
    "code",
    "resultCode",
    "RESULT",
    "result",
    "info",
    "Response.RspCode",
    "businessServiceResponse.result",
    "*.IRESULT",
    "*.RspCode",
    "SvcCont.resultCode",
    "root.SvcCont.resultCode",
    "*.BasicInfo.result",
)
_TRANSACTIONS = "GROUP_TRANSACTIONID groupTransactionId group_TRANSACTIONID"

JSON_ENVELOPE = (
    *(read(name, C.CODE, "B1.4", "numeric") for name in ("code", "resultCode", "RESULT", "result", "info")),
    *(read(name, C.MESSAGE, "B1.4") for name in ("message", "msg", "resultMsg", "SMSG", "checkout", "messg")),
    read("Response.RspCode", C.CODE, "B1.4"),
    read("Response.RspDesc", C.MESSAGE, "B1.4"),
    read("Response.RspType", C.CODE, "B1.4"),
    *known(C.STRUCTURE, "B1.4", "Response", "object"),
    *known(C.IDENTITY, "B1.4 [F]", _TRANSACTIONS),
    *known(C.IDENTITY, "B1.5", "number"),
)
XML_ENVELOPE = (
    *known(C.STRUCTURE, "B1.4", "root SvcCont businessServiceResponse root.{} SvcCont.Response", "object"),
    *(read(f"*.{name}", C.CODE, "B1.4") for name in ("IRESULT", "resultCode", "RspCode", "RspType")),
    *(read(f"*.{name}", C.MESSAGE, "B1.4") for name in ("resultMsg", "RspDesc")),
    *known(C.IDENTITY, "B1.4", "*.GROUP_TRANSACTIONID *.number"),
    read("businessServiceResponse.result", C.CODE, "B1.4"),
)

_PRODUCTS = (
    required("productInfo", C.STRUCTURE, "B1.5", "list"),
    *known(C.STRUCTURE, "B1.5", "productInfo[]", "object"),
    required("productInfo[].productMainStatusCd", C.CODE, "B1.5", "numeric", values=telecom.STATES),
    read("productInfo[].productMainStatusName", C.CODE, "B1.5"),
    read("productInfo[].operatorDefinitionStatusName", C.CODE, "B2.2"),
    read("netBlockStatusName", C.CODE, "B2.2", values=("已断网", "未断网")),
    read("authStatus", C.FLAG, "B2.2"),
    *known(C.TIME, "B1.5", "servCreateDate"),
)
MAIN_STATUS = (*JSON_ENVELOPE, *_PRODUCTS)

_SESSION_CODES = "description.netModel description.rattype description.acctStatusType"
ONLINE = (
    *JSON_ENVELOPE,
    required("description", C.STRUCTURE, "B1.5", "object"),
    read("description.result", C.CODE, "B1.5", "numeric", values=("-1", "0")),
    read("description.acctStatusType", C.CODE, "B1.5", values=("start", "stop")),
    read("description.framedIpAddress", C.IDENTITY, "B1.5"),
    read("description.rattype", C.CODE, "B1.5", "numeric"),
    read("description.imei", C.IDENTITY, "B1.5"),
    read("description.apn", C.IDENTITY, "B1.5"),
    read("description.startTime", C.TIME, "B1.5"),
    *known(C.IDENTITY, "B1.5", "description.msisdn description.imsi description.framedIpv6Prefix"),
    *known(C.IDENTITY, "B1.5", "description.framedInterfaceId description.provname"),
    *known(C.CODE, "B1.5", "description.netModel", "numeric"),
    *known(C.FIGURE, "B1.5", "description.duration"),
    *known(C.TIME, "B1.5", "description.stopTime description.eventTimestamp"),
)

_RECORD = "root.Query_response.prodRecords.prodRecord"
CARD_STATUS = (
    *XML_ENVELOPE,
    *known(C.STRUCTURE, "B1.5", "root.Query_response.BasicInfo root.Query_response.prodRecords", "object"),
    read("root.Query_response.BasicInfo.result", C.CODE, "B1.5"),
    *known(C.STRUCTURE, "B1.5", f"{_RECORD} {_RECORD}.productInfo", "object|list"),
    read(
        f"{_RECORD}.productInfo.productStatusCd",
        C.CODE,
        "B1.5",
        values=stops.NO_REASON | set(stops.STOP_REASONS),
    ),
    read(f"{_RECORD}.productInfo.productStatusName", C.CODE, "B1.5 [I]"),
    *known(C.TIME, "B1.5", f"{_RECORD}.productInfo.servCreateDate"),
)

_PRODUCT = "SvcCont.result.prodInfos"
_PARTS = " ".join(f"{_PRODUCT}.{name}" for name in ("attrInfos", "prodOfferInfos", "funProdInfos"))
_FUNCTION = f"{_PRODUCT}.funProdInfos"


def _attributes(row: str) -> tuple[Field, ...]:
    return (
        *known(C.STRUCTURE, "B1.5", f"{row}.attrInfos", "object|list"),
        *known(C.STRUCTURE, "B1.5", f"{row}.attrInfos[]", "object"),
        *(read(f"{row}.attrInfos{item}.attrName", C.CODE, "B1.5") for item in ("", "[]")),
        *(read(f"{row}.attrInfos{item}.attrValue", C.FIGURE, "B1.5") for item in ("", "[]")),
    )


PRODUCT = (
    *XML_ENVELOPE,
    *known(C.STRUCTURE, "B1.5", f"SvcCont.result {_PRODUCT}", "object"),
    *known(C.STRUCTURE, "B1.5", _PARTS, "object|list"),
    *known(C.STRUCTURE, "B1.5", f"{_PRODUCT}.prodOfferInfos[] {_FUNCTION}[]", "object"),
    *_attributes(_PRODUCT),
    *_attributes(_FUNCTION),
    *_attributes(f"{_FUNCTION}[]"),
    read(f"{_PRODUCT}.stopFlag", C.FLAG, "B1.5"),
    *known(C.IDENTITY, "B1.5", f"{_PRODUCT}.phoneNum {_PRODUCT}.iccid {_PRODUCT}.imsi {_PRODUCT}.custName"),
    *known(C.CODE, "B1.5", f"{_PRODUCT}.prodStatusName {_PRODUCT}.prodMainStatusName"),
    *known(C.IDENTITY, "B1.5", f"{_PRODUCT}.productName {_PRODUCT}.commonRegionName"),
    *known(C.CODE, "B1.5", f"{_FUNCTION}.productName {_FUNCTION}[].productName"),
    *known(C.IDENTITY, "B1.5", f"{_PRODUCT}.prodOfferInfos.prodOfferName {_PRODUCT}.prodOfferInfos[].prodOfferName"),
    *known(C.TIME, "B1.5", f"{_PRODUCT}.prodOfferInfos.startDt {_PRODUCT}.prodOfferInfos[].startDt"),
    *known(C.TIME, "B1.5", f"{_PRODUCT}.prodOfferInfos.endDt {_PRODUCT}.prodOfferInfos[].endDt"),
)
TRAFFIC = (
    *XML_ENVELOPE,
    required("*.TOTAL_BYTES_CNT", C.FIGURE, "B1.5"),
    *known(C.FIGURE, "B1.5", "*.CHARGE_CNT_CH *.DURATION_CNT_CH *.TOTALCOUNT *.TOTALPAGE"),
)
SIM_LIST = (
    *JSON_ENVELOPE,
    *known(C.STRUCTURE, "B1.5", "description description.simList[]", "object"),
    *known(C.STRUCTURE, "B1.5", "description.simList description.simList[].simStatus", "list"),
    *known(C.FIGURE, "B1.5", "description.pageIndex description.total"),
    *known(C.IDENTITY, "B1.5", "description.simList[].accNumber description.simList[].iccid"),
    *known(C.IDENTITY, "B1.5", "description.simList[].imsi"),
    *known(C.CODE, "B1.5", "description.simList[].simStatus[]"),
    *known(C.TIME, "B1.5", "description.simList[].activationTime"),
)
_PERSON = "SvcCont.RESULT"
REAL_NAME = (
    *XML_ENVELOPE,
    read(_PERSON, C.STRUCTURE, "B1.5", "object|text"),
    *known(C.TIME, "B1.5", f"{_PERSON}.activeTime"),
    *known(C.CODE, "B1.5", f"{_PERSON}.prodStatusName {_PERSON}.prodMainStatusName"),
    *known(C.IDENTITY, "B1.5", f"{_PERSON}.certNumber"),
)
REFUSAL = (
    *JSON_ENVELOPE,
    *XML_ENVELOPE,
    read(_PERSON, C.STRUCTURE, "B1.5", "object|text"),
)
