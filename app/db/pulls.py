"""How far the pull of each account has come, which cards are near a limit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from app.db.ingest import Connection

_SET = """
INSERT INTO pull_cursors (account, slot, phase, last_sim_id) VALUES ($1, $3, 1, $2)
ON CONFLICT (account) DO UPDATE SET slot = excluded.slot, last_sim_id = excluded.last_sim_id
"""
_NEAR = """
SELECT s.id FROM usage_cycles c JOIN sims s ON s.id = c.sim_id
 WHERE s.account = $1 AND s.underlying = 'active' AND c.cycle = $2 AND c.watch IS NOT NULL
   AND (coalesce(c.figures, 0) + c.reported_since) * 5 >= c.watch * 4
 ORDER BY c.watch - coalesce(c.figures, 0) - c.reported_since, s.id LIMIT $3
"""
_KNOWN = """
SELECT sim_id, carrier_bytes FROM usage_cycles
 WHERE sim_id = ANY($1::bigint[]) AND cycle = $2 AND carrier_bytes IS NOT NULL
"""


async def known_figures(connection: Connection, sim_ids: Sequence[int], cycle: int) -> dict[int, int]:
    """The carrier's bytes of a cycle as we have them, by card."""
    return {row["sim_id"]: row["carrier_bytes"] for row in await connection.fetch(_KNOWN, sim_ids, cycle)}


async def cursor(connection: Connection, account: str) -> int:
    """The card (row id) behind which the next run begins, 0 for the beginning."""
    found = await connection.fetchval("SELECT last_sim_id FROM pull_cursors WHERE account = $1", account)
    return found or 0


async def set_cursor(connection: Connection, account: str, sim_id: int, at: datetime) -> None:
    """So far everybody was asked."""
    await connection.execute(_SET, account, sim_id, at)


async def near_limits(connection: Connection, account: str, cycle: int, limit: int) -> list[int]:
    """Cards that have used four fifths of what makes somebody look, the nearest first."""
    return [row["id"] for row in await connection.fetch(_NEAR, account, cycle, limit)]
