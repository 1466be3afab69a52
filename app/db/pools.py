"""Pools by members and cycle: a pool's numbers are summed from its members' counters, never kept beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg

from app.db.ingest import Connection

Rows = list[asyncpg.Record]

_POOL = """
SELECT tenant, id, ref, name, kind, carrier, plan, state, rules::text AS rules, created_at,
       (SELECT p.allowance FROM plans p WHERE p.tenant = pools.tenant AND p.id = pools.plan) AS allowance
  FROM pools"""
_ADD = """
INSERT INTO pools (tenant, id, name, kind, carrier, plan, rules, created_at)
VALUES ($1, $2, $3, $4, $5, $6, '{}', $7) ON CONFLICT DO NOTHING RETURNING ref
"""
_RUNNING = """
SELECT count(*) AS cards, count(*) FILTER (WHERE s.underlying = 'active') AS effective_cards,
       coalesce(sum(coalesce(c.figures, 0) + c.reported_since) FILTER (WHERE s.activated_on IS NOT NULL), 0)::bigint
           AS used,
       max(greatest(c.reported_at, c.figures_to)) AS as_of
  FROM sims s LEFT JOIN usage_cycles c ON c.sim_id = s.id AND c.cycle = $3
 WHERE s.tenant = $1 AND s.pool = $2
"""
_CLOSED = """
SELECT count(*) AS cards, count(*) AS effective_cards,
       coalesce(sum(coalesce(c.figures, 0) + c.reported_since), 0)::bigint AS used,
       max(greatest(c.reported_at, c.figures_to)) AS as_of
  FROM usage_cycles c WHERE c.pool_ref = $1 AND c.cycle = $2
