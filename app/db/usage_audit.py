"""Whether the counters still are what the reports say: pools whole, other cards by sample, in one snapshot each."""

from __future__ import annotations

from datetime import datetime

import asyncpg

from app.db.ingest import Connection

_KEPT = """(SELECT coalesce(sum(r.bytes), 0) FROM usage_reports r
             WHERE r.sim_id = c.sim_id AND r.at >= $2 AND r.at < $3)"""
_POOLS = f"""
SELECT s.tenant, s.pool, sum(c.reported) AS counted, sum({_KEPT}) AS kept
  FROM usage_cycles c JOIN sims s ON s.id = c.sim_id
 WHERE c.cycle = $1 AND s.account = $4 AND s.pool IS NOT NULL
 GROUP BY s.tenant, s.pool HAVING sum(c.reported) <> sum({_KEPT})
"""  # noqa: S608 - our own text
_CARDS = f"""
SELECT c.sim_id FROM (
    SELECT c.sim_id, c.cycle, c.reported FROM sims s JOIN usage_cycles c ON c.sim_id = s.id AND c.cycle = $1
     WHERE s.account = $4 AND s.id >= $5 ORDER BY s.id LIMIT $6) c
 WHERE c.reported <> {_KEPT}
"""  # noqa: S608 - our own text


async def wrong_pools(
    connection: Connection, account: str, cycle: int, opens: datetime, closes: datetime
) -> list[asyncpg.Record]:
    """Pools of an account whose members' counters do not add up to their reports of the cycle."""
    found: list[asyncpg.Record] = await connection.fetch(_POOLS, cycle, opens, closes, account)
    return found


async def wrong_cards(
    connection: Connection, account: str, cycle: int, opens: datetime, closes: datetime, *, start: int, size: int
) -> list[int]:
    """Cards of an account, so many from a row id on, whose counters are not their reports."""
    rows = await connection.fetch(_CARDS, cycle, opens, closes, account, start, size)
    return [row["sim_id"] for row in rows]


async def highest_card(connection: Connection) -> int:
    """The highest row id of a card."""
    return int(await connection.fetchval("SELECT coalesce(max(id), 0) FROM sims"))
