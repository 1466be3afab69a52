"""asyncpg: a pool and its members as they were at an instant (LC-12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import asyncpg

from app.db.connection import Connection
from app.db.twin import fetched_first

MEMBER_COLUMNS = ("activated_on", "expires_on", "pool", "state", "underlying")
"""What of a member's row its pool depends on; `ix_sim_changes_membership` has the changes of these."""

_BEGUN = "SELECT (SELECT at FROM records_since) AS kept_since"
_BEFORE = "SELECT before FROM pool_changes WHERE pool_ref = $1 AND known_at > $2 ORDER BY known_at, id LIMIT 1"
_ADDONS = (
    "SELECT coalesce(sum(bytes), 0)::bigint FROM usage_addons WHERE pool_ref = $1 AND cycle = $2 AND in_force_at <= $3"
)
_COLUMNS = "SELECT s.id, s.iccid, s.pool, s.state, s.underlying, s.activated_on, s.expires_on"
_CANDIDATES = f"""{_COLUMNS}
  FROM pools p JOIN sims s ON s.tenant = p.tenant AND s.pool = p.id
 WHERE p.ref = $1 AND s.created_at <= $2 AND s.id > $3 ORDER BY s.id LIMIT $4
"""
_CLOSED_MEMBERS = fetched_first(
    f"""{_COLUMNS}
  FROM usage_cycles c JOIN sims s ON s.id = c.sim_id
 WHERE c.pool_ref = $1 AND c.cycle = $5 AND s.created_at <= $2 AND s.id > $3 ORDER BY s.id LIMIT $4
""",
    why="the coordinator would send every SIM to the workers",
    usage_cycles="pool_ref = $1 AND cycle = $5 AND sim_id > $3",
)
# The condition on `before` is the index's own.
_FORMER = """
SELECT DISTINCT ON (c.sim_id, e.key) c.sim_id, e.key, e.value
  FROM sim_changes c CROSS JOIN LATERAL jsonb_each(c.before) e
 WHERE c.sim_id = ANY($1::bigint[]) AND c.known_at > $2
   AND c.before ?| '{activated_on,expires_on,pool,state,underlying}'::text[]
   AND e.key = ANY('{activated_on,expires_on,pool,state,underlying}'::text[])
 ORDER BY c.sim_id, e.key, c.known_at, c.id
"""
_LATE = """
SELECT DISTINCT sim_id FROM sim_history
 WHERE sim_id = ANY($1::bigint[]) AND known_at > $2 AND known_at <= $3 AND took_effect_at <= $2
   AND took_effect_at < known_at
"""


async def kept_since(connection: Connection) -> datetime | None:
    """Since when changes are kept, where pools were there before that; None: from each pool's creation on."""
    found: datetime | None = await connection.fetchval(_BEGUN)
    return found


async def pool_before(connection: Connection, ref: int, at: datetime) -> Mapping[str, Any]:
    """Name, rules, state and arrears of a pool at an instant; empty where they are the present ones."""
    found: Mapping[str, Any] | None = await connection.fetchval(_BEFORE, ref, at)
    return found or {}


async def addons_at(connection: Connection, ref: int, cycle: int, at: datetime) -> int:
    """The bytes of a pool's add-on packs of a cycle that were in force at an instant (QT-7)."""
    found: int = await connection.fetchval(_ADDONS, ref, cycle, at)
    return found


async def members_known_at(
    connection: Connection, ref: int, at: datetime, after: int, limit: int, *, closed_cycle: int | None = None
) -> list[dict[str, Any]]:
    """SIMs that are members, or were of a closed cycle, as they were known at an instant, by row id after `after`.

    A SIM that was in no pool then, or in another, is among them: its `pool` says so.
    """
    closed = () if closed_cycle is None else (closed_cycle,)
    statement = _CANDIDATES if closed_cycle is None else _CLOSED_MEMBERS.text
    rows = [dict(row) for row in await connection.fetch(statement, ref, at, after, limit, *closed)]
    found = {row["id"]: row for row in rows}
    for former in await connection.fetch(_FORMER, list(found), at):
        found[former["sim_id"]][former["key"]] = _value(former["key"], former["value"])
    return rows


def _value(name: str, value: Any) -> Any:
    return date.fromisoformat(value) if value is not None and name.endswith("_on") else value


async def changed_late(connection: Connection, ids: Sequence[int], at: datetime, known_at: datetime) -> set[int]:
    """Which of these SIMs have changes that took effect by an instant and were learned after it, up to `known_at`."""
    return {row["sim_id"] for row in await connection.fetch(_LATE, ids, at, known_at)}


async def closing(connection: Connection, ref: int, cycle: int) -> asyncpg.Record | None:
    """How a pool's cycle was closed: cards, effective cards, total and when; None: no such row."""
    return await connection.fetchrow(
        "SELECT cards, effective_cards, total, closed_at FROM pool_cycles WHERE pool_ref = $1 AND cycle = $2",
        ref,
        cycle,
    )
