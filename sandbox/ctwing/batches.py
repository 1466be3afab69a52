"""CTWing's own calls (B2.2): batch reads by POST, APN functions; and what every operation of it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from sandbox.fleet.card import Card
from sandbox.http.messages import Answer, json_answer
from sandbox.http.wire import find_card
from sandbox.telecom import replies as r
from sandbox.telecom.core import Asked
from sandbox.telecom.states import MAIN_NAMES, cut, main_entries, main_status
from sandbox.time import BEIJING, cycle_of

_MOST = 100


@dataclass(frozen=True, slots=True)
class Op:
    """One path: what it does, its neutral name, whether it names one card, the envelope of its refusals."""

    run: Callable[[Asked], Answer]
    kind: str = "other"
    card: bool = True
    shape: str = "result"


def status(asked: Asked) -> Answer:
    """queryCardMainStatus, with whether the network is cut and the person is known."""
    card, shown = asked.one, asked.shown()
    entries = [
        {
            "productMainStatusCd": code,
            "productMainStatusName": MAIN_NAMES[code],
            "operatorDefinitionStatusName": MAIN_NAMES[code],
        }
        for code in main_entries(card, shown)
    ]
    return json_answer(
        {
            "result": "0",
            "resultMsg": r.DONE,
            "number": card.msisdn,
            "netBlockStatusName": "已断网" if cut(card) else "未断网",
            "authStatus": "1" if card.verified else "0",
            "productInfo": entries,
            "GROUP_TRANSACTIONID": asked.number(),
        }
    )


def _batch(asked: Asked) -> list[tuple[str, Card | None]]:
    """The numbers asked for and their cards; at most 100. Raises Refusal."""
    numbers = asked.params.get("accessNumbers") or asked.params.get("accessNumber") or []
    if isinstance(numbers, str):
        numbers = [part for part in numbers.split(",") if part]
    if not isinstance(numbers, list) or len(numbers) > _MOST:
        raise r.Refusal(f"{r.CHECK}（accessNumber最多{_MOST}个）")
    return [(str(number), find_card(asked.world, asked.protocol, msisdn=str(number))) for number in numbers]


def _info(asked: Asked, card: Card) -> dict[str, Any]:
    code = main_status(card, asked.world.shown(card, asked.protocol))
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


def _mine(asked: Asked) -> list[Card]:
    return [card for card in asked.world.store.cards.values() if card.carrier == "ctcc"]


def sim_info(asked: Asked) -> Answer:
    """BQ018: the cards named, or all of the account by page."""
    cards = [card for _, card in _batch(asked) if card is not None] or _mine(asked)[:_MOST]
    wanted = asked.text("simStatus")
    listed = [info for card in cards if (info := _info(asked, card)) and wanted in ("", info["simStatus"])]
    return json_answer({"code": "0", "message": "成功", "data": {"qrySimInfoList": listed}})


def sim_status(asked: Asked) -> Answer:
    """BQ020; the list's name is our guess."""
    listed = [_info(asked, card) for _, card in _batch(asked) if card is not None]
    return json_answer({"code": "0", "message": "成功", "data": {"qrySimStatusList": listed}})


def real_names(asked: Asked) -> Answer:
    """BQ019: 1 = real-named."""
    listed = [
        {"accessNumber": number, "status": 1 if card.verified else 0}
        for number, card in _batch(asked)
        if card is not None
    ]
    return json_answer({"code": 0, "msg": "查询成功", "data": {"statusList": listed}})


def flow_by_month(asked: Asked) -> Answer:
    """`batchQryFlowByMonth`: this month, or the one named."""
    cycle = cycle_of("ctcc", BEIJING.day(asked.now))
    month = asked.text("month").replace("-", "") or cycle.id.replace("-", "")
    try:
        cycle = cycle_of("ctcc", date(int(month[:4]), int(month[4:6]), 1).toordinal())
    except ValueError as error:
        raise r.Refusal(r.MISSING) from error
    return _flows(asked, cycle.first, cycle.end, {"month": month})


def flow_by_date(asked: Asked) -> Answer:
    """UQ013: one day."""
    text = (asked.text("date") or asked.text("queryDate") or asked.text("startDate")).replace("-", "")
    try:
        day = BEIJING.day(BEIJING.parse(text, "%Y%m%d"))
    except ValueError as error:
        raise r.Refusal(r.MISSING) from error
    return _flows(asked, day, day + 1, {"date": text})


def _flows(asked: Asked, first: int, end: int, when: dict[str, str]) -> Answer:
    world = asked.world
    listed = []
    for number, card in _batch(asked):
        if card is None:
            empty = {"result": "0", "unit": "MB", "flowAmount": "", **when}
            listed.append({"accessNumber": number, **empty, "status": "1", "statusDesc": "号码不存在"})
            continue
        until = world.usage_until(card, asked.protocol)
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


def status_changes(asked: Asked) -> Answer:
    """`cradStatus` (sic): the cards whose status changed, the newest first."""
    changed = sorted((card for card in _mine(asked) if card.history), key=lambda card: -card.modified)
    page, size = asked.text("page") or "1", asked.text("size") or "50"
    if not page.isdecimal() or not size.isdecimal():
        raise r.Refusal(r.MISSING)
    first = max(0, int(page) - 1) * int(size)
    form = "%Y-%m-%d %H:%M:%S"
    listed = [
        {**_info(asked, card), "statusTime": BEIJING.text(card.history[-1][0], form)}
        for card in changed[first : first + int(size)]
    ]
    return json_answer({"result": "0", "resultMsg": r.DONE, "total": len(changed), "list": listed})


def apns(asked: Asked) -> Answer:
    """`queryUsingAPN`."""
    off = bool(asked.one.extra.get("apn_off"))
    return json_answer({"code": "0", "message": "成功", "data": [{"apn": "ctnet", "status": "0" if off else "1"}]})


def apn_switch(asked: Asked) -> Answer:
    """`apnNetStatusAction`: ADD cuts one APN, DEL gives it back."""
    asked.world.asked(asked.one)
    number = asked.change("apn_switch", "other", {"function": "apn", "off": asked.text("action") == "ADD"})
    return json_answer({"code": "0", "message": r.TAKEN, "data": {"GROUP_TRANSACTIONID": number}})


def apn_speed(asked: Asked) -> Answer:
    """`apnMoudleSpeedLimitAction` (sic)."""
    asked.world.asked(asked.one)
    number = asked.change("attributes", "other", {"set": {"apn_speed": asked.text("speedValue")}})
    return json_answer({"code": "0", "message": r.TAKEN, "data": {"GROUP_TRANSACTIONID": number}})


def diagnosis(asked: Asked) -> Answer:
    """RD001."""
    return json_answer({"code": "0", "message": "成功", "data": {"accessNumber": asked.one.msisdn, "risks": []}})


def location(asked: Asked) -> Answer:
    """LWL001, LWL004, LWL006."""
    return json_answer({"code": "0", "message": "成功", "data": {"lat": "30.59", "lon": "114.30"}})
