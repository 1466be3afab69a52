"""Who calls: API keys, scopes and tenants, the audit trail of a request, and the page of a list.

A key is looked up by its SHA-256 and cached for a few seconds; a tenant never learns what another one has.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Request

from app.clock import monotonic
from app.container import Container
from app.db.tenancy import ACROSS, act_for
from app.routers.schemas.base import Paging
from app.telemetry import correlation_id, reason, tenant
from app.usecases.access import Caller, find_caller
from app.usecases.context import Context
from app.usecases.errors import NotAllowed

from .errors.problems import TooManyRequests, Unauthorized, Unreadable
from .log_lines import log_refusal
from .request_rates import RequestRates

CACHED_S = 3.0
MAX_BIGINT = (1 << 63) - 1

Row = TypeVar("Row")
"""A row of a list."""


def container_of(request: Request) -> Container:
    """The process's container."""
    container: Container = request.scope["app"].container
    return container


def context_of(request: Request) -> Context:
    """The ports of the use-cases."""
    return container_of(request).context


class KeyRing:
    """A cache of recent keys, so that a busy caller does not cost a query per call."""

    def __init__(self) -> None:
        self._cached: dict[bytes, tuple[float, Caller | None]] = {}

    async def find(self, ctx: Context, token: str) -> Caller | None:
        """The caller of a key; None for an unknown key."""
        digest = hashlib.sha256(token.encode()).digest()
        cached = self._cached.get(digest)
        if cached is not None and cached[0] > monotonic():
            return cached[1]
        caller = await find_caller(ctx, digest)
        if len(self._cached) > 10_000:  # noqa: PLR2004 - a bound on memory, whoever guesses keys
            self._cached.clear()
        self._cached[digest] = (monotonic() + CACHED_S, caller)
        return caller


async def authorize(request: Request, scope: str) -> Caller:
    """The caller, if its key has the scope; also `request.state.caller`. Raises `Unauthorized`, `NotAllowed`.

    From here on the request's transactions are for its tenant; an administrator's of administration, for all.
    """
    token = request.headers.get("authorization", "")
    scheme, _, key = token.partition(" ")
    if scheme.lower() != "bearer" or not key:
        log_refusal(request, "no key")
        raise Unauthorized("an API key is needed: Authorization: Bearer …")
    ctx = context_of(request)
    ring: KeyRing = request.app.state.keys
    caller = await ring.find(ctx, key.strip())
    why = "unknown key" if caller is None else _unacceptable(request, ctx, caller)
    if caller is None or why is not None:
        log_refusal(request, why or "unknown key")
        raise Unauthorized("this key is not accepted")
    tenant.set(caller.tenant)
    if not caller.may(scope):
        log_refusal(request, f"lacks the scope {scope}")
        raise NotAllowed(f"the key lacks the scope {scope}", scope=scope)
    if caller.requests_per_s is not None:
        _take(request, caller, caller.requests_per_s)
    other = request.headers.get("x-tenant")
    if other is not None and other != caller.tenant:
        if not caller.is_admin:
            log_refusal(request, "another tenant")
            raise NotAllowed("only an admin key may act for another tenant")
        caller = await caller.acting_for(ctx, other)
        tenant.set(other)
    request.state.caller = caller
    act_for(ACROSS if scope == "admin" else caller.tenant)
    return caller


def _take(request: Request, caller: Caller, limit: int) -> None:
    """Count a request of a key with a limit. Raises `TooManyRequests`."""
    rates: RequestRates[UUID] = request.app.state.key_rates
    allowed, request.state.allowance = rates.take(caller.key_id, limit, monotonic())
    if not allowed:
        raise TooManyRequests(f"this key may send {limit} requests a second", retry_after=1)


def _unacceptable(request: Request, ctx: Context, caller: Caller) -> str | None:
    """Why the key of a known caller is not accepted, for the log; the answer does not tell."""
    if caller.expired(ctx.now()):
        return "expired key"
    return None if _from_allowed_network(request, caller) else "address not allowed"


def _from_allowed_network(request: Request, caller: Caller) -> bool:
    if not caller.networks:
        return True
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(network) for network in caller.networks)


class Needs:
    """A dependency: the caller, whose key must have this scope."""

    def __init__(self, scope: str) -> None:
        self.scope = scope

    async def __call__(self, request: Request) -> Caller:
        """The caller of a request. Raises `Unauthorized`, `NotAllowed`."""
        return await authorize(request, self.scope)


SimsReader = Annotated[Caller, Depends(Needs("sims:read"))]
SimsWriter = Annotated[Caller, Depends(Needs("sims:write"))]
Operator = Annotated[Caller, Depends(Needs("operations:write"))]
TermsReader = Annotated[Caller, Depends(Needs("terms:read"))]
OrdersWriter = Annotated[Caller, Depends(Needs("orders:write"))]
PoolsWriter = Annotated[Caller, Depends(Needs("pools:write"))]
UsageWriter = Annotated[Caller, Depends(Needs("usage:write"))]
WebhooksWriter = Annotated[Caller, Depends(Needs("webhooks:write"))]
Admin = Annotated[Caller, Depends(Needs("admin"))]
Ctx = Annotated[Context, Depends(context_of)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """Actor, reason and correlation id of a request, for the audit trail."""

    actor: str
    reason: str | None
    correlation_id: str | None


def trail_of(request: Request, caller: Caller) -> Trail:
    """The trail of a request."""
    return Trail(
        actor=caller.name,
        reason=reason.get(),
        correlation_id=correlation_id.get(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of a list: at most `limit` items after the one the cursor names."""

    limit: int
    after: Any

    @property
    def number(self) -> int | None:
        """The last number of the page before, None on the first page. Raises `Unreadable` for another list's cursor."""
        if self.after is not None and not (isinstance(self.after, int) and 0 <= self.after <= MAX_BIGINT):
            raise Unreadable("invalid cursor")
        return self.after

    @property
    def id(self) -> UUID | None:
        """The last id of the page before, None on the first page. Raises `Unreadable` for another list's cursor."""
        try:
            return UUID(self.after) if self.after is not None else None
        except (ValueError, AttributeError):
            raise Unreadable("invalid cursor") from None

    def next_cursor(self, last: Any | None) -> str | None:
        """The cursor of the page after `last`; None where nothing follows."""
        if last is None:
            return None
        return base64.urlsafe_b64encode(json.dumps(last).encode()).decode().rstrip("=")

    def answer(
        self, found: Sequence[Row], view: Callable[[Row], dict[str, Any]], *, place: str = "id"
    ) -> dict[str, Any]:
        """A list's answer, from one row more than a page holds. `place`: the field that the next page begins after."""
        items = [view(row) for row in found[: self.limit]]
        return {
            "items": items,
            "next_cursor": self.next_cursor(items[-1][place] if len(found) > self.limit else None),
        }


def page_of(query: Paging) -> Page:
    """The page that `limit` and `cursor` name. Raises `Unreadable` for a cursor that this API did not make."""
    if query.cursor is None:
        return Page(limit=query.limit, after=None)
    try:
        after = json.loads(base64.urlsafe_b64decode(query.cursor + "=" * (-len(query.cursor) % 4)))
    except (ValueError, binascii.Error):
        raise Unreadable("invalid cursor") from None
    if not isinstance(after, int | str) or isinstance(after, bool):
        raise Unreadable("invalid cursor")
    return Page(limit=query.limit, after=after)
