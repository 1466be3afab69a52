"""Sends one webhook: to the address that was checked, with the name kept for Host and TLS; no redirects, no proxies.

httpcore rather than httpx, as its network backend lets the guard check every address before the pool connects to it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

import httpcore

from app.outbound.guard import Network, Target, TargetRefused, parse, resolve_allowed

TIMEOUT = timedelta(seconds=10)
"""For one attempt in total, in real time."""

MAX_CONNECTIONS = 20
MAX_RETRY_AFTER_S = 3600
MAX_BODY_BYTES = 16_384
"""Bytes of a response body that are read so that its connection can be reused; a longer body closes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """Result of one attempt: the receiver's HTTP status, or why there is none; `retry_after` from its header."""

    status: int | None = None
    error: str | None = None
    retry_after: timedelta | None = None
    body: bytes = b""
    """The beginning of the answer, at most `MAX_BODY_BYTES` and a chunk: robots say there whether they took it."""

    @property
    def delivered(self) -> bool:
        """Whether the receiver accepted it (any 2xx)."""
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 - HTTP

    @property
    def gone(self) -> bool:
        """Whether the endpoint is gone (410)."""
        return self.status == 410  # noqa: PLR2004 - HTTP


class _CheckedBackend(httpcore.AnyIOBackend):
    """Connects only to checked addresses: names are resolved here and nowhere else, which defeats DNS rebinding."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = allowed

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve, check, connect. Raises `TargetRefused`, OSError, httpcore's errors."""
        plain = Target(scheme="https", host=host, port=port, path="/")
        address = await resolve_allowed(plain, self._allowed)
        return await super().connect_tcp(str(address), port, timeout, local_address, socket_options)


@cache
def system_trust() -> ssl.SSLContext:
    """The machine's certificate authorities, read once a process: that takes tens of milliseconds."""
    return ssl.create_default_context()


class WebhookSender:
    """Sends webhooks through one connection pool. Opened and closed by the container."""

    def __init__(self, allowed: Sequence[Network], *, trust: ssl.SSLContext | None = None) -> None:
        self._allowed = tuple(allowed)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=trust or system_trust(),
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_CONNECTIONS,
            keepalive_expiry=15,
            network_backend=_CheckedBackend(self._allowed),
        )

    async def check_url(self, url: str) -> None:
        """Check that a URL may be called; a name that does not resolve now is checked when it is called.

        Raises `TargetRefused`.
        """
        target = parse(url)
        try:
            await resolve_allowed(target, self._allowed)
        except OSError:
            return

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> SendResult:
        """One attempt. Never raises for anything the target does."""
        try:
            async with asyncio.timeout(TIMEOUT.total_seconds()):
                return await self._send(parse(url), headers, body)
        except TimeoutError:
            return SendResult(error="no answer in time")
        except TargetRefused as refused:
            return SendResult(error=str(refused))
        except (OSError, *_FAILURES) as error:
            return SendResult(error=type(error).__name__)

    async def _send(self, target: Target, headers: Mapping[str, str], body: bytes) -> SendResult:
        if target.scheme == "http":
            await resolve_allowed(target, self._allowed)
        sent = [*headers.items(), ("host", target.authority), ("user-agent", "SimGate-Webhooks/1")]
        url = f"{target.scheme}://{target.authority}{target.path}"
        connections = _Connections()
        try:
            return await self._post(url, sent, body, connections)
        except _CLOSED:
            # Receivers close connections that were idle, at times just as one is used again. That is no failure of
            # theirs, after which everything of the SIM would wait; and they know a repeated event by its id.
            if connections.made:
                raise
            return await self._post(url, sent, body, connections)

    async def _post(
        self, url: str, headers: Sequence[tuple[str, str]], body: bytes, connections: _Connections
    ) -> SendResult:
        told = {"trace": connections.trace}
        async with self._pool.stream("POST", url, headers=headers, content=body, extensions=told) as response:
            header = dict(response.headers).get(b"retry-after")
            body = b""
            async for chunk in response.aiter_stream():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    break
        return SendResult(status=response.status, retry_after=_retry_after(header), body=body)

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.aclose()


class _Connections:
    """What the pool tells of one attempt: whether a connection was made for it."""

    def __init__(self) -> None:
        self.made = False

    async def trace(self, event: str, _: object) -> None:
        """httpcore's extension `trace`."""
        self.made = self.made or event.startswith("connection.connect")


_CLOSED = (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError)
_FAILURES = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
    httpcore.ConnectionNotAvailable,
)


def _retry_after(value: bytes | None) -> timedelta | None:
    """The header's seconds, at most an hour; None for a date, which is not supported."""
    if value is None or not value.isdigit():
        return None
    return timedelta(seconds=min(int(value[:9]), MAX_RETRY_AFTER_S))
