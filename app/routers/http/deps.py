"""Who calls and what they bring: the only dependencies of the routes.

A key is looked up by its SHA-256 and remembered for a few seconds; a tenant never learns what another one has.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query, Request
from fastapi.security import HTTPBearer

from app.clock import monotonic
from app.container import Container
from app.telemetry import correlation_id, reason
from app.usecases.access import Caller, find_caller
from app.usecases.context import Context
from app.usecases.errors import Fault, InvalidArgument, NotAllowed
from app.usecases.idempotency import OnceKey

from .problems import TooLarge, Unauthorized, UnreadableFile

REMEMBERED_S = 3.0
LONGEST_KEY = 255
LARGEST_NUMBER = (1 << 63) - 1

bearer = HTTPBearer(auto_error=False, description="An API key: 256 random bits, shown once.")


def container_of(request: Request) -> Container:
    """The process's container."""
    container: Container = request.app.state.container
    return container


def context_of(request: Request) -> Context:
    """The ports of the use-cases."""
    return container_of(request).context


class KeyRing:
    """Keys seen lately, so that a busy caller does not cost a query per call."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[float, Caller | None]] = {}

    async def find(self, ctx: Context, token: str) -> Caller | None:
        """The caller of a key; None for a key nobody has."""
        digest = hashlib.sha256(token.encode()).digest()
        kept = self._known.get(digest)
        if kept is not None and kept[0] > monotonic():
            return kept[1]
        caller = await find_caller(ctx, digest)
        if len(self._known) > 10_000:  # noqa: PLR2004 - a bound on memory, whoever guesses keys
            self._known.clear()
        self._known[digest] = (monotonic() + REMEMBERED_S, caller)
        return caller


async def authorize(request: Request, scope: str) -> Caller:
    """The caller, if its key has the scope. Raises `Unauthorized`, `NotAllowed`."""
    token = request.headers.get("authorization", "")
    scheme, _, key = token.partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise Unauthorized("an API key is needed: Authorization: Bearer …")
    ctx = context_of(request)
    ring: KeyRing = request.app.state.keys
    caller = await ring.find(ctx, key.strip())
    if caller is None or caller.expired(ctx.now()) or not _from_allowed_network(request, caller):
        raise Unauthorized("this key is not accepted")
    if not caller.may(scope):
        raise NotAllowed(f"the key lacks the scope {scope}", scope=scope)
    named = request.headers.get("x-tenant")
    if named is None or named == caller.tenant:
        return caller
    if not caller.is_admin:
        raise NotAllowed("only an admin key may act for another tenant")
    return await caller.acting_for(ctx, named)


def _from_allowed_network(request: Request, caller: Caller) -> bool:
    if not caller.networks:
        return True
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(network) for network in caller.networks)


def needs(scope: str) -> Callable[..., Awaitable[Caller]]:
    """A dependency: the caller, whose key must have this scope."""

    async def caller(request: Request, _key: Annotated[Any, Depends(bearer)] = None) -> Caller:
        return await authorize(request, scope)

    return caller


SimsReader = Annotated[Caller, Depends(needs("sims:read"))]
SimsWriter = Annotated[Caller, Depends(needs("sims:write"))]
Operator = Annotated[Caller, Depends(needs("operations:write"))]
TermsReader = Annotated[Caller, Depends(needs("terms:read"))]
PoolsWriter = Annotated[Caller, Depends(needs("pools:write"))]
UsageWriter = Annotated[Caller, Depends(needs("usage:write"))]
WebhooksWriter = Annotated[Caller, Depends(needs("webhooks:write"))]
Admin = Annotated[Caller, Depends(needs("admin"))]
Ctx = Annotated[Context, Depends(context_of)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """What an audit trail needs of a request."""

    actor: str
    reason: str | None
    correlation_id: str | None


def trail_of(request: Request, caller: Caller) -> Trail:
    """Who, why, and the id that joins everything this request begins."""
    return Trail(
        actor=caller.name,
        reason=reason.get(),
        correlation_id=correlation_id.get(),
    )


async def body_of(request: Request, *, most: int = 1 << 20) -> bytes:
    """The request's body. Raises `TooLarge` past `most` bytes."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise TooLarge(f"at most {most} bytes")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise TooLarge(f"at most {most} bytes")
    return bytes(body)


