"""The sandbox as one ASGI application: every protocol under its own base URL, and the control API.

`create_sandbox(options)` gives the application; nothing of it is global, so any number may run in one process. It
answers by itself without lifespan events; `tick()` (called by `serve`, or by nobody) lets time pass where no request
comes and delivers pushes.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from email.utils import formatdate
from typing import Any

from app.clock import Clock, SystemClock
from sandbox.control import Control
from sandbox.credentials import CREDENTIALS
from sandbox.fleet import fleet
from sandbox.fleet.card import Card
from sandbox.fleet.journal import FileJournal, Journal, NoJournal
from sandbox.fleet.store import Store
from sandbox.fleet.traffic import Meter
from sandbox.fleet.world import World
from sandbox.http.faults import Faults, corrupted, substitute_answer
from sandbox.http.limits import RateLimiter
from sandbox.http.messages import (
    TEXT,
    Answer,
    Receive,
    Request,
    Scope,
    Send,
    cut,
    read_request,
    send_answer,
    text_answer,
)
from sandbox.http.push import Pusher
from sandbox.http.server import Call, ProtocolServer
from sandbox.options import SandboxOptions
from sandbox.protocols import SERVERS
from sandbox.time import SandboxClock, Zone

log = logging.getLogger(__name__)

PREFIXES = {
    "onelink": "onelink",
    "jasper": "jasper",
    "unicom-cmp": "unicom_cmp",
    "ctcc": "ctcc_cmp",
    "ctwing": "ctwing",
    "gsl": "gsl",
    "v1": "gsl",
}
"""The first segment of a path → the protocol; Huawei's SDK drops the path of its endpoint, so `/v1` is GSL too."""


