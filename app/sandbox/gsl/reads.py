"""GSL's reads: cards, plans, pools, work orders (B.3, B.3.1)."""

from __future__ import annotations

from datetime import date
from typing import Any

from app.sandbox.card import Card, allowance_of
from app.sandbox.gsl import tables as t
from app.sandbox.gsl.changes import rebinds_left
from app.sandbox.gsl.usage import total, used
from app.sandbox.gsl.wire import Gsl, Refusal, mb, when
from app.sandbox.time import cycle_named
from app.sandbox.wire import Call

_CARRIERS = {"cmcc": 1, "ctcc": 2, "cucc": 3, "overseas": 201}
_PHYSICAL = 3


def page(call: Call, key: str, entries: list[Any]) -> dict[str, Any]:
    """`offset` is a page number; `limit` 10 to 500 (fewer are taken too)."""
    limit, offset = call.text("limit") or "10", call.text("offset") or "1"
    if not limit.isdigit() or not 1 <= int(limit) <= 500 or not offset.isdigit() or int(offset) < 1:
        raise Refusal(t.PARAMETERS)
    first = (int(offset) - 1) * int(limit)
    entries_shown = entries[first : first + int(limit)]
    return {"limit": int(limit), "offset": int(offset), "count": len(entries), key: entries_shown}


def _mine(wire: Gsl) -> list[Card]:
    return [card for card in wire.world.store.cards.values() if card.gsl]


def view(wire: Gsl, card: Card) -> dict[str, Any]:
    """SimDeviceVO (B.3.1). What only vSIM and eSIM know is null."""
    world, expires = wire.world, None
    if card.expires_on:
        expires = world.zone(card).start(date.fromisoformat(card.expires_on).toordinal() + 1)
    shown = world.shown(card, wire.name)
    reason = t.operator_status(card.holds, expired=card.state == "expired")
    activated = card.state in ("active", "expired", "cancelled")
    return {
        "sim_card_id": card.sid,
        "account_id": "sandbox",
        "cid": card.iccid,
        "sim_pool_id": pool_id(card.pool) if card.pool else None,
        "imei": card.imei or None,
        "sim_status": t.SIM_STATUS[shown],
        **dict.fromkeys(("device_status", "device_model", "device_status_date", "node_id")),
        "act_date": when(card.activated_at),
        "iccid": card.iccid,
        "network_type": "1",
        **dict.fromkeys(("dbm", "signal_level")),
        "sim_type": _PHYSICAL,
        "tag_names": card.extra.get("tag_names"),
        "order_id": int(card.order) if card.order and card.order.isdigit() else None,
        "expire_time": when(expires),
        "price_plan_name": card.plan,
        "sim_price_plan_id": card.sid,
        "flow_left": mb(total(wire, card) - used(wire, card)) if activated else None,
        "flow_used": mb(used(wire, card)) if activated else None,
        "operator_status": reason if shown in ("suspended", "expired") or reason == 7 else -1,
        "msisdn": card.msisdn,
        "imsi": card.imsi,
        **{f"customer_attribute{number}": card.extra.get(f"attribute{number}") for number in range(1, 7)},
        "real_named": card.verified,
        "cut_net_flag": "network_cut" in card.holds,
        "exceed_cut_net_flag": "over_threshold" in card.holds,
        "exceed_cut_net_quota": None if card.threshold is None else card.threshold["mb"],
        "imei_bind_remain_times": rebinds_left(wire, card),
        "speed_value": card.extra.get("speed", -1),
    }


def card(wire: Gsl, call: Call) -> dict[str, Any]:
    """GET …/{id}."""
    return view(wire, wire.card(call))


def cards(wire: Gsl, call: Call) -> dict[str, Any]:
    """GET /v1/sim-cards, filtered."""
    kind, key = call.text("main_search_type"), call.text("main_search_key")
    found = [
        entry
        for entry in _mine(wire)
        if _found_by(entry, kind, key)
        and call.text("sim_status") in ("", str(t.SIM_STATUS[wire.world.shown(entry, wire.name)]))
        and call.text("real_named").lower() in ("", str(entry.verified).lower())
        and call.text("msisdn") in ("", entry.msisdn)
        and call.text("order_id") in ("", entry.order or "")
    ]
    if call.text("order") == "desc":
        found.reverse()
    paged = page(call, "sim_cards", found)
    return paged | {"sim_cards": [view(wire, entry) for entry in paged["sim_cards"]]}


