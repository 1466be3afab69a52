"""The sandbox as one ASGI application: every protocol under its own base URL, and the control API.

`create_sandbox(options)` gives the application; nothing of it is global, so any number may run in one process. It
answers by itself without lifespan events; `tick()` (called by `serve`, or by nobody) applies what is due where no
request comes, and delivers pushes.
"""

from __future__ import annotations

import asyncio
from email.utils import formatdate

from app.clock import Clock
from sandbox.control import Control
from sandbox.core import SandboxCore
from sandbox.http.faults import corrupted, substitute_answer
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
from sandbox.http.server import Call, ProtocolServer
from sandbox.options import SandboxOptions

DESCRIBED = "described"
"""Below it each described carrier has its name: `/described/simboss/…`."""

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


class Sandbox(SandboxCore):
    """The ASGI application."""

    def __init__(self, options: SandboxOptions, clock: Clock | None = None) -> None:
        super().__init__(options, clock)
        self.control = Control(self)
        self._rate_limiters = {name: RateLimiter() for name in self.servers}
        self._dated: tuple[int, bytes] = (0, b"")

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
            return answer if self._done() else None
        if prefix == DESCRIBED:
            prefix, _, rest = rest.partition("/")
        server = self.servers.get(PREFIXES.get(prefix, prefix))
        if server is None:
            return text_answer("no such carrier in this sandbox", TEXT, 404)
        if prefix != "v1":
            request.path = "/" + rest
        return await self._serve(server, request)

    async def _serve(self, server: ProtocolServer, request: Request) -> Answer | None:
        call = server.identify(request)
        self.store.counted(server.name, "requests")
        self.store.counted(server.name, "by_operation", call.kind)
        call.faults = self.faults.take(server.name, call.kind, request, push=call.pushed)
        for kind in call.faults.kinds:
            self.store.counted(server.name, "faults", kind)
        seconds = float(call.faults.param("slow", "seconds", 0))
        early = call.faults.param("slow", "when", "after") == "before"
        if early and seconds:
            await asyncio.sleep(seconds)
        answer = None if "drop_before" in call.faults else self._carry_out(server, call)
        if not self._done():
            return None
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
        if "unknown_card" in call.faults:
            return server.unknown_card(call)
        return corrupted(call.faults, server.answer(call))

    def _done(self) -> bool:
        """Before an answer is sent: apply what is due at once and journal everything; gives whether it could be."""
        self.world.settle()
        kept = self.store.flush()
        self.pusher.start()
        return kept

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
