"""asyncpg: plans whose limits have changed: their pools are queued at once, their SIMs in chunks (`usage_checks`)."""

from __future__ import annotations

from collections.abc import Sequence

from app.db.connection import Connection

_NOTE = """
INSERT INTO plan_checks (tenant, plan) SELECT $1, unnest($2::text[])
ON CONFLICT (tenant, plan) DO UPDATE SET last_sim_id = 0
"""
_QUEUE_POOLS = """
INSERT INTO usage_checks (pool_ref) SELECT ref FROM pools WHERE tenant = $1 AND plan = ANY($2::text[])
"""
_NEXT = "SELECT tenant, plan, last_sim_id FROM plan_checks ORDER BY tenant, plan LIMIT 1 FOR UPDATE SKIP LOCKED"
_QUEUE_CARDS = """
WITH chunk AS (SELECT id, plan, underlying FROM sims WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $4),
queued AS (INSERT INTO usage_checks (sim_id)
           SELECT id FROM chunk WHERE plan = $3 AND underlying IN ('active', 'testing'))
SELECT max(id) AS last, count(*) AS cards FROM chunk
"""
_MOVE_ON = "UPDATE plan_checks SET last_sim_id = $3 WHERE tenant = $1 AND plan = $2"
_DONE = "DELETE FROM plan_checks WHERE tenant = $1 AND plan = $2"


async def note(connection: Connection, tenant: str, plans: Sequence[str]) -> None:
    """Record that the limits of these plans have changed and queue their pools; a plan being processed restarts."""
    await connection.execute(_NOTE, tenant, plans)
    await connection.execute(_QUEUE_POOLS, tenant, plans)


async def queue_chunk(connection: Connection, size: int) -> int:
    """Go through a tenant's next SIMs and queue those of a changed plan; gives how many were read, 0: no plan is left.

    By SIM row id whatever the plan, so that a chunk costs the same for a small plan in a large fleet.
    """
    row = await connection.fetchrow(_NEXT)
    if row is None:
        return 0
    chunk = await connection.fetchrow(_QUEUE_CARDS, row["tenant"], row["last_sim_id"], row["plan"], size)
    if chunk["cards"] < size:
        await connection.execute(_DONE, row["tenant"], row["plan"])
    else:
        await connection.execute(_MOVE_ON, row["tenant"], row["plan"], chunk["last"])
    return max(1, int(chunk["cards"]))
