"""Telecom's reads (B1.5): status, usage in MB as text and KB in packages, session, real-name, pools."""

from __future__ import annotations

from datetime import date
from typing import Any

from sandbox.fleet.card import allowance_of
from sandbox.http.messages import Answer, json_answer
from sandbox.telecom import replies as r
from sandbox.telecom.core import MethodCall
from sandbox.telecom.states import MAIN_NAMES, OLD_NAMES, cut, main_entries, old_status
from sandbox.time import BEIJING, HOUR, cycle_named, cycle_of

_PAGE = 50


def main_status(call: MethodCall) -> Answer:
    """QueryCardMainStatus."""
    card, state = call.one, call.visible_state()
    if state == "cancelled" and call.text("queryDropCard") != "true" and call.world.settings(call.protocol).strict:
        raise r.Refusal(r.CARD)
    entries = [
        {"productMainStatusCd": code, "productMainStatusName": MAIN_NAMES[code]} for code in main_entries(card, state)
    ]
    created = BEIJING.text(card.activated_at or card.opened_at, "%Y%m%d")
    number = {"GROUP_TRANSACTIONID": call.number(), "number": card.msisdn}
    return r.result_code({**number, "servCreateDate": created, "productInfo": entries})


def old_card_status(call: MethodCall) -> Answer:
    """queryCardStatus: the reason of a stop."""
    card = call.one
    code = old_status(card, call.visible_state())
    info = {
        "productStatusCd": code,
        "productStatusName": OLD_NAMES[code],
        "servCreateDate": BEIJING.text(card.activated_at or card.opened_at, "%Y%m%d"),
    }
    values = {
        "BasicInfo": {"result": "0", "resultMsg": r.DONE},
        "prodRecords": {"prodRecord": {"productInfo": info}},
        "number": card.msisdn,
        "GROUP_TRANSACTIONID": call.number(),
    }
    return r.xml("root", {"Query_response": values})


def product(call: MethodCall) -> Answer:
    """prodInstQuery: plan, functions and the 达量断网 attributes."""
    card = call.one
    code = main_entries(card, call.visible_state())[-1]
    limit = card.threshold
    attributes = [
        {"attrName": "是否已达量断网", "attrValue": "是" if "over_threshold" in card.holds else "否"},
        {"attrName": "断网阀值", "attrValue": "" if limit is None else str(limit["mb"])},
    ]
    function = {"productName": "达量断网", "attrInfos": attributes} if limit is not None else None
    info: dict[str, Any] = {
        "phoneNum": card.msisdn,
        "iccid": card.iccid,
        "imsi": card.imsi,
        "prodStatusName": MAIN_NAMES[code],
        "prodMainStatusName": MAIN_NAMES[code],
        "custName": "沙箱客户",
        "productName": "物联网流量",
        "commonRegionName": card.place or "",
        "stopFlag": "1" if cut(card) or code == "5" else "0",
        "attrInfos": {"attrName": "机卡绑定", "attrValue": card.bound_imei or ""},
        "prodOfferInfos": {
            "prodOfferName": card.plan or "物联网套餐",
            "startDt": BEIJING.text(card.activated_at or card.opened_at, "%Y-%m-%d"),
            "endDt": card.expires_on or "",
        },
        "funProdInfos": [
            *([function] if function is not None else []),
            {"productName": "上网功能"},
            {"productName": "短信功能"},
        ],
    }
    return r.xml("SvcCont", {"result": {"prodInfos": info}, "resultCode": "0", "resultMsg": r.DONE})


def telephone(call: MethodCall) -> Answer:
    """GetTelephone."""
    return r.upper_result(call.one.msisdn, call.number())


def telephone_plus(call: MethodCall) -> Answer:
    """GetTelephonePlus."""
    card = call.one
    names = {"access_number": card.msisdn, "ICCID": card.iccid, "4G_IMSI": card.imsi, "3G_IMSI": ""}
    return json_answer({"RESULT": "0", "SMSG": r.DONE, **names, "GROUP_TRANSACTIONID": call.number()})


