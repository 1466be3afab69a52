"""Huawei Cloud GSL on the wire: signature, codes, models (`docs/carriers/gsl.md`; [n] as there)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import date, datetime, timedelta, tzinfo
from types import MappingProxyType
from urllib.parse import quote

from app.carriers.base import CarrierHold, Progress, ProgressState, SimSnapshot
from app.carriers.errors import CarrierError, CarrierProtocolError
from app.carriers.http import parse
from app.carriers.http.parse import Object
from app.carriers.http.transport import Call, Reply
from app.carriers.result_codes import CodeMeaning, Codes, interpret_code
from app.domain.units import MB
from app.domain.vocabulary import HoldCode, OperationKind, SimState

CODES: Codes = MappingProxyType(
    {
        "GSL.00010001": CodeMeaning.AUTH,  # token invalid [1]
        "GSL.00010003": CodeMeaning.BROKEN,  # 系统繁忙 [3]
        "GSL.00020003": CodeMeaning.BROKEN,  # 系统繁忙 [1]
        "GSL.00010004": CodeMeaning.REJECTED,  # 参数错误 [3]
        "GSL.00010005": CodeMeaning.REJECTED,  # 业务操作失败, with HTTP 500 [F]
        "GSL.00011001": CodeMeaning.NO_SUCH_CARD,  # card missing or not yours [2]
        "GSL.00011010": CodeMeaning.REJECTED,  # too many iccids [2]
        "GSL.00011011": CodeMeaning.NO_SUCH_CARD,  # iccid does not exist [2]
        "GSL.00011016": CodeMeaning.REJECTED,
        "GSL.00011063": CodeMeaning.REJECTED,
        "GSL.00012002": CodeMeaning.REJECTED,
        "GSL.00012016": CodeMeaning.REJECTED,
        "GSL.00013012": CodeMeaning.REJECTED,
        "GSL.00015028": CodeMeaning.REJECTED,
        "GSL.00015032": CodeMeaning.REJECTED,
        "GSL.00015033": CodeMeaning.REJECTED,
        "GSL.00016010": CodeMeaning.BUSY,  # the card still has an unfinished work order [2]
    }
)
"""The published part of the list [2: G2]; codes for a wrong state, a spent rebind quota are unknown."""

GATEWAY_CODES = "APIGW."
"""Codes of the gateway before GSL (throttling, signature): the HTTP status decides."""

STATES: Mapping[str, SimState] = MappingProxyType(
    {
        "10": SimState.TESTING,
        "11": SimState.SILENT,
        "13": SimState.SILENT,
        "20": SimState.ACTIVE,
        "14": SimState.SUSPENDED,
        "30": SimState.CANCELLED,
    }
)
"""sim_status in neutral states (LC-13)."""

TARGETS: Mapping[OperationKind, SimState] = MappingProxyType(
    {
        OperationKind.ACTIVATE: SimState.ACTIVE,
        OperationKind.SUSPEND: SimState.SUSPENDED,
        OperationKind.RESUME: SimState.ACTIVE,
    }
)
"""The state that a change of state leads to."""

NO_REASON = frozenset({"", "-1"})
OTHER_DEVICE = "7"
CUT = "cut_net_flag"
STOP_REASONS: Mapping[str, HoldCode] = MappingProxyType(
    {
        "1": HoldCode.OVER_QUOTA,
        "2": HoldCode.OVER_THRESHOLD,
        "3": HoldCode.POOL_EXHAUSTED,
        "4": HoldCode.PLAN_EXPIRED,
        "5": HoldCode.MANUAL,
        "6": HoldCode.VIOLATION,
        "7": HoldCode.DEVICE_MISMATCH,
    }
)
"""operator_status (LC-15); any other is carrier_control."""

WORK_ORDERS: Mapping[str, ProgressState] = MappingProxyType(
    {
        "1": ProgressState.PENDING,  # 审核中
        "2": ProgressState.PENDING,  # 已审核
        "3": ProgressState.PENDING,  # 处理中
        "4": ProgressState.DONE,  # 已完成
        "5": ProgressState.FAILED,  # 已取消
        "6": ProgressState.FAILED,  # 失败
        "7": ProgressState.FAILED,  # 审核不通过
    }
)


def sign(call: Call, query: str, *, credentials: Mapping[str, str], host: str, moment: datetime) -> dict[str, str]:
    """SDK-HMAC-SHA256 over method, path, query, four headers and the body (B.1); `moment` is UTC."""
    headers = {
        "content-type": "application/json",
        "host": host,
        "x-project-id": credentials["project_id"],
        "x-sdk-date": f"{moment:%Y%m%dT%H%M%SZ}",
    }
    names = ";".join(sorted(headers))
    path = "/".join(quote(part, safe="~") for part in f"/{call.path}".split("/"))
    canonical = "\n".join(
        (
            call.method,
            path if path.endswith("/") else path + "/",
            "&".join(sorted(query.split("&"))),
            "".join(f"{name}:{headers[name]}\n" for name in sorted(headers)),
            names,
            hashlib.sha256(call.body).hexdigest(),
        )
    )
    to_sign = f"SDK-HMAC-SHA256\n{headers['x-sdk-date']}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(credentials["sk"].encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    proof = f"SDK-HMAC-SHA256 Access={credentials['ak']}, SignedHeaders={names}, Signature={signature}"
    return {**headers, "authorization": proof}


def explain(call: Call, reply: Reply, codes: Codes) -> CarrierError | None:
    """The error of `{"error_code","error_msg"}` (or `code`, `message`); None where the status must decide."""
    try:
        body = parse.json_object(reply.body)
        code = parse.text(body.get("error_code") or body.get("code"))
        message = parse.text(body.get("error_msg") or body.get("message"))
    except CarrierProtocolError:
        return None
    if not code or code.startswith(GATEWAY_CODES):
        return None
    try:
        interpret_code(codes, code, message, changes=call.changes)
    except CarrierError as error:
        return error
    return CarrierProtocolError(f"HTTP {reply.status} with a code that means success", carrier_code=code)


def work_order(reply: Reply) -> str:
    """The work order that a card command began."""
    return str(parse.integer(parse.json_object(reply.body).get("work_order_id"), "work_order_id"))


def order_state(reply: Reply, reference: str) -> ProgressState:
    """The state of one work order in a list of them; one that is not listed yet is pending."""
    orders = parse.objects(parse.json_object(reply.body).get("work_orders"))
    for order in orders:
        if parse.text(order.get("id")) == reference:
            status = parse.required_text(order.get("status"), "status")
            if status not in WORK_ORDERS:
                raise CarrierProtocolError("a work order status no table knows", carrier_code=status)
            return WORK_ORDERS[status]
    return ProgressState.PENDING


def failure(reply: Reply) -> Progress:
    """Why a work order failed: the description in its details."""
    details = parse.objects(parse.json_object(reply.body).get("work_order_details"))
    reason = next((parse.text_or_none(detail.get("description")) for detail in details), None)
    return Progress(state=ProgressState.FAILED, carrier_code="work order failed", detail=reason)


def snapshot(card: Object, iccid: str, zone: tzinfo, as_of: datetime) -> SimSnapshot:
    """A SimDeviceVO; its flows are as of yesterday, its state is now."""
    code = parse.required_text(card.get("sim_status"), "sim_status")
    reason = parse.text(card.get("operator_status"))
    state, cut = STATES.get(code), parse.flag(card.get("cut_net_flag"))
    return SimSnapshot(
        iccid=iccid,
        state=state,
        code=code,
        as_of=as_of,
        holds=holds(state, reason, cut=cut),
        activated_on=parse.day(card.get("act_date"), zone),
        expires_on=last_day(card, zone),
        imei=parse.text_or_none(card.get("imei")),
        real_named=parse.flag(card.get("real_named")),
        network_cut=cut,
        cut_code=CUT,
        threshold=threshold(card),
    )


def holds(state: SimState | None, reason: str, *, cut: bool | None) -> tuple[CarrierHold, ...]:
    """The holds of operator_status, and of cut_net_flag where the state is 在用 all the same (ST-16).

    A changed device (7) leaves a Telecom card 在用 too (ST-22).
    """
    found: list[CarrierHold] = []
    stopped = state is SimState.SUSPENDED and reason not in NO_REASON
    if stopped or (state is SimState.ACTIVE and reason == OTHER_DEVICE):
        found.append(CarrierHold(code=STOP_REASONS.get(reason, HoldCode.CARRIER_CONTROL), carrier_code=reason))
    if state is SimState.ACTIVE and cut:
        found.append(CarrierHold(code=HoldCode.NETWORK_CUT, carrier_code=CUT))
    return tuple(found)


def last_day(card: Object, zone: tzinfo) -> date | None:
    """The last valid day; an end at midnight is taken as exclusive [I]. None where there is none, never a sentinel."""
    if parse.day(card.get("expire_time"), zone) is None:
        return None
    ends = parse.instant(card.get("expire_time"), zone)
    return (ends - timedelta(seconds=1)).astimezone(zone).date() if ends else None


def threshold(card: Object) -> int | None:
    """Bytes of exceed_cut_net_quota (MB), None where there is none; the flag beside it may mean "cut by it" [?]."""
    quota = parse.text_or_none(card.get("exceed_cut_net_quota"))
    return None if quota in (None, "-1") else parse.amount(quota, MB)
