"""China Mobile OneLink v5, server side: token, selectors, envelope. GET and POST, query and body merged (A1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from sandbox.fleet.card import Card
from sandbox.fleet.world import World
from sandbox.http.messages import HTML, Answer, Request, json_answer, text_answer
from sandbox.http.server import Call, find_card
from sandbox.onelink import tables as t
from sandbox.time import BEIJING, SECOND

TOKEN_LIFE = 3600
_BATCH = 100
PAGE = "real-name/"
"""Where the sandbox plays the registration site; not part of v5."""
_TRANSID = re.compile(r"\w+\d{22}")
_STAMP = "%Y-%m-%d %H:%M:%S"
Result = list[dict[str, Any]]


class Refusal(Exception):
    """An answer with a code other than 0."""

    def __init__(self, error: tuple[str, str]) -> None:
        super().__init__(error[0])
        self.error = error


@dataclass(frozen=True, slots=True)
class Op:
    """One API: what it does, its neutral name (fixed, or by the parameters), and its card selectors."""

    run: Callable[[OneLink, Call, list[Card]], Result]
    kind: str | Callable[[dict[str, Any]], str] = "other"
    cards: int = 1
    """0 = none, 1 = one card by msisdn, iccid or imsi, n = up to n by msisdns, iccids, imsis."""
    by_number: bool = False
    """A batch that the document gives `msisdns` only; other selectors are refused where the sandbox is strict."""


class OneLink:
    """The server."""

    name = "onelink"

    def __init__(self, world: World, credentials: dict[str, str], operations: Mapping[str, Op]) -> None:
        self.world = world
        self._credentials = credentials
        self._operations = operations

    def identify(self, request: Request) -> Call:
        """By path, and for changes by operType."""
        op, params = request.path.strip("/").removeprefix("v5/ec/"), request.merged
        found = self._operations.get(op)
        if op == "get/token":
            kind = "token"
        elif found is None:
            kind = "other"
        else:
            kind = found.kind if isinstance(found.kind, str) else found.kind(params)
        return Call(request, op, kind, params)

    def answer(self, call: Call) -> Answer:
        """The envelope; HTTP 200 also for errors (A1)."""
        if call.op.startswith(PAGE):
            return self._page(call)
        try:
            result = self._token(call) if call.op == "get/token" else self._run(call)
        except Refusal as refusal:
            return envelope(refusal.error, [])
        return envelope((t.OK, "正确"), result)

    def _page(self, call: Call) -> Answer:
        """The page a person opens to register: opening it is enough here."""
        number = call.op.removeprefix(PAGE)
        for pending in list(self.world.store.pending.values()):
            if pending.args.get("busi") == number:
                card, store = self.world.store.cards[pending.iccid], self.world.store
                store.drop(pending.id)
                self.world.request(card, self.name, pending.do, pending.kind, pending.args, delay_s=0)
                return text_answer("实名登记成功", HTML)
        return text_answer("链接已失效", HTML, 404)

    def _run(self, call: Call) -> Result:
        op = self._operations.get(call.op)
        if op is None:
            raise Refusal(t.BAD_ADDRESS)
        self._check_token(call)
        if self.world.settings(self.name).strict:
            transid = call.text("transid")
            own = transid.startswith(self._credentials["appid"])
            if len(transid) > 48 or not own or not _TRANSID.fullmatch(transid):
                raise Refusal(t.TRANSID)
        return op.run(self, call, self._select(call, op))

    def _select(self, call: Call, op: Op) -> list[Card]:
        cards, strict = op.cards, self.world.settings(self.name).strict
        if cards == 0:
            return []
        if cards == 1:
            card = self.find(call.text("iccid"), call.text("msisdn"), call.text("imsi"))
            if card is None:
                named = any(call.text(name) for name in ("iccid", "msisdn", "imsi"))
                raise Refusal(t.UNKNOWN_CARD if named else t.PARAMETERS)
            call.card = card
            return [card]
        wanted = wanted_cards(call.params)
        if not wanted or (strict and op.by_number and not call.text("msisdns")):
            raise Refusal(t.PARAMETERS)
        if len(wanted) > min(cards, _BATCH):
            raise Refusal(t.EMULATOR["too_many_cards"])
        found = [self.find(**{name: value}) for name, value in wanted]
        call.params["missing"] = [pair for pair, card in zip(wanted, found, strict=True) if card is None]
        if strict and op.kind == "usage" and call.params["missing"]:
            raise Refusal(t.NOT_YOURS)
        return [card for card in found if card is not None]

    def find(self, iccid: str = "", msisdn: str = "", imsi: str = "") -> Card | None:
        """A card of this account."""
        return find_card(self.world, self.name, iccid, msisdn, imsi)

    def _token(self, call: Call) -> Result:
        wanted, store = self._credentials, self.world.store
        if call.text("appid") != wanted["appid"] or call.text("password") != wanted["password"]:
            raise Refusal(t.CREDENTIALS)
        now, kept = self.world.now(), store.meta.get("onelink_token")
        if kept is None or kept["until"] <= now or call.text("refresh") == "1":
            serial = store.serial("onelink_tokens")
            old = kept["token"] if kept is not None and kept["until"] > now else None
            kept = {
                "token": blake2b(f"{serial} {now}".encode(), digest_size=16).hexdigest(),
                "until": now + TOKEN_LIFE * SECOND,
                "old": old,
                "old_until": kept["until"] if kept is not None else 0,
                "serial": serial,
            }
            store.meta["onelink_token"] = kept
            store.touch("meta", "onelink_token")
        left = (kept["until"] - now) // SECOND
        return [{"token": kept["token"], "ttl": left if kept["serial"] % 3 == 0 else str(left)}]

    def _check_token(self, call: Call) -> None:
        kept, token = self.world.store.meta.get("onelink_token"), call.text("token")
        now = self.world.now()
        if kept is None or not token:
            raise Refusal(t.TOKEN)
        current = token == kept["token"] and kept["until"] > now
        older = token == kept["old"] and kept["old_until"] > now and not self.world.settings(self.name).strict
        if not current and not older:
            raise Refusal(t.TOKEN)

    def rate_limited(self, call: Call) -> Answer:
        """73 系统忙: the documented code nearest to a rate limit (A7; the real one is unknown)."""
        return envelope(t.BUSY, [])

    def unknown_card(self, call: Call) -> Answer:
        """12008 about one card is the answer to a whole batch [F]."""
        return envelope(t.NOT_YOURS, [])

    def revoke(self, call: Call) -> Answer | None:
        """Every token given so far is void."""
        self.world.store.meta.pop("onelink_token", None)
        self.world.store.touch("meta", "onelink_token")
        return None

    def native_state(self, card: Card) -> str:
        """CardStatus."""
        return status_code(card, card.visible_state())

    def push_body(self, push: dict[str, Any]) -> tuple[bytes, str]:
        """v5 pushes nothing (A8)."""
        raise LookupError("OneLink has no push")


def envelope(error: tuple[str, str], result: Result) -> Answer:
    """`{status, message, result}`."""
    return json_answer({"status": error[0], "message": error[1], "result": result})


def status_code(card: Card, state: str) -> str:
    """A neutral state in the code of the card's platform."""
    return (t.PB_STATUS if card.pb else t.CT_STATUS)[state]


