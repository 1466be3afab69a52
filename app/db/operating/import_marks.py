"""Marks of imports that are done once per database, such as the demo fleet's."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


class ImportMarkRepository:
    """Import marks of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def set(self, name: str, now: datetime) -> bool:
        """Set a mark; True only for the transaction that set it first."""
        # Two first starts at once: the second waits for the first; it gets no row, or sets the mark where that failed.
        done = await self._connection.execute(
            text("INSERT INTO import_marks (name, done_at) VALUES (:name, :now) ON CONFLICT DO NOTHING RETURNING name"),
            {"name": name, "now": now},
        )
        return done.first() is not None

    async def is_set(self, name: str) -> bool:
        """Whether a mark has been set."""
        done = await self._connection.execute(text("SELECT 1 FROM import_marks WHERE name = :name"), {"name": name})
        return done.first() is not None
