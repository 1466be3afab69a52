"""asyncpg: the watched SIMs of each account, and the ages of carrier figures.

The list is brought up to date in slices of row ids, so that no statement reads the whole fleet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.db.connection import Connection
from app.db.twin import OUTER_JOINED, fetched_first
from app.db.used import USED
from app.domain.usage.freshness import NEAR_LIMIT_PERCENT

# Compare and set: of two processes the second finds that `slot` has moved, and takes no slice.
_NEXT_SLICE = """
INSERT INTO pull_cursors AS p (account, slot, phase, last_sim_id) VALUES ('', $1, 1, $2)
ON CONFLICT (account) DO UPDATE SET slot = excluded.slot,
       last_sim_id = CASE WHEN p.last_sim_id >= $3 THEN $2 ELSE p.last_sim_id + $2 END
 WHERE p.slot <= $4 RETURNING last_sim_id
"""
# A counter that was never checked has 0 to check at: how near it is to a limit is not known yet.
# A SIM in a pool near its limit stays watched for the pool, whose watch ends by itself; near its own limit or not.
_WATCH_SLICE = fetched_first(
    f"""
WITH slice AS (
    SELECT s.id, s.account, c.carrier_as_of,
           CASE WHEN s.state = 'active' AND c.next_check_bytes > 0
                      AND {USED} * 100 >= c.next_check_bytes * {NEAR_LIMIT_PERCENT} THEN 'near_limit'
                WHEN s.state = 'suspended' AND s.carrier_changed_at > $5 THEN 'stopped' END AS reason
      FROM sims s JOIN unnest($3::text[], $4::int[]) k(account, cycle) ON k.account = s.account
      LEFT JOIN usage_cycles c ON c.sim_id = s.id AND c.cycle = k.cycle
     WHERE s.id > $1 AND s.id <= $2),
gone AS (
    DELETE FROM watched_sims w WHERE w.sim_id > $1 AND w.sim_id <= $2 AND NOT EXISTS (
        SELECT FROM slice l WHERE l.id = w.sim_id AND (l.reason IS NOT NULL OR w.reason = 'near_pool')))
INSERT INTO watched_sims AS w (sim_id, account, reason, polled_at)
SELECT id, account, reason, coalesce(carrier_as_of, $6) FROM slice WHERE reason IS NOT NULL
ON CONFLICT (sim_id) DO UPDATE SET account = excluded.account, reason = excluded.reason
 WHERE w.reason NOT IN (excluded.reason, 'near_pool') OR w.account <> excluded.account
""",  # noqa: S608 - our own text
    why=OUTER_JOINED,
    usage_cycles="sim_id > $1 AND sim_id <= $2 AND cycle = ANY($4::int[])",
)
_WATCH_POOLS = """
WITH members AS (
    SELECT s.id, s.account FROM pools p JOIN sims s ON s.tenant = p.tenant AND s.pool = p.id
     WHERE p.ref = ANY($1::int[]) AND s.account = ANY($2::text[]) AND s.state = 'active'),
gone AS (
    DELETE FROM watched_sims w
     WHERE w.reason = 'near_pool' AND NOT EXISTS (SELECT FROM members m WHERE m.id = w.sim_id))
INSERT INTO watched_sims (sim_id, account, reason, polled_at) SELECT id, account, 'near_pool', $3 FROM members
ON CONFLICT (sim_id) DO UPDATE SET reason = excluded.reason WHERE watched_sims.reason <> excluded.reason
"""
_DUE = "SELECT count(*) FROM (SELECT FROM watched_sims WHERE account = $1 AND polled_at <= $2 LIMIT $3) due"
# Marked as queried before they are: of two processes no SIM is queried twice, and no lock is held during the call.
_CLAIM = """
UPDATE watched_sims w SET polled_at = $2
  FROM (SELECT sim_id FROM watched_sims WHERE account = $1 ORDER BY polled_at LIMIT $3 FOR UPDATE SKIP LOCKED) oldest
 WHERE w.sim_id = oldest.sim_id RETURNING w.sim_id
"""
_GIVE_BACK = "UPDATE watched_sims SET polled_at = $2 WHERE sim_id = ANY($1::bigint[])"
_HIGHEST = "SELECT coalesce(max(id), 0) FROM sims"
_COUNTS = """
SELECT (SELECT count(*) FROM sims WHERE account = $1 AND state = 'active') AS sims,
       (SELECT count(*) FROM watched_sims WHERE account = $1) AS watched
"""
_AGES = """
WITH bounds AS (
    SELECT (SELECT id FROM sims WHERE account = $1 AND state = 'active' ORDER BY id LIMIT 1) AS low,
           (SELECT id FROM sims WHERE account = $1 AND state = 'active' ORDER BY id DESC LIMIT 1) AS high),
