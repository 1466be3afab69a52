"""Webhook endpoints and deliveries; how events become deliveries without one being skipped.

Each endpoint works through the events of its tenant in the order of their positions (`app.db.events.positions`), and
keeps the last it has turned into a delivery. Retries are timed in the gateway's clock, leases in the database's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.events.feed import LAST_POSITION
from app.db.quarantine import not_resting
from app.db.schema.events import webhook_endpoints

WANTED = (
    "(e.types = '{}' OR EXISTS (SELECT FROM unnest(e.types) AS wanted(type) WHERE v.type = wanted.type"
    " OR (wanted.type LIKE '%.*' AND starts_with(v.type, left(wanted.type, -1)))))"
)
_NOT_RESTING = not_resting("webhooks", "webhook", "e.id::text")
NOT_FOR_ALL = "v.type <> 'webhook.test'"

_FAN_OUT = text(
    f"""
    WITH batch AS (
        SELECT v.id, v.position, v.type, coalesce(v.subject, v.source) AS lane FROM events v
        WHERE v.tenant = :tenant AND v.position > :position
        ORDER BY v.position LIMIT :limit
    ), made AS (
        INSERT INTO webhook_deliveries (endpoint_id, event_id, lane, origin, next_attempt_at, created_at)
        SELECT e.id, v.id, v.lane, 'event', :now, :now FROM batch v JOIN webhook_endpoints e ON e.id = :endpoint
        WHERE {NOT_FOR_ALL} AND {WANTED} ORDER BY v.position
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM batch), (SELECT max(position) FROM batch), (SELECT count(*) FROM made)
    """  # noqa: S608 - the fragments are ours
)

# Two workers at one lane: the second skips the locked head, and those behind it are no heads while it is pending. So a
# lane is in one worker's hands, which keeps its events in order: the head's lease covers what is sent right after it.
_CLAIM = text(
    """
    WITH due AS (
        SELECT w.id FROM webhook_deliveries w
        WHERE w.endpoint_id = :endpoint AND w.status = 'pending' AND w.next_attempt_at <= :now
          AND (w.lease_until IS NULL OR w.lease_until < clock_timestamp())
          AND NOT EXISTS (
              SELECT FROM webhook_deliveries b WHERE b.endpoint_id = w.endpoint_id AND b.lane = w.lane
                AND b.status = 'pending' AND b.id < w.id)
        ORDER BY w.next_attempt_at, w.id LIMIT :limit FOR UPDATE SKIP LOCKED
    ), heads AS (
        UPDATE webhook_deliveries d SET lease_until = clock_timestamp() + :lease, claim = d.claim + 1
        FROM due, webhook_endpoints e WHERE d.id = due.id AND e.id = d.endpoint_id AND e.enabled
        RETURNING d.id, d.claim, d.endpoint_id, d.event_id, d.lane, d.attempts, d.created_at
    ), claimed AS (
        SELECT id AS head, * FROM heads
        UNION ALL
        SELECT h.id, behind.* FROM heads h CROSS JOIN LATERAL (
            SELECT b.id, b.claim, b.endpoint_id, b.event_id, b.lane, b.attempts, b.created_at FROM webhook_deliveries b
            WHERE b.endpoint_id = h.endpoint_id AND b.lane = h.lane AND b.status = 'pending' AND b.id > h.id
            ORDER BY b.id LIMIT :behind) behind
    )
    SELECT c.head, c.id, c.claim, c.lane, c.attempts, c.created_at, e.url, e.secret, e.old_secret, e.old_secret_until,
        v.event_id, v.type, v.source, v.subject, v.took_effect_at, v.data
    FROM claimed c JOIN webhook_endpoints e ON e.id = c.endpoint_id JOIN events v ON v.id = c.event_id
    ORDER BY c.head, c.id
    """
).columns(data=JSONB)
_RENEW = text(
    "UPDATE webhook_deliveries d SET lease_until = clock_timestamp() + :lease"
    " FROM unnest(CAST(:id AS bigint[]), CAST(:claim AS int[])) AS mine(id, claim)"
    " WHERE d.id = mine.id AND d.claim = mine.claim AND d.status = 'pending'"
)
_SETTLE = text(
    "UPDATE webhook_deliveries d SET status = s.status, response_status = s.response_status, error = s.error,"
    " attempts = s.attempts, attempted_at = s.attempted_at, next_attempt_at = s.next_attempt_at, lease_until = NULL,"
    " settled_at = CASE WHEN s.status <> 'pending' THEN CAST(:now AS timestamptz) END"
    " FROM unnest(CAST(:id AS bigint[]), CAST(:claim AS int[]), CAST(:status AS text[]),"
    " CAST(:response_status AS smallint[]), CAST(:error AS text[]), CAST(:attempts AS int[]),"
    " CAST(:attempted_at AS timestamptz[]), CAST(:next_attempt_at AS timestamptz[]))"
    " AS s(id, claim, status, response_status, error, attempts, attempted_at, next_attempt_at)"
    " WHERE d.id = s.id AND d.claim = s.claim AND d.status = 'pending'"
)
_LANE_WAITS = text(
    "UPDATE webhook_deliveries d SET next_attempt_at = h.next_attempt_at FROM webhook_deliveries h"
    " WHERE h.id = ANY(:failed) AND d.endpoint_id = h.endpoint_id AND d.lane = h.lane"
    " AND d.status = 'pending' AND d.id > h.id AND d.next_attempt_at < h.next_attempt_at"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyEndpoint:
    """An endpoint with something to do; `has_new_events`: events wait to become its deliveries."""

    id: UUID
    tenant: str
    has_new_events: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRow:
    """An endpoint of a tenant. `types` empty: all events; `old_secret` signs as well until `old_secret_until`."""

    id: UUID
    tenant: str
    url: str
    types: tuple[str, ...]
    description: str | None
    secret: str
    old_secret: str | None
    old_secret_until: datetime | None
    enabled: bool
    disabled_because: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryResult:
    """Result of one delivery attempt: `delivered`, `failed` for good, or `pending` until `next_attempt_at`."""

    id: int
    claim: int
    status: str
    response_status: int | None
    error: str | None
    attempts: int
    attempted_at: datetime
    next_attempt_at: datetime


def _endpoint(row: Any) -> EndpointRow:
    values = {name: row[name] for name in EndpointRow.__dataclass_fields__}
    return EndpointRow(**values | {"types": tuple(row["types"])})


class WebhookRepository:
    """Endpoints and deliveries of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add_endpoint(self, endpoint: EndpointRow) -> None:
        """Add an endpoint; it receives the events that are published from now on."""
        values = {name: getattr(endpoint, name) for name in EndpointRow.__dataclass_fields__}
        statement = webhook_endpoints.insert().values(**values | {"types": list(endpoint.types)})
        await self._connection.execute(statement)

    async def endpoint(self, tenant: str, endpoint_id: UUID, *, for_update: bool = False) -> EndpointRow | None:
        """One endpoint of a tenant."""
        c = webhook_endpoints.c
        statement = select(webhook_endpoints).where(c.tenant == tenant, c.id == endpoint_id)
        found = await self._connection.execute(statement.with_for_update() if for_update else statement)
        row = found.mappings().first()
        return _endpoint(row) if row else None

    async def endpoints(self, tenant: str, *, after: UUID | None, limit: int) -> list[EndpointRow]:
        """A page of a tenant's endpoints, oldest first."""
        c = webhook_endpoints.c
        statement = select(webhook_endpoints).where(c.tenant == tenant)
        if after is not None:
            statement = statement.where(c.id > after)
        rows = await self._connection.execute(statement.order_by(c.id).limit(limit))
        return [_endpoint(row) for row in rows.mappings()]

    async def change_endpoint(self, endpoint_id: UUID, **columns: Any) -> None:
        """Set some columns of an endpoint."""
        await self._connection.execute(
            update(webhook_endpoints).where(webhook_endpoints.c.id == endpoint_id).values(**columns)
        )

    async def skip_to_now(self, endpoint_id: UUID) -> None:
        """Skip the events since the endpoint was disabled; a replay can send them."""
        await self.change_endpoint(endpoint_id, position=text(LAST_POSITION))

    async def delete_endpoint(self, endpoint_id: UUID) -> None:
        """Delete an endpoint and its deliveries."""
        await self._connection.execute(delete(webhook_endpoints).where(webhook_endpoints.c.id == endpoint_id))

    async def busy(self, now: datetime) -> list[BusyEndpoint]:
        """Enabled endpoints that have something to do now; those set aside are left out."""
        rows = await self._connection.execute(
            text(
                "SELECT * FROM (SELECT e.id, e.tenant, EXISTS (SELECT FROM events v WHERE v.tenant = e.tenant"  # noqa: S608
                " AND v.position > e.position) AS fresh,"
                " EXISTS (SELECT FROM webhook_deliveries d"
                " WHERE d.endpoint_id = e.id AND d.status = 'pending' AND d.next_attempt_at <= :now"
                " AND (d.lease_until IS NULL OR d.lease_until < clock_timestamp())) AS due"
                f" FROM webhook_endpoints e WHERE e.enabled AND {_NOT_RESTING}) b WHERE fresh OR due"
            ),
            {"now": now},
        )
        return [BusyEndpoint(id=row.id, tenant=row.tenant, has_new_events=row.fresh) for row in rows]

    async def fan_out(self, endpoint_id: UUID, now: datetime, limit: int) -> bool:
        """Turn the next events into deliveries of one endpoint; True while there may be more."""
        # The endpoint's lock lets one worker move its position; a second one skips it and serves others.
        statement = text(
            "SELECT tenant, position FROM webhook_endpoints WHERE id = :id AND enabled FOR UPDATE SKIP LOCKED"
        )
        row = (await self._connection.execute(statement, {"id": endpoint_id})).first()
        if row is None:
            return False
        values = {"tenant": row.tenant, "position": row.position, "endpoint": endpoint_id, "now": now, "limit": limit}
        seen, last, _ = (await self._connection.execute(_FAN_OUT, values)).one()
        if seen:
            await self.change_endpoint(endpoint_id, position=last)
        return bool(seen == limit)

    async def claim(
        self, endpoint_id: UUID, *, now: datetime, lease: timedelta, lanes: int, behind: int
    ) -> list[list[dict[str, Any]]]:
        """Claim lanes that are due: of each the oldest delivery and up to `behind` after it, with what sending needs.

        Only the oldest is claimed: those behind it are nobody else's as long as it is pending.
        """
        values = {"endpoint": endpoint_id, "now": now, "lease": lease, "limit": lanes, "behind": behind}
        rows = await self._connection.execute(_CLAIM, values)
        return [[dict(row) for row in lane] for _, lane in groupby(rows.mappings(), key=itemgetter("head"))]

    async def renew(self, heads: Sequence[Mapping[str, Any]], lease: timedelta) -> None:
        """Renew the lease of those whose claim is still ours."""
        values = {"id": [head["id"] for head in heads], "claim": [head["claim"] for head in heads], "lease": lease}
        await self._connection.execute(_RENEW, values)

    async def settle(self, settled: Sequence[DeliveryResult], now: datetime) -> None:
        """Store results whose claim is still ours; a failed attempt's whole lane waits until its next attempt."""
        values = {name: [getattr(one, name) for one in settled] for name in DeliveryResult.__dataclass_fields__}
        await self._connection.execute(_SETTLE, values | {"now": now})
        failed = [one.id for one in settled if one.status == "pending"]
        if failed:
            await self._connection.execute(_LANE_WAITS, {"failed": failed})
