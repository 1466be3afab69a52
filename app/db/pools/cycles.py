"""asyncpg: a pool's cycle, summed from its members' counters when read.

One condition says for every cycle, running or closed, whose traffic counts: members activated before its end, less what
they used in their test (PL-2, PL-5). Tests compare the sums with the domain's `pool_usage`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import asyncpg

from app.db.connection import Connection
from app.db.quarantine import not_resting
from app.db.twin import NO_ROW_LOCKS, OUTER_JOINED, Twin, fetched_first
from app.db.used import USED
from app.domain.usage.pools import PoolUsage

Rows = list[asyncpg.Record]

MOST = (1 << 63) - 1
"""What a bigint holds; a larger sum is reported as this."""

_AS_OF = "greatest(c.reported_at, c.figures_to)"
_ACTIVATED = "(s.activated_on < $3 OR (s.activated_on IS NULL AND s.underlying IN ('active', 'expired')))"
"""Activated before the cycle's end ($3); a SIM imported as active without a day counts as activated."""

_EFFECTIVE = f"""{_ACTIVATED} AND (s.underlying = 'active'
    OR ($4 AND s.underlying = 'expired' AND s.expires_on >= $3 - 1))"""
"""Adds its allowance (PL-1); in a cycle that is over ($4) so does a SIM that was valid to its last day."""

_SUMMED = f"""
SELECT count(*) AS cards, count(*) FILTER (WHERE {_EFFECTIVE}) AS effective_cards,
       least(coalesce(sum({USED}) FILTER (WHERE {_ACTIVATED}), 0), {MOST})::bigint AS used,
       max({_AS_OF}) AS as_of
"""
_OF_MEMBERS = """cycle = $2 AND sim_id IN (
        SELECT s.id FROM pools p JOIN sims s ON s.tenant = p.tenant AND s.pool = p.id WHERE p.ref = $1{})"""
