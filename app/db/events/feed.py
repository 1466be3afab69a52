"""The feed of events, read without skipping one: windows of ended transactions, as in `app.db.events.webhooks`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPosition:
    """Where a reader stands: events of transactions in [`start`, `end`) with ids past `after`.

    `end` None: up to the oldest transaction that runs when the page is read. `seen`: that event's transaction and
    id, from which on everything is given that may not have been read before it.
    """

    start: int = 0
    end: int | None = None
    after: int = 0
    seen: tuple[int, int] | None = None


class FeedRepository:
    """The feed of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def position_after(self, tenant: str, event_id: UUID | None) -> FeedPosition | None:
        """Where to read on after an event; from the beginning after none; None where there is no such event."""
        if event_id is None:
            return FeedPosition()
        found = await self._connection.execute(
            text("SELECT xact, id FROM events WHERE tenant = :tenant AND event_id = :event"),
            {"tenant": tenant, "event": event_id},
        )
        row = found.first()
        return FeedPosition(seen=(row.xact, row.id)) if row else None

    async def oldest_running(self) -> int:
        """Every transaction before this one has ended."""
        found = await self._connection.execute(text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"))
        return int(found.scalar_one())

    async def read(
        self, tenant: str, position: FeedPosition, end: int, *, types: tuple[str, ...], limit: int
    ) -> list[dict[str, Any]]:
        """The next events of a window, in the order of their ids."""
        seen = position.seen or (0, 0)
        rows = await self._connection.execute(
            text(
                "SELECT id, event_id, type, source, subject, took_effect_at, data FROM events WHERE tenant = :tenant"
                " AND xact >= :start AND xact < :end AND id > :after AND (id > :seen_id OR xact > :seen_xact)"
                " AND (CAST(:types AS text[]) = '{}' OR type = ANY(:types)) ORDER BY id LIMIT :limit"
            ).columns(data=JSONB),
            {
                "tenant": tenant,
                "start": position.start,
                "end": end,
                "after": position.after,
                "seen_id": seen[1],
                "seen_xact": seen[0],
                "types": list(types),
                "limit": limit,
            },
        )
        return [dict(row) for row in rows.mappings()]


async def read_feed(
    feed: FeedRepository, tenant: str, position: FeedPosition, *, types: tuple[str, ...], limit: int
) -> tuple[list[dict[str, Any]], FeedPosition | None]:
    """A page and the position behind it; None where the window is read to its end."""
    end = position.end if position.end is not None else await feed.oldest_running()
    rows = await feed.read(tenant, position, end, types=types, limit=limit)
    if len(rows) < limit:
        return rows, None
    return rows, FeedPosition(start=position.start, end=end, after=rows[-1]["id"], seen=position.seen)
