"""Telecom's pools (B1.5): forward and backward alike here; KB."""

from __future__ import annotations

from sandbox.fleet.card import Card, allowance_of
from sandbox.http.messages import Answer
from sandbox.telecom import replies as r
from sandbox.telecom.core import MethodCall
from sandbox.time import cycle_of

_PAGE = 50


def _members(call: MethodCall, pool: str) -> list[Card]:
    cards = call.world.store.cards.values()
    return [card for card in cards if card.carrier == "ctcc" and card.pool and pool in ("", card.pool)]


def pools(call: MethodCall) -> Answer:
    """GetPoolList."""
    listed = [
        {
            "acc_nbr": name,
            "pool_info": "505",
            "pool_infoUnit": "GB",
            "state": "在用",
            "create_date": "20240101",
            "eff_date": "20240101",
            "exp_date": "20991231",
        }
        for name in sorted({str(card.pool) for card in _members(call, "")})
    ]
    return r.xml("poolList", {"pool": listed})


def pool_members(call: MethodCall) -> Answer:
    """getPoolMemberList: 50 a page."""
    members = _members(call, call.text("poolNbr"))
    text = call.text("currentPage") or call.text("pageIndex") or "1"
    if not text.isdecimal() or int(text) < 1:
        raise r.Refusal(r.MISSING)
    page = int(text)
    listed = [
        {
            "acc_nbr": card.msisdn,
            "eff_date": "20240101",
            "flow_quota": "-1",
            "org_id": "",
            "quota_type": "1",
            "state": "在用",
        }
        for card in members[(page - 1) * _PAGE : page * _PAGE]
    ]
    values = {"pageIndex": page, "OutProdInfos": listed, "resultCode": "0", "resultMsg": r.DONE}
    total = {"totalPage": -(-len(members) // _PAGE), "GROUP_TRANSACTIONID": call.number()}
    return r.xml("SvcCont", {**values, **total})


def pool_usage(call: MethodCall) -> Answer:
    """PoolQry and forwardPoolQueryIot: KB."""
    members = _members(call, call.text("poolNbr"))
    if not members:
        raise r.Refusal(r.CARD)
    world, now = call.world, call.now
    used = sum(world.usage(card, world.cycle(card, now), now) for card in members)
    total = sum(allowance_of(card.plan) or 0 for card in members if card.visible_state() in ("active", "suspended"))
    amounts = {"pool_already": used >> 10, "pool_left": max(0, total - used) >> 10, "pool_total": total >> 10}
    return r.xml("SvcCont", {"IRESULT": "0", **amounts, "GROUP_TRANSACTIONID": call.number()})


def pool_member_usage(call: MethodCall) -> Answer:
    """poolMemQry; the real answer's shape is unknown."""
    world, card = call.world, call.one
    cycle = world.cycle(card, call.now)
    if call.text("monthSelect") == "0":
        cycle = cycle_of("ctcc", cycle.first - 1)
    used = call.usage(cycle.first, cycle.end) >> 10
    values = {"IRESULT": "0", "acc_nbr": card.msisdn, "flow_used": used, "GROUP_TRANSACTIONID": call.number()}
    return r.xml("SvcCont", values)


def pool_groups(call: MethodCall) -> Answer:
    """getForwardGroupNumbers."""
    names = sorted({str(card.pool) for card in _members(call, "")})
    return r.result_code({"groupNumbers": names, "GROUP_TRANSACTIONID": call.number()})
