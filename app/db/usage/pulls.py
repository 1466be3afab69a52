"""asyncpg: the cursor of each account's usage pull, and the SIMs and pools to pull first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum

from app.db.connection import Connection
from app.db.twin import OUTER_JOINED, Twin, fetched_first
from app.db.used import USED
from app.domain.usage.freshness import NEAR_LIMIT_PERCENT

# No lock is held over a run, which may take hours: `slot` moves with every page, and a run counts as interrupted only
# when it has not moved for long (`STALLED_AFTER`).
_BEGIN = """
INSERT INTO pull_cursors AS p (account, slot, phase) VALUES ($1, $2, $3)
ON CONFLICT (account) DO UPDATE SET slot = excluded.slot,
       phase = CASE WHEN $4 AND p.phase <> 1 THEN p.phase WHEN p.last_sim_id > 0 THEN $5 ELSE excluded.phase END
RETURNING phase, last_sim_id
"""
_SET = """
INSERT INTO pull_cursors (account, slot, phase, last_sim_id) VALUES ($1, $3, $4, $2)
ON CONFLICT (account) DO UPDATE
   SET slot = excluded.slot, phase = excluded.phase, last_sim_id = excluded.last_sim_id
"""
# Compare and set: a run whose account another run has begun since finds that `slot` has moved.
_MOVE = """
UPDATE pull_cursors SET slot = $4, phase = $5, last_sim_id = $2 WHERE account = $1 AND slot = $3 RETURNING account
"""
_INTERRUPTED = """
SELECT p.account FROM pull_cursors p LEFT JOIN account_states a ON a.account = p.account
 WHERE p.phase > 1 AND p.slot <= $1 AND a.paused_at IS NULL ORDER BY p.account
"""
_PAUSED = "SELECT EXISTS (SELECT FROM account_states WHERE account = $1 AND paused_at IS NOT NULL)"
_NEAR = f"""
SELECT s.id FROM usage_cycles c JOIN sims s ON s.id = c.sim_id
 CROSS JOIN LATERAL (SELECT {USED} AS bytes) used
 WHERE s.account = $1 AND c.cycle = $2 AND c.next_check_bytes > 0
   AND (s.underlying = 'active' AND used.bytes * 100 >= c.next_check_bytes * {NEAR_LIMIT_PERCENT}
        OR s.underlying = 'testing'
        AND (c.next_check_bytes - used.bytes) * {NEAR_LIMIT_PERCENT} <= {100 - NEAR_LIMIT_PERCENT} * (
           SELECT sum(greatest(x.reported, coalesce(x.figures, 0) + x.reported_since))
             FROM usage_cycles x WHERE x.sim_id = s.id))
 ORDER BY c.next_check_bytes - used.bytes, s.id LIMIT $3
"""  # noqa: S608 - our own text
_NEAR_DISTRIBUTED = f"""
WITH near AS MATERIALIZED (
    SELECT c.sim_id, c.next_check_bytes - {USED} AS rest,
           {USED} * 100 >= c.next_check_bytes * {NEAR_LIMIT_PERCENT} AS near,
           (c.next_check_bytes - {USED}) * {NEAR_LIMIT_PERCENT} <= {100 - NEAR_LIMIT_PERCENT} * (
           SELECT sum(greatest(x.reported, coalesce(x.figures, 0) + x.reported_since))
             FROM usage_cycles x WHERE x.sim_id = c.sim_id) AS near_in_all
      FROM usage_cycles c WHERE c.cycle = $2 AND c.next_check_bytes > 0)
SELECT s.id FROM near n JOIN sims s ON s.id = n.sim_id
 WHERE s.account = $1 AND (s.underlying = 'active' AND n.near OR s.underlying = 'testing' AND n.near_in_all)
 ORDER BY n.rest, s.id LIMIT $3
"""  # noqa: S608 - our own text
_NEAREST = Twin(plain=_NEAR, distributed=_NEAR_DISTRIBUTED, why="the workers weigh every counter, without the SIM")
_NEAR_POOLS = f"""
WITH numbers AS (SELECT * FROM unnest($1::int[], $2::int[]) n(ref, cycle)),
members AS MATERIALIZED (
    SELECT s.id, p.ref, n.cycle, s.activated_on IS NOT NULL AS activated
      FROM pools p JOIN numbers n ON n.ref = p.ref JOIN sims s ON s.tenant = p.tenant AND s.pool = p.id),
sums AS MATERIALIZED (
    SELECT m.ref, m.cycle, sum({USED}) FILTER (WHERE m.activated) AS bytes
      FROM members m JOIN usage_cycles c ON c.sim_id = m.id AND c.cycle = m.cycle
     GROUP BY m.ref, m.cycle),
ceilings AS (
    SELECT u.ref, u.bytes, CASE p.kind WHEN 'forward' THEN (
               SELECT count(*) FROM sims s
                WHERE s.tenant = p.tenant AND s.pool = p.id AND s.underlying = 'active'
           )::numeric * a.allowance + coalesce(k.addons, 0) ELSE (p.rules ->> 'stop_at')::bigint END AS ceiling
      FROM sums u JOIN pools p ON p.ref = u.ref
      LEFT JOIN plans a ON a.tenant = p.tenant AND a.id = p.plan
      LEFT JOIN pool_cycles k ON k.pool_ref = u.ref AND k.cycle = u.cycle)
SELECT ref FROM ceilings WHERE bytes * 100 >= ceiling * {NEAR_LIMIT_PERCENT} AND bytes < ceiling ORDER BY ref
"""  # noqa: S608 - our own text
_MEMBERS = fetched_first(
    """