class Sandbox:
    """The ASGI application."""

    def __init__(self, options: SandboxOptions, clock: Clock | None = None) -> None:
        self.options = options
        self.faults = Faults()
        journal: Journal = NoJournal() if options.data_dir is None else FileJournal(options.data_dir)
        self.store = Store(journal)
        kept = journal.read() if isinstance(journal, FileJournal) else {}
        self.store.load(kept)
        self.clock = SandboxClock(clock or SystemClock(), int(self.store.meta.get("offset", 0)))
        zones = {carrier: Zone(name) for carrier, name in options.zones.items()}
        self.world = World(self.store, self.clock, Meter(options.seed), zones)
        credentials = {**CREDENTIALS, **(options.credentials or {})}
        self.servers: dict[str, ProtocolServer] = {
            name: SERVERS[name](self.world, dict(credentials[name])) for name in options.protocols
        }
        for name in options.protocols:
            self.store.settings[name] = options.settings_of(name)
        self.control = Control(self)
        self.pusher = Pusher(self.store, self.servers)
        self._rate_limiters = {name: RateLimiter() for name in self.servers}
        self._dated: tuple[int, bytes] = (0, b"")
        if not kept:
            self._first_start()
        journal.rewrite(self.store.entries())
        self.store.flush()

    def _first_start(self) -> None:
        if self.options.fleet is not None:
            done = fleet.add_file(self.world, self.options.fleet)
            for row in done["rejected"]:
                log.warning("sandbox fleet: line %s: %s", row["line"], row["detail"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (or pass a lifespan through)."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        request = await read_request(scope, receive, 0)
        answer = await self._answer(request)
        if answer is None:
            await cut(scope, receive)
            return
        await send_answer(send, answer, self._date(answer.skew_ms))

    async def _answer(self, request: Request) -> Answer | None:
        """The answer; None = cut the connection."""
        self.world.settle()
        request.at = self.world.now()
        prefix, _, rest = request.path.lstrip("/").partition("/")
        if prefix == "_control":
            request.path = "/" + rest
            answer = self.control.answer(request)
            self._done()
            return answer
        server = self.servers.get(PREFIXES.get(prefix, ""))
        if server is None:
            return text_answer("no such carrier in this sandbox", TEXT, 404)
        if prefix != "v1":
            request.path = "/" + rest
        return await self._serve(server, request)

    async def _serve(self, server: ProtocolServer, request: Request) -> Answer | None:
        call = server.identify(request)
        self.store.counted(server.name, "requests")
        self.store.counted(server.name, "by_operation", call.kind)
        call.faults = self.faults.take(server.name, call.kind, push=call.pushed)
        for kind in call.faults.kinds:
            self.store.counted(server.name, "faults", kind)
        seconds = float(call.faults.param("slow", "seconds", 0))
        early = call.faults.param("slow", "when", "after") == "before"
        if early and seconds:
            await asyncio.sleep(seconds)
        answer = None if "drop_before" in call.faults else self._carry_out(server, call)
        self._done()
        if "early_push" in call.faults:
            await self.pusher.deliver()
        wait = self.options.latency_ms / 1000 + (0 if early else seconds)
        if wait:
            await asyncio.sleep(wait)
        if answer is not None:
            answer.skew_ms = call.skew_ms()
        return None if "drop_after" in call.faults else answer

    def _carry_out(self, server: ProtocolServer, call: Call) -> Answer:
        instead = substitute_answer(call.faults)
        if instead is not None:
            return instead
        limit = self.world.settings(server.name).per_second
        if (
            limit is not None
            and call.kind != "token"
            and not self._rate_limiters[server.name].allows(self.world.now(), limit)
        ):
            return server.rate_limited(call)
        if "revoke_token" in call.faults:
            revoked = server.revoke(call)
            if revoked is not None:
                return revoked
        return corrupted(call.faults, server.answer(call))

    def _done(self) -> None:
        """Before an answer is sent: what is due at once has happened, and the journal has heard of everything."""
        self.world.settle()
        self.store.flush()
        self.pusher.start()

    def move_to(self, instant: int) -> None:
        """Let it be later; what falls due on the way happens in order, each at its own instant."""
        self.clock.move_to(instant)
        self.store.meta["offset"] = self.clock.offset_ms
        self.store.touch("meta", "offset")
        self.world.settle()

    def set(self, protocol: str, values: dict[str, Any]) -> None:
        """Change a protocol's settings. Raises ValueError."""
        self.store.settings[protocol] = self.store.settings[protocol].changed(values)
        self.store.touch("settings", protocol)

    def all_settings(self) -> dict[str, Any]:
        """Every protocol's settings."""
        return {name: dataclasses.asdict(self.store.settings[name]) for name in self.servers}

    def device_changed(self, card: Card, before: str) -> None:
        """The carriers that tell of another IMEI tell it."""
        for name in self.world.protocols(card):
            if name in self.servers and name in ("jasper", "unicom_cmp"):
                push = {"event": "IMEI_CHANGE", "iccid": card.iccid, "before": before, "after": card.imei}
                self.world.queue_push(name, push, self.world.now())

    def reset(self) -> None:
        """As at the first start: the fleet file's cards, no faults, the settings of the start. The clock stays."""
        self.faults.waiting.clear()
        journal = self.store.journal
        self.store = self.world.store = self.pusher.store = Store(journal)
        self.store.meta["offset"] = self.clock.offset_ms
        for name in self.servers:
            self.store.settings[name] = self.options.settings_of(name)
        self._first_start()
        journal.rewrite(self.store.entries())

    async def tick(self) -> None:
        """Time has passed: what is due happens, pushes go out."""
        self.world.settle()
        self.store.flush()
        await self.pusher.deliver()

    async def close(self) -> None:
        """Stop pushing and let the folder go."""
        await self.pusher.close()
        self.store.flush()
        self.store.journal.close()

    def _date(self, skew_ms: int) -> bytes:
        second = (self.world.now() + skew_ms) // 1000
        if self._dated[0] != second:
            self._dated = (second, formatdate(second, usegmt=True).encode())
        return self._dated[1]


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def create_sandbox(options: SandboxOptions, clock: Clock | None = None) -> Sandbox:
    """The sandbox as an ASGI application. Raises DataFolderInUse, UnreadableJournal, OSError for the fleet file."""
    return Sandbox(options, clock)
