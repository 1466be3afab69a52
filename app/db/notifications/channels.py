"""Notification channels of a tenant: their rows, and which of them have something to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.events.feed import LAST_POSITION
from app.db.quarantine import not_resting
from app.db.schema.notifications import notification_channels

_NOT_RESTING = not_resting("notifications", "notification_channel", "c.id::text")
_BUSY = f"""
SELECT id, tenant FROM (
    SELECT c.id, c.tenant,
           EXISTS (SELECT FROM events v WHERE v.tenant = c.tenant AND v.position > c.position) AS fresh,
           EXISTS (SELECT FROM notification_items i WHERE i.channel_id = c.id AND i.batch IS NULL
                      AND i.due_at <= :now) AS waiting,
           (c.next_send_at IS NULL OR c.next_send_at <= :now)
           AND EXISTS (SELECT FROM notification_deliveries d WHERE d.channel_id = c.id AND d.status = 'pending'
                          AND d.next_attempt_at <= :now
                          AND (d.lease_until IS NULL OR d.lease_until < clock_timestamp())) AS due
      FROM notification_channels c WHERE c.enabled AND {_NOT_RESTING}) b
 WHERE fresh OR waiting OR due
"""  # noqa: S608 - the fragments are ours


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRow:
    """A channel of a tenant. `settings` may be shown, `secrets` never; `language` None: the tenant's.

    `iccids`: `full` or `masked`; `digest_at`: time of day of an e-mail digest; `failing_since`: since when nothing was
    taken.
    """

    id: UUID
    tenant: str
    kind: str
    name: str
    types: tuple[str, ...]
    language: str | None
    iccids: str
    digest_at: time
    settings: dict[str, Any]
    secrets: dict[str, str]
    created_at: datetime
    enabled: bool = True
    disabled_because: str | None = None
    next_send_at: datetime | None = None
    failing_since: datetime | None = None
    last_error: str | None = None
    last_delivered_at: datetime | None = None

    def __repr__(self) -> str:
        return f"ChannelRow({self.id}, {self.kind})"


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyChannel:
    """A channel with something to do."""

    id: UUID
    tenant: str


def _channel(row: Any) -> ChannelRow:
    values = {name: row[name] for name in ChannelRow.__dataclass_fields__}
    return ChannelRow(**values | {"types": tuple(row["types"])})


class ChannelRepository:
    """Channels of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, channel: ChannelRow) -> None:
        """Add a channel; it takes the events that are published from now on."""
        values = {name: getattr(channel, name) for name in ChannelRow.__dataclass_fields__}
        statement = notification_channels.insert().values(**values | {"types": list(channel.types)})
        await self._connection.execute(statement)

    async def get(self, tenant: str, channel_id: UUID, *, for_update: bool = False) -> ChannelRow | None:
        """One channel of a tenant."""
        c = notification_channels.c
        statement = select(notification_channels).where(c.tenant == tenant, c.id == channel_id)
        found = await self._connection.execute(statement.with_for_update() if for_update else statement)
        row = found.mappings().first()
        return _channel(row) if row else None

    async def take(self, channel_id: UUID) -> ChannelRow | None:
        """An enabled channel, locked for this transaction; None where another worker has it."""
        statement = select(notification_channels).where(
            notification_channels.c.id == channel_id, notification_channels.c.enabled
        )
        row = (await self._connection.execute(statement.with_for_update(skip_locked=True))).mappings().first()
        return _channel(row) if row else None

    async def page(self, tenant: str, *, after: UUID | None, limit: int) -> list[ChannelRow]:
        """A page of a tenant's channels, oldest first."""
        c = notification_channels.c
        statement = select(notification_channels).where(c.tenant == tenant)
        if after is not None:
            statement = statement.where(c.id > after)
        rows = await self._connection.execute(statement.order_by(c.id).limit(limit))
        return [_channel(row) for row in rows.mappings()]

    async def count(self, tenant: str) -> int:
        """How many channels a tenant has."""
        statement = text("SELECT count(*) FROM notification_channels WHERE tenant = :tenant")
        return int((await self._connection.execute(statement, {"tenant": tenant})).scalar_one())

    async def change(self, channel_id: UUID, **columns: Any) -> None:
        """Set some columns of a channel."""
        statement = update(notification_channels).where(notification_channels.c.id == channel_id)
        await self._connection.execute(statement.values(**columns))

    async def skip_to_now(self, channel_id: UUID) -> None:
        """Skip what happened since the channel was disabled."""
        await self.change(channel_id, position=text(LAST_POSITION))

    async def delete(self, channel_id: UUID) -> None:
        """Delete a channel with its items and deliveries."""
        await self._connection.execute(delete(notification_channels).where(notification_channels.c.id == channel_id))

    async def busy(self, now: datetime) -> list[BusyChannel]:
        """Enabled channels that have something to do now; those set aside are left out."""
        rows = await self._connection.execute(text(_BUSY), {"now": now})
        return [BusyChannel(id=row.id, tenant=row.tenant) for row in rows]

    async def failing(self) -> dict[str, int]:
        """By kind, how many enabled channels took nothing at their last attempt, or were disabled as gone."""
        statement = text(
            "SELECT kind, count(*) AS channels FROM notification_channels WHERE failing_since IS NOT NULL GROUP BY kind"
        )
        return {row.kind: int(row.channels) for row in await self._connection.execute(statement)}