SELECT s.id FROM pools p JOIN sims s ON s.tenant = p.tenant AND s.pool = p.id
  LEFT JOIN usage_cycles c ON c.sim_id = s.id AND c.cycle = $3
 WHERE p.ref = ANY($1::int[]) AND s.account = $2 AND s.underlying = 'active'
 ORDER BY c.carrier_as_of NULLS FIRST, s.id LIMIT $4
""",
    why=OUTER_JOINED,
    usage_cycles="""cycle = $3 AND sim_id IN (
        SELECT s.id FROM pools p JOIN sims s ON s.tenant = p.tenant AND s.pool = p.id
         WHERE p.ref = ANY($1::int[]) AND s.account = $2 AND s.underlying = 'active')""",
)
_TO_CLOSE = fetched_first(
    """
SELECT s.id FROM sims s LEFT JOIN usage_cycles c ON c.sim_id = s.id AND c.cycle = $4
 WHERE s.account = $1 AND s.id > $2 AND ($3::bigint IS NULL OR s.id <= $3)
   AND s.activated_on < $6 AND (s.expires_on IS NULL OR s.expires_on >= $5)
   AND (s.underlying <> 'cancelled' OR c.sim_id IS NOT NULL)
   AND ($7::timestamptz IS NULL OR c.carrier_as_of IS NULL OR c.carrier_as_of < $7)
 ORDER BY s.id
""",
    why=OUTER_JOINED,
    usage_cycles="cycle = $4 AND sim_id > $2 AND ($3::bigint IS NULL OR sim_id <= $3)",
)
_KNOWN = """
SELECT sim_id, carrier_bytes FROM usage_cycles
 WHERE sim_id = ANY($1::bigint[]) AND cycle = $2 AND carrier_bytes IS NOT NULL
"""


class Phase(IntEnum):
    """What a run has left to do: nothing, the SIMs up to the end, or these and then those before its start."""

    FINISHED = 1
    TO_THE_END = 2
    AROUND = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """A part of a run: SIMs with row ids in (after, upto], None: to the end; `phase`: what is left if interrupted."""

    after: int
    upto: int | None
    phase: Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """The SIMs that lack the final figure of a cycle: an account's with row ids in (after, upto].

    `start`, `end`: the cycle's days, half-open; `figures_to`: the `as_of` of a final figure, None: every SIM.
    """

    account: str
    after: int
    upto: int | None
    cycle: int
    start: date
    end: date
    figures_to: datetime | None


async def known_figures(connection: Connection, sim_ids: Sequence[int], cycle: int) -> dict[int, int]:
    """The carrier's bytes of a cycle (yyyymm) that are stored, by SIM."""
    return {row["sim_id"]: row["carrier_bytes"] for row in await connection.fetch(_KNOWN, sim_ids, cycle)}


async def begin(connection: Connection, account: str, at: datetime, *, rest: bool) -> list[Leg]:
    """Begin a run; gives its parts. `rest`: continue with what an interrupted run has left."""
    row = await connection.fetchrow(_BEGIN, account, at, Phase.TO_THE_END, rest, Phase.AROUND)
    last = row["last_sim_id"]
    first = Leg(after=last, upto=None, phase=Phase(row["phase"]))
    return [first, Leg(after=0, upto=last, phase=Phase.TO_THE_END)] if first.phase is Phase.AROUND else [first]


async def set_cursor(
    connection: Connection, account: str, sim_id: int, at: datetime, phase: Phase = Phase.TO_THE_END
) -> None:
    """Store the cursor: all SIMs up to this row id have been queried."""
    await connection.execute(_SET, account, sim_id, at, phase)


async def move_cursor(
    connection: Connection, account: str, sim_id: int, *, moved: datetime, at: datetime, phase: Phase
) -> bool:
    """Move the cursor of a run that moved it last at `moved`; False: another run of the account has begun since."""
    return await connection.fetchval(_MOVE, account, sim_id, moved, at, phase) is not None


async def interrupted(connection: Connection, before: datetime) -> list[str]:
    """The accounts, paused ones left out, whose run is unfinished and has not moved since an instant."""
    return [row["account"] for row in await connection.fetch(_INTERRUPTED, before)]


async def is_paused(connection: Connection, account: str) -> bool:
    """Whether a person has paused the account."""
    return bool(await connection.fetchval(_PAUSED, account))


async def near_limits(connection: Connection, account: str, cycle: int, limit: int) -> list[int]:
    """Active SIMs that are near `next_check_bytes`, and testing ones near the end of their test; the nearest first."""
    return [row["id"] for row in await connection.fetch(_NEAREST.text, account, cycle, limit)]


async def near_pools(connection: Connection, running: Sequence[tuple[int, int]]) -> list[int]:
    """Those of these pools that are near their total or threshold, but have not used all. `running`: (ref, cycle)."""
    found = await connection.fetch(_NEAR_POOLS, [ref for ref, _ in running], [cycle for _, cycle in running])
    return [row["ref"] for row in found]


async def members(connection: Connection, pools: Sequence[int], account: str, cycle: int, limit: int) -> list[int]:
    """An account's active members of these pools, those with the oldest carrier figure first."""
    return [row["id"] for row in await connection.fetch(_MEMBERS.text, pools, account, cycle, limit)]


async def sims_to_close(connection: Connection, wanted: Closing) -> list[int]:
    """Activated SIMs that were valid in a cycle and whose carrier figure of it is not final, by row id.

    Cancelled ones only where they have a counter of the cycle: others may have been cancelled long before it.
    """
    w = wanted
    found = await connection.fetch(_TO_CLOSE.text, w.account, w.after, w.upto, w.cycle, w.start, w.end, w.figures_to)
    return [row["id"] for row in found]
