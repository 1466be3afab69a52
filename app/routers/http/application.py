"""The ASGI application: FastAPI declares the routes and writes their document, Starlette serves them.

Of FastAPI's own layers around the routes (telemetry of its own, a body limit, two exit stacks, a second handler of
errors) nothing is used here, and each costs every request; docs/performance.md has what they cost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from app.container import Container
from app.routers.http.contract import Handler, TypedRoute
from app.routers.http.middleware import RequestMiddleware
from app.routers.http.tracing import TracedRequests

Shape = tuple[int, str]
"""Of a path: the number of its segments, and the second one (the noun of `/v1/<noun>/…`), else the first."""

ErrorHandler = Callable[[Request, Any], Any]
"""A coroutine function that makes the response to a request that failed."""


class IndexedRouter:
    """Finds a typed route by the shape of its path and calls its handler; leaves the rest to Starlette's router."""

    def __init__(self, routes: Sequence[BaseRoute], handlers: Mapping[Any, ErrorHandler]) -> None:
        self._by_shape: defaultdict[Shape, list[TypedRoute]] = defaultdict(list)
        for route in routes:
            if isinstance(route, TypedRoute) and route.plain:
                self._by_shape[_shape(route.path)].append(route)
        self._handlers = handlers
        self._rest = ExceptionMiddleware(AsyncExitStackMiddleware(Router(routes)), handlers=handlers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request. What no typed route takes whole (404, 405, a slash too many) is Starlette's to answer."""
        if scope["type"] == "http":
            path, method = scope["path"], scope["method"]
            for route in self._by_shape.get(_shape(path), ()):
                if method in route.methods and (matched := route.path_regex.match(path)):
                    scope["route"], scope["path_params"] = route, matched.groupdict()
                    response = await self._response(route.handler, Request(scope, receive, send))
                    await response(scope, receive, send)
                    return
        await self._rest(scope, receive, send)

    async def _response(self, handler: Handler, request: Request) -> Response:
        """The response to a request, also to one that failed. Raises what has no handler of errors."""
        try:
            return await handler(request)
        except Exception as failed:
            kind = next((kind for kind in type(failed).__mro__ if kind in self._handlers), None)
            if kind is None:
                raise
            answer: Response = await self._handlers[kind](request, failed)
            failed.__traceback__ = None  # an exception that is raised again and again would gather them
            return answer


def _shape(path: str) -> Shape:
    segments = path.split("/")
    return len(segments), segments[min(2, len(segments) - 1)]


async def _nobody_to_answer(_request: Request, gone: Exception) -> Response:
    """A caller who hung up is no error to be answered: the observation counts it."""
    raise gone


class Application(FastAPI):
    """The routes of one gateway over its open container."""

    def __init__(self, container: Container, **named: Any) -> None:
        super().__init__(docs_url=None, redoc_url=None, **named)
        self.container = container

    def build_middleware_stack(self) -> ASGIApp:
        """Observation outermost, then the routes, whose errors become problems."""
        handlers = {**self.exception_handlers, ClientDisconnect: _nobody_to_answer}
        served: ASGIApp = IndexedRouter(self.router.routes, handlers)
        container = self.container
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
