"""Huawei Cloud GSL v1, server side: signed requests, cards by id or ICCID, work orders for every change (B.2)."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.fleet.card import Card
from sandbox.fleet.world import World
from sandbox.gsl import signing
from sandbox.gsl import tables as t
from sandbox.http.messages import Answer, Request, json_answer
from sandbox.http.server import Call, find_card
from sandbox.http.skew import outside
from sandbox.time import UTC_ZONE, iso


class Refusal(Exception):
    """An answer with an error."""

    def __init__(self, error: t.Error) -> None:
        super().__init__(error[0])
        self.error = error


@dataclass(frozen=True, slots=True)
class Op:
    """One resource and method."""

    method: str
    path: re.Pattern[str]
    run: Callable[[Gsl, Call], Any]
    kind: str = "other"


class Gsl:
    """The server."""

    name = "gsl"

    def __init__(self, world: World, credentials: dict[str, str], operations: Sequence[Op]) -> None:
        self.world = world
        self._ak, self._sk = credentials["ak"], credentials["sk"]
        self._operations = operations

    def identify(self, request: Request) -> Call:
        """By method and path; the last `/` of a path does not matter."""
        path = request.path.rstrip("/")
        for op in self._operations:
            found = op.path.fullmatch(path) if op.method == request.method else None
            if found is not None:
                params: dict[str, Any] = {**request.query, **found.groupdict(), "_run": op.run}
                call = Call(request, path, op.kind, params)
                self._kind(call)
                return call
        return Call(request, path, "other", dict(request.query))

    def _kind(self, call: Call) -> None:
        if call.kind == "cut_network" and body_of(call, strict=False).get("action") == "DEL":
            call.kind = "restore_network"

    def answer(self, call: Call) -> Answer:
        """The bare resource, or the error; every answer names its request."""
        request_id = f"{self.world.store.serial('gsl_requests'):032x}"
        try:
            self._authenticate(call)
            run = call.params.get("_run")
            if run is None:
                raise Refusal(t.NO_API)
            value = run(self, call)
        except Refusal as refusal:
            return failed(refusal.error, request_id)
        return json_answer(value, headers=(("x-request-id", request_id),))

    def _authenticate(self, call: Call) -> None:
        request = call.request
        given = request.headers.get("authorization")
        if given is None:
            raise Refusal(t.TOKEN if "x-auth-token" in request.headers else t.NO_SIGNATURE)
        parts, date = signing.parse(given), request.headers.get("x-sdk-date", "")
        if parts is None or parts[0] != self._ak or not re.fullmatch(r"\d{8}T\d{6}Z", date):
            raise Refusal(t.SIGNATURE)
        path = re.sub(r"^/gsl(?=/)", "", request.raw_path)
        canonical = signing.canonical_request(
            request.method, path, request.raw_query, request.headers, parts[1], request.body
        )
        if not hmac.compare_digest(signing.signature(self._sk, date, canonical), parts[2]):
            raise Refusal(t.SIGNATURE)
        if outside(self.world, self.name, call, UTC_ZONE.parse(date, "%Y%m%dT%H%M%SZ")):
            raise Refusal(t.SIGNATURE)

    def card(self, call: Call) -> Card:
        """The card of a path: by its id, or with id 0 by ICCID in query or body. Raises Refusal."""
        number = call.text("sim_card_id")
        if number != "0":
            iccid = self.world.store.by_sid.get(int(number)) if number.isdecimal() else None
        else:
            body = body_of(call, strict=False)
            iccid = str(call.request.query.get("iccid") or body.get("iccid") or body.get("cid") or "")
        card = find_card(self.world, self.name, iccid or "?")
        if card is None:
            raise Refusal(t.NO_CARD)
        call.card = card
        return card

    def cards(self, body: dict[str, Any], most: int) -> list[Card]:
        """The cards of a batch: ids or ICCIDs, not both. Raises Refusal."""
        ids, iccids = listed(body, "sim_card_ids"), listed(body, "iccids")
        if bool(ids) == bool(iccids) or not all(isinstance(number, int) for number in ids):
            raise Refusal(t.PARAMETERS)
        if len(ids) + len(iccids) > most:
            raise Refusal(t.TOO_MANY_CARDS)
        names = [self.world.store.by_sid.get(number, "?") for number in ids] or [str(iccid) for iccid in iccids]
        found = [find_card(self.world, self.name, name) for name in names]
        if any(card is None for card in found):
            code, status, text = t.NO_ICCID
            missing = [name for name, card in zip(names, found, strict=True) if card is None]
            raise Refusal((code, status, f"iccid {missing[:5]} 不存在" if ids == [] else text))
        return [card for card in found if card is not None]

    def rate_limited(self, call: Call) -> Answer:
        """The API gateway's throttling."""
        return failed(t.THROTTLED, "0" * 32)

    def unknown_card(self, call: Call) -> Answer:
        """GSL.00011001."""
        return failed(t.NO_CARD, "0" * 32)

    def revoke(self, call: Call) -> Answer | None:
        """No token here: this one call meets a key that does not count."""
        return failed(t.SIGNATURE, "0" * 32)

    def native_state(self, card: Card) -> int:
        """The sim_status, a number on the wire too."""
        return t.SIM_STATUS[card.visible_state()]

    def push_body(self, push: dict[str, Any]) -> tuple[bytes, str]:
        """GSL pushes nothing; work orders are polled."""
        raise LookupError("GSL has no push")


def failed(error: t.Error, request_id: str) -> Answer:
    """`{error_code, error_msg}`."""
    code, status, text = error
    return json_answer({"error_code": code, "error_msg": text}, status, headers=(("x-request-id", request_id),))


def body_of(call: Call, *, strict: bool = True) -> dict[str, Any]:
    """The JSON object of a request. Raises Refusal where it is not one."""
    try:
        body = call.request.json
    except ValueError as error:
        if strict:
            raise Refusal(t.PARAMETERS) from error
        return {}
    if isinstance(body, dict):
        return body
    if strict:
        raise Refusal(t.PARAMETERS)
    return {}


def listed(body: dict[str, Any], name: str) -> list[Any]:
    """A list of a body; empty where it is absent. Raises Refusal where it is something else."""
    values = body.get(name) or []
    if not isinstance(values, list):
        raise Refusal(t.PARAMETERS)
    return values


def when(instant: int | None) -> str | None:
    """ISO with milliseconds and `Z`."""
    return None if instant is None else iso(instant)


def mb(used: int) -> float:
    """Bytes as MB with two decimals."""
    return round(used / (1 << 20), 2)
