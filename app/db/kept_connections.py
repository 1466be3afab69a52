"""asyncpg: connections of the pool kept for reads of one statement.

Acquiring a connection from the pool and releasing it costs nearly as much of a process's time as the statement itself,
as each release is a task of its own (docs/performance.md). A single statement in no transaction leaves nothing to
reset, so its connection is kept for the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import asyncpg

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
_Kept: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"


class KeptConnections:
    """At most `most` idle connections of a pool; one that failed, or is closed, goes back to the pool."""

    def __init__(self, pool: Pool, most: int) -> None:
        self._pool = pool
        self._most = most
        self._idle: list[_Kept] = []

    async def fetch(self, statement: str, *arguments: Any) -> Sequence[asyncpg.Record]:
        """The rows of one statement, which must not begin a transaction. Raises `DATABASE_ERRORS`."""
        connection = self._idle.pop() if self._idle else None
        if connection is None or connection.is_closed():
            connection = await self._another(connection)
        try:
            rows: Sequence[asyncpg.Record] = await connection.fetch(statement, *arguments)
        except BaseException:  # also cancelled half-way: the pool ends what is under way before the next use
            await self._pool.release(connection)
            raise
        if len(self._idle) < self._most:
            self._idle.append(connection)
        else:
            await self._pool.release(connection)
        return rows

    async def fetchrow(self, statement: str, *arguments: Any) -> asyncpg.Record | None:
        """The first row of one statement, None where there is none. Raises as `fetch`."""
        rows = await self.fetch(statement, *arguments)
        return rows[0] if rows else None

    async def close(self) -> None:
        """Give every connection back, those in use when they are done; to be called before the pool is closed."""
        self._most = 0
        while self._idle:
            await self._pool.release(self._idle.pop())

    async def _another(self, closed: _Kept | None) -> _Kept:
        """A connection of the pool, in place of one that has been closed meanwhile."""
        if closed is not None:
            await self._pool.release(closed)
        return await self._pool.acquire()
