"""Telecom CMP `m2m_ec`, server side: three addresses, `method` by name, DES signature, plain-text errors (B1)."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sandbox.fleet.card import Card
from sandbox.fleet.world import World
from sandbox.http.limits import RateLimiter
from sandbox.http.messages import HTML, Answer, Request, text_answer
from sandbox.http.server import Call, find_card
from sandbox.telecom import changes as c
from sandbox.telecom import pools as p
from sandbox.telecom import reads as q
from sandbox.telecom import replies as r
from sandbox.telecom.core import MethodCall, kind_of, push_xml
from sandbox.telecom.des import decrypt, encrypt
from sandbox.telecom.states import main_status
from sandbox.time import MINUTE

log = logging.getLogger(__name__)
Run = Callable[[MethodCall], Answer]


@dataclass(frozen=True, slots=True)
class Method:
    """One method: what it does, its neutral name, the business values its sign covers, whether it names a card."""

    run: Run
    kind: str = "other"
    signed: tuple[str, ...] = ()
    card: bool = True


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "getTelephone": Method(q.telephone, "status"),
        "getTelephonePlus": Method(q.telephone_plus, "status"),
        "requestServActive": Method(c.activate, "activate"),
        "disabledNumber": Method(c.disabled_number, "suspend", ("acctCd", "orderTypeId")),
        "queryCardMainStatus": Method(q.main_status, "status"),
        "queryCardStatus": Method(q.old_card_status, "status"),
        "prodInstQuery": Method(q.product, "status"),
        "getSIMList": Method(q.sim_list, "status", card=False),
        "getOrdersByAccessNumber": Method(q.orders_of_card, "status"),
        "getOrdersByRequestId": Method(q.orders, "status", ("requestId",), card=False),
        "queryTraffic": Method(q.traffic, "usage"),
        "queryTrafficOfToday": Method(q.traffic_today, "usage"),
        "queryTrafficByDate": Method(q.traffic_by_date, "usage"),
        "queryPakage": Method(q.packages, "usage"),
        "querySmsDetail": Method(q.sms, "usage"),
        "IMEIReRecord": Method(c.rebind, "rebind", ("action",)),
        "queryBindDetection": Method(q.bind_detection, "status"),
        "offNetAction": Method(c.threshold, "set_threshold", ("action", "quota", "type")),
        "recoverNetAction": Method(c.recover, "other"),
        "singleCutNet": Method(c.cut_network, "cut_network", ("action",)),
        "speedLimitAction": Method(c.speed, "other", ("speedValue", "action")),
        "getOnlineStatus": Method(q.online, "status"),
        "realNameQueryIot": Method(q.real_name, "status"),
        "ordinaryRealNameClear": Method(c.clear_real_name, "other"),
        "realNameRecIot": Method(c.record_real_name, "verify_real_name", ("certNumber",)),
        "orderFlow": Method(c.order, "order_addon", ("flowValue",)),
        "unsubScribe": Method(c.cancel_order, "other", ("flowValue",)),
        "queryBalance": Method(q.balance),
        "queryOwe": Method(q.owe),
        "queryIMSI": Method(q.telephone_plus, "status", ("imei",)),
        "queryPakagePlus": Method(q.packages, "usage"),
        "pay2": Method(c.pay, card=False),
        "flowPoolPay": Method(c.pay, card=False),
        "getPoolMember": Method(p.pool_members, "other", ("poolNbr", "member_accNbr"), card=False),
        "poolMemAdd": Method(c.pool_member, "join_pool", ("poolNbr",)),
        "poolMemDelete": Method(c.pool_member, "other", ("poolNbr",)),
        "modifyPoolMember": Method(c.pool_member, "other", ("poolNbr",)),
        "getForwardGroupNumbers": Method(p.pool_groups, card=False),
        "getPoolList": Method(p.pools, card=False),
        "getPoolMemberList": Method(p.pool_members, "other", ("poolNbr", "currentPage"), card=False),
        "poolQry": Method(p.pool_usage, "usage", ("poolNbr",), card=False),
        "poolMemQry": Method(p.pool_member_usage, "usage", ("poolNbr", "member_accNbr", "monthSelect")),
        "forwardFlowPoolMember": Method(p.pool_members, "other", ("pageIndex",), card=False),
        "forwardPoolQueryIot": Method(p.pool_usage, "usage", ("billingCycleID",), card=False),
    }
)
"""B1.5. The address a method is served under is not checked: sources differ."""
_MEMBERS = frozenset({"poolMemQry", "poolMemAdd", "poolMemDelete", "modifyPoolMember"})
"""Methods whose card is `member_accNbr`."""
_LIMITED = frozenset({"queryTraffic", "queryPakage"})
_CHANGES = frozenset(
    {
        "activate",
        "suspend",
        "resume",
        "rebind",
        "set_threshold",
        "cut_network",
        "restore_network",
        "order_addon",
        "verify_real_name",
    }
)


class CtccCmp:
    """The server."""

    name = "ctcc_cmp"

    def __init__(self, world: World, credentials: dict[str, str]) -> None:
        self.world = world
        self._user, self._password = credentials["user_id"], credentials["password"]
        self._keys = tuple(credentials[name] for name in ("key1", "key2", "key3"))
        self._proof = encrypt(self._password, *self._keys)
        self._minute = RateLimiter(MINUTE)

    def identify(self, request: Request) -> Call:
        """By `method`; a suspend or resume by orderTypeId."""
        params = request.merged
        method = str(params.get("method", ""))
        found = METHODS.get(method)
        kind = "other" if found is None else kind_of(method, found.kind, params)
        return Call(request, method, kind, params, pushed=kind in _CHANGES)

    def answer(self, call: Call) -> Answer:
        """User and password, parameters, sign, card; then the method (B3.1, order inferred)."""
        try:
            return self._run(call)
        except r.Refusal as refusal:
            return refusal.answer

    def _run(self, call: Call) -> Answer:
        params, strict = call.params, self.world.settings(self.name).strict
        self._check_user(params, strict)
        method = METHODS.get(call.op)
        number, name = _card_id(params, call.op)
        if method is None or not params.get("sign") or (method.card and not number):
            raise r.Refusal(r.MISSING)
        self._check_sign(call, method, number, strict)
        if call.op in _LIMITED:
            limit = self.world.settings(self.name).per_minute_queries
            if limit is not None and not self._minute.allows(self.world.now(), limit):
                raise r.Refusal(r.TOO_MANY)
        if method.card:
            call.card = find_card(self.world, self.name, **{name: number})
            if call.card is None:
                raise r.Refusal(r.CARD)
        return method.run(MethodCall(self.world, self.name, call, params, call.card))

    def _check_user(self, params: dict[str, Any], strict: bool) -> None:
        user = params.get("user_id") or (None if strict else params.get("userId"))
        proof = params.get("passWord") or (None if strict else params.get("password"))
        if user != self._user or str(proof or "").upper() != self._proof:
            raise r.Refusal(r.USER)

    def _check_sign(self, call: Call, method: Method, number: str, strict: bool) -> None:
        """The values in order and encrypted; leniently, the right ones among those that were sent."""
        expected = sorted([self._password, self._user, call.op, *self._signed(call, method, number)])
        try:
            given = decrypt(str(call.params["sign"]), *self._keys).split(",")
        except ValueError as error:
            raise r.Refusal(r.SIGN) from error
        if given == expected:
            return
        required = Counter([self._password, self._user, call.op, *([number] if number else [])])
        allowed = required + Counter(str(value) for value in call.params.values()) + Counter([""])
        if strict or required - Counter(given) or Counter(given) - allowed:
            wrong = sorted((Counter(expected) - Counter(given)).keys() - {self._password})
            log.info("sandbox ctcc_cmp: sign of %s lacks or misplaces %d values", call.op, len(wrong))
            raise r.Refusal(r.SIGN)

    def _signed(self, call: Call, method: Method, number: str) -> list[str]:
        values = [str(call.params.get(name, "")) for name in method.signed]
        return [*([number] if method.card else []), *(value for value in values if value or "acctCd" in method.signed)]

    def rate_limited(self, call: Call) -> Answer:
        """101004."""
        return text_answer(r.TOO_MANY, HTML)

    def unknown_card(self, call: Call) -> Answer:
        """-4."""
        return text_answer(r.CARD, HTML)

    def revoke(self, call: Call) -> Answer | None:
        """No token here: this one call meets credentials that do not count."""
        return text_answer(r.USER, HTML)

    def native_state(self, card: Card) -> str:
        """ProductMainStatusCd."""
        return main_status(card, card.visible_state())

    def push_body(self, push: dict[str, Any]) -> tuple[bytes, str]:
        """The completion XML."""
        return push_xml(push), "text/xml;charset=utf-8"


def _card_id(params: dict[str, Any], method: str) -> tuple[str, str]:
    """The card's number as it was sent, and by which name."""
    if method in _MEMBERS:
        return str(params.get("member_accNbr") or ""), "msisdn"
    for sent, name in (("access_number", "msisdn"), ("iccid", "iccid"), ("imsi", "imsi")):
        value = str(params.get(sent) or "")
        if value:
            return value, "iccid" if name == "msisdn" and re.fullmatch(r"89\w{17,18}", value) else name
    return "", "msisdn"
