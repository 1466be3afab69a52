"""The feed of events in the order of their positions (`app.db.events.positions`)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

LAST_POSITION = "last_event_position()"
"""The position of the event published last, as SQL."""


class FeedRepository:
    """The feed of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def position_of(self, tenant: str, event_id: UUID) -> int | None:
        """The position of an event; None where there is no such event, or it has none yet."""
        found = await self._connection.execute(
            text("SELECT position FROM events WHERE tenant = :tenant AND event_id = :event"),
            {"tenant": tenant, "event": event_id},
        )
        position: int | None = found.scalar_one_or_none()
        return position

    async def read(self, tenant: str, after: int, *, types: tuple[str, ...], limit: int) -> list[dict[str, Any]]:
        """The next events past a position."""
        rows = await self._connection.execute(
            text(
                "SELECT position, event_id, type, source, subject, took_effect_at, data FROM events"
                " WHERE tenant = :tenant AND position > :after"
                " AND (CAST(:types AS text[]) = '{}' OR type = ANY(:types)) ORDER BY position LIMIT :limit"
            ).columns(data=JSONB),
            {"tenant": tenant, "after": after, "types": list(types), "limit": limit},
        )
        return [dict(row) for row in rows.mappings()]
