"""A described carrier, server side: the same file says which calls there are, and how answers look.

What a description does not say is ours: codes for an unknown card, a wrong move and a wrong proof are the first of the
description's codes with that meaning, else `EMULATOR`'s, which clients must treat as unknown.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from sandbox.described.signing import authentic
from sandbox.fleet.card import Card
from sandbox.fleet.world import World
from sandbox.http.messages import Answer, Request, json_answer
from sandbox.http.server import Call
from sandbox.time import BEIJING, SECOND

EMULATOR = {"no_such_card": "99901", "rejected": "99902", "auth": "99903", "rate_limited": "99904", "token": "99905"}
UNITS = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
CHANGES = {"activate": "activate", "suspend": "suspend", "resume": "resume"}
TARGETS = {"activate": ("active", ("silent", "testing", "inventory")), "suspend": ("suspended", ("active",))}
FREE = ("over_quota", "over_threshold", "pool_exhausted")
Document = Mapping[str, Any]


class Refusal(Exception):
    """An answer with a code that is no success: its meaning."""

    def __init__(self, meaning: str) -> None:
        super().__init__(meaning)
        self.meaning = meaning


def load(path: Path) -> Document:
    """The description in a file. Raises ValueError, OSError."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def credentials_of(document: Document) -> dict[str, str]:
    """What the sandbox accepts: `sandbox-<name>-<credential>`."""
    return {name: f"sandbox-{document['name']}-{name}" for name in document["credentials"]}