def sim_list(call: MethodCall) -> Answer:
    """getSIMList: 50 a page."""
    index = call.text("pageIndex") or "1"
    wanted, iccid = call.text("simStatus"), call.text("iccid")
    cards = []
    for card in call.world.store.cards.values():
        code = main_entries(card, card.visible_state())[-1] if card.carrier == "ctcc" else ""
        if code and wanted in ("", code) and iccid in ("", card.iccid):
            activated = "" if card.activated_at is None else BEIJING.text(card.activated_at, "%Y-%m-%d %H:%M:%S")
            entry = {"accNumber": card.msisdn, "iccid": card.iccid, "imsi": card.imsi, "simStatus": [code]}
            cards.append({**entry, "activationTime": activated})
    first = (int(index) - 1) * _PAGE if index.isdecimal() and int(index) > 0 else 0
    page = {"pageIndex": index, "total": str(len(cards)), "simList": cards[first : first + _PAGE]}
    return r.result_code({"groupTransactionId": call.number(), "description": page})


def _ticket(call: MethodCall, first: int, end: int) -> Answer:
    used = call.usage(first, end)
    number = call.number()
    values: dict[str, Any] = {
        "CHARGE_CNT_CH": "0元",
        "DURATION_CNT_CH": "",
        "IRESULT": "0",
        "TOTALCOUNT": "",
        "TOTALPAGE": "",
        "TOTAL_BYTES_CNT": f"{r.megabytes(used)}MB",
        "GROUP_TRANSACTIONID": number,
        "number": call.one.msisdn,
    }
    if call.text("needDtl") == "1":
        values["NEW_DATA_TICKET_QRsp"] = [
            {"START_TIME": date.fromordinal(day).strftime("%Y%m%d000000"), "BYTES_CNT": f"{r.megabytes(bytes_)}MB"}
            for day in range(first, min(end, BEIJING.day(call.now) + 1))
            if (bytes_ := call.usage(day, day + 1))
        ]
    return r.web("NEW_DATA_TICKET_QRsp", values)


def traffic(call: MethodCall) -> Answer:
    """queryTraffic: the month to date."""
    cycle = cycle_of("ctcc", BEIJING.day(call.now))
    return _ticket(call, cycle.first, cycle.end)


def traffic_today(call: MethodCall) -> Answer:
    """QueryTrafficOfToday."""
    today = BEIJING.day(call.now)
    return _ticket(call, today, today + 1)


def traffic_by_date(call: MethodCall) -> Answer:
    """queryTrafficByDate: both days included, of one month."""
    start, end = call.text("startDate"), call.text("endDate")
    try:
        first, last = (BEIJING.day(BEIJING.parse(text, "%Y%m%d")) for text in (start, end))
    except ValueError as error:
        raise r.Refusal(r.MISSING) from error
    if start[:6] != end[:6] or last < first:
        raise r.Refusal(f"{r.CHECK}（只能查询同一个月的流量）")
    return _ticket(call, first, last + 1)


def packages(call: MethodCall) -> Answer:
    """queryPakage: the plan and its add-ons, KB."""
    card, text = call.one, call.text("monthDate")
    cycle = cycle_of("ctcc", BEIJING.day(call.now))
    if text:
        try:
            cycle = cycle_named("ctcc", int(text[:4]), int(text[4:6]))
        except ValueError as error:
            raise r.Refusal(r.MISSING) from error
    used = call.usage(cycle.first, cycle.end)
    total = (allowance_of(card.plan) or 0) + card.addons.get(cycle.id, 0)
    entry = {
        "ACCU_NAME": "国内流量",
        "CUMULATION_ALREADY": str(used >> 10),
        "CUMULATION_LEFT": str(max(0, total - used) >> 10),
        "CUMULATION_TOTAL": str(total >> 10),
        "START_TIME": date.fromordinal(cycle.first).strftime("%Y%m%d"),
        "END_TIME": date.fromordinal(cycle.end - 1).strftime("%Y%m%d"),
        "OFFER_ID": f"{card.sid:09d}",
        "OFFER_NAME": card.plan or "物联网套餐",
        "UNIT_NAME": "KB",
        "OFFER_TYPE": "0",
    }
    return r.web("CurrAcuRsp", {"CumulRspList": entry, "IRESULT": "0", "SMSG": r.DONE, "number": card.msisdn})