def _found_by(entry: Card, kind: str, key: str) -> bool:
    if not key:
        return True
    if kind == "3":
        return entry.imei == key
    return entry.order == key if kind == "2" else entry.iccid.startswith(key)


def real_named(wire: Gsl, call: Call) -> dict[str, Any]:
    """GET …/real-named: in real time; mainland carriers."""
    entry = wire.card(call)
    if entry.carrier == "overseas":
        raise Refusal(t.CARRIER)
    return {"iccid": entry.iccid, "real_named": entry.verified}


def work_orders(wire: Gsl, call: Call) -> dict[str, Any]:
    """GET /v1/work-orders, the newest first; `main_search_key` is an id."""
    key, kind, status = call.text("main_search_key"), call.text("work_order_type"), call.text("status")
    listed = []
    for order in reversed(list(wire.world.store.orders.values())):
        if "wo" not in order or key not in ("", str(order["wo"])) or kind not in ("", str(order["type"])):
            continue
        done = order["done"] is not None
        state = 3 if not done else 4 if order["ok"] else 6
        if status not in ("", str(state)):
            continue
        listed.append(
            {
                "id": order["wo"],
                "sim_type": _PHYSICAL,
                "work_order_type": order["type"],
                "req_detail": None,
                "total_count": 1,
                "success_count": int(done and order["ok"]),
                "fail_count": int(done and not order["ok"]),
                "process_count": int(not done),
                "status": state,
                "create_time": when(order["created"]),
                "finish_time": when(order["done"]),
                "fail_reason": None,
                "response": None,
                "work_order_source": 8,
                "work_order_source_desc": "API",
            }
        )
    return page(call, "work_orders", listed)


def work_order_details(wire: Gsl, call: Call) -> dict[str, Any]:
    """GET …/details: 1 done, 2 being done, 3 failed."""
    order = wire.world.store.orders.get(call.text("work_order_id"))
    if order is None or "wo" not in order:
        raise Refusal(t.PARAMETERS)
    key = call.text("main_search_key")
    done = order["done"] is not None
    detail = {
        "id": order["wo"] * 10 + 1,
        "sim_type": _PHYSICAL,
        "status": 2 if not done else 1 if order["ok"] else 3,
        "cid": order["iccid"],
        "sim_card_id": order["sid"],
        "create_time": when(order["created"]),
        "finish_time": when(order["done"]),
        "description": None,
    }
    return page(call, "work_order_details", [detail] if key in ("", order["iccid"]) else [])


def card_plans(wire: Gsl, call: Call) -> list[dict[str, Any]]:
    """GET /v1/sim-price-plans: a bare array."""
    entry = wire.card(call)
    return [
        {
            "id": entry.sid,
            "account_id": "sandbox",
            "sim_card_id": entry.sid,
            "status": 2 if entry.shown() == "active" else 1 if entry.activated_at is None else 5,
            "price_plan_id": entry.plan or "plan",
            "cid": entry.iccid,
            "order_id": entry.order,
            "create_time": when(entry.opened_at),
            "active_time": when(entry.activated_at),
            "stop_time": None,
            "flow_total": mb(total(wire, entry)),
            "flow_used": mb(used(wire, entry)),
            "flow_left": mb(total(wire, entry) - used(wire, entry)),
            "using": "1",
            "price_plan_name": entry.plan,
            "description": None,
            "package_type": 0,
            "effect_type": 1,
            "silent_period_day": 6,
            "silent_period_unit": 20,
            "auto_renew": 0,
            "location_desc": "CN",
        }
    ]


