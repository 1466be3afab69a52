"""gwapi's writes (A2.4, A2.4.2): `asynchronous` 0 is done when answered, 1 after `completion_s`."""

from __future__ import annotations

from typing import Any

from sandbox.fleet.card import Card, allowance_of
from sandbox.http.server import Call
from sandbox.time import BEIJING
from sandbox.unicom_cmp import tables as t
from sandbox.unicom_cmp.server import Data, Refusal, UnicomCmp, status_of

Step = tuple[str, str, dict[str, Any]]


def edit(server: UnicomCmp, call: Call) -> Data:
    """`wsEditTerminal`: one attribute of one card; numbers come as numbers or as text."""
    card = server.card(call)
    server.world.count_request(card)
    change, target = call.text("changeType"), call.text("targetValue")
    if server.world.busy(card):
        raise Refusal(t.IN_PROGRESS)
    _do(server, call, card, _step(card, change, target), change)
    return _done(server, card)


def _step(card: Card, change: str, target: str) -> Step:
    if change == "3":
        return _status(card, target)
    if change == "4":
        if not target:
            raise Refusal(t.BAD_VALUE)
        return "change_plan", "change_plan", {"plan": target}
    if change == "7":
        if target not in t.OVERRIDES:
            raise Refusal(t.BAD_VALUE)
        if target != "DEFAULT" and "over_quota" in card.holds:
            return "resume", "resume", {"also": ["over_quota"]}
        return "attributes", "other", {"set": {"overageLimitOverride": target}}
    if change == "28":
        if target not in ("0", "1", "2", "3"):
            raise Refusal(t.BAD_VALUE)
        return ("verify_real_name" if target in ("2", "3") else "clear_real_name"), "other", {}
    name = t.ATTRIBUTES.get(change)
    if name is None or len(target) > 50:
        raise Refusal(t.BAD_VALUE)
    return "attributes", "other", {"set": {name: target}}


def _status(card: Card, target: str) -> Step:
    now = status_of(card, card.visible_state())
    if target == now:
        raise Refusal(t.SAME_STATUS)
    if target not in t.MOVES.get(now, frozenset()):
        raise Refusal(t.BAD_VALUE if not target.isdecimal() or int(target) > 8 else t.BAD_MOVE)
    if target == "2" and card.visible_state() in ("suspended", "expired"):
        free = {"manual", "over_quota", "over_threshold", "pool_exhausted", "network_cut"}
        if set(card.holds) - free:
            raise Refusal(t.BAD_MOVE)
        return "resume", "resume", {"also": ["over_quota", "over_threshold", "pool_exhausted"], "revive": True}
    if target == "2":
        return "activate", "activate", {}
    if target == "3":
        return "suspend", "suspend", {}
    if target == "4":
        return "terminate", "terminate", {"final": "RETIRED"}
    if target == "5":
        return "attributes", "other", {"set": {"final": "PURGED"}}
    return "to_state", "other", {"to": t.NEUTRAL[target]}


def _do(server: UnicomCmp, call: Call, card: Card, step: Step, change: str) -> None:
    world = server.world
    late = call.text("asynchronous") == "1"
    do, kind, args = step
    pending = world.request(
        card, server.name, do, kind, args, delay_s=world.settings(server.name).completion_s if late else 0
    )
    now = world.now()
    number = f"unicom-{card.iccid}-{change}"
    order = {"iccid": card.iccid, "created": now, "due": now, "done": now, "ok": True, "kind": kind}
    if pending is not None:
        pending.order = number
        order |= {"due": pending.due, "done": None}
    world.store.order(number, order)


def _done(server: UnicomCmp, card: Card) -> Data:
    return {"iccid": card.iccid, "effectiveDate": BEIJING.text(server.world.now(), "%Y-%m-%d %H:%M:%S")}


def network_config(server: UnicomCmp, call: Call) -> Data:
    """`wsEditNetworkAccessConfig`: another communication plan by its number."""
    card = server.card(call)
    server.world.count_request(card)
    number = call.text("nacId")
    if not number:
        raise Refusal(t.BAD_VALUE)
    if str(card.extra.get("nacId", "")) == number:
        raise Refusal(t.SAME_CONFIG)
    _do(server, call, card, ("attributes", "other", {"set": {"nacId": number}}), "nac")
    return _done(server, card)


def add_rate_plan(server: UnicomCmp, call: Call) -> Data:
    """addRatePlan: a top-up for every card of an account that has the basic plan."""
    plan, size = call.text("basicPlanName"), allowance_of(call.text("addPlanName"))
    amount = call.text("addQuantity") or "1"
    if not plan or size is None or not amount.isdecimal() or call.text("accountId") != t.ACCOUNT:
        raise Refusal(t.BAD_VALUE)
    world = server.world
    for card in list(world.store.cards.values()):
        if card.carrier == "cucc" and card.plan == plan:
            args = {
                "cycle": world.cycle(card, world.now()).id,
                "bytes": size * int(amount),
                "product": call.text("addPlanName"),
            }
            world.request(card, server.name, "order_addon", "order_addon", args, delay_s=0)
    return {"accountId": call.text("accountId")}