_OPEN = fetched_first(
    f"""{_SUMMED}
  FROM pools p JOIN sims s ON s.tenant = p.tenant AND s.pool = p.id
  LEFT JOIN usage_cycles c ON c.sim_id = s.id AND c.cycle = $2
 WHERE p.ref = $1
""",
    why=OUTER_JOINED,
    usage_cycles=_OF_MEMBERS.format(""),
)
_SENT = "the coordinator would send every SIM to the workers"
_CLOSED = fetched_first(
    f"""{_SUMMED}
  FROM usage_cycles c JOIN sims s ON s.id = c.sim_id WHERE c.pool_ref = $1 AND c.cycle = $2
""",
    why=_SENT,
    usage_cycles="pool_ref = $1 AND cycle = $2",
)
_MEMBER = f"""
SELECT s.id, s.iccid, s.state, s.activated_on, c.reported, CASE WHEN {_ACTIVATED} THEN {USED} END AS used,
       {_AS_OF} AS as_of
"""
_OPEN_MEMBERS = fetched_first(
    f"""{_MEMBER}
  FROM pools p JOIN sims s ON s.tenant = p.tenant AND s.pool = p.id
  LEFT JOIN usage_cycles c ON c.sim_id = s.id AND c.cycle = $2
 WHERE p.ref = $1 AND s.id > $4 ORDER BY s.id LIMIT $5
""",
    why=OUTER_JOINED,
    usage_cycles=_OF_MEMBERS.format(" AND s.id > $4 ORDER BY s.id LIMIT $5"),
)
_CLOSED_MEMBERS = fetched_first(
    f"""{_MEMBER}
  FROM usage_cycles c JOIN sims s ON s.id = c.sim_id
 WHERE c.pool_ref = $1 AND c.cycle = $2 AND (c.reported > 0 OR c.figures IS NOT NULL) AND s.id > $4
 ORDER BY s.id LIMIT $5
""",
    why=_SENT,
    usage_cycles="""pool_ref = $1 AND cycle = $2 AND (reported > 0 OR figures IS NOT NULL) AND sim_id > $4
         ORDER BY sim_id LIMIT $5""",
)
_CYCLE = "SELECT * FROM pool_cycles WHERE pool_ref = $1 AND cycle = $2"
# Inserts or locks in one: FOR UPDATE would lock nothing where there is no row yet. Of two evaluations at once the
# second waits, then gets the marks that the first has stored, and emits none of them again.
_LOCK_CYCLE = """
INSERT INTO pool_cycles AS p (pool_ref, cycle) VALUES ($1, $2)
ON CONFLICT (pool_ref, cycle) DO UPDATE SET pool_ref = p.pool_ref RETURNING *
"""
_SAVE_CYCLE = (
    "UPDATE pool_cycles SET marks = $3, stopping = $4, stopped_through = $5 WHERE pool_ref = $1 AND cycle = $2"
)
_ADD_PACK = "UPDATE pool_cycles SET addons = least(addons + $3, 1::bigint << 60) WHERE pool_ref = $1 AND cycle = $2"
_KEEP_PACK = "INSERT INTO usage_addons (pool_ref, cycle, bytes, in_force_at) VALUES ($1, $2, $3, $4)"
# A closed cycle stays as it was closed: of two rollovers the second changes nothing (PL-7).
_CLOSE = """
INSERT INTO pool_cycles AS p (pool_ref, cycle, cards, effective_cards, total, closed_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (pool_ref, cycle) DO UPDATE SET cards = excluded.cards, effective_cards = excluded.effective_cards,
       total = excluded.total, closed_at = excluded.closed_at, stopping = NULL WHERE p.closed_at IS NULL
"""
_MEMBERS = "unnest($1::int[], $2::int[]) k(ref, cycle) JOIN pools p ON p.ref = k.ref"
_CARDS = "unnest($1::bigint[], $2::int[]) k(sim_id, cycle) JOIN sims s ON s.id = k.sim_id"
# Locked by SIM and cycle before they are updated, as ingest locks them: an UPDATE alone locks in the order of its plan.
_MOVE_COUNTERS = """
WITH behind AS (
    SELECT c.sim_id, c.cycle, p.ref
      FROM {}
      JOIN usage_cycles c ON c.sim_id = s.id AND c.cycle = k.cycle
     WHERE c.pool_ref IS DISTINCT FROM p.ref ORDER BY c.sim_id, c.cycle FOR UPDATE OF c)
UPDATE usage_cycles c SET pool_ref = b.ref FROM behind b WHERE c.sim_id = b.sim_id AND c.cycle = b.cycle
RETURNING c.pool_ref
"""
_MOVE_DISTRIBUTED = """
WITH wanted AS MATERIALIZED (SELECT s.id, k.cycle, p.ref FROM {})
UPDATE usage_cycles c SET pool_ref = w.ref FROM wanted w
 WHERE c.sim_id = w.id AND c.cycle = w.cycle AND c.pool_ref IS DISTINCT FROM w.ref
RETURNING c.pool_ref
"""


def _moving(members: str) -> Twin:
    plain, distributed = _MOVE_COUNTERS.format(members), _MOVE_DISTRIBUTED.format(members)
    return Twin(plain=plain, distributed=distributed, why=NO_ROW_LOCKS)


_MOVE_POOL_COUNTERS = _moving(f"{_MEMBERS} JOIN sims s ON s.tenant = p.tenant AND s.pool = p.id")
_MOVE_SIM_COUNTERS = _moving(f"{_CARDS} JOIN pools p ON p.tenant = s.tenant AND p.id = s.pool")
_KEEP_MEMBERS = f"""
INSERT INTO usage_cycles (sim_id, cycle, pool_ref)
SELECT s.id, $2, p.ref FROM pools p JOIN sims s ON s.tenant = p.tenant AND s.pool = p.id
 WHERE p.ref = $1 AND {_ACTIVATED} ORDER BY s.id ON CONFLICT DO NOTHING
"""  # noqa: S608 - our own text
_STOPPING = f"""
SELECT pool_ref, cycle, stopping, stopped_through FROM pool_cycles
 WHERE stopping IS NOT NULL AND closed_at IS NULL
   AND {not_resting("limits", "pool", "pool_ref::text", now="$1")} ORDER BY pool_ref LIMIT 1
"""  # noqa: S608 - our own text
# Compare and set, as the cursor was read without a lock: the second of two workers finds no row, and moves nothing.
_STOPPED_THROUGH = """
UPDATE pool_cycles SET stopping = $5, stopped_through = $6
 WHERE pool_ref = $1 AND cycle = $2 AND stopping = $3 AND stopped_through = $4 RETURNING true
"""


