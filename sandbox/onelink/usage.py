"""OneLink's usage: KB as text, with decimals now and then, blank where there is nothing (A6)."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from sandbox.fleet.card import Card, allowance_of
from sandbox.http.server import Call
from sandbox.onelink import tables as t
from sandbox.onelink.server import OneLink, Refusal, Result, named_as, page
from sandbox.time import BEIJING, Cycle, cycle_named, cycle_of

APN = "CMIOT"
_KB = 1024


def kb(used: int) -> str:
    """Bytes as KB, exactly: with decimals where it is not whole."""
    whole, rest = divmod(used, _KB)
    if rest == 0:
        return str(whole)
    return f"{whole}.{rest * 10**10 // _KB:010d}".rstrip("0")


def month(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """25U04: the month to date. CT live, PB to the last midnight; blank for a card without a plan or use."""
    card, world = cards[0], server.world
    until = world.usage_until(card, server.name, frozen=card.pb)
    used = world.usage(card, world.cycle(card, world.now()), until)
    if used == 0 and card.state not in ("active", "expired"):
        return [{"dataAmount": " ", "apnUseAmountList": []}]
    share = {"pccCode": "0000", "pccCodeUseAmount": kb(used)}
    apn = {"apnName": APN, "apnUseAmount": kb(used), "pccCodeUseAmountList": [share]}
    return [{"dataAmount": kb(used), "apnUseAmountList": [apn]}]


def margin(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23U07: what is left of the plan; not for cards in a pool."""
    card = cards[0]
    if card.pool:
        raise Refusal(t.WRONG_STATE)
    world = server.world
    cycle = world.cycle(card, world.now())
    used = world.usage(card, cycle, world.usage_until(card, server.name, frozen=card.pb))
    total = (allowance_of(card.plan) or 0) + card.addons.get(cycle.id, 0)
    entry = {"offeringId": f"I00010{card.sid:06d}", "offeringName": card.plan or "物联卡套餐", "apnName": APN}
    amounts = {"totalAmount": kb(total), "useAmount": kb(used), "remainAmount": kb(max(0, total - used))}
    return [{"accmMarginList": [{**entry, **amounts, "pccCode": ""}]}]


def daily(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """25U01: one of the 7 days that end yesterday."""
    text, world = call.text("queryDate"), server.world
    if not re.fullmatch(r"\d{8}", text):
        raise Refusal(t.BAD_DATE)
    try:
        day = date(int(text[:4]), int(text[4:6]), int(text[6:])).toordinal()
    except ValueError as error:
        raise Refusal(t.BAD_DATE) from error
    if not 1 <= BEIJING.day(world.now()) - day <= 7:
        raise Refusal(t.BAD_DATE)
    figures = [(card, world.meter.day(card, world.zone(card), day, world.now())) for card in cards]
    return _amounts(call, figures)


def monthly(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """25U03: one of the last 6 months, this one up to yesterday."""
    cycle, world = _month(server, call), server.world
    midnight = BEIJING.start(BEIJING.day(world.now()))
    return _amounts(call, [(card, world.usage(card, cycle, midnight)) for card in cards])


def _month(server: OneLink, call: Call) -> Cycle:
    text = call.text("queryDate")
    if not re.fullmatch(r"\d{6}", text) or not 1 <= int(text[4:]) <= 12:
        raise Refusal(t.BAD_DATE)
    now = cycle_of("cmcc", BEIJING.day(server.world.now()))
    age = (int(now.id[:4]) - int(text[:4])) * 12 + int(now.id[5:]) - int(text[4:])
    if not 0 <= age <= 6:
        raise Refusal(t.BAD_DATE)
    return cycle_named("cmcc", int(text[:4]), int(text[4:]))


def _amounts(call: Call, figures: list[tuple[Card, int]]) -> Result:
    """Only cards with traffic; the list itself is absent when there are none (A6)."""
    listed: list[dict[str, Any]] = [
        {
            **named_as(call, card),
            "dataAmount": kb(used),
            "apnDataAmountList": [{"apnName": APN, "apnDataAmount": kb(used)}],
        }
        for card, used in figures
        if used
    ]
    return [{"dataAmountList": listed}] if listed else [{}]


def in_pool(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23U12: the unit is disputed (A6); here bytes."""
    card, world = cards[0], server.world
    used = world.usage(card, world.cycle(card, world.now()), world.usage_until(card, server.name, frozen=card.pb))
    return [{"apnList": [{"apnName": APN, "apnUseAmount": str(used)}]}]


def sms_month(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """25U05: the sandbox's cards send none."""
    return [{"smsAmount": "0"}]


def sms_margin(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23U06."""
    return [{"accmMarginList": []}]


def sms_batch(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """25U00 and 25U02."""
    return [{"smsAmountList": [{**named_as(call, card), "smsAmount": "0"} for card in cards]}]


def voice_month(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23U01, minutes."""
    return [{"voiceAmount": "0"}]


def voice_margin(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23U05."""
    return [{"accmMarginList": []}]


def voice_batch(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23U08 and 23U09."""
    return [{"voiceAmountList": [{**named_as(call, card), "voiceAmount": "0"} for card in cards]}]


def _pool(server: OneLink, call: Call) -> list[Card]:
    group = call.text("groupId")
    members = [card for card in server.world.store.cards.values() if card.carrier == "cmcc" and card.pool == group]
    if not group or not members:
        raise Refusal(t.UNKNOWN_GROUP)
    return members


def _pool_used(server: OneLink, members: list[Card]) -> int:
    world, now = server.world, server.world.now()
    return sum(world.usage(card, world.cycle(card, now), now) for card in members)


def group_usage(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23U00, KB."""
    return [{"useAmount": kb(_pool_used(server, _pool(server, call)))}]


def group_margin(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23U04: 流量池共享."""
    members = _pool(server, call)
    used = _pool_used(server, members)
    total = sum(allowance_of(card.plan) or 0 for card in members if card.visible_state() in ("active", "suspended"))
    return [
        {
            "flowPoolSharingInfo": [
                {
                    "offeringId": "I00020000001",
                    "offeringName": members[0].plan,
                    "totalAmount": kb(total),
                    "useAmount": kb(used),
                    "remainAmount": kb(max(0, total - used)),
                }
            ]
        }
    ]


def groups(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23E06."""
    names = sorted({card.pool for card in server.world.store.cards.values() if card.carrier == "cmcc" and card.pool})
    return [{"groupId": name, "offeringId": "I00020000001", "offeringName": "流量池共享"} for name in names]


def group_members(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23E01."""
    members = _pool(server, call)
    listed = page(call, [{"msisdn": card.msisdn, "iccid": card.iccid, "imsi": card.imsi} for card in members])
    return [{"totalCount": str(len(members)), "memberList": listed}]


def groups_of_card(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23E02."""
    pool = cards[0].pool
    entry = {"groupId": pool, "offeringId": "I00020000001", "offeringName": "流量池共享"}
    return [{"groupList": [entry] if pool else []}]
