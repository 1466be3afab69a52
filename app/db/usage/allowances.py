"""asyncpg: the allowances of closed cycles: stored where a plan's allowance or a SIM's plan is replaced.

Nothing is written when a cycle closes: what was never replaced is still in force. A replaced value applied to every
cycle that ended by then, so of several the first replaced at or after a cycle's end applied to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from app.db.connection import Connection

_HELD = """
SELECT k.cycle, coalesce(was.allowance, p.allowance) AS allowance
  FROM sims s CROSS JOIN unnest($2::int[], $3::timestamptz[]) k(cycle, ends)
 CROSS JOIN LATERAL (
    SELECT coalesce((SELECT l.plan FROM sim_plans l
                      WHERE l.sim_id = s.id AND l.until >= k.ends ORDER BY l.until LIMIT 1), s.plan) AS plan) had
  LEFT JOIN LATERAL (
    SELECT a.allowance FROM plan_allowances a
     WHERE a.tenant = s.tenant AND a.plan = had.plan AND a.until >= k.ends ORDER BY a.until LIMIT 1) was ON true
  LEFT JOIN plans p ON p.tenant = s.tenant AND p.id = had.plan
 WHERE s.id = $1
"""
_DELETE_OLD = ("DELETE FROM sim_plans WHERE until < $1", "DELETE FROM plan_allowances WHERE until < $1")


async def held_in(connection: Connection, sim_id: int, ends: Mapping[int, datetime]) -> dict[int, int | None]:
    """A SIM's allowance in bytes by cycle (yyyymm); `ends`: the instant at which each cycle ends."""
    rows = await connection.fetch(_HELD, sim_id, list(ends), list(ends.values()))
    return {row["cycle"]: row["allowance"] for row in rows}


async def delete_before(connection: Connection, opens: datetime) -> None:
    """Delete what was replaced before the oldest cycle that is still shown opened."""
    for statement in _DELETE_OLD:
        await connection.execute(statement, opens)
