"""CTWing's own calls (B2.2): batch reads by POST, APN functions; and what every operation of it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from sandbox.fleet.card import Card
from sandbox.http.messages import Answer, json_answer
from sandbox.http.server import find_card
from sandbox.telecom import replies as r
from sandbox.telecom.core import MethodCall
from sandbox.telecom.states import MAIN_NAMES, cut, main_entries, main_status
from sandbox.time import BEIJING, cycle_of

_MOST = 100


@dataclass(frozen=True, slots=True)
class Op:
    """One path: what it does, its neutral name, whether it names one card, the envelope of its refusals."""

    run: Callable[[MethodCall], Answer]
    kind: str = "other"
    card: bool = True
    shape: str = "result"


def status(call: MethodCall) -> Answer:
    """queryCardMainStatus, with whether the network is cut and the person is known."""
    card, state = call.one, call.visible_state()
    entries = [
        {
            "productMainStatusCd": code,
            "productMainStatusName": MAIN_NAMES[code],
            "operatorDefinitionStatusName": MAIN_NAMES[code],
        }
        for code in main_entries(card, state)
    ]
    return json_answer(
        {
            "result": "0",
            "resultMsg": r.DONE,
            "number": card.msisdn,
            "netBlockStatusName": "已断网" if cut(card) else "未断网",
            "authStatus": "1" if card.verified else "0",
            "productInfo": entries,
            "GROUP_TRANSACTIONID": call.number(),
        }
    )


def _batch(call: MethodCall) -> list[tuple[str, Card | None]]:
    """The requested numbers and their cards; at most 100. Raises Refusal."""
    numbers = call.params.get("accessNumbers") or call.params.get("accessNumber") or []
    if isinstance(numbers, str):
        numbers = [part for part in numbers.split(",") if part]
    if not isinstance(numbers, list) or len(numbers) > _MOST:
        raise r.Refusal(f"{r.CHECK}（accessNumber最多{_MOST}个）")
    return [(str(number), find_card(call.world, call.protocol, msisdn=str(number))) for number in numbers]


def _info(call: MethodCall, card: Card) -> dict[str, Any]:
    code = main_status(card, call.world.visible_state(card, call.protocol))
    form = "%Y-%m-%d %H:%M:%S"
    return {
        "accessNumber": card.msisdn,
        "iccid": card.iccid,
        "imsi": card.imsi,
        "imei": card.imei,
        "simStatus": code,
        "simStatusName": MAIN_NAMES[code],
        "productMainStatusCd": code,
        "productMainStatusName": MAIN_NAMES[code],
        "netBlockStatusName": "已断网" if cut(card) else "未断网",
        "authStatus": "1" if card.verified else "0",
        "activationTime": "" if card.activated_at is None else BEIJING.text(card.activated_at, form),
        "prodOfferName": card.plan,
    }


def _account_cards(call: MethodCall) -> list[Card]:
    return [card for card in call.world.store.cards.values() if card.carrier == "ctcc"]


def sim_info(call: MethodCall) -> Answer:
    """BQ018: the cards named, or all of the account by page."""
    cards = [card for _, card in _batch(call) if card is not None] or _account_cards(call)[:_MOST]
    wanted = call.text("simStatus")
    listed = [info for card in cards if (info := _info(call, card)) and wanted in ("", info["simStatus"])]
    return json_answer({"code": "0", "message": "成功", "data": {"qrySimInfoList": listed}})


def sim_status(call: MethodCall) -> Answer:
    """BQ020; the list's name is our guess."""
    listed = [_info(call, card) for _, card in _batch(call) if card is not None]
    return json_answer({"code": "0", "message": "成功", "data": {"qrySimStatusList": listed}})


def real_names(call: MethodCall) -> Answer:
    """BQ019: 1 = real-named."""
    listed = [
        {"accessNumber": number, "status": "1" if card.verified else "0"}
        for number, card in _batch(call)
        if card is not None
    ]
    return json_answer({"code": 0, "msg": "查询成功", "data": {"statusList": listed}})


