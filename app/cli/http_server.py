"""The HTTP server of a process: uvicorn, with deadlines for what a caller has to send and a limit of connections.

uvicorn itself waits for headers and bodies without end, so that callers who send half a request would use up the
process's file descriptors.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

GRACE_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`header_s`: for a whole head, from the connection or the request's first byte on; `body_idle_s`: between two
    pieces of a body; `connections`: open at once in this process, further ones are closed.
    """

    header_s: float = 15
    body_idle_s: float = 30
    connections: int = 2_000


class DeadlineProtocol(HttpToolsProtocol):
    """One connection. One timer per request; what it means when it fires depends on the phase by then."""

    def __init__(self, *given: Any, limits: Limits, **named: Any) -> None:
        super().__init__(*given, **named)
        self._limits = limits
        self._timer: asyncio.TimerHandle | None = None
        self._last_body: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections:
            transport.close()
        else:
            self._start(self._limits.header_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._last_body = None
        if self._timer is None:
            self._start(self._limits.header_s)

    def on_headers_complete(self) -> None:
        self._last_body = self.loop.time()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._last_body = self.loop.time()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._stop()
        super().on_message_complete()

    def _start(self, seconds: float) -> None:
        self._timer = self.loop.call_later(seconds, self._expired)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expired(self) -> None:
        """Close the connection, unless it is in its body and pieces still come or are not read by us."""
        self._timer = None
        if self._last_body is None:
            self.transport.close()
            return
        if self.flow.read_paused:  # ours is the slow side
            self._last_body = self.loop.time()
        left = self._last_body + self._limits.body_idle_s - self.loop.time()
        if left > 0:
            self._start(left)
        else:
            self.transport.close()


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handlers: signals belong to the process."""

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()


async def start_http(
    group: asyncio.TaskGroup,
    app: ASGIApp,
    bound: socket.socket,
    stop: asyncio.Event,
    *,
    limits: Limits | None = None,
    proxies: str = "127.0.0.1,::1",
) -> None:
    """Serve `app` on a bound socket in tasks of `group` until `stop`; returns when it accepts requests.

    `proxies`: the addresses and networks, comma separated, whose `X-Forwarded-For` is believed.
    """
    config = uvicorn.Config(
        app,
        http=partial(DeadlineProtocol, limits=limits or Limits()),  # type: ignore[arg-type]  # uvicorn only calls it
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        forwarded_allow_ips=proxies,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE_S,
    )
    server = _Server(config)

    async def serve() -> None:
        await server.serve(sockets=[bound])

    async def end() -> None:
        await stop.wait()
        server.should_exit = True

    group.create_task(serve())
    group.create_task(end())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no other sign of having started
        await asyncio.sleep(0.005)
