"""The HTTP server of a process: uvicorn, with deadlines for what a caller has to send and a limit of connections.

uvicorn itself waits for headers and bodies without end, so that callers who send half a request would use up the
process's file descriptors.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from contextlib import nullcontext
from functools import partial

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.cli.http_connection import Connection, Limits

GRACE_S = 10


class ForwardedAddresses:
    """uvicorn's middleware for `X-Forwarded-For` and `-Proto`, only for requests that have one of them."""

    def __init__(self, app: ASGIApp, proxies: str) -> None:
        self._app = app
        self._forwarded = ProxyHeadersMiddleware(app, trusted_hosts=proxies)  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        for name, _ in scope.get("headers", ()):
            if name.startswith(b"x-forwarded-"):
                await self._forwarded(scope, receive, send)  # type: ignore[arg-type]
                return
        await self._app(scope, receive, send)


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handlers: signals belong to the process."""

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()


async def start_http(
    group: asyncio.TaskGroup,
    app: ASGIApp,
    bound: socket.socket,
    stop: asyncio.Event,
    *,
    limits: Limits | None = None,
    proxies: str = "127.0.0.1,::1",
) -> None:
    """Serve `app` on a bound socket in tasks of `group` until `stop`; returns when it accepts requests.

    `proxies`: the addresses and networks, comma separated, whose `X-Forwarded-For` is believed.
    """
    config = uvicorn.Config(
        ForwardedAddresses(app, proxies),
        http=partial(Connection, limits=limits or Limits()),  # type: ignore[arg-type]  # uvicorn only calls it
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE_S,
    )
    server = _Server(config)

    async def serve() -> None:
        await server.serve(sockets=[bound])

    async def end() -> None:
        await stop.wait()
        server.should_exit = True

    group.create_task(serve())
    group.create_task(end())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no other sign of having started
        await asyncio.sleep(0.005)
