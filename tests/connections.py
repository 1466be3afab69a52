"""Connections that one test leaves to the next: most of a small test's time is spent where a cold one is warmed up.

A new connection costs a server process, which reads the catalogue and plans every statement anew; a new engine compiles
every statement anew. Both are the same for every gateway of this version, so a worker's gateways take turns with one
set. What a test broke, or did not give back, is closed instead of being passed on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event

from app.db.connection import Database, open_database


@dataclass(slots=True)
class _Kept:
    """An open database, in somebody's use or between two tests."""

    database: Database
    closing: AsyncExitStack
    made: list[Any] = field(default_factory=list)
    """The engine's connections, as the driver knows them."""

    def note(self, connection: Any, _record: Any) -> None:
        """A listener of the engine's pool."""
        self.made.append(connection.driver_connection)

    def in_order(self) -> bool:
        """Whether every connection was given back, and is open."""
        pool, engine = self.database.pool, self.database.engine.sync_engine
        all_back = pool.get_idle_size() == pool.get_size() and not engine.pool.checkedout()  # type: ignore[attr-defined]
        return all_back and not any(connection.is_closed() for connection in self.made)


class Connections:
    """Of one event loop. At most one idle set of each kind: a second gateway beside the first has its own."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle: dict[tuple[str, int, bool], _Kept] = {}

    @asynccontextmanager
    async def borrowed(self, url: str, *, size: int, pgbouncer: bool) -> AsyncIterator[Database]:
        """A database that nobody else uses meanwhile: the last test's, or a new one."""
        kind = (url, size, pgbouncer)
        kept = self._idle.pop(kind, None) or await self._open(url, size, pgbouncer=pgbouncer)
        try:
            yield kept.database
        finally:
            if kind not in self._idle and kept.in_order():
                self._idle[kind] = kept
            else:
                await kept.closing.aclose()

    def serve(self) -> bool:
        """Whether they are of the loop that asks."""
        return asyncio.get_running_loop() is self._loop

    async def close(self) -> None:
        """Close what no test holds."""
        while self._idle:
            await self._idle.popitem()[1].closing.aclose()

    @staticmethod
    async def _open(url: str, size: int, *, pgbouncer: bool) -> _Kept:
        closing = AsyncExitStack()
        database = await closing.enter_async_context(open_database(url, size=size, pgbouncer=pgbouncer))
        kept = _Kept(database, closing)
        event.listen(database.engine.sync_engine, "connect", kept.note)
        return kept


_kept: list[Connections] = []


@asynccontextmanager
async def keeping() -> AsyncIterator[None]:
    """Within, `connected` passes connections on from test to test of this loop; at the end all are closed."""
    connections = Connections()
    _kept.append(connections)
    yield
    _kept.remove(connections)
    await connections.close()


@asynccontextmanager
async def connected(url: str, *, size: int, pgbouncer: bool = False) -> AsyncIterator[Database]:
    """An open database, alone in the caller's use."""
    kept = next((connections for connections in _kept if connections.serve()), None)
    opening = open_database if kept is None else kept.borrowed
    async with opening(url, size=size, pgbouncer=pgbouncer) as database:
        yield database
