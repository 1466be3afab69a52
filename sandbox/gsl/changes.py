"""GSL's changes: checked by carrier and state, then a work order (B.2, B.3, B.3.3)."""

from __future__ import annotations

import re
from typing import Any

from sandbox.fleet.card import Card
from sandbox.gsl import tables as t
from sandbox.gsl.server import Gsl, Refusal, body_of
from sandbox.http.server import Call
from sandbox.time import BEIJING

Order = dict[str, int]


def _start(server: Gsl, call: Call) -> Card:
    """The card, its request counted, no other work order open."""
    card = server.card(call)
    server.world.count_request(card)
    if server.world.busy(card):
        raise Refusal(t.UNFINISHED)
    return card


def _order(server: Gsl, card: Card, do: str, kind: str, args: dict[str, Any], number: int | None = None) -> Order:
    """A work order, done after `completion_s`."""
    world = server.world
    work_order = 1_000_000 + world.store.serial("work_orders")
    pending = world.request(card, server.name, do, kind, args, delay_s=world.settings(server.name).completion_s)
    now = world.now()
    record = {
        "wo": work_order,
        "type": number if number is not None else t.ORDER_TYPES[kind],
        "iccid": card.iccid,
        "sid": card.sid,
        "created": now,
        "due": now if pending is None else pending.due,
        "done": now if pending is None else None,
        "ok": True,
    }
    if pending is not None:
        pending.order = str(work_order)
    world.store.order(str(work_order), record)
    return {"work_order_id": work_order}


def enable(server: Gsl, call: Call) -> Order:
    """激活: 可测试 or 可激活."""
    card = _start(server, call)
    if card.visible_state() not in ("testing", "silent", "inventory"):
        raise Refusal(t.WRONG_STATE)
    return _order(server, card, "activate", "activate", {})


def _switch(call: Call) -> None:
    value = body_of(call).get("down_up_switch")
    if not isinstance(value, int) or not 0 <= value <= 9:
        raise Refusal(t.PARAMETERS)


def stop(server: Gsl, call: Call) -> Order:
    """停机; which `down_up_switch` means stop is not documented, so any is taken."""
    _switch(call)
    card = _start(server, call)
    if card.visible_state() != "active":
        raise Refusal(t.WRONG_STATE)
    return _order(server, card, "suspend", "suspend", {})


def reset(server: Gsl, call: Call) -> Order:
    """复机: only what was stopped by request or by a volume."""
    _switch(call)
    card = _start(server, call)
    blocked = set(card.holds) - {"manual", "over_quota", "over_threshold", "pool_exhausted", "network_cut"}
    if card.visible_state() != "suspended" or blocked:
        raise Refusal(t.WRONG_STATE)
    return _order(server, card, "resume", "resume", {"also": ["over_quota", "over_threshold", "pool_exhausted"]})


def bind(server: Gsl, call: Call) -> Order:
    """机卡重绑: Telecom (so often a month) and Mobile (bind_type 1 only)."""
    body = body_of(call)
    card = _start(server, call)
    kind, imei = body.get("bind_type"), body.get("imei")
    if kind not in (1, 2) or (kind == 2 and not re.fullmatch(r"\d{15}", str(imei or ""))):
        raise Refusal(t.PARAMETERS)
    if card.carrier not in ("ctcc", "cmcc") or (card.carrier == "cmcc" and kind == 2):
        raise Refusal(t.CARRIER)
    if card.state != "active":
        raise Refusal(t.WRONG_STATE)
    args: dict[str, Any] = {"imei": imei if kind == 2 else None}
    if card.carrier == "ctcc":
        if rebinds_left(server, card) == 0:
            raise Refusal(t.REBINDS_USED)
        args["month"] = BEIJING.text(server.world.now(), "%Y-%m")
    return _order(server, card, "rebind", "rebind", args)


def rebinds_left(server: Gsl, card: Card) -> int | None:
    """How often a Telecom card may be bound anew this month; None where nothing limits it."""
    limit = server.world.settings(server.name).rebinds_per_month
    if card.carrier != "ctcc" or limit is None:
        return None
    return max(0, limit - card.rebinds.get(BEIJING.text(server.world.now(), "%Y-%m"), 0))


def cut(server: Gsl, call: Call) -> Order:
    """断网: Telecom only; ADD cuts, DEL restores."""
    action = body_of(call).get("action")
    card = _start(server, call)
    if action not in ("ADD", "DEL"):
        raise Refusal(t.PARAMETERS)
    if card.carrier != "ctcc":
        raise Refusal(t.CARRIER)
    if card.visible_state() != "active" or ("network_cut" in card.holds) == (action == "ADD"):
        raise Refusal(t.WRONG_STATE)
    do = "cut_network" if action == "ADD" else "restore_network"
    return _order(server, card, do, do, {})


def exceed(server: Gsl, call: Call) -> Order:
    """达量断网: Telecom, and pool cards of the others; MB as text."""
    body = body_of(call)
    card = _start(server, call)
    action, quota = body.get("action"), str(body.get("quota", ""))
    if action not in (1, 2) or (action == 1 and not re.fullmatch(r"-1|\d+", quota)):
        raise Refusal(t.PARAMETERS)
    if card.carrier != "ctcc" and not card.pool:
        raise Refusal(t.CARRIER)
    if card.state != "active" or (action == 2 and card.threshold is None):
        raise Refusal(t.WRONG_STATE)
    args = {"mb": int(quota) if action == 1 else None, "type": "1"}
    return _order(server, card, "set_threshold", "set_threshold", args, 12 if action == 1 else 21)


def speed(server: Gsl, call: Call) -> Order:
    """限速: Telecom and Unicom; -1 takes it off."""
    value = body_of(call).get("speed_value")
    card = _start(server, call)
    speeds = {"ctcc": t.TELECOM_SPEEDS, "cucc": t.UNICOM_SPEEDS}.get(card.carrier)
    if speeds is None:
        raise Refusal(t.CARRIER)
    if value != -1 and value not in speeds:
        raise Refusal(t.SPEED)
    return _order(server, card, "attributes", "other", {"set": {"speed": value}}, t.ORDER_TYPES["speed"])


def clear_real_name(server: Gsl, call: Call) -> Order:
    """清除实名: Telecom only."""
    card = _start(server, call)
    if card.carrier != "ctcc":
        raise Refusal(t.CARRIER)
    return _order(server, card, "clear_real_name", "other", {}, t.ORDER_TYPES["clear_real_name"])


def switch_policy(server: Gsl, call: Call) -> Order:
    """A tri-carrier card's policy; its type of work order is not in the table, 2 here."""
    policy = body_of(call).get("network_switch_policy_id")
    card = _start(server, call)
    if not isinstance(policy, int):
        raise Refusal(t.PARAMETERS)
    return _order(server, card, "attributes", "other", {"set": {"policy": policy}}, 2)


def switch_network(server: Gsl, call: Call) -> Order:
    """A tri-carrier card's network: 1 Mobile, 2 Telecom, 3 Unicom."""
    carrier = body_of(call).get("carrier_type")
    card = _start(server, call)
    if carrier not in (1, 2, 3):
        raise Refusal(t.PARAMETERS)
    return _order(server, card, "attributes", "other", {"set": {"network": carrier}}, 2)
