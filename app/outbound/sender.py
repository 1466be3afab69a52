"""Sends one webhook: to the address that was checked, with the name kept for Host and TLS; no redirects, no proxies.

httpcore itself, as it lets us stand between a name and the connection: whatever the pool connects to has been judged.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import httpcore

from app.outbound.guard import Network, Target, TargetRefused, parse, resolve_allowed

TIMEOUT = timedelta(seconds=10)
"""For one attempt in all, real time."""

AT_ONCE = 20
LONGEST_RETRY_AFTER = 3600
ENOUGH = 16_384
"""Bytes of an answer that are read so that its connection can be used again; a longer one costs the connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """What came of an attempt: the receiver's status, or in words why there is none. `retry_after`: its wish."""

    status: int | None = None
    error: str | None = None
    retry_after: timedelta | None = None

    @property
    def delivered(self) -> bool:
        """Whether the receiver took it (any 2xx)."""
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 - HTTP

    @property
    def gone(self) -> bool:
        """Whether the receiver wants no more (410)."""
        return self.status == 410  # noqa: PLR2004 - HTTP


class _CheckedBackend(httpcore.AnyIOBackend):
    """Connects only to addresses that were judged: name and port are resolved here, once, and nowhere else."""

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
        """Resolve, judge, connect. Raises `TargetRefused`, OSError, httpcore's errors."""
        plain = Target(scheme="https", host=host, port=port, path="/")
        address = await resolve_allowed(plain, self._allowed)
        return await super().connect_tcp(str(address), port, timeout, local_address, socket_options)


class WebhookSender:
    """The way out for webhooks. Opened by the container, closed with it."""

    def __init__(self, allowed: Sequence[Network], *, trust: ssl.SSLContext | None = None) -> None:
        self._allowed = tuple(allowed)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=trust or ssl.create_default_context(),
            max_connections=AT_ONCE,
            max_keepalive_connections=AT_ONCE,
            keepalive_expiry=15,
            network_backend=_CheckedBackend(self._allowed),
        )

    async def check_url(self, url: str) -> None:
        """Whether this URL may be called at all; a name that does not resolve now is judged when it is called.

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
        async with self._pool.stream("POST", url, headers=sent, content=body) as response:
            wish = dict(response.headers).get(b"retry-after")
            answer = SendResult(status=response.status, retry_after=_retry_after(wish))
            read = 0
            async for chunk in response.aiter_stream():
                read += len(chunk)
                if read > ENOUGH:
                    break
        return answer

    async def close(self) -> None:
        """Give back the connections."""
        await self._pool.aclose()


_FAILURES = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
    httpcore.ConnectionNotAvailable,
)


def _retry_after(value: bytes | None) -> timedelta | None:
    """The receiver's wish in seconds, at most an hour; a date is not heeded."""
    if value is None or not value.isdigit():
        return None
    return timedelta(seconds=min(int(value[:9]), LONGEST_RETRY_AFTER))
