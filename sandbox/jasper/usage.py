"""Jasper's usage (A1.4.4, A1.4.5): bytes as integers, cycles in the account's zone."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from sandbox.fleet.card import Card, allowance_of
from sandbox.http.server import Call
from sandbox.jasper import tables as t
from sandbox.jasper.reads import card_of, paged, paging, plan_of, visible_status
from sandbox.jasper.server import Jasper, Refusal
from sandbox.time import Cycle, cycle_of, iso


def cycle_to_date(server: Jasper, call: Call) -> dict[str, Any]:
    """GET …/ctdUsages: bytes, messages, seconds."""
    card, world = card_of(call), server.world
    cycle = world.cycle(card, world.now())
    used = world.usage(card, cycle, world.usage_until(card, server.name))
    limit = (allowance_of(card.plan) or 0) + card.addons.get(cycle.id, 0)
    over = "over_quota" in card.holds or (card.auto_stop and limit and used >= limit)
    return {
        "iccid": card.iccid,
        "imsi": card.imsi,
        "msisdn": card.msisdn,
        "imei": card.imei,
        "status": visible_status(server, card),
        "ratePlan": plan_of(card),
        "communicationPlan": card.extra.get("communicationPlan", "CP_Basic_ON"),
        "ctdDataUsage": used,
        "ctdSMSUsage": 0,
        "ctdVoiceUsage": 0,
        "ctdSessionCount": 1 if used else 0,
        "overageLimitReached": bool(over),
        "overageLimitOverride": card.extra.get("overageLimitOverride", "DEFAULT"),
    }


def in_zone(server: Jasper, call: Call) -> dict[str, Any]:
    """GET …/usageInZone: this cycle or one of the two before."""
    card, world = card_of(call), server.world
    zone = world.zone(card)
    cycle = _zone_cycle(server, card, call.text("cycleStartDate"))
    used = world.usage(card, cycle, world.usage_until(card, server.name))
    entry = {
        "ratePlan": plan_of(card),
        "ratePlanVersion": "1",
        "zone": f"{plan_of(card)}_zone1",
        "dataUsage": used,
        "dataUsageUnit": "bytes",
        **dict.fromkeys(("voiceMTUsage", "voiceMTUsageUnit", "voiceMOUsage", "voiceMOUsageUnit")),
        "smsmtusage": None,
        "smsmousage": None,
    }
    return {
        "iccid": card.iccid,
        "timeStamp": iso(world.now()),
        "cycleStartDate": iso(zone.start(cycle.first)),
        "cycleEndDate": iso(zone.start(cycle.end) - 1000),
        "deviceCycleUsageInZones": {f"{plan_of(card)}, 1": [entry]},
    }


def _zone_cycle(server: Jasper, card: Card, text: str) -> Cycle:
    """The cycle that starts on a day (or in which it lies). Raises Refusal."""
    current = server.world.cycle(card, server.world.now())
    if not text:
        return current
    day = re.match(r"(\d{4})-(\d\d)-(\d\d)", text)
    try:
        ordinal = date(int(day[1]), int(day[2]), int(day[3])).toordinal() if day else None
    except ValueError as error:
        raise Refusal(t.BAD_DATE) from error
    if ordinal is None:
        raise Refusal(t.BAD_DATE)
    before = cycle_of(card.carrier, current.first - 1)
    kept = (current, before, cycle_of(card.carrier, before.first - 1))
    for cycle in kept:
        if cycle.first <= ordinal < cycle.end:
            return cycle
    raise Refusal(t.BAD_CYCLE)


def plan_usage(server: Jasper, call: Call) -> dict[str, Any]:
    """GET /usages: bytes by rate plan; the real answer's shape is unknown."""
    name, world = call.text("ratePlanName"), server.world
    if not name:
        raise Refusal(t.REQUIRED)
    now, total = world.now(), 0
    for card in world.store.cards.values():
        if card.carrier in ("cucc", "overseas") and plan_of(card) == name:
            total += world.usage(card, world.cycle(card, now), now)
    size, page = paging(call)
    entry = {"ratePlanName": name, "ratePlanVersion": "1", "zoneName": f"{name}_zone1", "dataUsage": total}
    return paged("usages", [{**entry, "dataUsageUnit": "bytes"}], size, page)