sample AS (
    SELECT DISTINCT s.id, s.carrier_as_of
      FROM bounds, generate_series(0::bigint, $4::bigint) step
     CROSS JOIN LATERAL (
           SELECT id, carrier_as_of FROM sims
            WHERE account = $1 AND state = 'active' AND id >= low + (high - low) * step / $4
            ORDER BY id LIMIT 1) s
     WHERE low IS NOT NULL),
held AS MATERIALIZED (
    SELECT sim_id, carrier_as_of FROM usage_cycles WHERE cycle = $2 AND sim_id IN (SELECT id FROM sample)),
ages AS (
    SELECT extract(epoch FROM $3 - c.carrier_as_of)::float8 AS usage, w.sim_id IS NOT NULL AS watched,
           extract(epoch FROM $3 - s.carrier_as_of)::float8 AS state
      FROM sample s LEFT JOIN held c ON c.sim_id = s.id
      LEFT JOIN watched_sims w ON w.sim_id = s.id)
SELECT count(*) AS sampled, count(*) - count(usage) AS usage_unknown, count(*) - count(state) AS state_unknown,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY usage) AS usage_p50,
       percentile_disc(0.99) WITHIN GROUP (ORDER BY usage) AS usage_p99,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY state) AS state_p50,
       percentile_disc(0.99) WITHIN GROUP (ORDER BY state) AS state_p99
  FROM ages
"""
_WATCHED_AGES = """
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY age) AS p50, percentile_disc(0.99) WITHIN GROUP (ORDER BY age) AS p99
  FROM (SELECT extract(epoch FROM $2 - polled_at)::float8 AS age FROM watched_sims
         WHERE account = $1 ORDER BY polled_at LIMIT 20000) oldest
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """Ages in seconds over a sample of an account's active SIMs; None: no SIM with a figure."""

    sampled: int
    usage_unknown: int
    state_unknown: int
    usage_p50: float | None
    usage_p99: float | None
    state_p50: float | None
    state_p99: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A part of the fleet whose watched SIMs are decided anew: row ids in (after, through]."""

    after: int
    through: int


async def next_slice(connection: Connection, now: datetime, not_since: datetime, size: int) -> Slice | None:
    """Take the next slice; None where one was taken after `not_since`, by whichever process."""
    highest = await connection.fetchval(_HIGHEST)
    through = await connection.fetchval(_NEXT_SLICE, now, size, highest, not_since)
    return None if through is None else Slice(after=through - size, through=through)


async def watch_slice(
    connection: Connection,
    part: Slice,
    cycles: Sequence[tuple[str, int]],
    *,
    stopped_after: datetime,
    never_polled: datetime,
) -> None:
    """Decide which SIMs of a slice are watched. `cycles`: the limited accounts with their running cycle (yyyymm)."""
    accounts, numbers = [account for account, _ in cycles], [number for _, number in cycles]
    values = (part.after, part.through, accounts, numbers, stopped_after, never_polled)
    await connection.execute(_WATCH_SLICE.text, *values)


async def watch_pools(
    connection: Connection, pools: Sequence[int], accounts: Sequence[str], never_polled: datetime
) -> None:
    """Watch the active members of these pools, and no longer those of others."""
    await connection.execute(_WATCH_POOLS, pools, accounts, never_polled)


async def count_due(connection: Connection, account: str, until: datetime, limit: int) -> int:
    """How many of an account's watched SIMs were last queried until then; counted up to `limit`."""
    return int(await connection.fetchval(_DUE, account, until, limit))


async def claim(connection: Connection, account: str, now: datetime, limit: int) -> list[int]:
    """Take the watched SIMs that were queried longest ago; they count as queried now."""
    return [row["sim_id"] for row in await connection.fetch(_CLAIM, account, now, limit)]


async def give_back(connection: Connection, sim_ids: Sequence[int], polled_at: datetime) -> None:
    """SIMs that were claimed and could not be queried."""
    await connection.execute(_GIVE_BACK, sim_ids, polled_at)


async def counts(connection: Connection, account: str) -> tuple[int, int]:
    """An account's active SIMs, and its watched ones."""
    row = await connection.fetchrow(_COUNTS, account)
    return row["sims"], row["watched"]


async def ages(connection: Connection, account: str, cycle: int, now: datetime, sample: int) -> Ages:
    """How old usage and state of an account's active SIMs are, by at most `sample` + 1 of them, evenly by row id."""
    row = await connection.fetchrow(_AGES, account, cycle, now, sample)
    return Ages(**dict(row))


async def watched_ages(connection: Connection, account: str, now: datetime) -> tuple[float | None, float | None]:
    """p50 and p99 of the seconds since the watched SIMs were last queried."""
    row = await connection.fetchrow(_WATCHED_AGES, account, now)
    return row["p50"], row["p99"]
