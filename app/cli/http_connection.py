"""One HTTP connection: uvicorn's protocol, with deadlines for what a caller sends and one write for a response."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_FINAL = (b"HTTP/1.1 2", b"HTTP/1.1 3", b"HTTP/1.1 4", b"HTTP/1.1 5")
"""How the head of a response begins that no other head follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`header_s`: for a whole head, from the connection or the request's first byte on; `body_idle_s`: between two
    pieces of a body; `connections`: open at once in this process, further ones are closed.
    """

    header_s: float = 15
    body_idle_s: float = 30
    connections: int = 2_000


class JoinedWrites:
    """A transport that keeps the head of a response until its body is written.

    uvicorn writes the two apart; each write is a call of the system, a packet, and a wake-up of the caller.
    """

    __slots__ = ("_head", "_transport", "get_extra_info", "is_closing", "set_protocol")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self.is_closing = transport.is_closing
        self.get_extra_info = transport.get_extra_info
        self.set_protocol = transport.set_protocol

    def write(self, data: bytes) -> None:
        """Write, or keep what begins as the head of a final response does."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(_FINAL):
            self._head = data
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Write a head that has no body."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        """Close, once all is written."""
        self.flush()
        self._transport.close()


class Connection(HttpToolsProtocol):
    """One connection. One timer at a time; what it means when it fires depends on the phase by then.

    A request that comes whole, in one piece, starts none.
    """

    def __init__(self, *given: Any, limits: Limits, **named: Any) -> None:
        super().__init__(*given, **named)
        self._limits = limits
        self._timer: asyncio.TimerHandle | None = None
        self._last_body: float | None = None
        self._incomplete = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = self._joined = JoinedWrites(transport)  # type: ignore[assignment]
        if len(self.connections) > self._limits.connections:
            transport.close()
        else:
            self._start(self._limits.header_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._incomplete and self._timer is None:
            self._start(self._limits.header_s)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._last_body, self._incomplete = None, True

    def on_headers_complete(self) -> None:
        self._last_body = self.loop.time()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._last_body = self.loop.time()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._stop()
        self._incomplete = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._joined.flush()
        super().on_response_complete()

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
