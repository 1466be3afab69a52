"""Telecom's changes (B1.5, B3): what each method refuses, and what it does when its order completes."""

from __future__ import annotations

from sandbox.http.messages import Answer, json_answer
from sandbox.telecom import replies as r
from sandbox.telecom.core import Asked
from sandbox.telecom.states import main_status
from sandbox.time import BEIJING

_SPEEDS = {"10", "11", *(str(code) for code in range(12, 34))}
PRODUCTS = {"2007": 100 << 20, "2008": 500 << 20, "2009": 1 << 30}
"""flowValue → bytes: the add-on packs of the sandbox's account (the document's sample names 2007)."""


def activate(asked: Asked) -> Answer:
    """requestServActive: from 可激活 only."""
    card = asked.one
    asked.world.asked(card)
    if asked.world.busy(card):
        raise r.Refusal(r.IN_PROGRESS)
    if main_status(card, card.shown()) != "1":
        raise r.Refusal(r.NOT_RESUMABLE)
    if card.real_name == "individual" and not card.verified:
        raise r.Refusal(f"{r.CHECK}（未实名）")
    return r.upper_result(r.TAKEN, asked.change("activate", "activate", {}))


def disabled_number(asked: Asked) -> Answer:
    """disabledNumber: 19 stop, 20 resume, 21 and 22 in the test period."""
    card, kind = asked.one, asked.text("orderTypeId")
    asked.world.asked(card)
    if kind not in ("19", "20", "21", "22"):
        raise r.Refusal(r.MISSING if not kind else f"{r.CHECK}（orderTypeId）")
    if asked.world.busy(card):
        raise r.Refusal(r.IN_PROGRESS)
    status = main_status(card, card.shown())
    if kind in ("21", "22"):
        if status != ("2" if kind == "21" else "3"):
            raise r.Refusal(r.NOT_RESUMABLE)
        return r.service_response(asked.change("test_switch", "other", {"off": kind == "21"}))
    return _stop(asked, status) if kind == "19" else _resume(asked, status)


def _stop(asked: Asked, status: str) -> Answer:
    if status == "5":
        raise r.Refusal(r.STOPPED)
    if status != "4":
        raise r.Refusal(r.NOT_RESUMABLE)
    return r.service_response(asked.change("suspend", "suspend", {}))


def _resume(asked: Asked, status: str) -> Answer:
    if status != "5" or asked.one.state != "active":
        raise r.Refusal(r.NOT_RESUMABLE)
    if set(asked.one.holds) & {"arrears", "violation", "not_real_named", "carrier_control"}:
        raise r.Refusal(f"{r.CHECK}（停机原因不允许复机）")
    also = ["over_quota", "over_threshold", "pool_exhausted", "plan_expired"]
    return r.service_response(asked.change("resume", "resume", {"also": also}))


def rebind(asked: Asked) -> Answer:
    """IMEIReRecord: the next device is bound, or the IMEI given; so many times a calendar month."""
    card, world = asked.one, asked.world
    world.asked(card)
    month = BEIJING.text(asked.now, "%Y-%m")
    limit = world.settings(asked.protocol).rebinds_per_month
    if world.busy(card):
        raise r.Refusal(r.IN_PROGRESS)
    if asked.text("action") != "ADD" or (asked.text("bind_type") == "2" and not asked.text("imei")):
        raise r.Refusal(r.MISSING)
    if limit is not None and card.rebinds.get(month, 0) >= limit:
        raise r.Refusal(r.json_response(asked.number(), "-5", r.REBINDS_USED))
    if card.state != "active":
        raise r.Refusal(r.json_response(asked.number(), "-5", "业务校验失败"))
    imei = asked.text("imei") if asked.text("bind_type") == "2" else None
    return r.json_response(asked.change("rebind", "rebind", {"imei": imei, "month": month}))


def threshold(asked: Asked) -> Answer:
    """offNetAction: 1 add, 2 modify, 3 cancel; quota in MB, -1 unlimited, 0 cut now."""
    card, action = asked.one, asked.text("action")
    asked.world.asked(card)
    if asked.world.busy(card):
        raise r.Refusal(r.IN_PROGRESS)
    if card.state != "active":
        raise r.Refusal(r.CHECK)
    if action == "3":
        if card.threshold is None:
            raise r.Refusal(r.NO_THRESHOLD)
        return r.service_content(asked.change("set_threshold", "set_threshold", {"mb": None}))
    quota, kind = asked.text("quota"), asked.text("type") or "1"
    if action not in ("1", "2") or not quota.lstrip("-").isdecimal() or int(quota) < -1 or kind not in ("1", "2"):
        raise r.Refusal(r.MISSING)
    if action == "1" and card.threshold is not None:
        raise r.Refusal(r.HAS_PRODUCT)
    if action == "2" and card.threshold is None:
        raise r.Refusal(r.NO_THRESHOLD)
    return r.service_content(asked.change("set_threshold", "set_threshold", {"mb": int(quota), "type": kind}))


