"""The offset of the gateway's clock against real time: one row, read by every process (sandbox mode only)."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


class ClockOffsetRepository:
    """The clock offset, in one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def read(self) -> timedelta:
        """How far the gateway's clock is ahead of real time; zero if it was never moved."""
        row = (await self._connection.execute(text("SELECT offset_us FROM clock_offset WHERE id = 1"))).first()
        return timedelta(microseconds=row[0]) if row else timedelta()

    async def database_time(self) -> datetime:
        """The clock of the database's machine."""
        found: datetime = (await self._connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
        return found

    async def move(self, offset: timedelta) -> None:
        """Set the offset; a smaller one than the stored offset changes nothing, as the clock never goes backwards."""
        # Two advances at once: the second waits for the row and compares with what the first has stored.
        await self._connection.execute(
            text(
                "INSERT INTO clock_offset (id, offset_us) VALUES (1, :offset_us)"
                " ON CONFLICT (id) DO UPDATE SET offset_us = greatest(clock_offset.offset_us, excluded.offset_us)"
            ),
            {"offset_us": offset // timedelta(microseconds=1)},
        )
