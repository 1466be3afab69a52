"""What waits for a channel, what is sent together, and every sending: items, batches and deliveries.

Retries and due times count in the gateway's clock, leases in the database's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.schema.notifications import notification_channels, notification_deliveries

_BATCH = text(
    "SELECT count(*) AS seen, max(position) AS last FROM (SELECT v.position FROM events v"
    " WHERE v.tenant = :tenant AND v.position > :position ORDER BY v.position LIMIT :limit) batch"
)
_EVENTS = text(
    """
    SELECT v.id, v.type, v.data, v.known_at, coalesce(s.account, p.account) AS account FROM events v
      LEFT JOIN sims s ON s.tenant = v.tenant AND s.iccid = v.subject
      LEFT JOIN pools p ON p.tenant = v.tenant AND p.id = v.data ->> 'pool'
     WHERE v.tenant = :tenant AND v.position > :position AND v.position <= :last AND v.type = ANY(:types)
     ORDER BY v.position
    """
).columns(data=JSONB)
_ADD_ITEMS = text(
    "INSERT INTO notification_items (channel_id, event_id, zone, due_at) SELECT :channel, event_id, zone, due_at"
    " FROM unnest(CAST(:events AS bigint[]), CAST(:zones AS text[]), CAST(:due AS timestamptz[]))"
    " AS i(event_id, zone, due_at) ON CONFLICT DO NOTHING"
)
_GATHER = text(
    """
    UPDATE notification_items i SET batch = :batch FROM (
        SELECT event_id FROM notification_items
         WHERE channel_id = :channel AND zone = :zone AND batch IS NULL AND due_at <= :now
         ORDER BY event_id LIMIT CAST(:limit AS bigint)) due
     WHERE i.channel_id = :channel AND i.event_id = due.event_id
    """
)
# Under the channel's lock one worker claims at a time; a lease that has expired is of a worker that died while sending.
_CLAIM = text(
    """
    UPDATE notification_deliveries d
       SET lease_until = clock_timestamp() + :lease, claim = d.claim + 1, attempts = d.attempts + 1, attempted_at = :now
     WHERE d.id = (
        SELECT id FROM notification_deliveries
         WHERE channel_id = :channel AND status = 'pending' AND next_attempt_at <= :now
           AND (lease_until IS NULL OR lease_until < clock_timestamp())
         ORDER BY next_attempt_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING *
    """
)
_RENEW = text(
    "UPDATE notification_deliveries SET lease_until = clock_timestamp() + :lease"
    " WHERE id = :id AND claim = :claim AND status = 'pending'"
)
_CONTENT = text(
    """
    SELECT v.event_id, v.type, v.source, v.subject, v.took_effect_at, v.data, s.alias, s.device_serial
      FROM notification_items i JOIN events v ON v.id = i.event_id
      LEFT JOIN sims s ON s.tenant = v.tenant AND s.iccid = v.subject
     WHERE i.batch = :batch ORDER BY i.event_id LIMIT :limit
    """
).columns(data=JSONB)

_NEXT_DUE = text(
    """
    SELECT min(due) FROM (
        SELECT i.due_at AS due FROM notification_items i WHERE i.batch IS NULL AND i.due_at > :after
           AND EXISTS (SELECT FROM notification_channels c WHERE c.id = i.channel_id AND c.enabled)
        UNION ALL
        SELECT greatest(d.next_attempt_at, c.next_send_at) FROM notification_deliveries d
          JOIN notification_channels c ON c.id = d.channel_id
         WHERE d.status = 'pending' AND c.enabled AND greatest(d.next_attempt_at, c.next_send_at) > :after) waiting
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRecord:
    """One sending. `batch` None: a test; `recipient`: an address of an e-mail; `zone` None: never quiet."""

    id: UUID
    channel_id: UUID
    batch: UUID | None
    recipient: str | None
    zone: str | None
    digest_on: date | None
    origin: str
    reminders: int
    next_attempt_at: datetime
    created_at: datetime
    status: str = "pending"
    attempts: int = 0
    claim: int = 0
    error: str | None = None
    attempted_at: datetime | None = None
    settled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvents:
    """The next events that a channel wants, with the account of their card or pool; `more`: others may follow."""

    rows: list[dict[str, Any]]
    more: bool


def _record(row: Mapping[Any, Any]) -> DeliveryRecord:
    return DeliveryRecord(**{name: row[name] for name in DeliveryRecord.__dataclass_fields__})


class NotificationRepository:
    """Items and deliveries of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def next_events(self, channel_id: UUID, types: Sequence[str], limit: int) -> NewEvents:
        """The next events that a channel, locked by the caller, wants; moves its position."""
        found = text("SELECT tenant, position FROM notification_channels WHERE id = :id")
        row = (await self._connection.execute(found, {"id": channel_id})).one()
        values = {"tenant": row.tenant, "position": row.position}
        seen, last = (await self._connection.execute(_BATCH, values | {"limit": limit})).one()
        if not seen:
            return NewEvents(rows=[], more=False)
        wanted = await self._connection.execute(_EVENTS, values | {"last": last, "types": list(types)})
        rows = [dict(each) for each in wanted.mappings()]
        await self._connection.execute(
            update(notification_channels).where(notification_channels.c.id == channel_id).values(position=last)
        )
        return NewEvents(rows=rows, more=bool(seen == limit))

    async def add_items(self, channel_id: UUID, items: Sequence[tuple[int, str, datetime]]) -> None:
        """Add what waits for a channel: (event's row id, zone, when it is due); an item that is there stays."""
        if items:
            events, zones, due = (list(column) for column in zip(*items, strict=True))
            values = {"channel": channel_id, "events": events, "zones": zones, "due": due}
            await self._connection.execute(_ADD_ITEMS, values)

    async def zones_due(self, channel_id: UUID, now: datetime) -> list[str]:
        """The zones of the items of a channel that are due and in no batch."""
        rows = await self._connection.execute(
            text(
                "SELECT DISTINCT zone FROM notification_items WHERE channel_id = :channel AND batch IS NULL"
                " AND due_at <= :now ORDER BY zone"
            ),
            {"channel": channel_id, "now": now},
        )
        return list(rows.scalars())

    async def postpone_items(self, channel_id: UUID, zone: str, now: datetime, due_at: datetime) -> None:
        """Let what is due in a zone wait until another instant."""
        await self._connection.execute(
            text(
                "UPDATE notification_items SET due_at = :due WHERE channel_id = :channel AND zone = :zone"
                " AND batch IS NULL AND due_at <= :now"
            ),
            {"channel": channel_id, "zone": zone, "now": now, "due": due_at},
        )

    async def has_digest(self, channel_id: UUID, zone: str, day: date) -> bool:
        """Whether the digest of a day was made."""
        c = notification_deliveries.c
        statement = select(c.id).where(c.channel_id == channel_id, c.zone == zone, c.digest_on == day).limit(1)
        return (await self._connection.execute(statement)).first() is not None

    async def gather(self, channel_id: UUID, zone: str, batch: UUID, now: datetime, limit: int | None) -> int:
        """Put what is due in a zone into a batch, at most `limit`; gives how many."""
        values = {"channel": channel_id, "zone": zone, "batch": batch, "now": now, "limit": limit}
        return (await self._connection.execute(_GATHER, values)).rowcount

    async def add(self, records: Sequence[DeliveryRecord]) -> None:
        """Add deliveries."""
        names = DeliveryRecord.__dataclass_fields__
        values = [{name: getattr(record, name) for name in names} for record in records]
        await self._connection.execute(insert(notification_deliveries), values)

    async def claim(self, channel_id: UUID, now: datetime, lease: timedelta) -> DeliveryRecord | None:
        """Claim the delivery of a channel, locked by the caller, that has been due longest."""
        values = {"channel": channel_id, "now": now, "lease": lease}
        row = (await self._connection.execute(_CLAIM, values)).mappings().first()
        return _record(row) if row else None

    async def content(self, batch: UUID, limit: int) -> list[dict[str, Any]]:
        """The first reminders of a batch as events, with alias and device serial of their cards."""
        rows = await self._connection.execute(_CONTENT, {"batch": batch, "limit": limit})
        return [dict(row) for row in rows.mappings()]

    async def settle(self, record: DeliveryRecord, **columns: Any) -> bool:
        """Store the result of an attempt that still holds its claim; False: another worker has claimed it since."""
        c = notification_deliveries.c
        statement = update(notification_deliveries).where(
            c.id == record.id, c.claim == record.claim, c.status == "pending"
        )
        return bool((await self._connection.execute(statement.values(lease_until=None, **columns))).rowcount)

    async def renew(self, record: DeliveryRecord, lease: timedelta) -> None:
        """Renew the lease of a delivery whose claim is still ours."""
        await self._connection.execute(_RENEW, {"id": record.id, "claim": record.claim, "lease": lease})

    async def next_due(self, after: datetime) -> datetime | None:
        """When the next item or delivery of an enabled channel is due after an instant, in the gateway's clock."""
        found = await self._connection.execute(_NEXT_DUE, {"after": after})
        due: datetime | None = found.scalar_one()
        return due

    async def page(self, channel_id: UUID, *, before: UUID | None, limit: int) -> list[DeliveryRecord]:
        """A page of a channel's deliveries, newest first."""
        c = notification_deliveries.c
        statement = select(notification_deliveries).where(c.channel_id == channel_id)
        if before is not None:
            statement = statement.where(c.id < before)
        rows = await self._connection.execute(statement.order_by(c.id.desc()).limit(limit))
        return [_record(row) for row in rows.mappings()]