def price_plans(wire: Gsl, call: Call) -> dict[str, Any]:
    """GET /v1/price-plans: the plans that the cards have."""
    plans = {entry.plan: entry.carrier for entry in _mine(wire) if entry.plan}
    listed = [
        {
            "price_plan_id": name,
            "price_plan_name": name,
            "description": None,
            "flow_total": (allowance_of(name) or 0) >> 20,
            "package_type": 1,
            "period": 12,
            "period_type": 20,
            "effect_type": 1,
            "silent_period_day": 6,
            "silent_period_unit": 20,
            "auto_renew": False,
            "location_desc": "CN",
            "location_type": 1,
            "sim_type": _PHYSICAL,
            "carrier_type": _CARRIERS[carrier],
            "price": 0,
        }
        for name, carrier in sorted(plans.items())
    ]
    return page(call, "price_plans", listed)


def pool_id(name: str) -> int:
    """A number for a pool's name, the same each time."""
    return int(name) if name.isdigit() else 100_000 + sum(ord(char) * 31**at for at, char in enumerate(name)) % 900_000


def _pools(wire: Gsl, call: Call) -> dict[str, list[Card]]:
    pools: dict[str, list[Card]] = {}
    for entry in _mine(wire):
        if entry.pool and call.text("pool_name") in ("", entry.pool):
            pools.setdefault(entry.pool, []).append(entry)
    return pools


def _pool(wire: Gsl, name: str, members: list[Card]) -> dict[str, Any]:
    cycle = wire.world.cycle(members[0], wire.world.now())
    zone = wire.world.zone(members[0])
    active = [entry for entry in members if entry.shown() in ("active", "suspended")]
    flow = sum(used(wire, entry) for entry in members)
    whole = sum(allowance_of(entry.plan) or 0 for entry in active)
    return {
        "id": pool_id(name),
        "pool_name": name,
        "price_plan_name": members[0].plan,
        "price_plan_id": members[0].plan,
        "effective_time": when(zone.start(cycle.first)),
        "expired_time": when(zone.start(cycle.end)),
        "billing_cycle": cycle.id,
        "flow_total": mb(whole),
        "flow_used": mb(flow),
        "flow_left": mb(whole - flow),
        "quantity": len(members),
        "modify_time": when(wire.world.now()),
        "order_id": None,
        "activated_sim_quantity": len(active),
        "inactive_sim_quantity": sum(entry.activated_at is None for entry in members),
        "disassembled_sim_quantity": sum(entry.state == "cancelled" for entry in members),
        "order_ids": None,
    }


def forward_pools(wire: Gsl, call: Call) -> dict[str, Any]:
    """GET /v1/sim-pools."""
    return page(call, "pools", [_pool(wire, *item) | {"status": 1} for item in sorted(_pools(wire, call).items())])


def backward_pools(wire: Gsl, call: Call) -> dict[str, Any]:
    """GET /v1/back-pools: no total. The sandbox keeps the same pools under both."""
    listed = []
    for item in sorted(_pools(wire, call).items()):
        pool = _pool(wire, *item)
        del pool["flow_total"], pool["flow_left"]
        listed.append(pool | {"pool_status": 2, "status_time": pool["effective_time"]})
    return page(call, "pools", listed)


def pool_members(wire: Gsl, call: Call) -> dict[str, Any]:
    """GET …/members of a pool in a cycle."""
    cycle_name = call.text("billing_cycle")
    if len(cycle_name.replace("-", "")) != 6 or not cycle_name.replace("-", "").isdigit():
        raise Refusal(t.PARAMETERS)
    listed = []
    for name, members in _pools(wire, call).items():
        if call.text("pool_id") != str(pool_id(name)):
            continue
        for entry in members:
            if call.text("cid") not in ("", entry.iccid):
                continue
            cycle = cycle_named(entry.carrier, int(cycle_name[:4]), int(cycle_name[-2:]))
            flow = mb(used(wire, entry, cycle))
            status = t.SIM_STATUS[entry.shown()]
            values = {"id": entry.sid, "cid": entry.iccid, "sim_price_plan_id": entry.sid}
            listed.append({**values, "flow_used": flow, "sim_status": status})
    return page(call, "pool_members", listed)


def multiply(wire: Gsl, call: Call) -> dict[str, Any]:
    """GET /v1/sim-cards-multiply: the sandbox has no tri-carrier cards."""
    return page(call, "sim_cards", [])