def flow_by_month(call: MethodCall) -> Answer:
    """`batchQryFlowByMonth`: this month, or the one named."""
    cycle = cycle_of("ctcc", BEIJING.day(call.now))
    month = call.text("month").replace("-", "") or cycle.id.replace("-", "")
    try:
        cycle = cycle_of("ctcc", date(int(month[:4]), int(month[4:6]), 1).toordinal())
    except ValueError as error:
        raise r.Refusal(r.MISSING) from error
    return _flows(call, cycle.first, cycle.end, {"month": month})


def flow_by_date(call: MethodCall) -> Answer:
    """UQ013: one day."""
    text = (call.text("date") or call.text("queryDate") or call.text("startDate")).replace("-", "")
    try:
        day = BEIJING.day(BEIJING.parse(text, "%Y%m%d"))
    except ValueError as error:
        raise r.Refusal(r.MISSING) from error
    return _flows(call, day, day + 1, {"date": text})


def _flows(call: MethodCall, first: int, end: int, when: dict[str, str]) -> Answer:
    world = call.world
    listed = []
    for number, card in _batch(call):
        if card is None:
            empty = {"result": "0", "unit": "MB", "flowAmount": "", **when}
            listed.append({"accessNumber": number, **empty, "status": "1", "statusDesc": "号码不存在"})
            continue
        until = world.usage_until(card, call.protocol)
        used = world.meter.between(card, world.zone(card), first, end, until)
        listed.append(
            {
                "accessNumber": number,
                "result": "1",
                "unit": "MB",
                "flowAmount": r.megabytes(used),
                **when,
                "status": "0",
                "statusDesc": "成功",
            }
        )
    return json_answer({"code": 0, "msg": "查询成功", "data": listed})


def status_changes(call: MethodCall) -> Answer:
    """`cradStatus` (sic): the cards whose status changed, the newest first."""
    changed = sorted((card for card in _account_cards(call) if card.history), key=lambda card: -card.modified)
    page, size = call.text("page") or "1", call.text("size") or "50"
    if not page.isdecimal() or not size.isdecimal():
        raise r.Refusal(r.MISSING)
    first = max(0, int(page) - 1) * int(size)
    form = "%Y-%m-%d %H:%M:%S"
    listed = [
        {**_info(call, card), "statusTime": BEIJING.text(card.history[-1][0], form)}
        for card in changed[first : first + int(size)]
    ]
    return json_answer({"result": "0", "resultMsg": r.DONE, "total": len(changed), "list": listed})


def apns(call: MethodCall) -> Answer:
    """`queryUsingAPN`."""
    off = bool(call.one.extra.get("apn_off"))
    return json_answer({"code": "0", "message": "成功", "data": [{"apn": "ctnet", "status": "0" if off else "1"}]})


def apn_switch(call: MethodCall) -> Answer:
    """`apnNetStatusAction`: ADD cuts one APN, DEL gives it back."""
    call.world.count_request(call.one)
    number = call.change("apn_switch", "other", {"function": "apn", "off": call.text("action") == "ADD"})
    return json_answer({"code": "0", "message": r.TAKEN, "data": {"GROUP_TRANSACTIONID": number}})


def apn_speed(call: MethodCall) -> Answer:
    """`apnMoudleSpeedLimitAction` (sic)."""
    call.world.count_request(call.one)
    number = call.change("attributes", "other", {"set": {"apn_speed": call.text("speedValue")}})
    return json_answer({"code": "0", "message": r.TAKEN, "data": {"GROUP_TRANSACTIONID": number}})


def diagnosis(call: MethodCall) -> Answer:
    """RD001."""
    return json_answer({"code": "0", "message": "成功", "data": {"accessNumber": call.one.msisdn, "risks": []}})


def location(call: MethodCall) -> Answer:
    """LWL001, LWL004, LWL006."""
    return json_answer({"code": "0", "message": "成功", "data": {"lat": "30.59", "lon": "114.30"}})
