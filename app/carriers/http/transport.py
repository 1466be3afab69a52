"""One protocol of one account, as an HTTP peer: the only importer of httpx.

Every call has time-outs, a slot of the account's throttle, and exactly one outcome: a value parsed from the answer, or
one error of the tree. Secrets travel in URLs, bodies and headers; none of these is ever logged or put into an error.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from app.carriers.errors import (
    CarrierAuthFailed,
    CarrierError,
    CarrierProtocolError,
    CarrierRateLimited,
    CarrierRejected,
)
from app.carriers.http.connection_faults import connection_fault
from app.carriers.http.lanes import KEPT_S, Lanes
from app.carriers.http.patience import Patience
from app.carriers.http.send_deadline import CONNECT_S, extensions_of, refuse_if_late
from app.carriers.http.throttle import Observer, Throttle
from app.carriers.http.transport_errors import ServerError, TransportOutcomeUnknown, TransportUnavailable, outcome_label
from app.clock import Clock, monotonic

READ_S = 30.0
MAX_BYTES = 8 * 1024 * 1024
"""A larger answer is unreadable: the largest honest one (500 cards) is some 200 KB."""

COMMON_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "simgate"}
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
ONE_CONNECTION = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEPT_S)
URLS_KEPT = 128

T = TypeVar("T")
Wire = httpx.AsyncBaseTransport
Pairs = Sequence[tuple[str, str]]

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)


@dataclass(frozen=True, slots=True)
class Call:
    """One request: `operation` is a metric label, `changes` says that it asks for a change."""

    operation: str
    method: str
    path: str
    query: Pairs = ()
    body: bytes = b""
    headers: Mapping[str, str] | None = None
    changes: bool = False

    @property
    def query_text(self) -> str:
        """The query as it goes over the wire, RFC 3986."""
        return urlencode(self.query, quote_via=quote) if self.query else ""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one request; header names are lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str]


Sign = Callable[[Call, str], Mapping[str, str]]
"""Headers that prove who we are, from the call and its query text."""

Explain = Callable[[Call, Reply], CarrierError | None]
"""A protocol's own interpretation of an answer with an error status; None leaves it to the common table."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a protocol adds to plain HTTP: how it signs, and how it reads an error status."""

    sign: Sign | None = None
    explain: Explain | None = None


PLAIN = Dialect()


class Tap(Protocol):
    """Sees every exchange of an account's transports (the conformance probe)."""

    def before(self, call: Call) -> None:
        """Called before a request is sent. Raises `CarrierError` to have nothing sent."""
        ...

    def after(self, call: Call, reply: Reply) -> None:
        """Called with every whole answer, whatever its status."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Where a transport's calls go. `base_url` ends with a slash; `ca_file`: PEM certificates of the carrier's private
    authority; `wire` is for tests that reach an ASGI application.
    """

    base_url: str
    read_s: float = READ_S
    ca_file: Path | None = None
    wire: Wire | None = None