async def open_sum(connection: Connection, ref: int, cycle: int, end: date, *, over: bool) -> asyncpg.Record:
    """Cards, effective cards, used and as_of of a cycle that is not closed, from the members as they are now.

    `end`: the first day after the cycle; `over`: that day has come, but the rollover has not run.
    """
    return await connection.fetchrow(_OPEN.text, ref, cycle, end, over)


async def closed_sum(connection: Connection, ref: int, cycle: int, end: date) -> asyncpg.Record:
    """The same of a closed cycle, from the members it was closed with."""
    return await connection.fetchrow(_CLOSED.text, ref, cycle, end, True)  # noqa: FBT003 - asyncpg takes no names


async def cycle_of(connection: Connection, ref: int, cycle: int, *, lock: bool = False) -> asyncpg.Record | None:
    """The row of a pool's cycle; `lock`: locked, and inserted where missing."""
    return await connection.fetchrow(_LOCK_CYCLE if lock else _CYCLE, ref, cycle)


async def save_cycle(
    connection: Connection, ref: int, cycle: int, marks: Sequence[str], stopping: str | None, through: int
) -> None:
    """Store the emitted marks, and how far the members have been processed."""
    await connection.execute(_SAVE_CYCLE, ref, cycle, marks, stopping, through)


async def add_pack(connection: Connection, ref: int, cycle: int, amount: int, at: datetime) -> None:
    """Add an add-on pack to the pool's cycle (QT-7)."""
    await cycle_of(connection, ref, cycle, lock=True)
    await connection.execute(_ADD_PACK, ref, cycle, amount)
    await connection.execute(_KEEP_PACK, ref, cycle, amount, at)


async def close_cycle(connection: Connection, ref: int, cycle: int, use: PoolUsage, *, at: datetime) -> None:
    """Close the cycle: its cards and total stay as they were (PL-7)."""
    total = None if use.total is None else min(use.total, MOST)
    await connection.execute(_CLOSE, ref, cycle, use.cards, use.effective_cards, total, at)


async def open_members(connection: Connection, ref: int, cycle: int, end: date, after: int, limit: int) -> Rows:
    """Members in a cycle that is not closed, with their usage, by SIM row id after `after`."""
    found: Rows = await connection.fetch(_OPEN_MEMBERS.text, ref, cycle, end, after, limit)
    return found


async def closed_members(connection: Connection, ref: int, cycle: int, end: date, after: int, limit: int) -> Rows:
    """Members of a closed cycle that had traffic, by SIM row id after `after`."""
    found: Rows = await connection.fetch(_CLOSED_MEMBERS.text, ref, cycle, end, after, limit)
    return found


async def move_pool_counters(connection: Connection, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Move the counters of these (pool, cycle) to the pools their SIMs have joined; gives the pool of each moved."""
    refs, cycles = [ref for ref, _ in pairs], [cycle for _, cycle in pairs]
    return [row["pool_ref"] for row in await connection.fetch(_MOVE_POOL_COUNTERS.text, refs, cycles)]


async def move_sim_counters(connection: Connection, pairs: Sequence[tuple[int, int]]) -> None:
    """Move the counters of these (SIM, cycle) to the pools the SIMs are in."""
    await connection.execute(_MOVE_SIM_COUNTERS.text, [sim_id for sim_id, _ in pairs], [cycle for _, cycle in pairs])


async def keep_members(connection: Connection, ref: int, cycle: int, end: date) -> None:
    """Insert a counter for every member without traffic, so that a late report finds the pool of its cycle (US-3)."""
    await connection.execute(_KEEP_MEMBERS, ref, cycle, end)


async def next_stopping(connection: Connection, now: datetime) -> asyncpg.Record | None:
    """A pool whose members are being processed: (pool_ref, cycle, stopping, stopped_through); not locked.

    Pools that are set aside are left out.
    """
    return await connection.fetchrow(_STOPPING, now)


async def stopped_through(connection: Connection, found: asyncpg.Record, stopping: str | None, through: int) -> bool:
    """Store the cursor over the members; False where another worker has moved it since `next_stopping`."""
    place = found["pool_ref"], found["cycle"], found["stopping"], found["stopped_through"]
    return bool(await connection.fetchval(_STOPPED_THROUGH, *place, stopping, through))
