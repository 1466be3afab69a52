"""Telecom's changes (B1.5, B3): what each method refuses, and what it does when its order completes."""

from __future__ import annotations

from sandbox.http.messages import Answer, json_answer
from sandbox.telecom import replies as r
from sandbox.telecom.core import MethodCall
from sandbox.telecom.states import main_status
from sandbox.time import BEIJING

_SPEEDS = {"10", "11", *(str(code) for code in range(12, 34))}
PRODUCTS = {"2007": 100 << 20, "2008": 500 << 20, "2009": 1 << 30}
"""flowValue → bytes: the add-on packs of the sandbox's account (the document's sample names 2007)."""


def activate(call: MethodCall) -> Answer:
    """requestServActive: from 可激活 only."""
    card = call.one
    call.world.count_request(card)
    if call.world.busy(card):
        raise r.Refusal(r.IN_PROGRESS)
    if main_status(card, card.visible_state()) != "1":
        raise r.Refusal(r.NOT_RESUMABLE)
    if card.real_name == "individual" and not card.verified:
        raise r.Refusal(f"{r.CHECK}（未实名）")
    return r.upper_result(r.TAKEN, call.change("activate", "activate", {}))


def disabled_number(call: MethodCall) -> Answer:
    """disabledNumber: 19 stop, 20 resume, 21 and 22 in the test period."""
    card, kind = call.one, call.text("orderTypeId")
    call.world.count_request(card)
    if kind not in ("19", "20", "21", "22"):
        raise r.Refusal(r.MISSING if not kind else f"{r.CHECK}（orderTypeId）")
    if call.world.busy(card):
        raise r.Refusal(r.IN_PROGRESS)
    status = main_status(card, card.visible_state())
    if kind in ("21", "22"):
        if status != ("2" if kind == "21" else "3"):
            raise r.Refusal(r.NOT_RESUMABLE)
        return r.service_response(call.change("test_switch", "other", {"off": kind == "21"}))
    return _stop(call, status) if kind == "19" else _resume(call, status)


def _stop(call: MethodCall, status: str) -> Answer:
    if status == "5":
        raise r.Refusal(r.STOPPED)
    if status != "4":
        raise r.Refusal(r.NOT_RESUMABLE)
    return r.service_response(call.change("suspend", "suspend", {}))


def _resume(call: MethodCall, status: str) -> Answer:
    if status != "5" or call.one.state != "active":
        raise r.Refusal(r.NOT_RESUMABLE)
    if set(call.one.holds) & {"arrears", "violation", "not_real_named", "carrier_control"}:
        raise r.Refusal(f"{r.CHECK}（停机原因不允许复机）")
    also = ["over_quota", "over_threshold", "pool_exhausted", "plan_expired"]
    return r.service_response(call.change("resume", "resume", {"also": also}))


def rebind(call: MethodCall) -> Answer:
    """IMEIReRecord: the next device is bound, or the IMEI given; so many times a calendar month."""
    card, world = call.one, call.world
    world.count_request(card)
    month = BEIJING.text(call.now, "%Y-%m")
    limit = world.settings(call.protocol).rebinds_per_month
    if world.busy(card):
        raise r.Refusal(r.IN_PROGRESS)
    if call.text("action") != "ADD" or (call.text("bind_type") == "2" and not call.text("imei")):
        raise r.Refusal(r.MISSING)
    if limit is not None and card.rebinds.get(month, 0) >= limit:
        raise r.Refusal(r.json_response(call.number(), "-5", r.REBINDS_USED))
    if card.state != "active":
        raise r.Refusal(r.json_response(call.number(), "-5", "业务校验失败"))
    imei = call.text("imei") if call.text("bind_type") == "2" else None
    return r.json_response(call.change("rebind", "rebind", {"imei": imei, "month": month}))


def threshold(call: MethodCall) -> Answer:
    """offNetAction: 1 add, 2 modify, 3 cancel; quota in MB, -1 unlimited, 0 cut now."""
    card, action = call.one, call.text("action")
    call.world.count_request(card)
    if call.world.busy(card):
        raise r.Refusal(r.IN_PROGRESS)
    if card.state != "active":
        raise r.Refusal(r.CHECK)
    if action == "3":
        if card.threshold is None:
            raise r.Refusal(r.NO_THRESHOLD)
        return r.service_content(call.change("set_threshold", "set_threshold", {"mb": None}))
    quota, kind = call.text("quota"), call.text("type") or "1"
    if action not in ("1", "2") or not quota.lstrip("-").isdecimal() or int(quota) < -1 or kind not in ("1", "2"):
        raise r.Refusal(r.MISSING)
    if action == "1" and card.threshold is not None:
        raise r.Refusal(r.HAS_PRODUCT)
    if action == "2" and card.threshold is None:
        raise r.Refusal(r.NO_THRESHOLD)
    return r.service_content(call.change("set_threshold", "set_threshold", {"mb": int(quota), "type": kind}))