def online(call: MethodCall) -> Answer:
    """getOnlineStatus: `result` -1 offline, 0 online (inferred)."""
    card, now = call.one, call.now
    is_online = bool(card.imei) and card.data_on()
    start = max(card.activated_at or 0, now - 6 * HOUR)
    form = "%Y-%m-%d %H:%M:%S"
    description = {
        "result": "0" if is_online else "-1",
        "msisdn": f"86{card.msisdn}",
        "imsi": card.imsi,
        "netModel": "2",
        "acctStatusType": "start" if is_online else "stop",
        "eventTimestamp": BEIJING.text(start, form),
        "framedIpAddress": f"10.{card.sid >> 16 & 255}.{card.sid >> 8 & 255}.{card.sid & 255}" if is_online else "",
        "framedIpv6Prefix": "",
        "framedInterfaceId": "",
        "apn": "ctnet",
        "rattype": "6",
        "imei": card.imei,
        "provname": card.place or "",
        "duration": str((now - start) // 1000) if is_online else "0",
        "stopTime": "" if is_online else BEIJING.text(max(start, card.modified), form),
        "startTime": BEIJING.text(start, form),
    }
    return r.result_code({"groupTransactionId": call.number(), "description": description})


def real_name(call: MethodCall) -> Answer:
    """realNameQueryIot: 0 real-named, -5 not."""
    card = call.one
    if not card.verified:
        return r.xml("SvcCont", {"RESULT": "", "resultCode": "-5", "resultMsg": "未能查询到实名制信息"})
    name = MAIN_NAMES[main_entries(card, call.visible_state())[-1]]
    active = "" if card.activated_at is None else BEIJING.text(card.activated_at, "%Y%m%d%H%M%S")
    result = {
        "activeTime": active,
        "prodStatusName": name,
        "prodMainStatusName": name,
        "certNumber": "4201**********001X",
        "number": card.msisdn,
    }
    return r.xml("SvcCont", {"RESULT": result, "resultCode": "0", "resultMsg": r.DONE})


def balance(call: MethodCall) -> Answer:
    """QueryBalance."""
    amount = "-12.50" if "arrears" in call.one.holds else "100.00"
    values = {"ACCOUNTBALANCE": amount, "USERBALANCE": amount, "BALANCE": amount, "IRESULT": "0"}
    return r.web("BALANCE_QRRsp", values)


def owe(call: MethodCall) -> Answer:
    """queryOwe."""
    amount = "12.50" if "arrears" in call.one.holds else "0.00"
    return r.web("OWE_QRRsp", {"OWE": amount, "IRESULT": "0"})


def bind_detection(call: MethodCall) -> Answer:
    """QueryBindDetection."""
    card = call.one
    separated = "1" if "device_mismatch" in card.holds else "0"
    return r.result_code({"imei": card.bound_imei or "", "currentImei": card.imei, "status": separated})


def orders(call: MethodCall) -> Answer:
    """GetOrdersByRequestId."""
    number = call.text("requestId")
    order = call.world.store.orders.get(number)
    listed = []
    if order is not None and "created" in order:
        status = "竣工" if order["done"] is not None else "处理中"
        listed.append({"requestId": number, "statusName": status})
    return r.result_code({"orderList": listed, "pageIndex": call.text("pageIndex") or "1"})


def orders_of_card(call: MethodCall) -> Answer:
    """GetOrdersByAccessNumber: the newest first."""
    orders = call.world.store.orders.items()
    listed = [
        {"requestId": number, "statusName": "竣工" if order["done"] is not None else "处理中"}
        for number, order in reversed(list(orders))
        if order.get("iccid") == call.one.iccid and "created" in order
    ]
    return r.result_code({"orderList": listed, "pageIndex": call.text("pageIndex") or "1"})


def sms(call: MethodCall) -> Answer:
    """QuerySmsDetail."""
    return r.web("NEW_SMS_TICKET_QRsp", {"IRESULT": "0", "TOTALCOUNT": "0", "number": call.one.msisdn})
