"""asyncpg: SIMs whose number is retained, and since when (LC-10)."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from app.db.connection import Connection

# By (account, state): expired SIMs are few beside the fleet.
_RETAINED = """
SELECT s.id, (SELECT max(o.settled_at) FROM operations o
               WHERE o.sim_id = s.id AND o.kind = 'retain_number' AND o.status = 'succeeded') AS retained_at
  FROM sims s WHERE s.account = ANY($1::text[]) AND s.state = 'expired' AND s.retained_until IS NOT NULL AND s.id > $2
 ORDER BY s.id LIMIT $3
"""
_RETAINED_AT = """
SELECT sim_id AS id, max(settled_at) AS retained_at FROM operations
 WHERE sim_id = ANY($1::bigint[]) AND kind = 'retain_number' AND status = 'succeeded' GROUP BY sim_id
"""
_IS_RETAINED = """
SELECT EXISTS (SELECT FROM sims WHERE account = ANY($1::text[]) AND state = 'expired' AND retained_until IS NOT NULL)
"""


async def retained(connection: Connection, accounts: Sequence[str], after: int, limit: int) -> list[asyncpg.Record]:
    """(id, retained_at) of the next expired SIMs of these carrier accounts whose number is retained."""
    found: list[asyncpg.Record] = await connection.fetch(_RETAINED, accounts, after, limit)
    return found


async def retained_at(connection: Connection, sim_ids: Sequence[int]) -> list[asyncpg.Record]:
    """(id, retained_at) of these SIMs, where a retention of their number succeeded."""
    found: list[asyncpg.Record] = await connection.fetch(_RETAINED_AT, sim_ids)
    return found


async def is_any_retained(connection: Connection, accounts: Sequence[str]) -> bool:
    """Whether the number of any SIM of these carrier accounts is retained."""
    return bool(await connection.fetchval(_IS_RETAINED, accounts))
