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
    """To one database, of one event loop. At most one idle set of each size: a second gateway beside has its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._loop = asyncio.get_running_loop()
        self._idle: dict[int, _Kept] = {}

    def serve(self, url: str) -> bool:
        """Whether they are to this database, and of the loop that asks."""
        return url == self._url and asyncio.get_running_loop() is self._loop

    @asynccontextmanager
    async def borrowed(self, size: int) -> AsyncIterator[Database]:
        """A database that nobody else uses meanwhile: the last test's, or a new one."""
        kept = self._idle.pop(size, None) or await self._open(size)
        try:
            yield kept.database
        finally:
            if size not in self._idle and kept.in_order():
                self._idle[size] = kept
            else:
                await kept.closing.aclose()

    async def close(self) -> None:
        """Close what no test holds."""
        while self._idle:
            await self._idle.popitem()[1].closing.aclose()

    async def _open(self, size: int) -> _Kept:
        closing = AsyncExitStack()
        database = await closing.enter_async_context(open_database(self._url, size=size))
        kept = _Kept(database, closing)
        event.listen(database.engine.sync_engine, "connect", kept.note)
        return kept


_kept: list[Connections] = []


@asynccontextmanager
async def keeping(url: str) -> AsyncIterator[None]:
    """Within, `connected` passes this database's connections on from test to test of this loop, and then closes them.

    Only those: a database behind a link that a test cuts, or behind PgBouncer, is opened anew.
    """
    connections = Connections(url)
    _kept.append(connections)
    yield
    _kept.remove(connections)
    await connections.close()


@asynccontextmanager
async def connected(url: str, *, size: int, pgbouncer: bool = False) -> AsyncIterator[Database]:
    """An open database, alone in the caller's use."""
    kept = next((each for each in _kept if each.serve(url) and not pgbouncer), None)
    opening = open_database(url, size=size, pgbouncer=pgbouncer) if kept is None else kept.borrowed(size)
    async with opening as database:
        yield database
