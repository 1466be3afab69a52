"""China Mobile OneLink v5 on the wire: codes, tables and answers (`docs/carriers/onelink.md`; [C n] as there)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from types import MappingProxyType

from app.carriers.base import CarrierHold, Progress, ProgressState, SimRef
from app.carriers.errors import CarrierProtocolError
from app.carriers.http import parse
from app.carriers.http.parse import Object
from app.carriers.http.transport import Reply
from app.carriers.result_codes import CodeMeaning, Codes, interpret_code
from app.domain.vocabulary import HoldCode, OperationKind, SimState

CODES: Codes = MappingProxyType(
    {
        "0": CodeMeaning.OK,  # [C 7]
        "12021": CodeMeaning.TOKEN,  # TOKEN不存在或已过期 [C 5]
        "11011": CodeMeaning.NO_SUCH_CARD,  # number unknown to the platform [1] S9
        "12047": CodeMeaning.ALREADY,  # function already on or off [1] S1
        "12048": CodeMeaning.ALREADY,
        "12199": CodeMeaning.REJECTED,  # region limit not ordered or lapsed [1] S1
        # from here on: a OneLink-compatible reseller's list (S21) [1]
        "11000": CodeMeaning.REJECTED,  # 参数错误
        "12004": CodeMeaning.AUTH,  # transId/appid/token 鉴权失败
        "12009": CodeMeaning.NO_SUCH_CARD,  # 卡号不属于此用户
        "12010": CodeMeaning.NO_SUCH_CARD,  # 卡号不存在本系统
        "12022": CodeMeaning.AUTH,  # appid 或 password 鉴权不通过
        "12034": CodeMeaning.REJECTED,  # 群组ID不属于本企业
        "12007": CodeMeaning.NO_SUCH_CARD,  # not your card [F]
        "12008": CodeMeaning.NO_SUCH_CARD,  # not your card: one of them is the answer to a whole batch [F]
        "12089": CodeMeaning.REJECTED,  # 当前状态不可操作
        "12098": CodeMeaning.REJECTED,  # 停机原因不符合自主复机
        "12099": CodeMeaning.REJECTED,  # 主套餐过期无法复机
        "12100": CodeMeaning.REJECTED,  # 套餐已达量
        "19010": CodeMeaning.BROKEN,  # 其他错误: says nothing about whether it was done
        "500": CodeMeaning.BROKEN,  # 内部错误
        # v2 and file service, seen live on the same hosts
        "10": CodeMeaning.REJECTED,  # 请求参数不正确 [C 2]
        "14": CodeMeaning.REJECTED,  # 日期参数格式不正确 [1] S24
        "43": CodeMeaning.REJECTED,  # 文件不存在 [1] S24
        "10006": CodeMeaning.REJECTED,  # the address does not exist [1] S25
        "3": CodeMeaning.REJECTED,  # [F]
        "18": CodeMeaning.REJECTED,  # [F]
        "6": CodeMeaning.AUTH,  # address (IP) not admitted [F]
        "7": CodeMeaning.AUTH,  # token [F]
        "8": CodeMeaning.AUTH,  # white list [F]
        "12": CodeMeaning.NO_SUCH_CARD,  # not your card [F]
        "25": CodeMeaning.NO_SUCH_CARD,  # not your card [F]
        "71": CodeMeaning.RATE_LIMITED,  # 流控: pause [F]
        "72": CodeMeaning.RATE_LIMITED,  # 流控: pause [F]
        "73": CodeMeaning.BUSY,  # 系统忙，请稍后再试 [1] S24
        "99": CodeMeaning.BROKEN,  # 其它错误，请联系管理员 [1] S24
    }
)
WRONG_STATE = "12089"

STATES: Mapping[str, SimState] = MappingProxyType(
    {
        "1": SimState.SILENT,  # CT platform [C 6]
        "2": SimState.ACTIVE,
        "4": SimState.SUSPENDED,
        "6": SimState.TESTING,
        "7": SimState.INVENTORY,
        "8": SimState.EXPIRED,
        "9": SimState.CANCELLED,
        "00": SimState.ACTIVE,  # PB platform [C 3]; 05 过户 has no neutral state
        "01": SimState.SUSPENDED,
        "02": SimState.SUSPENDED,
        "03": SimState.EXPIRED,
        "04": SimState.CANCELLED,
        "06": SimState.SILENT,
        "07": SimState.SILENT,
        "99": SimState.CANCELLED,
    }
)
"""cardStatus in neutral states (LC-13)."""

ACTIVATE_FROM: Mapping[str, str] = MappingProxyType({"7": "2", "1": "6", "6": "5"})
"""change/sim-status: cardStatus → operType that leads to 已激活 (A5) [C 6]."""

ACTIVATE_MANY_FROM: Mapping[str, str] = MappingProxyType({"6": "3", "7": "5", "1": "7"})
"""change/sim-status/batch has a numbering of its own (A5) [C 3]."""

OPER_TYPES: Mapping[OperationKind, str] = MappingProxyType({OperationKind.SUSPEND: "0", OperationKind.RESUME: "1"})
OPER_TYPES_MANY: Mapping[OperationKind, str] = MappingProxyType(
    {OperationKind.SUSPEND: "9", OperationKind.RESUME: "11"}
)
REASON_OWN_REQUEST = "01"
"""主动停复机; needed with operType 9 and 11 [C 2]."""

TARGET: Mapping[OperationKind, SimState] = MappingProxyType(
    {
        OperationKind.ACTIVATE: SimState.ACTIVE,
        OperationKind.SUSPEND: SimState.SUSPENDED,
        OperationKind.RESUME: SimState.ACTIVE,
    }
)

STOP_REASONS: Mapping[int, HoldCode] = MappingProxyType(
    {
        0: HoldCode.PLAN_EXPIRED,
        1: HoldCode.DEVICE_MISMATCH,
        4: HoldCode.ARREARS,
        8: HoldCode.MANUAL,
        9: HoldCode.OUT_OF_REGION,
    }
)
"""Index in the 12 characters of stopReason → hold; any other index is `carrier_control` (LC-15)."""

ORDER_STATES: Mapping[str, ProgressState] = MappingProxyType(
    {
        "completed": ProgressState.DONE,
        "failed": ProgressState.FAILED,
        "aborted": ProgressState.FAILED,
        "cancelled": ProgressState.FAILED,
        **dict.fromkeys(
            ("acknowledged", "ready", "future", "inProgress", "amending", "suspended", "cancelling"),
            ProgressState.PENDING,
        ),
    }
)
"""query/order-info status (A8) [1] S4."""

FREEZE = "manageStopRestartStatus"
DATA_SERVICE = "11"
CUT_CODE = "serviceType 11: 0"
"""The code of a cut network: the data service (11) is paused (0) (23M08) [C 4]."""

RATS: Mapping[str, str] = MappingProxyType({"1": "3G", "2": "2G", "6": "4G", "8": "NB"})
"""query/sim-session rat [C 5]."""

_COMMA = re.compile("[,，]")

JOB = "job:"
"""Marks a reference as a jobId, to be polled with query/sim-batch-result."""


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """An answer without a failure code: the meaning of its code, and its result rows."""

    meaning: CodeMeaning
    rows: list[Object]

    @property
    def row(self) -> Object:
        """The first row; an empty one where the result is empty."""
        return self.rows[0] if self.rows else {}


def parse_reply(reply: Reply, codes: Codes, *, changes: bool) -> ParsedReply:
    """Read the envelope `{"status","message","result"}`. Raises: the tree, by `codes`."""
    envelope = parse.json_object(reply.body)
    code = parse.required_text(envelope.get("status"), "status")
    meaning = interpret_code(codes, code, parse.text(envelope.get("message")), changes=changes)
    result = envelope.get("result")
    return ParsedReply(meaning, [parse.as_object(result)] if isinstance(result, dict) else parse.objects(result))


def holds(stop_reason: str, description: str | None = None) -> tuple[CarrierHold, ...]:
    """The holds of a stopReason: 12 characters of 0 and 2, reasons stack. An unreadable one is `carrier_control`.

    `description`: shutdownReasonDesc, the carrier's words for each of them, with commas between; words that are not as
    many as the reasons are those of all.
    """
    if not stop_reason:
        return ()
    if len(stop_reason) != 12 or not set(stop_reason) <= {"0", "2"}:
        return (CarrierHold(code=HoldCode.CARRIER_CONTROL, carrier_code=stop_reason[:64], reason=description),)
    positions = [position for position, mark in enumerate(stop_reason) if mark == "2"]
    words = _COMMA.split(description or "")
    reasons = words if description and len(words) == len(positions) else [description] * len(positions)
    return tuple(
        CarrierHold(
            code=STOP_REASONS.get(position, HoldCode.CARRIER_CONTROL), carrier_code=single(position), reason=reason
        )
        for position, reason in zip(positions, reasons, strict=True)
    )


def freeze(row: Object) -> CarrierHold | None:
    """The hold of a management freeze (23M40), whose reason the platform gives in words; None: not frozen."""
    status = parse.required_text(row.get("manageStopRestartStatus"), "manageStopRestartStatus")
    if status == "0":
        return None
    code = f"{FREEZE}={status}"[:64]
    return CarrierHold(code=HoldCode.CARRIER_CONTROL, carrier_code=code, reason=parse.text_or_none(row.get("reason")))


def with_freeze(found: tuple[CarrierHold, ...], frozen: CarrierHold | None) -> tuple[CarrierHold, ...]:
    """The holds with a freeze, in place of a stop reason that says only that the carrier controls the card."""
    if frozen is None:
        return found
    return (*(hold for hold in found if hold.code is not HoldCode.CARRIER_CONTROL), frozen)


def data_paused(row: Object) -> bool | None:
    """Whether the data service (serviceType 11) is paused on every access point (23M08); None: it is not listed."""
    services = parse.objects(row.get("serviceTypeList"))
    data = [service for service in services if parse.text(service.get("serviceType")) == DATA_SERVICE]
    states = [parse.required_text(service.get("serviceStatus"), "serviceStatus") for service in data]
    return all(state == "0" for state in states) if states else None


def single(position: int) -> str:
    """The stopReason with one reason alone, as the documents name it."""
    return "0" * position + "2" + "0" * (11 - position)


def order_progress(row: Object) -> Progress:
    """What query/order-info says."""
    status = parse.required_text(row.get("status"), "order status")
    state = ORDER_STATES.get(status)
    if state is None:
        raise CarrierProtocolError("an order status no table knows", carrier_code=status)
    return Progress(state=state, carrier_code=status if state is ProgressState.FAILED else None)


def job_progress(row: Object, identities: frozenset[str], codes: Codes) -> Progress:
    """What query/sim-batch-result says of a card: jobStatus 0 pending, 1 running, 2 done, 3 with failures, 4 failed.

    A failed job lists its cards too [F]; a card that no list names has what the job as a whole has. Raises
    `CarrierProtocolError` where the card's own result has no code.
    """
    status = parse.required_text(row.get("jobStatus"), "jobStatus")
    if status in ("0", "1"):
        return Progress(state=ProgressState.PENDING)
    if status not in ("2", "3", "4"):
        raise CarrierProtocolError("a jobStatus no table knows", carrier_code=status)
    for item in parse.objects(row.get("resultList")):
        if parse.text(item.get("resultId")) in identities:
            code = parse.required_text(item.get("status"), "status")
            if not (code.isascii() and code.isalnum()):
                raise CarrierProtocolError("the result of a card in a job is no code", carrier_code=code)
            if code == "0":
                return Progress(state=ProgressState.DONE)
            return Progress(
                state=ProgressState.FAILED,
                carrier_code=code,
                detail=parse.text_or_none(item.get("message")),
                unknown_sim=codes.get(code) is CodeMeaning.NO_SUCH_CARD,
            )
    if status == "4":
        return Progress(state=ProgressState.FAILED, carrier_code="jobStatus 4")
    return Progress(state=ProgressState.DONE if status == "2" else ProgressState.UNREPORTED)


def identities(sim: SimRef) -> frozenset[str]:
    """What an answer may name a card by: monthly rows have been seen with `86` before the number that we store."""
    number = (sim.msisdn or "").removeprefix("86")
    return frozenset({sim.iccid, sim.imsi or "", number, f"86{number}" if number else ""} - {""})


def covered_until(row: Object, zone: tzinfo) -> datetime | None:
    """Up to when a monthly batch row counts: its `deadLine`, an instant or a whole day; None without one."""
    text = parse.text_or_none(row.get("deadLine"))
    if text is None or len(text) > len("2024-06-12"):
        return parse.instant(text, zone)
    on = parse.day(text, zone)
    return None if on is None else parse.midnight(on + timedelta(days=1), zone)


def changed_cards(rows: list[Object]) -> tuple[list[str], list[str]]:
    """ICCIDs, and the numbers of rows without one, from query/changeable-sim-date (field names not published)."""
    flat = [item for row in rows for item in _leaves(row)]
    iccids = [parse.text(item.get("iccid")) for item in flat]
    numbers = [parse.text(item.get("msisdn")) for item in flat if not item.get("iccid")]
    return [iccid for iccid in iccids if iccid], [number for number in numbers if number]


def _leaves(row: Object) -> list[Object]:
    """The rows themselves, or those of the lists they hold."""
    nested = [parse.objects(value) for value in row.values() if isinstance(value, list)]
    return [item for items in nested for item in items] if nested else [row]
