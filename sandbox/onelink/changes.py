"""OneLink's writes: each is accepted at once and done later, with an order or a job to ask for (A8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.fleet.card import Card
from sandbox.http.server import Call
from sandbox.onelink import tables as t
from sandbox.onelink.server import PAGE, OneLink, Refusal, Result, named_as, wanted_cards
from sandbox.time import BEIJING, cycle_of

Plan = tuple[str, str, dict[str, Any]]
"""What to do, its neutral kind, its arguments."""


def sim_status(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23S03, one card."""
    card = cards[0]
    server.world.count_request(card)
    _window(server, card, call.op)
    plan = _move(server, card, t.SINGLE_MOVES, call.text("operType"))
    return _order(server, call, card, plan)


def sim_status_batch(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23S06: its own numbering; `reason` = 01 is required for stop and resume."""
    kind = call.text("operType").lstrip("0")
    if kind not in t.BATCH_MOVES or (kind in ("9", "11") and call.text("reason") != "01"):
        raise Refusal(t.PARAMETERS)
    return _job(server, call, cards, lambda card: _move(server, card, t.BATCH_MOVES, kind))


def _move(server: OneLink, card: Card, moves: Any, oper_type: str) -> Plan:
    """What an operType does to this card. Raises Refusal."""
    if oper_type not in moves:
        raise Refusal(t.PARAMETERS)
    before, after, kind = moves[oper_type]
    if kind == "resume" and card.visible_state() == "expired":
        raise Refusal(t.PLAN_EXPIRED)
    if card.visible_state() != before or server.world.busy(card):
        raise Refusal(t.WRONG_STATE)
    if kind == "resume":
        reasons = t.stop_reason(card.holds)
        if reasons != "000000002000":
            raise Refusal(t.STOP_REASON)
        return "resume", kind, {"also": ["over_quota", "over_threshold"]}
    return ("to_state", kind, {"to": after}) if kind == "other" else (kind, kind, {})


def apn_function(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23M07: data on (0) or off (1); 12047 and 12048 where it is so already."""
    plan = _switch(server, cards[0], "apn", call.text("operType"))
    return _order(server, call, cards[0], plan)


def call_function(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23M05: voice on or off."""
    return _order(server, call, cards[0], _switch(server, cards[0], "voice", call.text("operType")))


def sms_function(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23M06: SMS on or off."""
    return _order(server, call, cards[0], _switch(server, cards[0], "sms", call.text("operType")))


def functions_batch(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23M09: a function of many cards; operType as S1 reads it, 0 on and 1 off (A6 marks it contradictory)."""
    functions = {"01": "voice", "08": "sms", "10": "roaming", "11": "apn", "12": "sms", "13": "voice"}
    function = functions.get(call.text("serviceType"))
    if function is None:
        raise Refusal(t.PARAMETERS)
    return _job(server, call, cards, lambda card: _switch(server, card, function, call.text("operType"), counted=False))


def _switch(server: OneLink, card: Card, function: str, oper_type: str, *, counted: bool = True) -> Plan:
    if counted:
        server.world.count_request(card)
    if oper_type not in ("0", "1"):
        raise Refusal(t.PARAMETERS)
    off = oper_type == "1"
    if bool(card.extra.get(f"{function}_off")) == off:
        raise Refusal(t.ALREADY_OFF if off else t.ALREADY_ON)
    kind = "other" if function != "apn" else "cut_network" if off else "restore_network"
    return "apn_switch", kind, {"function": function, "off": off}


def network_speed(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23M04: 1 restores, 91 to 98 limit."""
    server.world.count_request(cards[0])
    speed = call.text("serviceUsageState")
    if speed not in ("1", *(str(code) for code in range(91, 99))):
        raise Refusal(t.PARAMETERS)
    return _order(server, call, cards[0], ("attributes", "other", {"set": {"speed": speed}}))


def reset(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """25M03."""
    server.world.count_request(cards[0])
    return _order(server, call, cards[0], ("reset_network", "reset_network", {}))


def reset_sms(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """25M02."""
    server.world.count_request(cards[0])
    return _order(server, call, cards[0], ("reset_network", "other", {}))


def kept(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """A setting that changes no state here (pcc functions, a pool member's limit of unknown unit): it is kept."""
    server.world.count_request(cards[0])
    return _order(server, call, cards[0], _keep(call))


def kept_for_many(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """The same for many cards (23A03's three alert levels, which cut nothing)."""
    return _job(server, call, cards, lambda _: _keep(call))


def _keep(call: Call) -> Plan:
    names = ("operType", "apnName", "limitValue", "actionRule", "offerId", "level1", "level2", "level3")
    return "attributes", "other", {"set": {f"{call.op} {name}": call.text(name) for name in names if call.text(name)}}


def group_member(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23E03: 0 adds a card to a pool, 1 takes it out."""
    server.world.count_request(cards[0])
    if call.text("operType") not in ("0", "1") or not call.text("groupId"):
        raise Refusal(t.PARAMETERS)
    pool = call.text("groupId") if call.text("operType") == "0" else None
    return _order(server, call, cards[0], ("join_pool", "join_pool", {"pool": pool}))


def bind_by_web(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """Network side: 1 bind, 2 unbind, 3 change. Withdrawn from sale 2021-11: refused unless `bind_api` is set."""
    return _order(server, call, cards[0], _bind(server, call, cards[0], ("1", "2", "3")))


def bind_by_bill(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23A05, bill side: 1 bind, 2 unbind."""
    return _order(server, call, cards[0], _bind(server, call, cards[0], ("1", "2")))


def bind_by_bill_batch(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23A06."""
    return _job(server, call, cards, lambda card: _bind(server, call, card, ("1", "2"), counted=False))


def _bind(server: OneLink, call: Call, card: Card, allowed: tuple[str, ...], *, counted: bool = True) -> Plan:
    if counted:
        server.world.count_request(card)
    if not server.world.settings(server.name).bind_api:
        raise Refusal(t.EMULATOR["not_ordered"])
    if call.text("operType") not in allowed:
        raise Refusal(t.PARAMETERS)
    if counted:
        _window(server, card, call.op)
    imei = call.text("imei") or call.text("tac") or None
    return "rebind", "rebind", {"imei": imei, "unbind": call.text("operType") == "2"}


def real_name_registration(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23A12: a page for the person; opening it registers the card, and so does `person_s` of waiting."""
    card, world = cards[0], server.world
    world.count_request(card)
    number = str(world.store.serial())
    if not card.verified:
        args = {"quiet": True, "busi": number}
        world.request(
            card,
            server.name,
            "verify_real_name",
            "verify_real_name",
            args,
            delay_s=world.settings(server.name).person_s,
        )
    host = call.request.headers.get("host", "127.0.0.1")
    return [{"busiSeq": number, "url": f"http://{host}/onelink/{PAGE}{number}"}]


def order_pack(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23R08: one of the fixed packs."""
    server.world.count_request(cards[0])
    _window(server, cards[0], call.op)
    return _order(server, call, cards[0], _pack(server, call, cards[0]))


def order_pack_batch(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23R09."""
    return _job(server, call, cards, lambda card: _pack(server, call, card))


def _pack(server: OneLink, call: Call, card: Card) -> Plan:
    product = (call.text("maincommoDity"), call.text("packageType"))
    if product not in t.PACKS:
        raise Refusal(t.PARAMETERS)
    if card.visible_state() not in ("active", "suspended"):
        raise Refusal(t.WRONG_STATE)
    cycle = cycle_of(card.carrier, BEIJING.day(server.world.now())).id
    return "order_addon", "order_addon", {"cycle": cycle, "bytes": t.PACKS[product], "product": "/".join(product)}


def _window(server: OneLink, card: Card, action: str) -> None:
    """The repeat window of a card and an API (A9). Raises Refusal."""
    if server.world.window_left(card, server.name, action) > 0:
        code, text = t.EMULATOR["repeat_window"]
        raise Refusal((server.world.settings(server.name).repeat_window_code or code, text))


def _order(server: OneLink, call: Call, card: Card, plan: Plan) -> Result:
    world = server.world
    number = f"{BEIJING.text(world.now(), '%Y%m%d')}{world.store.serial():012d}"
    _carry_out(server, call, card, plan, number)
    world.open_window(card, server.name, call.op)
    return [{"orderNum": number, **named_as(call, card)}]


def _carry_out(server: OneLink, call: Call, card: Card, plan: Plan, number: str) -> None:
    world, now = server.world, server.world.now()
    do, kind, args = plan
    pending = world.request(card, server.name, do, kind, args, delay_s=world.settings(server.name).completion_s)
    order = {"iccid": card.iccid, "kind": kind, "created": now, "due": now, "done": now, "ok": True}
    if pending is not None:
        pending.order = number
        order |= {"due": pending.due, "done": None}
    world.store.order(number, order)


def _job(server: OneLink, call: Call, cards: list[Card], plan_of: Callable[[Card], Plan]) -> Result:
    """A batch: refused whole if one card is in its window; otherwise each card ends on its own (A9)."""
    world = server.world
    for card in cards:
        world.count_request(card)
    for card in cards:
        _window(server, card, call.op)
    job = f"{BEIJING.text(world.now(), '%Y%m%d%H%M%S')}{world.store.serial():08d}"
    results: list[list[str]] = []
    found = {id(card): pair for pair, card in _pairs(server, call)}
    for card in cards:
        selector, value = found[id(card)]
        number = f"{job}-{len(results)}"
        try:
            _carry_out(server, call, card, plan_of(card), number)
            world.open_window(card, server.name, call.op)
            results.append([selector, value, number, t.OK, "正确"])
        except Refusal as refusal:
            results.append([selector, value, "", *refusal.error])
    results += [[selector, value, "", *t.UNKNOWN_CARD] for selector, value in call.params["missing"]]
    delay = int(world.settings(server.name).completion_s * 1000)
    world.store.order(job, {"job": True, "created": world.now(), "due": world.now() + delay, "results": results})
    return [{"jobId": job}]


def _pairs(server: OneLink, call: Call) -> list[tuple[tuple[str, str], Card]]:
    pairs = [(pair, server.find(**{pair[0]: pair[1]})) for pair in wanted_cards(call.params)]
    return [(pair, card) for pair, card in pairs if card is not None]
