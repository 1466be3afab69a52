"""The ASGI application: FastAPI declares the routes and writes their document, Starlette serves them.

Of FastAPI's own layers around the routes (telemetry of its own, a body limit, two exit stacks, a second handler of
errors) nothing is used here, and each costs every request; docs/performance.md has what they cost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from app.container import Container
from app.routers.http.contract import TypedRoute
from app.routers.http.middleware import RequestMiddleware
from app.routers.http.tracing import TracedRequests

Shape = tuple[int, str]
"""Of a path: the number of its segments, and the second one (the noun of `/v1/<noun>/…`), else the first."""


class IndexedRouter(Router):
    """Starlette's router, which finds a typed route by the shape of its path, and leaves the rest to FastAPI's way."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        super().__init__(routes)
        self._by_shape: defaultdict[Shape, list[TypedRoute]] = defaultdict(list)
        for route in routes:
            if isinstance(route, TypedRoute) and route.plain:
                self._by_shape[_shape(route.path)].append(route)
        self._rest = AsyncExitStackMiddleware(super().app)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request. What no typed route takes whole (404, 405, a slash too many) is Starlette's to answer."""
        if scope["type"] == "http":
            for route in self._by_shape.get(_shape(scope["path"]), ()):
                match, matched = route.matches(scope)
                if match is Match.FULL:
                    scope.update(matched)
                    await route.app(scope, receive, send)
                    return
        await self._rest(scope, receive, send)


def _shape(path: str) -> Shape:
    segments = path.split("/")
    return len(segments), segments[min(2, len(segments) - 1)]


def _nobody_to_answer(_request: Request, gone: Exception) -> Response:
    """A caller who hung up is no error to be answered: the observation counts it."""
    raise gone


class Application(FastAPI):
    """The routes of one gateway over its open container."""

    def __init__(self, container: Container, **named: Any) -> None:
        super().__init__(docs_url=None, redoc_url=None, **named)
        self.state.container = container

    def build_middleware_stack(self) -> ASGIApp:
        """Observation outermost, then errors as problems, then the routes."""
        handlers = {**self.exception_handlers, ClientDisconnect: _nobody_to_answer}
        served: ASGIApp = ExceptionMiddleware(IndexedRouter(self.router.routes), handlers=handlers)
        container: Container = self.state.container
        if container.context.tracing is not None:
            served = TracedRequests(served, container.context.tracing)
        telemetry, slow_s = container.context.telemetry, container.settings.slow_request_s
        return RequestMiddleware(served, telemetry=telemetry, slow_s=slow_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, without FastAPI's telemetry."""
        scope["app"] = self
        if self.middleware_stack is None:
            self.middleware_stack = self.build_middleware_stack()
        await self.middleware_stack(scope, receive, send)