async def json_object(request: Request) -> tuple[bytes, dict[str, Any]]:
    """The body and the JSON object in it; no body counts as `{}`. Raises `UnreadableFile`."""
    body = await body_of(request)
    value = parsed(body or b"{}")
    if not isinstance(value, dict):
        raise UnreadableFile("the body is not a JSON object")
    return body or b"{}", value


def parsed(body: bytes) -> Any:
    """The JSON value of a body. Raises `UnreadableFile`, and `InvalidArgument` for a text that cannot be kept."""
    try:
        value = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise UnreadableFile("the body is not JSON") from None
    if b"\\u" in body and not keepable(value):
        raise InvalidArgument([Fault(code="TEXT_UNUSABLE", detail="a text holds NUL or half a character", pointer="")])
    return value


def keepable(value: Any) -> bool:
    """No text holds NUL, which PostgreSQL does not keep, or a lone surrogate, which is no character."""
    if isinstance(value, str):
        return not any(c == "\x00" or "\ud800" <= c <= "\udfff" for c in value)
    if isinstance(value, dict):
        return all(keepable(name) and keepable(part) for name, part in value.items())
    return all(map(keepable, value)) if isinstance(value, list) else True


def _no_constant(_name: str) -> None:
    raise ValueError


def once_key(request: Request, caller: Caller, body: bytes) -> OnceKey | None:
    """The Idempotency-Key of a request, with the hash over method, path and body. Raises `UnreadableFile`."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not key or len(key) > LONGEST_KEY or not all("!" <= c <= "~" for c in key):
        raise UnreadableFile(f"an Idempotency-Key has 1 to {LONGEST_KEY} visible ASCII characters")
    path = request.url.path + ("?" + request.url.query if request.url.query else "")
    digest = hashlib.sha256(b"\n".join((request.method.encode(), path.encode(), body))).digest()
    return OnceKey(tenant=caller.tenant, key=key, request_hash=digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which page of a list: at most `limit` items after the place the cursor names."""

    limit: int
    after: Any

    @property
    def number(self) -> int | None:
        """The place in a list kept by number, None at its start. Raises `UnreadableFile` for another list's cursor."""
        if self.after is not None and not (isinstance(self.after, int) and 0 <= self.after <= LARGEST_NUMBER):
            raise UnreadableFile("the cursor is none of ours")
        return self.after

    @property
    def id(self) -> UUID | None:
        """The place in a list kept by id, None at its start. Raises `UnreadableFile` for another list's cursor."""
        try:
            return UUID(self.after) if self.after is not None else None
        except (ValueError, AttributeError):
            raise UnreadableFile("the cursor is none of ours") from None

    def next_cursor(self, last: Any | None) -> str | None:
        """The cursor behind a last item; None where nothing follows."""
        if last is None:
            return None
        return base64.urlsafe_b64encode(json.dumps(last).encode()).decode().rstrip("=")


def word_of(kind: type[StrEnum], value: str | None, name: str) -> str | None:
    """A query parameter that takes one of our own words. Raises `InvalidArgument`."""
    if value is None or value in set(kind):
        return value
    fault = Fault(code="UNKNOWN_WORD", detail=f"one of {', '.join(kind)}", pointer=f"query:{name}")
    raise InvalidArgument([fault])


def page_of(limit: Annotated[int, Query(ge=1, le=500)] = 50, cursor: str | None = None) -> Page:
    """`?limit=&cursor=`. Raises `UnreadableFile` for a cursor that is none of ours."""
    if cursor is None:
        return Page(limit=limit, after=None)
    try:
        after = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        raise UnreadableFile("the cursor is none of ours") from None
    if not isinstance(after, int | str) or isinstance(after, bool):
        raise UnreadableFile("the cursor is none of ours")
    return Page(limit=limit, after=after)


Paged = Annotated[Page, Depends(page_of)]
