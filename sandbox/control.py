"""The control API (`docs/api.md`): a test's access to the carriers' side. Loopback only, never part of the gateway."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sandbox.core import SandboxCore
from sandbox.fleet.card import Card
from sandbox.fleet.device import count_traffic, insert_into_device
from sandbox.fleet.fleet import BadRow, add_rows
from sandbox.fleet.store import new_stats
from sandbox.http.messages import Answer, Request, json_answer
from sandbox.time import MINUTE, duration_ms, iso, to_ms


class Refused(Exception):
    """A request that cannot be done, with status and detail."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Control:
    """`/_control/…` over a sandbox."""

    def __init__(self, core: SandboxCore) -> None:
        self._core = core
        self._world = core.world
        self._routes: dict[tuple[str, str], Callable[[Request], Any]] = {
            ("POST", "sims"): self._add,
            ("GET", "sims"): self._list,
            ("POST", "traffic"): self._traffic,
            ("POST", "device"): self._device,
            ("GET", "clock"): self._clock,
            ("POST", "clock"): self._move,
            ("GET", "settings"): self._settings,
            ("POST", "settings"): self._set,
            ("GET", "faults"): self._faults,
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): self._no_faults,
            ("GET", "stats"): self._stats,
            ("POST", "reset"): self._reset,
        }

    def answer(self, request: Request) -> Answer:
        """Answer a request; an error is JSON: `{"detail": …}`."""
        if not request.local:
            return json_answer({"detail": "the control API answers on loopback only"}, 403)
        try:
            return json_answer(self._route(request))
        except Refused as refusal:
            return json_answer({"detail": str(refusal)}, refusal.status)

    def _route(self, request: Request) -> Any:
        name, _, rest = request.path.strip("/").partition("/")
        if name == "sims" and rest:
            if request.method != "GET":
                raise Refused(405, "GET /_control/sims/{iccid}")
            return self.sim(self._card(rest))
        found = None if rest else self._routes.get((request.method, name))
        if found is None:
            raise Refused(404, f"no {request.method} /_control/{name}")
        return found(request)

    def _card(self, iccid: object) -> Card:
        card = self._world.store.cards.get(str(iccid))
        if card is None:
            raise Refused(404, "no such card in the sandbox")
        return card

    def sim(self, card: Card) -> dict[str, Any]:
        """A card as a test wants to see it: the truth, without lag."""
        world, now = self._world, self._world.now()
        today = world.zone(card).day(now)
        protocols = [name for name in world.protocols(card) if name in self._core.servers]
        return {
            "iccid": card.iccid,
            "carrier": card.carrier,
            "protocols": protocols,
            "state": card.visible_state(),
            "native_state": {name: self._core.servers[name].native_state(card) for name in protocols},
            "imei": card.imei,
            "province": card.place,
            "usage": {
                "cycle": world.usage(card, world.cycle(card, now), now),
                "day": world.meter.day(card, world.zone(card), today, now),
            },
            "effects": card.effects,
            "requests": card.requests,
            "own": card.automatic,
            "now": iso(now),
            "holds": sorted(card.holds),
            "bound_imei": card.bound_imei,
            "bound_province": card.province,
            "busy": world.busy(card),
        }

    def _list(self, request: Request) -> Any:
        return {"sims": len(self._world.store.cards)}

    def _add(self, request: Request) -> Any:
        try:
            done = add_rows(self._world, request.body.decode("utf-8"), seeded=request.query.get("seeded") == "true")
        except (BadRow, ValueError) as error:
            raise Refused(422, str(error)) from error
        if done["rejected"] and len(done["rejected"]) == done["rows"]:
            raise Refused(422, json.dumps(done["rejected"][:20], ensure_ascii=False))
        return done

    def _traffic(self, request: Request) -> Any:
        rows = _objects(request)
        for values in rows:
            amount = values.get("bytes")
            if not isinstance(amount, int) or isinstance(amount, bool) or amount < 0:
                raise Refused(422, "bytes must be a whole number, 0 or more")
            card = self._card(values.get("iccid"))
            if card.state == "cancelled":
                raise Refused(409, "the card is cancelled")
            count_traffic(self._world, card, amount)
        return self._seen(rows)

    def _seen(self, rows: list[dict[str, Any]]) -> Any:
        return self.sim(self._card(rows[0]["iccid"])) if len(rows) == 1 else {"rows": len(rows)}

    def _device(self, request: Request) -> Any:
        rows = _objects(request)
        for values in rows:
            card = self._card(values.get("iccid"))
            imei, province = values.get("imei"), values.get("province")
            if not all(value is None or isinstance(value, str) for value in (imei, province)):
                raise Refused(422, "imei and province must be texts")
            before = card.imei
            if insert_into_device(self._world, card, imei, province):
                self._core.device_changed(card, before)
        return self._seen(rows)

    def _clock(self, request: Request) -> Any:
        due = self._world.store.next_due()
        return {"now": iso(self._world.now()), "next": None if due is None else iso(due)}

    def _move(self, request: Request) -> Any:
        values, now = _object(request), self._world.now()
        try:
            if "advance" in values:
                target = now + duration_ms(str(values["advance"]))
            else:
                target = to_ms(datetime.fromisoformat(str(values["now"])))
        except (KeyError, ValueError, TypeError) as error:
            raise Refused(422, 'give {"now": an instant with offset} or {"advance": a duration}') from error
        if target < now - MINUTE:
            raise Refused(409, "the clock goes forwards only")
        self._core.move_to(target)
        return self._clock(request)

    def _settings(self, request: Request) -> Any:
        return self._core.all_settings()

    def _set(self, request: Request) -> Any:
        values = _object(request)
        protocol = values.pop("protocol", "*")
        names = list(self._core.servers) if protocol == "*" else [protocol]
        try:
            for name in names:
                if name not in self._core.servers:
                    raise ValueError(f"protocol must be * or one of {', '.join(self._core.servers)}")
                self._core.set(name, values)
        except ValueError as error:
            raise Refused(422, str(error)) from error
        return self._core.all_settings()

    def _faults(self, request: Request) -> Any:
        return [
            {
                "protocol": f.protocol,
                "operation": f.operation,
                "kind": f.kind,
                "count": f.count,
                "params": f.params,
                "naming": sorted(f.naming),
            }
            for f in self._core.faults.waiting
        ]

    def _add_fault(self, request: Request) -> Any:
        values = _object(request)
        if isinstance(values.get("naming"), list):
            values["naming"] = [each for name in values["naming"] for each in self._names(name)]
        try:
            self._core.faults.add(values, tuple(self._core.servers))
        except ValueError as error:
            raise Refused(422, str(error)) from error
        return self._faults(request)

    def _names(self, name: Any) -> list[Any]:
        """A card by every name that calls have for it; anything else (a reference) by itself."""
        card = self._world.store.cards.get(name) if isinstance(name, str) else None
        return [name] if card is None else [card.iccid, card.msisdn, card.imsi]

    def _no_faults(self, request: Request) -> Any:
        self._core.faults.waiting.clear()
        return []

    def _stats(self, request: Request) -> Any:
        return {name: self._world.store.stats.get(name) or new_stats() for name in self._core.servers}

    def _reset(self, request: Request) -> Any:
        self._core.reset()
        return {"sims": len(self._world.store.cards)}


def _object(request: Request) -> dict[str, Any]:
    try:
        values = request.json
    except ValueError as error:
        raise Refused(400, "the body is not JSON") from error
    if not isinstance(values, dict):
        raise Refused(422, "the body must be a JSON object")
    return dict(values)


def _objects(request: Request) -> list[dict[str, Any]]:
    """One object, or several by NDJSON."""
    try:
        rows = [json.loads(line) for line in request.body.splitlines() if line.strip()]
    except ValueError:
        rows = [_object(request)]
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise Refused(422, "the body must be a JSON object, or one a line")
    return rows