def recover(call: MethodCall) -> Answer:
    """recoverNetAction: after 达量断网, once the limit is above what is used."""
    card = call.one
    call.world.count_request(card)
    if "over_threshold" not in card.holds:
        raise r.Refusal(r.CHECK)
    return r.service_content(call.change("resume", "other", {"also": ["over_threshold"]}))


def cut_network(call: MethodCall) -> Answer:
    """singleCutNet: ADD cuts, DEL restores."""
    card, action = call.one, call.text("action")
    call.world.count_request(card)
    if action not in ("ADD", "DEL"):
        raise r.Refusal(r.MISSING)
    if call.world.busy(card):
        raise r.Refusal(r.IN_PROGRESS)
    is_cut = "network_cut" in card.holds
    if card.visible_state() != "active" or is_cut == (action == "ADD"):
        raise r.Refusal(f"{r.CHECK}（{'已断网' if is_cut else '未断网'}）")
    do = "cut_network" if action == "ADD" else "restore_network"
    return r.service_content(call.change(do, do, {}))


def speed(call: MethodCall) -> Answer:
    """speedLimitAction: ADD a class, DEL with 10."""
    card = call.one
    call.world.count_request(card)
    if call.text("action") not in ("ADD", "DEL") or call.text("speedValue") not in _SPEEDS:
        raise r.Refusal(r.MISSING)
    value = None if call.text("action") == "DEL" else call.text("speedValue")
    number = call.change("attributes", "other", {"set": {"speed": value}})
    return json_answer({"resultCode": "0000", "resultMsg": r.TAKEN, "GROUP_TRANSACTIONID": number})


def order(call: MethodCall) -> Answer:
    """orderFlow: an add-on pack; not twice in a cycle."""
    card, product = call.one, call.text("flowValue")
    call.world.count_request(card)
    if call.world.busy(card):
        raise r.Refusal(r.IN_PROGRESS)
    if not product:
        raise r.Refusal(r.MISSING)
    if card.visible_state() not in ("active", "suspended") or product not in PRODUCTS:
        raise r.Refusal(r.CHECK)
    cycle = call.world.cycle(card, call.now)
    begun = call.world.zone(card).start(cycle.first)
    if any(name == product and at >= begun for name, at in card.extra.get("products", [])):
        raise r.Refusal(r.HAS_PRODUCT)
    args = {"cycle": cycle.id, "bytes": PRODUCTS[product], "product": product}
    return r.info(call.change("order_addon", "order_addon", args))


def cancel_order(call: MethodCall) -> Answer:
    """UnsubScribe."""
    card, product = call.one, call.text("flowValue")
    call.world.count_request(card)
    if all(name != product for name, _ in card.extra.get("products", [])):
        raise r.Refusal(r.CHECK)
    return r.info(call.change("cancel_addon", "other", {"product": product}))


def pool_member(call: MethodCall) -> Answer:
    """The methods poolMemAdd, poolMemDelete and modifyPoolMember."""
    card, pool = call.one, call.text("poolNbr")
    call.world.count_request(card)
    if not pool:
        raise r.Refusal(r.MISSING)
    leaves = call.call.op == "poolMemDelete"
    return r.service_content(call.change("join_pool", "join_pool", {"pool": None if leaves else pool}))


def pay(call: MethodCall) -> Answer:
    """The methods pay2 and flowPoolPay: taken, without a consequence here."""
    return r.result_code({"GROUP_TRANSACTIONID": call.number()})


def clear_real_name(call: MethodCall) -> Answer:
    """OrdinaryRealNameClear."""
    call.world.count_request(call.one)
    number = call.change("clear_real_name", "other", {})
    return r.result_code({"GROUP_TRANSACTIONID": number})


def record_real_name(call: MethodCall) -> Answer:
    """RealNameRecIot."""
    call.world.count_request(call.one)
    if not call.text("certNumber"):
        raise r.Refusal(r.MISSING)
    number = call.change("verify_real_name", "verify_real_name", {})
    return r.result_code({"GROUP_TRANSACTIONID": number})
