"""asyncpg: SIMs that are to be renewed by themselves: those whose last order says so (OR-1)."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

import asyncpg

from app.db.connection import Connection
from app.db.schema.control import OPEN

EARLIEST, LATEST = timedelta(days=100), timedelta(days=50)
"""How far back a last valid day may lie within any window, and how far ahead of it a renewal may be begun."""

# The last order decides: a SIM that was renewed since without the flag is left alone. What is being renewed waits.
_CANDIDATES = f"""
WITH due AS (
    SELECT s.id, s.order_id FROM sims s
     WHERE s.tenant = $1 AND s.id > $4 AND s.underlying IN ('active', 'expired') AND s.expires_on BETWEEN $2 AND $3
       AND NOT EXISTS (SELECT FROM order_items i JOIN orders o ON o.id = i.order_id
                        WHERE i.sim_id = s.id AND i.kind = 'renew' AND i.status IN ('pending', 'open')
                          AND o.status = 'fulfilling')
       AND NOT EXISTS (SELECT FROM operations p WHERE p.sim_id = s.id AND p.kind = 'renew' AND p.{OPEN})),
bought AS (
    SELECT i.sim_id, o.auto_renew, (i.arguments ->> 'months')::int AS months, o.created_at
      FROM due JOIN order_items i ON i.sim_id = due.id JOIN orders o ON o.id = i.order_id
     WHERE i.kind = 'renew' AND i.status = 'succeeded'
     UNION ALL
    SELECT due.id, o.auto_renew, o.months, o.created_at
      FROM due JOIN orders o ON o.tenant = $1 AND o.id::text = due.order_id AND o.status = 'done'),
last AS (SELECT DISTINCT ON (sim_id) sim_id, auto_renew, months FROM bought ORDER BY sim_id, created_at DESC)
SELECT sim_id, months FROM last WHERE auto_renew ORDER BY sim_id LIMIT $5
"""  # noqa: S608 - our own text
_TENANTS = "SELECT DISTINCT tenant FROM orders WHERE auto_renew ORDER BY tenant"
_IS_ANY = "SELECT EXISTS (SELECT FROM orders WHERE auto_renew)"
# One renews a tenant's SIMs at a time: the second sees the first's orders, and finds their SIMs being renewed.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('auto_renew:' || $1, 0))"
_ORDERED = "SELECT sim_id FROM order_items WHERE order_id = $1 AND sim_id IS NOT NULL"


async def tenants(connection: Connection) -> list[str]:
    """The tenants that have ordered with automatic renewal."""
    return [row["tenant"] for row in await connection.fetch(_TENANTS)]


async def is_any(connection: Connection) -> bool:
    """Whether anything was ordered with automatic renewal."""
    return bool(await connection.fetchval(_IS_ANY))


async def lock(connection: Connection, tenant: str) -> None:
    """Keep other processes from renewing the tenant's SIMs until the commit."""
    await connection.execute(_LOCK, tenant)


async def candidates(connection: Connection, tenant: str, on: date, *, after: int, limit: int) -> list[asyncpg.Record]:
    """(sim_id, months) of the next SIMs whose last order renews them by itself, and that may be due around a day."""
    found: list[asyncpg.Record] = await connection.fetch(_CANDIDATES, tenant, on - EARLIEST, on + LATEST, after, limit)
    return found


async def ordered(connection: Connection, order_id: UUID) -> set[int]:
    """The SIMs in an order, by row id."""
    return {row["sim_id"] for row in await connection.fetch(_ORDERED, order_id)}
