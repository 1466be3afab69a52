"""A span for each request, in the trace that the caller named (W3C Trace Context); there only where traces are made."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.telemetry import correlation_id, tenant
from app.tracing import Tracing

from .routes import route_path

PROBES = frozenset({"/livez", "/readyz", "/metrics"})
NAMED = (b"traceparent", b"tracestate")


class TracedRequests:
    """ASGI middleware between the observation, which knows the correlation id, and the routes."""

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        status: int | None = None

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        parent = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in NAMED}
        about = {"http.request.method": scope["method"], "simgate.correlation_id": correlation_id.get()}
        with self._tracing.span(scope["method"], about, kind="server", parent=parent) as span:
            try:
                await self._app(scope, receive, observed)
            finally:
                route = route_path(scope)
                span.name(f"{scope['method']} {route or 'unmatched'}")
                span.set("http.route", route)
                span.set("http.response.status_code", status)
                span.set("simgate.tenant", tenant.get())
                if status is not None and status >= 500:  # noqa: PLR2004 - HTTP
                    span.fail(str(status))
