"""asyncpg: pools and their members; their sums by cycle are in `app.db.pools.cycles`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from app.db.connection import Connection
from app.db.twin import BESIDE_LOCAL, Twin, fetched_first

Rows = list[asyncpg.Record]

_POOL = """
SELECT tenant, id, ref, name, kind, carrier, plan, state, rules::text AS rules, created_at, open_cycle, arrears_since,
       account IS NOT NULL AS settled,
       coalesce(account, (SELECT s.account FROM sims s WHERE s.tenant = pools.tenant AND s.pool = pools.id
                           ORDER BY s.id LIMIT 1)) AS account,
       ARRAY(SELECT c.cycle FROM pool_cycles c WHERE c.pool_ref = pools.ref AND c.closed_at IS NULL
                AND 'stopped' = ANY(c.marks)) AS stopped,
       (SELECT p.allowance FROM plans p WHERE p.tenant = pools.tenant AND p.id = pools.plan) AS allowance
  FROM pools"""
_ADD = """
INSERT INTO pools (tenant, id, name, kind, carrier, plan, rules, created_at, open_cycle)
VALUES ($1, $2, $3, $4, $5, $6, '{}', $7, $8) ON CONFLICT DO NOTHING RETURNING ref
"""
_MEMBER_IDS = "SELECT id FROM sims WHERE tenant = $1 AND pool = $2 AND id > $3 ORDER BY id LIMIT $4"
_INACTIVE = """
SELECT iccid FROM sims WHERE tenant = $1 AND pool = $2 AND underlying IN ('testing', 'silent') ORDER BY id LIMIT $3
"""
_COUNT_INACTIVE = """
SELECT count(*) FROM sims WHERE tenant = $1 AND pool = $2 AND underlying IN ('testing', 'silent')
"""
# What a change replaces is kept, under the lock of its row (LC-12). Each update reads from what keeps it: a row changed
# first would be passed over by the lock, as changed by the same statement.
_KEPT = """
kept AS (
    INSERT INTO pool_changes (pool_ref, known_at, before)
    SELECT ref, $2, jsonb_build_object('name', name, 'rules', rules, 'state', state, 'arrears_since', arrears_since)
      FROM was RETURNING pool_ref)"""
_RENAME = f"""
WITH was AS (SELECT * FROM pools WHERE ref = $1 FOR UPDATE), {_KEPT}
UPDATE pools p SET name = $3 FROM was WHERE p.ref = was.ref
"""  # noqa: S608 - our own text
_SET_RULES = f"""
WITH was AS (SELECT * FROM pools WHERE ref = $1 FOR UPDATE), {_KEPT}
UPDATE pools p SET rules = $3::text::jsonb FROM was WHERE p.ref = was.ref
"""  # noqa: S608 - our own text
_SET_STATE = f"""
WITH was AS (SELECT * FROM pools WHERE ref = $1 AND state <> $3 FOR UPDATE), {_KEPT}
UPDATE pools p SET state = $3 FROM was WHERE p.ref = was.ref
"""  # noqa: S608 - our own text
_SET_ARREARS = f"""
WITH was AS (SELECT * FROM pools WHERE ref = $1 FOR UPDATE), {_KEPT}
UPDATE pools p SET arrears_since = $3, state = $4 FROM was WHERE p.ref = was.ref
"""  # noqa: S608 - our own text
_REOPEN = f"""
WITH was AS (SELECT * FROM pools WHERE ref = $1 AND state = 'stopped' AND arrears_since IS NULL FOR UPDATE), {_KEPT}
UPDATE pools SET open_cycle = $3,
       state = CASE WHEN state = 'stopped' AND arrears_since IS NULL THEN 'in_use' ELSE state END
 WHERE ref = $1 AND (SELECT count(*) FROM kept) >= 0
"""  # noqa: S608 - our own text
# The first to assign decides: an evaluation that read the pool before that changes nothing.
_ASSIGN_ACCOUNT = """
UPDATE pools SET account = $2, open_cycle = least(open_cycle, $3) WHERE ref = $1 AND account IS NULL
"""
_MEMBERS_TO_CHECK = """
SELECT s.id FROM sims s JOIN pools p ON p.tenant = s.tenant AND p.id = s.pool
 WHERE s.id = ANY($1::bigint[]) AND s.underlying = 'active'
   AND (p.arrears_since IS NOT NULL
     OR EXISTS (SELECT FROM pool_cycles k
                 WHERE k.pool_ref = p.ref AND k.closed_at IS NULL AND 'stopped' = ANY(k.marks))
     OR {behind})