"""
_CYCLE = "SELECT * FROM pool_cycles WHERE pool_ref = $1 AND cycle = $2"
_LOCK_CYCLE = """
INSERT INTO pool_cycles AS p (pool_ref, cycle) VALUES ($1, $2)
ON CONFLICT (pool_ref, cycle) DO UPDATE SET pool_ref = p.pool_ref RETURNING *
"""
_SAVE_CYCLE = (
    "UPDATE pool_cycles SET marks = $3, stopping = $4, stopped_through = $5 WHERE pool_ref = $1 AND cycle = $2"
)
_ADD_PACK = "UPDATE pool_cycles SET addons = addons + $3 WHERE pool_ref = $1 AND cycle = $2"
_KEEP_PACK = "INSERT INTO usage_addons (pool_ref, cycle, bytes, in_force_at) VALUES ($1, $2, $3, $4)"
_CLOSE = """
INSERT INTO pool_cycles AS p (pool_ref, cycle, cards, effective_cards, total, closed_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (pool_ref, cycle) DO UPDATE SET cards = excluded.cards, effective_cards = excluded.effective_cards,
       total = excluded.total, closed_at = excluded.closed_at, stopping = NULL WHERE p.closed_at IS NULL
"""
_MEMBERS = """
SELECT s.id, s.iccid, s.state, s.activated_on, c.reported,
       CASE WHEN s.activated_on IS NOT NULL THEN coalesce(c.figures, 0) + coalesce(c.reported_since, 0) END AS used,
       greatest(c.reported_at, c.figures_to) AS as_of
  FROM sims s LEFT JOIN usage_cycles c ON c.sim_id = s.id AND c.cycle = $3
 WHERE s.tenant = $1 AND s.pool = $2 AND s.id > $4 ORDER BY s.id LIMIT $5
"""
_CLOSED_MEMBERS = """
SELECT s.id, s.iccid, s.state, s.activated_on, c.reported, coalesce(c.figures, 0) + c.reported_since AS used,
       greatest(c.reported_at, c.figures_to) AS as_of
  FROM usage_cycles c JOIN sims s ON s.id = c.sim_id
 WHERE c.pool_ref = $1 AND c.cycle = $2 AND s.id > $3 ORDER BY s.id LIMIT $4
"""
_MEMBER_IDS = "SELECT id FROM sims WHERE tenant = $1 AND pool = $2 AND id > $3 ORDER BY id LIMIT $4"
_INACTIVE = """
SELECT iccid FROM sims WHERE tenant = $1 AND pool = $2 AND underlying IN ('testing', 'silent') ORDER BY id LIMIT $3
"""
_FOLLOW_CARDS = """
UPDATE usage_cycles c SET pool_ref = p.ref
  FROM sims s JOIN pools p ON p.tenant = s.tenant AND p.id = s.pool
 WHERE c.sim_id = s.id AND s.id = ANY($1::bigint[]) AND c.cycle = ANY($2::int[]) AND c.pool_ref IS DISTINCT FROM p.ref
"""
_FOLLOW = """
UPDATE usage_cycles c SET pool_ref = p.ref
  FROM sims s JOIN pools p ON p.tenant = s.tenant AND p.id = s.pool
 WHERE c.sim_id = s.id AND c.cycle = ANY($1::int[]) AND c.pool_ref IS DISTINCT FROM p.ref AND s.pool IS NOT NULL
"""
_REFS = """
SELECT DISTINCT p.ref FROM sims s JOIN pools p ON p.tenant = s.tenant AND p.id = s.pool WHERE s.id = ANY($1::bigint[])
"""
_STOPPING = """
SELECT p.pool_ref, p.cycle FROM pool_cycles p
 WHERE p.stopping IS NOT NULL AND p.closed_at IS NULL ORDER BY p.pool_ref LIMIT 1 FOR UPDATE SKIP LOCKED
"""


def _with_rules(row: asyncpg.Record) -> dict[str, Any]:
    return dict(row) | {"rules": json.loads(row["rules"])}


async def get(connection: Connection, tenant: str, pool: str) -> dict[str, Any] | None:
    """One pool of a tenant."""
    row = await connection.fetchrow(f"{_POOL} WHERE tenant = $1 AND id = $2", tenant, pool)
    return _with_rules(row) if row else None


async def by_ref(connection: Connection, ref: int) -> dict[str, Any] | None:
    """One pool by its number."""
    row = await connection.fetchrow(f"{_POOL} WHERE ref = $1", ref)
    return _with_rules(row) if row else None


async def page(connection: Connection, tenant: str, after: int, limit: int) -> list[dict[str, Any]]:
    """A tenant's pools by number."""
    rows = await connection.fetch(f"{_POOL} WHERE tenant = $1 AND ref > $2 ORDER BY ref LIMIT $3", tenant, after, limit)
    return [_with_rules(row) for row in rows]


async def every(connection: Connection, carriers: Sequence[str]) -> list[dict[str, Any]]:
    """All pools of some carriers."""
    rows = await connection.fetch(f"{_POOL} WHERE carrier = ANY($1::text[]) ORDER BY ref", carriers)
    return [_with_rules(row) for row in rows]


async def add(connection: Connection, columns: Sequence[Any]) -> int | None:
    """A new pool (tenant, id, name, kind, carrier, plan, created_at); None where there is one of that id."""
    ref: int | None = await connection.fetchval(_ADD, *columns)
    return ref


async def rename(connection: Connection, ref: int, name: str) -> None:
    """Another name (PL-7)."""
    await connection.execute("UPDATE pools SET name = $2 WHERE ref = $1", ref, name)


async def set_rules(connection: Connection, ref: int, rules: dict[str, Any]) -> None:
    """What happens at which use (PL-4, RM-2)."""
    await connection.execute("UPDATE pools SET rules = $2::text::jsonb WHERE ref = $1", ref, json.dumps(rules))


async def set_state(connection: Connection, ref: int, state: str) -> None:
    """A backward pool's state (PL-4)."""
    await connection.execute("UPDATE pools SET state = $2 WHERE ref = $1 AND state <> $2", ref, state)


async def running(connection: Connection, tenant: str, pool: str, cycle: int) -> asyncpg.Record:
    """Cards, effective cards, used and as_of of the running cycle, summed from the members as they are now."""
    return await connection.fetchrow(_RUNNING, tenant, pool, cycle)


async def closed(connection: Connection, ref: int, cycle: int) -> asyncpg.Record:
    """The same of a cycle that is over, from those who were members then and had traffic."""
    return await connection.fetchrow(_CLOSED, ref, cycle)


async def cycle_of(connection: Connection, ref: int, cycle: int, *, lock: bool = False) -> asyncpg.Record | None:
    """What the pool's cycle had beside its members' sum; locked, it is made where missing."""
    return await connection.fetchrow(_LOCK_CYCLE if lock else _CYCLE, ref, cycle)


async def save_cycle(
    connection: Connection, ref: int, cycle: int, marks: Sequence[str], stopping: str | None, through: int
) -> None:
    """What was said, and how far the members have been worked through."""
    await connection.execute(_SAVE_CYCLE, ref, cycle, marks, stopping, through)


async def add_pack(connection: Connection, ref: int, cycle: int, amount: int, at: datetime) -> None:
    """A pool add-on is in force (QT-7)."""
    await cycle_of(connection, ref, cycle, lock=True)
    await connection.execute(_ADD_PACK, ref, cycle, amount)
    await connection.execute(_KEEP_PACK, ref, cycle, amount, at)


async def close_cycle(
    connection: Connection, ref: int, cycle: int, *, cards: int, effective: int, total: int | None, at: datetime
) -> None:
    """The cycle is over: its cards and total stay as they were (PL-7)."""
    await connection.execute(_CLOSE, ref, cycle, cards, effective, total, at)


async def members(connection: Connection, tenant: str, pool: str, cycle: int, after: int, limit: int) -> Rows:
    """Members of the running cycle with what they used."""
    found: Rows = await connection.fetch(_MEMBERS, tenant, pool, cycle, after, limit)
    return found


async def closed_members(connection: Connection, ref: int, cycle: int, after: int, limit: int) -> Rows:
    """Members of a cycle that is over, who had traffic."""
    found: Rows = await connection.fetch(_CLOSED_MEMBERS, ref, cycle, after, limit)
    return found


async def member_ids(connection: Connection, tenant: str, pool: str, after: int, limit: int) -> list[int]:
    """The next members by card id."""
    return [row["id"] for row in await connection.fetch(_MEMBER_IDS, tenant, pool, after, limit)]


async def inactive(connection: Connection, tenant: str, pool: str, limit: int) -> list[str]:
    """ICCIDs of members that can be activated."""
    return [row["iccid"] for row in await connection.fetch(_INACTIVE, tenant, pool, limit)]


async def follow_members(connection: Connection, cycles: Sequence[int]) -> int:
    """Counters follow their cards into pools joined since; gives how many."""
    return int((await connection.execute(_FOLLOW, cycles)).split()[-1])


async def follow_cards(connection: Connection, sim_ids: Sequence[int], cycles: Sequence[int]) -> None:
    """The counters of these cards follow them into the pools they have joined."""
    await connection.execute(_FOLLOW_CARDS, sim_ids, cycles)


async def refs_of(connection: Connection, sim_ids: Sequence[int]) -> list[int]:
    """The pools these cards are in."""
    return [row["ref"] for row in await connection.fetch(_REFS, sim_ids)]


async def next_stopping(connection: Connection) -> tuple[int, int] | None:
    """A pool whose members are being worked through, locked: (ref, cycle)."""
    row = await connection.fetchrow(_STOPPING)
    return (row["pool_ref"], row["cycle"]) if row else None
