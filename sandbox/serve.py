"""Serving a sandbox by uvicorn: as a process of its own, or as one more server of a process that has others.

No signal handler, no global state: cancel the task (or set the event) and the server stops.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox.app import Sandbox, create_sandbox
from sandbox.http.messages import CUT
from sandbox.options import ProtocolSettings, SandboxOptions

__all__ = ["ProtocolSettings", "Sandbox", "SandboxOptions", "SandboxServer", "create_sandbox", "serve"]

_TICK = 0.1
_GRACE = 1


class CuttingProtocol(HttpToolsProtocol):
    """uvicorn's HTTP, with a way for the application to abort the connection."""

    def on_message_begin(self) -> None:
        """Give the request's scope the means to cut."""
        super().on_message_begin()
        self.scope["extensions"] = {CUT: self.transport.abort}  # type: ignore[dict-item]


class SandboxServer(uvicorn.Server):
    """A server that leaves signals to whoever owns the process, and says when its port is open."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the port, then say so."""
        await super().startup(sockets)
        self.up.set()

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """Nothing is captured."""
        return nullcontext()


def server_for(sandbox: Sandbox, host: str, port: int) -> SandboxServer:
    """A uvicorn server of a sandbox; `await server.serve()` runs it until `server.should_exit`."""
    config = uvicorn.Config(
        sandbox,
        host=host,
        port=port,
        http=CuttingProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=_GRACE,
    )
    return SandboxServer(config)


async def serve(
    options: SandboxOptions,
    host: str = "127.0.0.1",
    port: int = 8090,
    *,
    ready: Callable[[Sandbox], None] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until cancelled or `stop` is set. `ready` is called once the port is open.

    Raises DataFolderInUse, UnreadableJournal, OSError (port in use, fleet file).
    """
    sandbox = create_sandbox(options)
    server = server_for(sandbox, host, port)
    main = asyncio.create_task(_serve_on(server, host, port))
    try:
        up = asyncio.create_task(server.up.wait())
        await asyncio.wait([main, up], return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if server.started and ready is not None:
            ready(sandbox)
        while not main.done() and not (stop is not None and stop.is_set()):
            await sandbox.tick()
            await asyncio.wait([main], timeout=_TICK)
    finally:
        server.should_exit = True
        await asyncio.gather(main, return_exceptions=True)
        await sandbox.close()
    main.result()


async def _serve_on(server: SandboxServer, host: str, port: int) -> None:
    """Open the port ourselves: uvicorn would end the process where it is in use."""
    with _bound(host, port) as bound:
        await server.serve(sockets=[bound])


def _bound(host: str, port: int) -> socket.socket:
    """A socket named as TCP: only then does asyncio send small answers at once (TCP_NODELAY)."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound
