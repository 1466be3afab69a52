"""Calendar feeds of deadlines: what each shows, and what it showed when it was last read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.schema.deadlines import deadline_feed_events, deadline_feeds

EventKey = tuple[str, date]
"""An event of a feed: its kind and its day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRecord:
    """One feed. `selector`: which SIMs, as JSON; `changed_at`: since when it shows what it was last read to show."""

    id: UUID
    tenant: str
    secret_hash: bytes
    kinds: tuple[str, ...]
    selector: dict[str, Any]
    language: str
    created_at: datetime
    changed_at: datetime
    requested_by: str | None = None
    content_hash: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventVersion:
    """How often an event of a feed has changed, and when it last did."""

    sequence: int
    changed_at: datetime


def _record(row: Mapping[Any, Any]) -> FeedRecord:
    names = FeedRecord.__dataclass_fields__
    return FeedRecord(**{name: row[name] for name in names if name != "kinds"}, kinds=tuple(row["kinds"]))


class FeedRepository:
    """Calendar feeds of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, record: FeedRecord) -> None:
        """Add a feed."""
        values = {name: getattr(record, name) for name in FeedRecord.__dataclass_fields__}
        await self._connection.execute(insert(deadline_feeds).values(values | {"kinds": list(record.kinds)}))

    async def by_secret(self, secret_hash: bytes, *, for_update: bool = False) -> FeedRecord | None:
        """The feed of a secret, of any tenant."""
        statement = select(deadline_feeds).where(deadline_feeds.c.secret_hash == secret_hash)
        locked = statement.with_for_update() if for_update else statement
        row = (await self._connection.execute(locked)).mappings().first()
        return _record(row) if row else None

    async def page(self, tenant: str, *, before: UUID | None, limit: int) -> list[FeedRecord]:
        """A page of the tenant's feeds, newest first."""
        statement = select(deadline_feeds).where(deadline_feeds.c.tenant == tenant)
        if before is not None:
            statement = statement.where(deadline_feeds.c.id < before)
        rows = await self._connection.execute(statement.order_by(deadline_feeds.c.id.desc()).limit(limit))
        return [_record(row) for row in rows.mappings()]

    async def count(self, tenant: str) -> int:
        """How many feeds the tenant has; until the transaction ends it adds no other."""
        await self._connection.execute(text("SELECT 1 FROM tenants WHERE id = :id FOR UPDATE"), {"id": tenant})
        statement = text("SELECT count(*) FROM deadline_feeds WHERE tenant = :tenant")
        return int((await self._connection.execute(statement, {"tenant": tenant})).scalar_one())

    async def delete(self, tenant: str, feed_id: UUID) -> bool:
        """Delete a feed of the tenant; its address is gone with it."""
        c = deadline_feeds.c
        done = await self._connection.execute(delete(deadline_feeds).where(c.tenant == tenant, c.id == feed_id))
        return bool(done.rowcount)

    async def keep_content(self, feed_id: UUID, content_hash: bytes, at: datetime) -> None:
        """Store what a feed shows from now on."""
        values = {"content_hash": content_hash, "changed_at": at}
        await self._connection.execute(update(deadline_feeds).where(deadline_feeds.c.id == feed_id).values(values))

    async def versions(self, feed_id: UUID) -> dict[EventKey, EventVersion]:
        """The versions of a feed's events."""
        c = deadline_feed_events.c
        found = await self._connection.execute(select(deadline_feed_events).where(c.feed_id == feed_id))
        return {(row.kind, row.day): EventVersion(sequence=row.sequence, changed_at=row.changed_at) for row in found}

    async def keep_events(self, feed_id: UUID, contents: Mapping[EventKey, bytes], at: datetime) -> None:
        """Store what the events of a feed show; one that shows something else than before is a version on."""
        if not contents:
            return
        table, statement = deadline_feed_events, upsert(deadline_feed_events)
        rows = [
            {"feed_id": feed_id, "kind": kind, "day": day, "content_hash": content, "sequence": 0, "changed_at": at}
            for (kind, day), content in sorted(contents.items())
        ]
        changed = {
            "content_hash": statement.excluded.content_hash,
            "sequence": table.c.sequence + 1,
            "changed_at": statement.excluded.changed_at,
        }
        key = [table.c.feed_id, table.c.kind, table.c.day]
        differs = table.c.content_hash != statement.excluded.content_hash
        await self._connection.execute(
            statement.on_conflict_do_update(index_elements=key, set_=changed, where=differs), rows
        )

    async def drop_events(self, feed_id: UUID, before: date) -> None:
        """Forget the events of a feed on days before one."""
        c = deadline_feed_events.c
        await self._connection.execute(delete(deadline_feed_events).where(c.feed_id == feed_id, c.day < before))