class Transport:
    """Sends calls to one base URL."""

    def __init__(
        self,
        *,
        account: str,
        peer: Peer,
        throttle: Throttle,
        observer: Observer,
        clock: Clock,
        dialect: Dialect,
        tap: Tap | None = None,
    ) -> None:
        self.skew_s: float | None = None
        self._account = account
        self._base = peer.base_url
        self._url = lru_cache(maxsize=URLS_KEPT)(httpx.URL)
        self._throttle = throttle
        self._observer = observer
        self._clock = clock
        self._sign = dialect.sign
        self._explain = dialect.explain
        self._patience = Patience(peer.read_s)
        self._tap = tap
        self._host = urlsplit(peer.base_url).netloc
        self._wire = peer.wire or _wire(peer)

    @property
    def in_flight(self) -> int:
        """How many calls may be under way at once."""
        return self._throttle.in_flight

    async def send(self, call: Call, read: Callable[[Reply], T]) -> T:
        """Send one call and parse its answer with `read`. Raises: errors of the tree, also those that `read` raises."""
        async with self._throttle.acquire(changes=call.changes):
            started = monotonic()
            outcome = "cancelled"
            try:
                answer = read(await self._exchange(call))
                outcome = "ok"
            except CarrierError as error:
                outcome = outcome_label(error)
                raise
            finally:
                self._observer.request(self._account, call.operation, outcome, monotonic() - started)
            return answer

    async def close(self) -> None:
        """Close the connections."""
        await self._wire.aclose()

    async def _exchange(self, call: Call) -> Reply:
        if self._tap:
            self._tap.before(call)
        limit_s, began = self._patience.seconds, monotonic()
        try:
            async with asyncio.timeout(limit_s + CONNECT_S):
                reply = await self._round_trip(call, limit_s)
                self._patience.note(monotonic() - began)
        except _NOT_SENT as error:
            raise TransportUnavailable(f"not sent: {connection_fault(error, self._host)}") from None
        except httpx.DecodingError:
            raise CarrierProtocolError("the answer's compression is broken") from None
        except (httpx.TransportError, TimeoutError) as error:
            if isinstance(error, httpx.ReadTimeout | TimeoutError):
                self._patience.note(limit_s)
            kind = TransportOutcomeUnknown if call.changes else TransportUnavailable
            raise kind(f"no usable answer from {self._host}: {type(error).__name__}") from None
        except (httpx.InvalidURL, UnicodeError):
            raise CarrierProtocolError("the request cannot be written as a URL; nothing was sent") from None
        if self._tap:
            self._tap.after(call, reply)
        if reply.status != 200:
            self._raise_for_status(call, reply)
        return reply

    async def _round_trip(self, call: Call, limit_s: float) -> Reply:
        query = call.query_text
        headers = {**COMMON_HEADERS, **(call.headers or {})}
        if self._sign:
            headers.update(self._sign(call, query))
        url = httpx.URL(f"{self._base}{call.path}?{query}") if query else self._url(f"{self._base}{call.path}")
        # the transport below httpx's client: no cookies, redirects or logging, and a third less work
        extensions = extensions_of(limit_s, changes=call.changes)
        request = httpx.Request(call.method, url, headers=headers, content=call.body or None, extensions=extensions)
        if call.changes:
            refuse_if_late()
        response = await self._wire.handle_async_request(request)
        try:
            body = await _read_body(response)
        finally:
            await response.aclose()
        if self.skew_s is None:
            self._note_skew(response.headers.get("date"))
        return Reply(response.status_code, body, response.headers)

    def _raise_for_status(self, call: Call, reply: Reply) -> None:
        """The error of an answer whose status is not 200; returns for other 2xx."""
        if reply.status == 429 or (reply.status == 503 and "retry-after" in reply.headers):
            wait = self._retry_after(reply.headers.get("retry-after"))
            raise CarrierRateLimited(f"HTTP {reply.status}", retry_after=wait)
        if 200 <= reply.status < 300:
            return
        explained = self._explain(call, reply) if self._explain and reply.status >= 400 else None
        if reply.status >= 500 and not isinstance(explained, CarrierRejected):
            code = explained.carrier_code if explained else None
            raise (TransportOutcomeUnknown if call.changes else ServerError)(f"HTTP {reply.status}", carrier_code=code)
        if explained is not None:
            raise explained
        if reply.status in (401, 403):
            raise CarrierAuthFailed(f"HTTP {reply.status}")
        raise CarrierProtocolError(f"HTTP {reply.status} and no code we can read")

    def _retry_after(self, value: str | None) -> float | None:
        """Seconds from a Retry-After header, given as seconds or as a date; None where it cannot be read."""
        if value is None:
            return None
        if value.strip().isascii() and value.strip().isdigit():
            return float(value.strip()[:9])
        moment = _http_date(value)
        return None if moment is None else max(0.0, (moment - self._clock.now()).total_seconds())

    def _note_skew(self, date_header: str | None) -> None:
        moment = _http_date(date_header) if date_header else None
        if moment is not None:
            self.skew_s = (moment - self._clock.now()).total_seconds()


@cache
def _certificates(ca_file: Path | None = None) -> ssl.SSLContext:
    """The authorities we trust, read once: it takes tens of milliseconds, and every account needs them.

    `ca_file`: PEM certificates of an account's private authority, which then count beside the public ones.
    """
    context = httpx.create_ssl_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


def _wire(peer: Peer) -> Lanes:
    """Connections to one host, through the proxy that the environment names for it, if any."""
    parts = urlsplit(peer.base_url)
    host = parts.hostname or ""
    proxy = None if host in LOOPBACK or proxy_bypass(host) else getproxies().get(parts.scheme)
    verify = _certificates(peer.ca_file) if parts.scheme == "https" else False
    return Lanes(partial(httpx.AsyncHTTPTransport, verify=verify, limits=ONE_CONNECTION, proxy=proxy))


async def _read_body(response: httpx.Response) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        if size > MAX_BYTES:
            raise CarrierProtocolError(f"the answer is larger than {MAX_BYTES} bytes")
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    return moment if moment.tzinfo else None
