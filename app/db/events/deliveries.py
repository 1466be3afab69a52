"""The delivery log of webhook endpoints: read, redelivered, replayed over a period."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.events.webhooks import NOT_FOR_ALL, WANTED

_DELIVERY = (
    "SELECT d.id, d.origin, d.status, d.attempts, d.next_attempt_at, d.response_status, d.error, d.created_at,"
    " d.attempted_at, d.settled_at, v.event_id, v.type, v.subject"
    " FROM webhook_deliveries d LEFT JOIN events v ON v.id = d.event_id"
)


class DeliveryRepository:
    """Deliveries of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def page(
        self, endpoint_id: UUID, *, status: str | None, before: int | None, limit: int
    ) -> list[dict[str, Any]]:
        """A page of an endpoint's delivery log, newest first."""
        rows = await self._connection.execute(
            text(
                f"{_DELIVERY} WHERE d.endpoint_id = :endpoint AND (CAST(:status AS text) IS NULL OR d.status = :status)"
                " AND (CAST(:before AS bigint) IS NULL OR d.id < :before) ORDER BY d.id DESC LIMIT :limit"
            ),
            {"endpoint": endpoint_id, "status": status, "before": before, "limit": limit},
        )
        return [dict(row) for row in rows.mappings()]

    async def redeliver(self, endpoint_id: UUID, delivery_id: int, now: datetime) -> int | None:
        """Queue the event of an earlier delivery again; the new delivery's id, None if there is no such delivery."""
        done = await self._connection.execute(
            text(
                "INSERT INTO webhook_deliveries (endpoint_id, event_id, lane, origin, next_attempt_at, created_at)"
                " SELECT d.endpoint_id, d.event_id, d.lane, 'redelivery', :now, :now FROM webhook_deliveries d"
                " JOIN events v ON v.id = d.event_id WHERE d.endpoint_id = :endpoint AND d.id = :id RETURNING id"
            ),
            {"endpoint": endpoint_id, "id": delivery_id, "now": now},
        )
        return done.scalar_one_or_none()

    async def replay(self, endpoint_id: UUID, start: datetime, end: datetime, now: datetime) -> int:
        """Queue again every subscribed event that became known in [start, end); gives how many."""
        done = await self._connection.execute(
            text(
                "INSERT INTO webhook_deliveries (endpoint_id, event_id, lane, origin, next_attempt_at, created_at)"  # noqa: S608
                " SELECT e.id, v.id, coalesce(v.subject, v.source), 'replay', :now, :now FROM webhook_endpoints e"
                " JOIN events v ON v.tenant = e.tenant WHERE e.id = :endpoint AND v.known_at >= :start"
                f" AND v.known_at < :end AND {NOT_FOR_ALL} AND {WANTED} ORDER BY v.id"
            ),
            {"endpoint": endpoint_id, "start": start, "end": end, "now": now},
        )
        return done.rowcount

    async def add_test(self, endpoint_id: UUID, event_id: UUID, now: datetime) -> int:
        """Queue a test event of this transaction for one endpoint; gives the delivery's id."""
        done = await self._connection.execute(
            text(
                "INSERT INTO webhook_deliveries (endpoint_id, event_id, lane, origin, next_attempt_at, created_at)"
                " SELECT :endpoint, v.id, coalesce(v.subject, v.source), 'test', :now, :now FROM events v"
                " WHERE v.event_id = :event RETURNING id"
            ),
            {"endpoint": endpoint_id, "event": event_id, "now": now},
        )
        return int(done.scalar_one())
