"""What surrounds every request: a correlation id in and out, HEAD as GET, and one count and one time per route."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from os import urandom
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.clock import monotonic
from app.db.tenancy import act_for, end_acting
from app.telemetry import Telemetry, correlation_id, reason, tenant

from .errors.problems import unavailable
from .log_lines import log_request
from .routes import route_path

_ACCEPTED = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
UNMATCHED = "unmatched"
MAX_REASON_LENGTH = 500

CLIENT_CLOSED_REQUEST = 499
"""As nginx counts a request whose caller closed the connection; only in metrics, never sent."""


class RequestMiddleware:
    """Plain ASGI middleware; a label is a route's path with its parameters' names, never their values."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry, *, slow_s: float = float("inf")) -> None:
        self._app = app
        self._slow_s = slow_s
        self._telemetry = telemetry
        self._known: dict[tuple[str, str, int], Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD":  # answered as GET, with its headers and no body
            scope, send = {**scope, "method": "GET"}, _without_body(send)
        given = _correlation(scope)
        scope.setdefault("state", {})["correlation_id"] = given.decode()
        with _known_to_logs(given.decode(), _reason(scope)):
            await self._serve(scope, receive, send, given)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, given: bytes) -> None:
        started_at = monotonic()
        status, started = 500, False

        async def observed(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                told = [(b"x-correlation-id", given)]
                if (allowance := scope["state"].get("allowance")) is not None:
                    told += allowance.headers()
                message["headers"] = [*message.get("headers", ()), *told]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        except ClientDisconnect:  # hung up while sending: nobody reads an answer, and it is no fault of ours
            status = CLIENT_CLOSED_REQUEST
        except asyncio.CancelledError:
            if started or _was_cancelled():
                raise
            await unavailable(Request(scope))(scope, receive, observed)
        finally:
            seconds, route = monotonic() - started_at, route_path(scope) or UNMATCHED
            self._count(scope, route, status, seconds)
            log_request(scope, route, status, seconds, slow_s=self._slow_s)

    def _count(self, scope: Scope, route: str, status: int, seconds: float) -> None:
        key = (scope["method"], route, status)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = (
                self._telemetry.http_requests.labels(scope["method"], route, str(status)),
                self._telemetry.http_request_seconds.labels(route),
            )
        known[0].inc()
        known[1].observe(seconds)


@contextmanager
def _known_to_logs(given: str, why: str | None) -> Iterator[None]:
    """The context of one request; its tenant is set once the key is known."""
    acting = act_for(None)  # for nobody, until the key is known
    tokens = [(correlation_id, correlation_id.set(given)), (reason, reason.set(why)), (tenant, tenant.set(None))]
    try:
        yield
    finally:
        for variable, token in tokens:
            variable.reset(token)
        end_acting(acting)


def _without_body(send: Send) -> Send:
    """The same response with an empty body; its headers stay, `Content-Length` among them."""

    async def bodiless(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return bodiless


def _was_cancelled() -> bool:
    """Whether someone cancelled this request; a lost database connection may cancel what awaits it by itself."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _correlation(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"x-correlation-id" and _ACCEPTED.fullmatch(value):
            return bytes(value)
    return urandom(16).hex().encode()


def _reason(scope: Scope) -> str | None:
    given = next((value for name, value in scope["headers"] if name == b"x-reason"), b"")
    return given.decode("utf-8", "replace")[:MAX_REASON_LENGTH] or None
