"""GSL's reads: cards, plans, pools, work orders (B.3, B.3.1)."""

from __future__ import annotations

from datetime import date
from typing import Any

from sandbox.fleet.card import Card
from sandbox.gsl import tables as t
from sandbox.gsl.changes import rebinds_left
from sandbox.gsl.server import Gsl, Refusal, mb, when
from sandbox.gsl.usage import total, used
from sandbox.http.server import Call

PHYSICAL = 3


def page(call: Call, key: str, entries: list[Any]) -> dict[str, Any]:
    """`offset` is a page number; `limit` 10 to 500 (fewer are taken too)."""
    limit, offset = call.text("limit") or "10", call.text("offset") or "1"
    if not limit.isdecimal() or not 1 <= int(limit) <= 500 or not offset.isdecimal() or int(offset) < 1:
        raise Refusal(t.PARAMETERS)
    first = (int(offset) - 1) * int(limit)
    entries_on_page = entries[first : first + int(limit)]
    return {"limit": int(limit), "offset": int(offset), "count": len(entries), key: entries_on_page}


def account_cards(server: Gsl) -> list[Card]:
    """The cards that GSL sold."""
    return [card for card in server.world.store.cards.values() if card.gsl]


def view(server: Gsl, card: Card) -> dict[str, Any]:
    """SimDeviceVO (B.3.1). What only vSIM and eSIM know is null."""
    world, expires = server.world, None
    if card.expires_on:
        expires = world.zone(card).start(date.fromisoformat(card.expires_on).toordinal() + 1)
    state = world.visible_state(card, server.name)
    reason = t.operator_status(card.holds, expired=card.state == "expired")
    activated = card.state in ("active", "expired", "cancelled")
    return {
        "sim_card_id": card.sid,
        "account_id": "sandbox",
        "cid": card.iccid,
        "sim_pool_id": pool_id(card.pool) if card.pool else None,
        "imei": card.imei or None,
        "sim_status": t.SIM_STATUS[state],
        **dict.fromkeys(("device_status", "device_model", "device_status_date", "node_id")),
        "act_date": when(card.activated_at),
        "iccid": card.iccid,
        "network_type": "1",
        **dict.fromkeys(("dbm", "signal_level")),
        "sim_type": PHYSICAL,
        "tag_names": card.extra.get("tag_names"),
        "order_id": int(card.order) if card.order and card.order.isdecimal() else None,
        "expire_time": when(expires),
        "price_plan_name": card.plan,
        "sim_price_plan_id": card.sid,
        "flow_left": mb(total(server, card) - used(server, card)) if activated else None,
        "flow_used": mb(used(server, card)) if activated else None,
        "operator_status": reason if state in ("suspended", "expired") or reason == 7 else -1,
        "msisdn": card.msisdn,
        "imsi": card.imsi,
        **{f"customer_attribute{number}": card.extra.get(f"attribute{number}") for number in range(1, 7)},
        "real_named": card.verified,
        "cut_net_flag": "network_cut" in card.holds,
        "exceed_cut_net_flag": "over_threshold" in card.holds,
        "exceed_cut_net_quota": None if card.threshold is None else card.threshold["mb"],
        "imei_bind_remain_times": rebinds_left(server, card),
        "speed_value": card.extra.get("speed", -1),
    }


def card(server: Gsl, call: Call) -> dict[str, Any]:
    """GET …/{id}."""
    return view(server, server.card(call))


def cards(server: Gsl, call: Call) -> dict[str, Any]:
    """GET /v1/sim-cards, filtered."""
    kind, key = call.text("main_search_type"), call.text("main_search_key")
    found = [
        entry
        for entry in account_cards(server)
        if _found_by(entry, kind, key)
        and call.text("sim_status") in ("", str(t.SIM_STATUS[server.world.visible_state(entry, server.name)]))
        and call.text("real_named").lower() in ("", str(entry.verified).lower())
        and call.text("msisdn") in ("", entry.msisdn)
        and call.text("order_id") in ("", entry.order or "")
    ]
    if call.text("order") == "desc":
        found.reverse()
    paged = page(call, "sim_cards", found)
    return paged | {"sim_cards": [view(server, entry) for entry in paged["sim_cards"]]}


def _found_by(entry: Card, kind: str, key: str) -> bool:
    if not key:
        return True
    if kind == "3":
        return entry.imei == key
    return entry.order == key if kind == "2" else entry.iccid.startswith(key)


def real_named(server: Gsl, call: Call) -> dict[str, Any]:
    """GET …/real-named: in real time; mainland carriers."""
    entry = server.card(call)
    if entry.carrier == "overseas":
        raise Refusal(t.CARRIER)
    return {"iccid": entry.iccid, "real_named": entry.verified}


def work_orders(server: Gsl, call: Call) -> dict[str, Any]:
    """GET /v1/work-orders, the newest first; `main_search_key` is an id."""
    key, kind, status = call.text("main_search_key"), call.text("work_order_type"), call.text("status")
    listed = []
    orders = server.world.store.orders
    for order in [orders[key]] if key in orders else reversed(list(orders.values())):
        if "wo" not in order or key not in ("", str(order["wo"])) or kind not in ("", str(order["type"])):
            continue
        done = order["done"] is not None
        state = 3 if not done else 4 if order["ok"] else 6
        if status not in ("", str(state)):
            continue
        listed.append(
            {
                "id": order["wo"],
                "sim_type": PHYSICAL,
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


def work_order_details(server: Gsl, call: Call) -> dict[str, Any]:
    """GET …/details: 1 done, 2 being done, 3 failed."""
    order = server.world.store.orders.get(call.text("work_order_id"))
    if order is None or "wo" not in order:
        raise Refusal(t.PARAMETERS)
    key = call.text("main_search_key")
    done = order["done"] is not None
    detail = {
        "id": order["wo"] * 10 + 1,
        "sim_type": PHYSICAL,
        "status": 2 if not done else 1 if order["ok"] else 3,
        "cid": order["iccid"],
        "sim_card_id": order["sid"],
        "create_time": when(order["created"]),
        "finish_time": when(order["done"]),
        "description": None,
    }
    return page(call, "work_order_details", [detail] if key in ("", order["iccid"]) else [])


def pool_id(name: str) -> int:
    """A number for a pool's name, the same each time."""
    return (
        int(name) if name.isdecimal() else 100_000 + sum(ord(char) * 31**at for at, char in enumerate(name)) % 900_000
    )


def multiply(server: Gsl, call: Call) -> dict[str, Any]:
    """GET /v1/sim-cards-multiply: the sandbox has no tri-carrier cards."""
    return page(call, "sim_cards", [])