def stamp(instant: int | None) -> str:
    """An instant as `yyyy-MM-dd HH:mm:ss`, Beijing; blank for none."""
    return "" if instant is None else BEIJING.text(instant, _STAMP)


def wanted_cards(params: dict[str, Any]) -> list[tuple[str, str]]:
    """The cards of a batch, `(selector, value)`: joined by `_`; a JSON list is taken too."""
    for many, one in (("msisdns", "msisdn"), ("iccids", "iccid"), ("imsis", "imsi")):
        value = params.get(many)
        if value:
            values = value if isinstance(value, list) else str(value).split("_")
            return [(one, str(item)) for item in values if item]
    for one in ("msisdn", "iccid", "imsi"):
        if params.get(one):
            return [(one, str(params[one]))]
    return []


def named_as(call: Call, card: Card) -> dict[str, str]:
    """The card by the selector of the request."""
    for name in ("msisdn", "iccid", "imsi"):
        if call.params.get(name) or call.params.get(name + "s"):
            return {name: getattr(card, name)}
    return {"iccid": card.iccid}


def page(call: Call, entries: Result) -> Result:
    """One page by startNum (from 1) and pageSize (at most 50). Raises Refusal."""
    start, size = call.text("startNum") or "1", call.text("pageSize") or "50"
    if not start.isdecimal() or not size.isdecimal() or int(start) < 1 or not 1 <= int(size) <= 50:
        raise Refusal(t.PARAMETERS)
    first = (int(start) - 1) * int(size)
    return entries[first : first + int(size)]
