"""OneLink's reads other than usage (A6). All scalars are texts."""

from __future__ import annotations

import re

from sandbox.fleet.card import Card
from sandbox.http.server import Call
from sandbox.onelink import tables as t
from sandbox.onelink.server import OneLink, Refusal, Result, page, stamp, status_code, wanted_cards
from sandbox.time import BEIJING, HOUR

_ORDER_STAMP = "%Y%m%d%H%M%S"


def basic_info(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23S00."""
    card = cards[0]
    names = {"msisdn": card.msisdn, "imsi": card.imsi, "iccid": card.iccid}
    return [{**names, "activeDate": stamp(card.activated_at), "openDate": stamp(card.opened_at), "remark": ""}]


def status(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """25S04."""
    card = cards[0]
    state = server.world.visible_state(card, server.name)
    changed = card.history[-1][0] if card.history else card.opened_at
    return [{"cardStatus": status_code(card, state), "lastChangeDate": stamp(changed)}]


def change_history(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23S02: descStatus is the old state, targetStatus the new."""
    card = cards[0]
    changes = [
        {
            "descStatus": status_code(card, before),
            "targetStatus": status_code(card, after),
            "changeDate": stamp(at),
        }
        for at, before, after in card.history
    ]
    return [{"changeHistoryList": changes}]


def stop_reason(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """25S02."""
    card = cards[0]
    reason = t.stop_reason(card.holds, expired=card.state == "expired")
    description = "，".join(text for index, text in t.STOP_TEXT.items() if reason[index] == "2")
    return [{"platformType": _platform(card), "stopReason": reason, "shutdownReasonDesc": description}]


def freeze(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23M40: a management freeze."""
    since = min((at for hold, at in cards[0].holds.items() if hold in ("carrier_control", "frozen")), default=None)
    frozen, when = since is not None, stamp(since)
    values = {"manageStopRestartStatus": "1" if frozen else "0", "reason": "管理停机" if frozen else ""}
    return [{**values, "manageStopRestartStatusTime": when}]


def card_info(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """25S05: one status per card."""
    result: Result = []
    for selector, value in wanted_cards(call.params):
        card = server.find(**{selector: value})
        if card is None:
            code, text = t.UNKNOWN_CARD
            result.append({"status": code, "message": text, selector: value})
        else:
            names = {"msisdn": card.msisdn, "iccid": card.iccid, "imsi": card.imsi}
            result.append({"status": t.OK, "message": "正确", **names})
    return result


def platform(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """25S06."""
    result: Result = []
    for selector, value in wanted_cards(call.params):
        card = server.find(**{selector: value})
        if card is None:
            result.append(
                {selector: value, "platformType": "", "status": t.UNKNOWN_CARD[0], "message": t.UNKNOWN_CARD[1]}
            )
        else:
            answer = {"platformType": _platform(card), "status": t.OK, "message": "正确"}
            result.append({"msisdn": card.msisdn, selector: value, **answer})
    return result


def _platform(card: Card) -> str:
    return "OneLink-PB" if card.pb else "OneLink-CT"


def imei(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23S04."""
    return [{"imei": cards[0].imei}]


def changed_on(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23E00: the cards that changed status on a day, with the last status of that day; paged by 50 at most."""
    text = call.text("changeDate").replace("-", "")
    if not re.fullmatch(r"\d{8}", text):
        raise Refusal(t.BAD_DATE)
    try:
        day = BEIJING.day(BEIJING.parse(text, "%Y%m%d"))
    except ValueError as error:
        raise Refusal(t.BAD_DATE) from error
    found: Result = []
    for card in server.world.store.cards.values():
        if card.carrier != "cmcc" or BEIJING.day(card.modified) < day:
            continue
        that_day = [entry for entry in card.history if BEIJING.day(entry[0]) == day]
        if that_day:
            at, _, after = that_day[-1]
            names = {"msisdn": card.msisdn, "iccid": card.iccid, "imsi": card.imsi}
            found.append({**names, "cardStatus": status_code(card, after), "changeDate": stamp(at)})
    wanted = call.text("cardStatus")
    found = [entry for entry in found if not wanted or entry["cardStatus"] == wanted]
    return page(call, found)


def status_numbers(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23E05."""
    numbers: dict[str, int] = {}
    for card in server.world.store.cards.values():
        if card.carrier == "cmcc":
            code = status_code(card, card.visible_state())
            numbers[code] = numbers.get(code, 0) + 1
    return [{"cardStatus": code, "num": str(number)} for code, number in sorted(numbers.items())]


def total_number(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """25E00."""
    return [{"totalNum": str(sum(card.carrier == "cmcc" for card in server.world.store.cards.values()))}]


def on_off(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """25M00: a card is on while it is in a device."""
    return [{"status": "1" if cards[0].imei and cards[0].state != "cancelled" else "0"}]


def session(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """25M01: 00 offline, 01 online; rat 6 = 4G."""
    card, world = cards[0], server.world
    online = bool(card.imei) and card.data_on()
    since = card.extra.get("session_from") or max(card.activated_at or 0, world.now() - 6 * HOUR)
    entry = {
        "apnId": "CMIOT",
        "status": "01" if online else "00",
        "ip": f"10.{card.sid >> 16 & 255}.{card.sid >> 8 & 255}.{card.sid & 255}" if online else "",
        "createDate": stamp(since) if online else "",
        "rat": "6" if online else "",
        "ipv6Prefix": "",
        "ipv6": "",
    }
    return [{"simSessionList": [entry]}]


def functions(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23M08: 0 paused, 1 normal."""
    extra = cards[0].extra
    listed = [
        {
            "serviceType": code,
            "serviceStatus": "0" if (_data_off(cards[0]) if name == "apn" else extra.get(f"{name}_off")) else "1",
            "apnName": "CMIOT" if name == "apn" else "",
            "statusTime": stamp(cards[0].modified),
        }
        for code, name in (("01", "voice"), ("08", "sms"), ("10", "roaming"), ("11", "apn"))
    ]
    return [{"serviceTypeList": listed}]


def apn_info(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23M03."""
    return [{"apnList": [{"apnName": "CMIOT", "status": "0" if _data_off(cards[0]) else "1"}]}]


def _data_off(card: Card) -> bool:
    return bool(card.extra.get("apn_off")) or "network_cut" in card.holds


def bind_status(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23A04: 0 separated, 1 not separated."""
    when = cards[0].holds.get("device_mismatch")
    return [{"result": "1" if when is None else "0", "errorCode": "", "errorDes": "", "sepTime": stamp(when)}]


def region_status(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23A11: 0 inside, 1 outside; once per card and hour; 12199 without a limit."""
    card, world = cards[0], server.world
    if card.province is None:
        raise Refusal(t.NO_REGION)
    last = card.extra.get("region_asked", 0)
    if world.settings(server.name).strict and world.now() - last < HOUR:
        raise Refusal(t.BUSY)
    card.extra["region_asked"] = world.now()
    world.store.touch("cards", card.iccid)
    return [{"regionLimitStatus": "1" if "out_of_region" in card.holds else "0"}]


def region_area(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23A15."""
    if cards[0].province is None:
        raise Refusal(t.NO_REGION)
    return [{"restrictedArea": [t.PROVINCES.get(cards[0].province, cards[0].province)]}]


def real_name(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23A10: 1 = registered; other values are not published, 0 here."""
    return [{"realNameStatus": "1" if cards[0].verified else "0", "reason": "" if cards[0].verified else "未登记"}]


def order_info(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23M27: acknowledged, then inProgress, then completed or failed."""
    number = call.text("orderNum")
    order = server.world.store.orders.get(number)
    if order is None or "created" not in order:
        raise Refusal(t.EMULATOR["unknown_job"])
    now = server.world.now()
    if order["done"] is not None:
        state, at = "completed" if order["ok"] else "failed", order["done"]
    else:
        half = (order["created"] + order["due"]) // 2
        state, at = ("acknowledged", order["created"]) if now < half else ("inProgress", half)
    stamps = {"statusDate": BEIJING.text(at, _ORDER_STAMP), "createDate": BEIJING.text(order["created"], _ORDER_STAMP)}
    return [{"orderNum": number, "status": state, **stamps}]


def batch_result(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23M10: 0 pending, 1 running, 2 done, 3 done with failures (4, a job that failed whole, never)."""
    job = server.world.store.orders.get(call.text("jobId"))
    if job is None or "results" not in job:
        raise Refusal(t.EMULATOR["unknown_job"])
    now = server.world.now()
    if now < job["due"]:
        return [{"jobStatus": "0" if now < (job["created"] + job["due"]) // 2 else "1"}]
    types = {"msisdn": "1", "iccid": "2", "imsi": "3"}
    listed = [
        {"status": code, "message": text, "resultType": types[selector], "resultId": value}
        for selector, value, _, code, text in job["results"]
    ]
    failures = sum(entry["status"] != t.OK for entry in listed)
    return [{"jobStatus": "3" if failures else "2", "resultList": listed}]
