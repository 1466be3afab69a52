"""asyncpg: the queue of limit checks (`usage_checks`), and plans whose limits have changed (`plan_checks`).

The pools of such a plan are queued at once, its SIMs in chunks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from app.db.connection import Connection

_QUEUE_SIMS = "INSERT INTO usage_checks (sim_id) SELECT unnest($1::bigint[])"
_QUEUE_POOLS = "INSERT INTO usage_checks (pool_ref) SELECT unnest($1::int[])"
# Workers take different entries. A SIM with several may be in two chunks: the second evaluates it after the first's
# commit, as SIMs are locked before they are read.
_DEQUEUE_SIMS = """
DELETE FROM usage_checks WHERE id IN (
    SELECT id FROM usage_checks WHERE sim_id IS NOT NULL ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING sim_id
"""
_DROP_SIM_CHECKS = "DELETE FROM usage_checks WHERE sim_id = ANY($1::bigint[])"
_DROP_POOL_CHECKS = "DELETE FROM usage_checks WHERE pool_ref = ANY($1::bigint[])"
_DEQUEUE_POOLS = """
DELETE FROM usage_checks WHERE id IN (
    SELECT id FROM usage_checks WHERE pool_ref IN (
        SELECT DISTINCT pool_ref FROM (
            SELECT pool_ref FROM usage_checks WHERE pool_ref IS NOT NULL ORDER BY id LIMIT 1000) oldest LIMIT $1)
    FOR UPDATE SKIP LOCKED) RETURNING pool_ref
"""
# Waits for a worker that queues a chunk of the plan now; then the plan begins anew, so that no SIM keeps the old limit.
_RECORD_CHANGE = """
INSERT INTO plan_checks (tenant, plan) SELECT $1, unnest($2::text[])
ON CONFLICT (tenant, plan) DO UPDATE SET last_sim_id = 0
"""
_QUEUE_POOLS_OF_PLANS = """
INSERT INTO usage_checks (pool_ref) SELECT ref FROM pools WHERE tenant = $1 AND plan = ANY($2::text[])
"""
# One worker at a plan: the row is locked until its chunk and the cursor behind it are committed together.
_NEXT = "SELECT tenant, plan, last_sim_id FROM plan_checks ORDER BY tenant, plan LIMIT 1 FOR UPDATE SKIP LOCKED"
_QUEUE_SIMS_OF_PLAN = """
WITH chunk AS (SELECT id, plan, underlying FROM sims WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $4),
queued AS (INSERT INTO usage_checks (sim_id)
           SELECT id FROM chunk WHERE plan = $3 AND underlying IN ('active', 'testing'))
SELECT max(id) AS last, count(*) AS cards FROM chunk
"""
_MOVE_ON = "UPDATE plan_checks SET last_sim_id = $3 WHERE tenant = $1 AND plan = $2"
_DONE = "DELETE FROM plan_checks WHERE tenant = $1 AND plan = $2"


async def queue_checks(connection: Connection, sim_ids: Iterable[int] = (), pool_refs: Iterable[int] = ()) -> None:
    """Queue the limits of these SIMs (row ids) and pools (refs) for evaluation."""
    if cards := sorted(set(sim_ids)):
        await connection.execute(_QUEUE_SIMS, cards)
    if pools := sorted(set(pool_refs)):
        await connection.execute(_QUEUE_POOLS, pools)


async def dequeue_sim_checks(connection: Connection, limit: int) -> set[int]:
    """Take up to `limit` SIMs off the queue of limit checks. A rollback puts them back."""
    return {row["sim_id"] for row in await connection.fetch(_DEQUEUE_SIMS, limit)}


async def dequeue_pool_checks(connection: Connection, limit: int) -> set[int]:
    """Take up to `limit` pools off the queue of limit checks, each with all its entries."""
    return {row["pool_ref"] for row in await connection.fetch(_DEQUEUE_POOLS, limit)}


async def drop_sim_checks(connection: Connection, sim_ids: Sequence[int]) -> None:
    """Remove these SIMs from the queue."""
    await connection.execute(_DROP_SIM_CHECKS, sim_ids)


async def drop_pool_checks(connection: Connection, refs: Sequence[int]) -> None:
    """Remove these pools from the queue."""
    await connection.execute(_DROP_POOL_CHECKS, refs)


async def plans_changed(connection: Connection, tenant: str, plans: Sequence[str]) -> None:
    """Record that the limits of these plans have changed and queue their pools; a plan being processed restarts."""
    await connection.execute(_RECORD_CHANGE, tenant, plans)
    await connection.execute(_QUEUE_POOLS_OF_PLANS, tenant, plans)


async def queue_plan_chunk(connection: Connection, size: int) -> int:
    """Go through a tenant's next SIMs and queue those of a changed plan; gives how many were read, 0: no plan is left.

    By SIM row id whatever the plan, so that a chunk costs the same for a small plan in a large fleet.
    """
    row = await connection.fetchrow(_NEXT)
    if row is None:
        return 0
    chunk = await connection.fetchrow(_QUEUE_SIMS_OF_PLAN, row["tenant"], row["last_sim_id"], row["plan"], size)
    if chunk["cards"] < size:
        await connection.execute(_DONE, row["tenant"], row["plan"])
    else:
        await connection.execute(_MOVE_ON, row["tenant"], row["plan"], chunk["last"])
    return max(1, int(chunk["cards"]))