def recover(asked: Asked) -> Answer:
    """recoverNetAction: after 达量断网, once the limit is above what is used."""
    card = asked.one
    asked.world.asked(card)
    if "over_threshold" not in card.holds:
        raise r.Refusal(r.CHECK)
    return r.service_content(asked.change("resume", "other", {"also": ["over_threshold"]}))


def cut_network(asked: Asked) -> Answer:
    """singleCutNet: ADD cuts, DEL restores."""
    card, action = asked.one, asked.text("action")
    asked.world.asked(card)
    if action not in ("ADD", "DEL"):
        raise r.Refusal(r.MISSING)
    if asked.world.busy(card):
        raise r.Refusal(r.IN_PROGRESS)
    is_cut = "network_cut" in card.holds
    if card.shown() != "active" or is_cut == (action == "ADD"):
        raise r.Refusal(f"{r.CHECK}（{'已断网' if is_cut else '未断网'}）")
    do = "cut_network" if action == "ADD" else "restore_network"
    return r.service_content(asked.change(do, do, {}))


def speed(asked: Asked) -> Answer:
    """speedLimitAction: ADD a class, DEL with 10."""
    card = asked.one
    asked.world.asked(card)
    if asked.text("action") not in ("ADD", "DEL") or asked.text("speedValue") not in _SPEEDS:
        raise r.Refusal(r.MISSING)
    value = None if asked.text("action") == "DEL" else asked.text("speedValue")
    number = asked.change("attributes", "other", {"set": {"speed": value}})
    return json_answer({"resultCode": "0000", "resultMsg": r.TAKEN, "GROUP_TRANSACTIONID": number})


def order(asked: Asked) -> Answer:
    """orderFlow: an add-on pack; not twice in a cycle."""
    card, product = asked.one, asked.text("flowValue")
    asked.world.asked(card)
    if asked.world.busy(card):
        raise r.Refusal(r.IN_PROGRESS)
    if not product:
        raise r.Refusal(r.MISSING)
    if card.shown() not in ("active", "suspended") or product not in PRODUCTS:
        raise r.Refusal(r.CHECK)
    cycle = asked.world.cycle(card, asked.now)
    begun = asked.world.zone(card).start(cycle.first)
    if any(name == product and at >= begun for name, at in card.extra.get("products", [])):
        raise r.Refusal(r.HAS_PRODUCT)
    args = {"cycle": cycle.id, "bytes": PRODUCTS[product], "product": product}
    return r.info(asked.change("order_addon", "order_addon", args))


def cancel_order(asked: Asked) -> Answer:
    """UnsubScribe."""
    card, product = asked.one, asked.text("flowValue")
    asked.world.asked(card)
    if all(name != product for name, _ in card.extra.get("products", [])):
        raise r.Refusal(r.CHECK)
    return r.info(asked.change("cancel_addon", "other", {"product": product}))


def pool_member(asked: Asked) -> Answer:
    """The methods poolMemAdd, poolMemDelete and modifyPoolMember."""
    card, pool = asked.one, asked.text("poolNbr")
    asked.world.asked(card)
    if not pool:
        raise r.Refusal(r.MISSING)
    leaves = asked.call.op == "poolMemDelete"
    return r.service_content(asked.change("join_pool", "join_pool", {"pool": None if leaves else pool}))


def pay(asked: Asked) -> Answer:
    """The methods pay2 and flowPoolPay: taken, without a consequence here."""
    return r.result_code({"GROUP_TRANSACTIONID": asked.number()})


def clear_real_name(asked: Asked) -> Answer:
    """OrdinaryRealNameClear."""
    asked.world.asked(asked.one)
    number = asked.change("clear_real_name", "other", {})
    return r.result_code({"GROUP_TRANSACTIONID": number})


def record_real_name(asked: Asked) -> Answer:
    """RealNameRecIot."""
    asked.world.asked(asked.one)
    if not asked.text("certNumber"):
        raise r.Refusal(r.MISSING)
    number = asked.change("verify_real_name", "verify_real_name", {})
    return r.result_code({"GROUP_TRANSACTIONID": number})
