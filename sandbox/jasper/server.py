"""Jasper REST v1, server side: Basic authentication, bare resources, errors with a numeric code (A1.2, A1.3)."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sandbox.fleet.card import Card
from sandbox.fleet.world import World
from sandbox.http.messages import Answer, Request, json_answer
from sandbox.http.server import Call, find_card
from sandbox.jasper import tables as t
from sandbox.time import iso

_KIND = "application/json;charset=ISO-8859-1"
_FORM = "application/x-www-form-urlencoded"
_NAMESPACE = "http://api.jasperwireless.com/ws/schema"
_CHALLENGE = (("www-authenticate", 'Basic realm="Jasper"'),)
_VERSION = re.compile(r"^/v[^/]*")
_ICCID = re.compile(r"\d{18,20}|\d{6}[0-9A-Z]{13,14}")


class Refusal(Exception):
    """An answer with an error."""

    def __init__(self, error: t.Error) -> None:
        super().__init__(error[2])
        self.error = error


@dataclass(frozen=True, slots=True)
class Op:
    """One resource and method."""

    method: str
    path: re.Pattern[str]
    run: Callable[[Jasper, Call], Any]
    kind: str


class Jasper:
    """The server."""

    name = "jasper"

    def __init__(self, world: World, credentials: dict[str, str], operations: Sequence[Op]) -> None:
        self.world = world
        pair = f"{credentials['username']}:{credentials['api_key']}"
        self._basic = b64encode(pair.encode()).decode()
        self._secret = credentials.get("push_secret", credentials["api_key"]).encode()
        self._user = credentials["username"]
        self._found: tuple[tuple[Any, ...], list[Card]] | None = None
        self._operations = operations

    @property
    def user(self) -> str:
        """Who is named in audit records."""
        return self._user

    def identify(self, request: Request) -> Call:
        """By method and path; an edit by the requested status and the card's own."""
        path = request.path.removeprefix("/rws").removeprefix("/api").rstrip("/")
        params: dict[str, Any] = {name: value for name, value in request.query.items() if value != ""}
        resource = _VERSION.sub("", path)
        for op in self._operations:
            found = op.path.fullmatch(resource) if op.method == request.method else None
            if found is not None:
                call = Call(request, path, op.kind, params | found.groupdict())
                call.params["_run"] = op.run
                if "iccid" in found.groupdict():
                    call.card = find_card(self.world, self.name, found["iccid"])
                if op.kind == "edit":
                    call.kind = self._edit_kind(call)
                return call
        return Call(request, path, "other", params)

    def _edit_kind(self, call: Call) -> str:
        body = body_of(call, strict=False)
        status = str(body.get("status", "")).upper()
        if status == "ACTIVATED":
            return (
                "resume"
                if call.card is not None and call.card.visible_state() in ("suspended", "expired")
                else "activate"
            )
        by_status = {"DEACTIVATED": "suspend", "RETIRED": "terminate"}.get(status)
        if by_status is not None:
            return by_status
        return "change_plan" if "ratePlan" in body else "other"

    def answer(self, call: Call) -> Answer:
        """The bare resource, or the error."""
        try:
            self._authenticate(call.request)
            run = call.params.get("_run")
            if not call.op.startswith("/v1/"):
                raise Refusal(t.BAD_VERSION)
            if run is None:
                raise Refusal(t.NOT_FOUND)
            iccid = call.params.get("iccid")
            if iccid is not None and call.card is None:
                raise Refusal(t.UNKNOWN_ICCID if _ICCID.fullmatch(iccid) else t.BAD_ICCID)
            value = run(self, call)
        except Refusal as refusal:
            return failed(refusal.error)
        if isinstance(value, Answer):
            return value
        return json_answer(_sparse(call, value))

    def found(self, key: tuple[Any, ...], fits: Callable[[Card], bool]) -> list[Card]:
        """The cards that fit, the oldest change first; kept while no card changes, as a search goes page by page."""
        store = self.world.store
        whole = (store.version, self.world.now() // 1000 if self.world.settings(self.name).lag else 0, *key)
        if self._found is None or self._found[0] != whole:
            cards = [card for card in store.cards.values() if fits(card)]
            cards.sort(key=lambda card: (card.modified, card.sid))
            self._found = (whole, cards)
        return self._found[1]

    def _authenticate(self, request: Request) -> None:
        given = request.headers.get("authorization")
        if given is None:
            raise Refusal(t.NO_CREDENTIALS)
        scheme, _, value = given.partition(" ")
        if scheme.lower() != "basic" or not hmac.compare_digest(value.strip().encode(), self._basic.encode()):
            raise Refusal(t.CREDENTIALS)

    def rate_limited(self, call: Call) -> Answer:
        """HTTP 429 without headers (A1.7)."""
        return failed(t.TOO_MANY)

    def unknown_card(self, call: Call) -> Answer:
        """20000001."""
        return failed(t.UNKNOWN_ICCID)

    def revoke(self, call: Call) -> Answer | None:
        """No token here: this one call meets credentials that do not count."""
        return failed(t.CREDENTIALS)

    def native_state(self, card: Card) -> str:
        """The SIM status."""
        return status_of(card, card.visible_state())

    def push_body(self, push: dict[str, Any]) -> tuple[bytes, str]:
        """A form whose `data` is XML; only the timestamp is signed, with the account's push secret (A1.8)."""
        stamp = iso(push["at"])
        fields = {"iccid": push["iccid"]}
        if push["event"] == "IMEI_CHANGE":
            fields |= {"previousImei": push["before"], "currentImei": push["after"], "dateChanged": stamp}
        root = "".join(part.capitalize() for part in push["event"].split("_"))
        inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
        form = {
            "eventId": f"{push['iccid']}-{push['at']}",
            "eventType": push["event"],
            "timestamp": stamp,
            "signature": self._sign(stamp, hashlib.sha1),
            "signature2": self._sign(stamp, hashlib.sha256),
            "data": f'<?xml version="1.0" encoding="UTF-8"?><{root} xmlns="{_NAMESPACE}">{inner}</{root}>',
        }
        return urlencode(form).encode(), _FORM

    def _sign(self, stamp: str, digest: Any) -> str:
        return sign(self._secret, stamp, digest)


def sign(secret: bytes, stamp: str, digest: Any) -> str:
    """base64(HMAC(secret, timestamp)) (A1.8)."""
    return b64encode(hmac.new(secret, stamp.encode(), digest).digest()).decode()


def failed(error: t.Error) -> Answer:
    """`{errorMessage, errorCode}`; the code is a text, and absent where no credentials came at all."""
    code, status, message = error
    body = {"errorMessage": message} if code is None else {"errorMessage": message, "errorCode": code}
    return json_answer(body, status, _KIND, _CHALLENGE if status == 401 else ())


def status_of(card: Card, state: str) -> str:
    """The SIM status of a neutral state."""
    if state == "cancelled" and card.extra.get("final"):
        return str(card.extra["final"])
    return t.STATUS[state]


def body_of(call: Call, *, strict: bool = True) -> dict[str, Any]:
    """The JSON object of a write. Raises Refusal where it is not one."""
    try:
        body = call.request.json
    except ValueError as error:
        if strict:
            raise Refusal(t.BAD_JSON) from error
        return {}
    if not isinstance(body, dict):
        if strict:
            raise Refusal(t.BAD_JSON)
        return {}
    return body


def _sparse(call: Call, value: Any) -> Any:
    """`fields=a,b,c` keeps only these of a resource (A1.3); a page of a list keeps its envelope [F]."""
    wanted = call.text("fields")
    if not wanted or not isinstance(value, dict) or "pageNumber" in value:
        return value
    names = {name.strip() for name in wanted.split(",")}
    return {name: item for name, item in value.items() if name in names}
