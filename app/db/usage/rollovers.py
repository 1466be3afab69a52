"""asyncpg: the cycle into which each account's SIMs were last rolled over, and the SIMs that have holds."""

from __future__ import annotations

from datetime import datetime

from app.db.connection import Connection

# Inserts or locks in one; a new cycle starts at the first SIM, the same one where the last run stopped.
_LOCK = """
INSERT INTO cycle_rollovers AS r (account, cycle) VALUES ($1, $2)
ON CONFLICT (account) DO UPDATE
   SET cycle = excluded.cycle, last_sim_id = CASE WHEN r.cycle = excluded.cycle THEN r.last_sim_id ELSE 0 END,
       done_at = CASE WHEN r.cycle = excluded.cycle THEN r.done_at END
RETURNING last_sim_id
"""
_HELD = """
SELECT id FROM sims
 WHERE account = $1 AND id > $2 AND state IN ('suspended', 'expired') AND holds <> '[]' ORDER BY id LIMIT $3
"""


async def is_rolled_over(connection: Connection, account: str, cycle: int) -> bool:
    """Whether the account has been rolled over into this cycle (yyyymm)."""
    found = await connection.fetchval(
        "SELECT done_at FROM cycle_rollovers WHERE account = $1 AND cycle = $2", account, cycle
    )
    return found is not None


async def lock(connection: Connection, account: str, cycle: int) -> int:
    """Lock the account's rollover until the commit; gives the SIM row id after which to continue."""
    cursor: int = await connection.fetchval(_LOCK, account, cycle)
    return cursor


async def held_cards(connection: Connection, account: str, after: int, limit: int) -> list[int]:
    """The next suspended or expired SIMs with holds: an expired one too, so that no hold outlives its cycle (ST-4)."""
    return [row["id"] for row in await connection.fetch(_HELD, account, after, limit)]


async def save_cursor(connection: Connection, account: str, sim_id: int) -> None:
    """Store the cursor: the SIMs up to this row id are rolled over."""
    await connection.execute("UPDATE cycle_rollovers SET last_sim_id = $2 WHERE account = $1", account, sim_id)


async def finish(connection: Connection, account: str, cycle: int, at: datetime) -> None:
    """Record that the account is rolled over into this cycle."""
    await connection.execute(
        "UPDATE cycle_rollovers SET done_at = $3, last_sim_id = 0 WHERE account = $1 AND cycle = $2", account, cycle, at
    )