class Described:
    """The server of one description."""

    def __init__(self, world: World, document: Document, credentials: dict[str, str]) -> None:
        self.name: str = document["name"]
        self.world = world
        self._document = document
        self._credentials = credentials
        self._prefix = _filled(document.get("path_prefix", ""), credentials)

    def identify(self, request: Request) -> Call:
        """The described call whose method, path and fixed parameters fit."""
        path, params = request.path.lstrip("/"), request.merged
        token = self._document.get("token")
        if token and path == self._prefix + token["path"]:
            return Call(request, "token", "token", params)
        for name, call in self._document["calls"].items():
            found = re.fullmatch(_pattern(self._prefix + call["path"]), path)
            if found and request.method == call.get("method", "POST") and self._fits(call, params):
                return Call(request, name, _kind(name), {**params, **found.groupdict()})
        return Call(request, "", "other", params)

    def answer(self, call: Call) -> Answer:
        """Check and do it; errors are HTTP 200 with a code."""
        try:
            return self._answer(call)
        except Refusal as refusal:
            return self._envelope(self._code(refusal.meaning), refusal.meaning, {})

    def rate_limited(self, call: Call) -> Answer:
        """The description's code for too many calls."""
        return self._envelope(self._code("rate_limited"), "too many calls", {})

    def unknown_card(self, call: Call) -> Answer:
        """The description's code for an unknown card."""
        return self._envelope(self._code("no_such_card"), "no_such_card", {})

    def revoke(self, call: Call) -> Answer | None:
        """Every token given so far is void."""
        self.world.store.meta.pop(self._token_key, None)
        return None if "token" in self._document else self._envelope(self._code("auth"), "revoked", {})

    def native_state(self, card: Card) -> str:
        """The state in the description's code."""
        return self._state(card)

    def push_body(self, push: dict[str, Any]) -> tuple[bytes, str]:
        """Described carriers push nothing."""
        raise LookupError(f"{self.name} has no push")

    def _answer(self, call: Call) -> Answer:
        if not call.op or not authentic(self._document, self._credentials, call.request):
            raise Refusal("auth" if call.op else "rejected")
        if call.op == "token":
            return self._token(call)
        self._check_token(call)
        described = self._document["calls"][call.op]
        cards = self._cards(call, described)
        if call.op in CHANGES:
            return self._change(call, described, cards[0])
        return self._read(call, described, cards)

    def _read(self, call: Call, described: Document, cards: Sequence[Card]) -> Answer:
        rows = []
        for card in cards:
            values = self._values(card, call)
            row: dict[str, Any] = {}
            for ours, path in self._fields(described):
                _put(row, path, values.get(ours, ""))
            rows.append(row)
        path = described.get("rows", "")
        content: dict[str, Any] = {}
        if path.endswith("[]"):
            _put(content, path.removesuffix("[]"), rows)
        elif path:
            _put(content, path, rows[0])
        else:
            content = rows[0]
        return self._envelope(self._code("ok"), "ok", content)

    def _fields(self, described: Document) -> list[tuple[str, str]]:
        """The fields of a call, and of every other read that is the same call at the carrier."""
        same = [
            call
            for name, call in self._document["calls"].items()
            if name not in CHANGES and call["path"] == described["path"]
        ]
        return [pair for call in same for pair in call.get("fields", {}).items()]

    def _change(self, call: Call, described: Document, card: Card) -> Answer:
        world = self.world
        world.count_request(card)
        before, op = card.visible_state(), call.op
        if op == "resume":
            if before == "suspended" and set(card.holds) - {"manual", *FREE}:
                raise Refusal("rejected")
            wanted = before == "suspended"
        else:
            target, sources = TARGETS[op]
            wanted = before != target
            if wanted and before not in sources:
                raise Refusal("rejected")
        settled = described.get("settled", True)
        delay = 0 if settled else world.settings(self.name).completion_s
        if wanted:
            world.request(card, self.name, CHANGES[op], op, {"also": FREE} if op == "resume" else {}, delay_s=delay)
        content: dict[str, Any] = {}
        if "reference" in described:
            _put(content, described["reference"], f"{self.name}-{world.store.serial('described')}")
        return self._envelope(self._code("ok"), "ok", content)

    def _cards(self, call: Call, described: Document) -> list[Card]:
        by = described.get("card_by", "iccid")
        given = call.params.get(described.get("cards", ""), call.params.get(by, ""))
        joined = described.get("join", ",")
        names = given if isinstance(given, list) else str(given).split(joined if joined != "list" else ",")
        if isinstance(given, list) != (joined == "list") and described.get("batch", 1) > 1:
            raise Refusal("rejected")
        if not 1 <= len(names) <= described.get("batch", 1):
            raise Refusal("rejected")
        found = [card for card in (self._find(by, str(name)) for name in names) if card is not None]
        if not found and described.get("batch", 1) == 1:
            raise Refusal("no_such_card")
        return found

    def _find(self, by: str, name: str) -> Card | None:
        store = self.world.store
        card = store.cards.get(name if by == "iccid" else store.by_msisdn.get(name, ""))
        return card if card is not None and card.carrier in self._document["carriers"] else None

    def _values(self, card: Card, call: Call) -> dict[str, Any]:
        world, zone = self.world, self.world.zone(card)
        unit = UNITS[self._document.get("unit", "B").upper()]
        online = bool(card.imei) and card.data_on()
        yes = self._document["calls"][call.op].get("yes", ["1"])[0]
        return {
            "iccid": card.iccid,
            "state": self._state(card),
            "imei": card.imei,
            "activated_on": BEIJING.text(card.activated_at, "%Y-%m-%d %H:%M:%S") if card.activated_at else "",
            "expires_on": card.expires_on or "",
            "real_named": yes if card.verified else "0",
            "used": f"{self._used(card, call, zone) / unit:.3f}",
            "as_of": BEIJING.text(world.now(), "%Y-%m-%d %H:%M:%S"),
            "online": yes if online else "00",
            "ip": f"10.0.{card.sid >> 8 & 255}.{card.sid & 255}" if online else "",
            "rat": "4G" if online else "",
            "apn": "CMIOT" if online else "",
            "since": BEIJING.text(world.now() - SECOND, "%Y-%m-%d %H:%M:%S") if online else "",
        }

    def _used(self, card: Card, call: Call, zone: Any) -> int:
        world, now = self.world, self.world.now()
        if call.op == "usage_days":
            wanted = next((str(v) for v in call.params.values() if re.fullmatch(r"\d{4}-\d\d-\d\d", str(v))), "")
            day = zone.day(zone.parse(wanted, "%Y-%m-%d")) if wanted else zone.day(now)
            return world.meter.day(card, zone, day, now)
        return world.usage(card, world.cycle(card, now), world.usage_until(card, self.name))

    def _state(self, card: Card) -> str:
        shown = self.world.visible_state(card, self.name)
        return next((code for code, state in self._document["states"].items() if state == shown), shown)

    def _fits(self, call: Document, params: Mapping[str, Any]) -> bool:
        fixed = {name: text for name, text in call.get("parameters", {}).items() if "{" not in text}
        return all(str(params.get(name, "")) == text for name, text in fixed.items())

    @property
    def _token_key(self) -> str:
        return f"{self.name}_token"

    def _token(self, call: Call) -> Answer:
        token, store = self._document["token"], self.world.store
        for name, text in token.get("parameters", {}).items():
            if (
                "{" in text
                and text.strip("{}") in self._credentials
                and call.text(name) != _filled(text, self._credentials)
            ):
                raise Refusal("auth")
        value = blake2b(f"{self.name} {store.serial('described_tokens')}".encode(), digest_size=16).hexdigest()
        store.meta[self._token_key] = value
        store.touch("meta", self._token_key)
        content: dict[str, Any] = {}
        _put(content, token["token"], value)
        if "seconds" in token:
            _put(content, token["seconds"], str(token.get("lifetime_s", 3600)))
        return self._envelope(self._code("ok"), "ok", content)

    def _check_token(self, call: Call) -> None:
        token = self._document.get("token")
        if token is None:
            return
        given = call.text(token.get("parameter", "token"))
        if not given or given != self.world.store.meta.get(self._token_key):
            raise Refusal("token")

    def _code(self, meaning: str) -> str:
        codes = self._document["codes"]
        return next((code for code, word in codes.items() if word == meaning), EMULATOR.get(meaning, "99900"))

    def _envelope(self, code: str, message: str, content: dict[str, Any]) -> Answer:
        envelope = self._document.get("envelope", {})
        _put(content, envelope.get("code", "code"), code)
        _put(content, envelope.get("message", "message"), message)
        return json_answer(content)


def _kind(name: str) -> str:
    return "usage" if name.startswith("usage") else name if name in CHANGES else "status"


def _pattern(template: str) -> str:
    parts = re.split(r"\{(iccid|msisdn)\}", template)
    return "".join(f"(?P<{part}>\\w+)" if place % 2 else re.escape(part) for place, part in enumerate(parts))


def _filled(template: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        template = template.replace(f"{{{name}}}", value)
    return template


def _put(target: dict[str, Any], path: str, value: Any) -> None:
    """Set a value at a path of names; `[]` makes a list of one."""
    *parents, last = path.split(".")
    for name in parents:
        plain = name.removesuffix("[]")
        if name.endswith("[]"):
            items = target.setdefault(plain, [{}])
            target = items[0]
        else:
            target = target.setdefault(plain, {})
    target[last] = value
