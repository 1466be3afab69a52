"""GSL's usage: MB with two decimals, to the end of yesterday (B.2, B.3)."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from sandbox.fleet.card import Card, allowance_of
from sandbox.gsl import tables as t
from sandbox.gsl.server import Gsl, Refusal, body_of, mb
from sandbox.http.server import Call
from sandbox.time import BEIJING, Cycle, cycle_named, cycle_of


def used(server: Gsl, card: Card, cycle: Cycle | None = None) -> int:
    """Bytes of a cycle (this one) as far as they show."""
    world = server.world
    period = cycle or world.cycle(card, world.now())
    return world.usage(card, period, world.usage_until(card, server.name, frozen=True))


def total(server: Gsl, card: Card) -> int:
    """The allowance of this cycle, add-ons included."""
    cycle = server.world.cycle(card, server.world.now())
    return (allowance_of(card.plan) or 0) + card.addons.get(cycle.id, 0)


def month_usages(server: Gsl, call: Call) -> dict[str, Any]:
    """POST …/month-usages: cycles with a dash in the request, without in the answer."""
    body = body_of(call)
    cards, cycles = server.cards(body, 500), body.get("billing_cycles")
    if not isinstance(cycles, list) or not 1 <= len(cycles) <= 6:
        raise Refusal(t.PARAMETERS)
    if not all(re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", str(name)) for name in cycles):
        raise Refusal(t.PARAMETERS)
    usages = []
    for card in cards:
        flows = []
        for name in cycles:
            cycle = cycle_named(card.carrier, int(name[:4]), int(name[5:]))
            flows.append({"billing_cycle": name.replace("-", ""), "flow_used": mb(used(server, card, cycle))})
        usages.append({"sim_card_id": card.sid, "iccid": card.iccid, "flow_usages": flows})
    return {"month_usages": usages}


def daily_flow(server: Gsl, call: Call) -> list[dict[str, Any]]:
    """POST …/batch-daily-flow: a month or a day, from the 1st of last month to yesterday; a bare array."""
    body = body_of(call)
    cards = server.cards(body, 100)
    world = server.world
    today = BEIJING.day(world.now())
    earliest = cycle_of("cmcc", cycle_of("cmcc", today).first - 1).first
    days = [day for day in _days(body) if earliest <= day < today]
    if not days and body.get("date"):
        raise Refusal(t.PARAMETERS)
    return [
        {
            "date": date.fromordinal(day).strftime("%Y%m%d"),
            "sim_flow": [
                {
                    "sim_card_id": card.sid,
                    "iccid": card.iccid,
                    "flow": mb(world.meter.day(card, world.zone(card), day, world.now())),
                }
                for card in cards
            ],
        }
        for day in days
    ]


def _days(body: dict[str, Any]) -> range:
    month, day = str(body.get("month") or ""), str(body.get("date") or "")
    if bool(month) == bool(day):
        raise Refusal(t.PARAMETERS)
    try:
        if day:
            ordinal = BEIJING.day(BEIJING.parse(day, "%Y%m%d"))
            return range(ordinal, ordinal + 1)
        cycle = cycle_named("cmcc", int(month[:4]), int(month[4:6]))
    except ValueError as error:
        raise Refusal(t.PARAMETERS) from error
    return range(cycle.first, cycle.end)


def plan_flow(server: Gsl, call: Call) -> list[dict[str, Any]]:
    """POST …/usage/batch-query: a bare array."""
    return [
        {
            "id": card.sid,
            "account_id": "sandbox",
            "sim_card_id": card.sid,
            "price_plan_id": card.plan or "plan",
            "price_plan_name": card.plan,
            "iccid": card.iccid,
            "flow_total": mb(total(server, card)),
            "flow_used": mb(used(server, card)),
            "flow_left": mb(total(server, card) - used(server, card)),
        }
        for card in server.cards(body_of(call), 50)
    ]
