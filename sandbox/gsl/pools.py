"""GSL's plans and pools (B.3)."""

from __future__ import annotations

import re
from typing import Any

from sandbox.fleet.card import Card, allowance_of
from sandbox.gsl import tables as t
from sandbox.gsl.reads import PHYSICAL, account_cards, page, pool_id
from sandbox.gsl.server import Gsl, Refusal, mb, when
from sandbox.gsl.usage import total, used
from sandbox.http.server import Call
from sandbox.time import cycle_named

_CARRIERS = {"cmcc": 1, "ctcc": 2, "cucc": 3, "overseas": 201}


def card_plans(server: Gsl, call: Call) -> list[dict[str, Any]]:
    """GET /v1/sim-price-plans: a bare array."""
    entry = server.card(call)
    return [
        {
            "id": entry.sid,
            "account_id": "sandbox",
            "sim_card_id": entry.sid,
            "status": 2 if entry.visible_state() == "active" else 1 if entry.activated_at is None else 5,
            "price_plan_id": entry.plan or "plan",
            "cid": entry.iccid,
            "order_id": entry.order,
            "create_time": when(entry.opened_at),
            "active_time": when(entry.activated_at),
            "stop_time": None,
            "flow_total": mb(total(server, entry)),
            "flow_used": mb(used(server, entry)),
            "flow_left": mb(total(server, entry) - used(server, entry)),
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


def price_plans(server: Gsl, call: Call) -> dict[str, Any]:
    """GET /v1/price-plans: the plans that the cards have."""
    plans = {entry.plan: entry.carrier for entry in account_cards(server) if entry.plan}
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
            "sim_type": PHYSICAL,
            "carrier_type": _CARRIERS[carrier],
            "price": 0,
        }
        for name, carrier in sorted(plans.items())
    ]
    return page(call, "price_plans", listed)


def _pools(server: Gsl, call: Call) -> dict[str, list[Card]]:
    pools: dict[str, list[Card]] = {}
    for entry in account_cards(server):
        if entry.pool and call.text("pool_name") in ("", entry.pool):
            pools.setdefault(entry.pool, []).append(entry)
    return pools


def _pool(server: Gsl, name: str, members: list[Card]) -> dict[str, Any]:
    cycle = server.world.cycle(members[0], server.world.now())
    zone = server.world.zone(members[0])
    active = [entry for entry in members if entry.visible_state() in ("active", "suspended")]
    flow = sum(used(server, entry) for entry in members)
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
        "modify_time": when(server.world.now()),
        "order_id": None,
        "activated_sim_quantity": len(active),
        "inactive_sim_quantity": sum(entry.activated_at is None for entry in members),
        "disassembled_sim_quantity": sum(entry.state == "cancelled" for entry in members),
        "order_ids": None,
    }


def forward_pools(server: Gsl, call: Call) -> dict[str, Any]:
    """GET /v1/sim-pools."""
    return page(call, "pools", [_pool(server, *item) | {"status": 1} for item in sorted(_pools(server, call).items())])


def backward_pools(server: Gsl, call: Call) -> dict[str, Any]:
    """GET /v1/back-pools: no total. The sandbox keeps the same pools under both."""
    listed = []
    for item in sorted(_pools(server, call).items()):
        pool = _pool(server, *item)
        del pool["flow_total"], pool["flow_left"]
        listed.append(pool | {"pool_status": 2, "status_time": pool["effective_time"]})
    return page(call, "pools", listed)


def pool_members(server: Gsl, call: Call) -> dict[str, Any]:
    """GET …/members of a pool in a cycle."""
    cycle_name = call.text("billing_cycle")
    if not re.fullmatch(r"20\d\d-?(0[1-9]|1[0-2])", cycle_name):
        raise Refusal(t.PARAMETERS)
    listed = []
    for name, members in _pools(server, call).items():
        if call.text("pool_id") != str(pool_id(name)):
            continue
        for entry in members:
            if call.text("cid") not in ("", entry.iccid):
                continue
            cycle = cycle_named(entry.carrier, int(cycle_name[:4]), int(cycle_name[-2:]))
            flow = mb(used(server, entry, cycle))
            status = t.SIM_STATUS[entry.visible_state()]
            values = {"id": entry.sid, "cid": entry.iccid, "sim_price_plan_id": entry.sid}
            listed.append({**values, "flow_used": flow, "sim_status": status})
    return page(call, "pool_members", listed)