"""
_TO_CHECK = Twin(
    plain=_MEMBERS_TO_CHECK.format(
        behind="""EXISTS (SELECT FROM usage_cycles c WHERE c.sim_id = s.id AND c.cycle >= coalesce(p.open_cycle, 0)
                   AND c.pool_ref IS DISTINCT FROM p.ref)"""
    ),
    distributed=fetched_first(
        _MEMBERS_TO_CHECK.format(
            behind="""s.id IN (
            SELECT c.sim_id FROM usage_cycles c JOIN sims m ON m.id = c.sim_id
              JOIN pools q ON q.tenant = m.tenant AND q.id = m.pool
             WHERE c.cycle >= coalesce(q.open_cycle, 0) AND c.pool_ref IS DISTINCT FROM q.ref)"""
        ),
        why=BESIDE_LOCAL,
        usage_cycles="sim_id = ANY($1::bigint[])",
    ).distributed,
    why=BESIDE_LOCAL,
)
_REFS = """
SELECT DISTINCT p.ref FROM sims s JOIN pools p ON p.tenant = s.tenant AND p.id = s.pool WHERE s.id = ANY($1::bigint[])
"""


def _with_rules(row: asyncpg.Record) -> dict[str, Any]:
    return dict(row) | {"rules": json.loads(row["rules"])}


async def get(connection: Connection, tenant: str, pool: str) -> dict[str, Any] | None:
    """One pool of a tenant."""
    row = await connection.fetchrow(f"{_POOL} WHERE tenant = $1 AND id = $2", tenant, pool)
    return _with_rules(row) if row else None


async def by_ref(connection: Connection, ref: int) -> dict[str, Any] | None:
    """One pool by its ref."""
    row = await connection.fetchrow(f"{_POOL} WHERE ref = $1", ref)
    return _with_rules(row) if row else None


async def page(connection: Connection, tenant: str, after: int, limit: int) -> list[dict[str, Any]]:
    """A page of a tenant's pools by ref."""
    rows = await connection.fetch(f"{_POOL} WHERE tenant = $1 AND ref > $2 ORDER BY ref LIMIT $3", tenant, after, limit)
    return [_with_rules(row) for row in rows]


async def named(connection: Connection, names: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Pools by (tenant, id)."""
    tenants, ids = zip(*names, strict=True)
    where = "WHERE (tenant, id) IN (SELECT * FROM unnest($1::text[], $2::text[])) ORDER BY ref"
    return [_with_rules(row) for row in await connection.fetch(f"{_POOL} {where}", tenants, ids)]


async def every(connection: Connection, carriers: Sequence[str]) -> list[dict[str, Any]]:
    """All pools of some carriers."""
    rows = await connection.fetch(f"{_POOL} WHERE carrier = ANY($1::text[]) ORDER BY ref", carriers)
    return [_with_rules(row) for row in rows]


async def add(connection: Connection, columns: Sequence[Any]) -> int | None:
    """Insert a pool (tenant, id, name, kind, carrier, plan, created_at, open_cycle); its ref, None where it exists."""
    ref: int | None = await connection.fetchval(_ADD, *columns)
    return ref


async def assign_account(connection: Connection, ref: int, account: str, cycle: int) -> None:
    """Assign a pool without account to its first member's; `cycle`: the running one in that account's zone."""
    await connection.execute(_ASSIGN_ACCOUNT, ref, account, cycle)


async def reopen(connection: Connection, ref: int, cycle: int, now: datetime) -> None:
    """Open `cycle`: all before it are closed; a postpaid pool without arrears is in use again (PL-4, PL-7, ST-13)."""
    await connection.execute(_REOPEN, ref, now, cycle)


async def rename(connection: Connection, ref: int, name: str, now: datetime) -> None:
    """Rename the pool (PL-7)."""
    await connection.execute(_RENAME, ref, now, name)


async def set_rules(connection: Connection, ref: int, rules: dict[str, Any], now: datetime) -> None:
    """Set the pool's levels and its threshold (PL-4, RM-2)."""
    await connection.execute(_SET_RULES, ref, now, json.dumps(rules))


async def set_state(connection: Connection, ref: int, state: str, now: datetime) -> None:
    """Set a postpaid pool's state (PL-4)."""
    await connection.execute(_SET_STATE, ref, now, state)


async def set_arrears(connection: Connection, ref: int, since: datetime | None, state: str, now: datetime) -> None:
    """Set since when a postpaid pool is in arrears, None where it is settled, and its state (PL-4)."""
    await connection.execute(_SET_ARREARS, ref, now, since, state)


async def member_ids(connection: Connection, tenant: str, pool: str, after: int, limit: int) -> list[int]:
    """The next members by SIM row id."""
    return [row["id"] for row in await connection.fetch(_MEMBER_IDS, tenant, pool, after, limit)]


async def inactive(connection: Connection, tenant: str, pool: str, limit: int) -> list[str]:
    """ICCIDs of members that can be activated."""
    return [row["iccid"] for row in await connection.fetch(_INACTIVE, tenant, pool, limit)]


async def count_inactive(connection: Connection, tenant: str, pool: str) -> int:
    """How many members can be activated."""
    return int(await connection.fetchval(_COUNT_INACTIVE, tenant, pool))


async def refs_of(connection: Connection, sim_ids: Sequence[int]) -> list[int]:
    """The refs of the pools these SIMs are in."""
    return [row["ref"] for row in await connection.fetch(_REFS, sim_ids)]


async def members_to_check(connection: Connection, sim_ids: Sequence[int]) -> list[int]:
    """Which of these active SIMs are in a stopped or frozen pool, or have counters that are not yet their pool's."""
    return [row["id"] for row in await connection.fetch(_TO_CHECK.text, sim_ids)]


async def in_arrears(connection: Connection, tenant: str) -> list[str]:
    """The tenant's postpaid pools that are not paid and not released, by id."""
    rows = await connection.fetch(
        "SELECT id FROM pools WHERE tenant = $1 AND arrears_since IS NOT NULL AND state <> 'released' ORDER BY ref",
        tenant,
    )
    return [row["id"] for row in rows]
