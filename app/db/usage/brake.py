"""asyncpg: the holds that rules put on, and the brake on them (ST-25)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from app.db.connection import Connection
from app.db.quarantine import not_resting

HOUR = timedelta(hours=1)
REMEDIED_PREFIX = "remedied:"
"""Before a hold's code: the mark, in `usage_marks`, of a SIM whose owner has applied a remedy in the cycle."""

_STOPPED = """
SELECT r.account, r.hold, count(*) AS stopped
  FROM rule_stops r LEFT JOIN account_states a ON a.account = r.account
 WHERE r.account = ANY($1::text[]) AND r.stopped_at > $2
   AND (a.brake_released_at IS NULL OR r.asked_at > a.brake_released_at)
 GROUP BY r.account, r.hold
"""
_CARDS = """
SELECT account, count(*) AS cards FROM sims
 WHERE account = ANY($1::text[]) AND state <> 'cancelled' GROUP BY account
"""
# A hold that waits and is wanted again changes nothing: it keeps `asked_at`, which tells whether a release covers it.
_KEEP = """
INSERT INTO rule_stops AS r (tenant, account, sim_id, cycle, hold, rule, asked_at, stopped_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::int[], $5::text[], $6::text[], $7::timestamptz[],
                     $8::timestamptz[])
ON CONFLICT (sim_id, cycle, hold) DO UPDATE SET stopped_at = excluded.stopped_at,
       asked_at = CASE WHEN r.stopped_at IS NULL THEN r.asked_at ELSE excluded.asked_at END
 WHERE excluded.stopped_at IS NOT NULL OR r.stopped_at IS NOT NULL
RETURNING sim_id, hold, stopped_at IS NULL AS waits
"""
_WAITING = "SELECT sim_id, cycle, hold FROM rule_stops WHERE sim_id = ANY($1::bigint[]) AND stopped_at IS NULL"
_RELEASED = f"""
SELECT r.sim_id, r.cycle, r.hold
  FROM rule_stops r JOIN account_states a ON a.account = r.account
 WHERE r.stopped_at IS NULL AND r.asked_at <= a.brake_released_at
   AND {not_resting("limits", "sim", "r.sim_id::text", now="$1")}
 ORDER BY r.id LIMIT $2
"""  # noqa: S608 - our own text
_LIFTABLE_HOLDS = """
WITH k AS (SELECT * FROM unnest($1::bigint[], $2::int[]) k(sim_id, cycle))
SELECT sim_id, hold FROM rule_stops JOIN k USING (sim_id, cycle) WHERE stopped_at IS NOT NULL
 UNION SELECT sim_id, substr(mark, $4) FROM usage_marks JOIN k USING (sim_id, cycle) WHERE starts_with(mark, $3)
"""
_DROP_WAITING = """
DELETE FROM rule_stops WHERE account = $1 AND cycle < $2 AND stopped_at IS NULL AND NOT hold = ANY($3::text[])
"""
_DROP_WAITING_HOLD = """
DELETE FROM rule_stops WHERE account = ANY($1::text[]) AND stopped_at IS NULL AND tenant = $2 AND hold = $3
"""
_DROP = """
DELETE FROM rule_stops r USING unnest($1::bigint[], $2::int[], $3::text[]) k(sim_id, cycle, hold)
 WHERE r.stopped_at IS NULL AND r.sim_id = k.sim_id AND r.cycle = k.cycle AND r.hold = k.hold
"""
_DELETE_OLD = "DELETE FROM rule_stops WHERE asked_at < $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleStop:
    """A hold that a rule puts on a SIM in a cycle (yyyymm); `stopped_at` None: the brake keeps it waiting."""

    tenant: str
    account: str
    sim_id: int
    cycle: int
    hold: str
    rule: str
    asked_at: datetime
    stopped_at: datetime | None


async def lock_accounts(connection: Connection, accounts: Sequence[str]) -> None:
    """Lock the brake of these accounts until the commit, in the order of their codes."""
    # Two evaluations of an account's SIMs: the second counts the hour only after the first has committed its stops.
    for account in sorted(set(accounts)):
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('brake ' || $1, 0))", account)


async def stopped_last_hour(
    connection: Connection, accounts: Sequence[str], now: datetime
) -> dict[tuple[str, str], int]:
    """How many SIMs each rule has stopped within the hour, by (account, hold).

    Releasing the brake restarts the hour: holds requested before it, and those a person released, do not count.
    """
    rows = await connection.fetch(_STOPPED, accounts, now - HOUR)
    return {(row["account"], row["hold"]): row["stopped"] for row in rows}


async def cards_of(connection: Connection, accounts: Sequence[str]) -> dict[str, int]:
    """How many SIMs each account has, cancelled ones left out."""
    return {row["account"]: row["cards"] for row in await connection.fetch(_CARDS, accounts)}


async def keep(connection: Connection, stops: Sequence[RuleStop]) -> set[tuple[int, str]]:
    """Store holds; gives the (SIM, hold) that begin to wait. A released one keeps the instant it was requested at."""
    if not stops:
        return set()
    columns = [[getattr(stop, name) for stop in stops] for name in RuleStop.__dataclass_fields__]
    return {(row["sim_id"], row["hold"]) for row in await connection.fetch(_KEEP, *columns) if row["waits"]}


async def waiting(connection: Connection, sim_ids: Sequence[int]) -> set[tuple[int, int, str]]:
    """The holds of these SIMs that wait behind the brake: (SIM, cycle, hold)."""
    return {(row["sim_id"], row["cycle"], row["hold"]) for row in await connection.fetch(_WAITING, sim_ids)}


async def released(connection: Connection, now: datetime, limit: int) -> list[asyncpg.Record]:
    """Waiting holds of accounts whose brake was released: (SIM, cycle, hold). Not locked: SIMs are locked first.

    SIMs that are set aside are left out.
    """
    found: list[asyncpg.Record] = await connection.fetch(_RELEASED, now, limit)
    return found


async def liftable_holds(connection: Connection, pairs: Sequence[tuple[int, int]]) -> dict[int, set[str]]:
    """By SIM, the holds of a cycle that usage may lift again: put on by a rule, or remedied. `pairs`: (SIM, cycle)."""
    sims, cycles = zip(*pairs, strict=True)
    found: dict[int, set[str]] = {}
    for row in await connection.fetch(_LIFTABLE_HOLDS, sims, cycles, REMEDIED_PREFIX, len(REMEDIED_PREFIX) + 1):
        found.setdefault(row["sim_id"], set()).add(row["hold"])
    return found


async def drop(connection: Connection, stops: Sequence[tuple[int, int, str]]) -> None:
    """Delete waiting holds that usage no longer calls for: (SIM, cycle, hold)."""
    if stops:
        sims, cycles, holds = zip(*stops, strict=True)
        await connection.execute(_DROP, sims, cycles, holds)


async def drop_waiting(connection: Connection, account: str, before_cycle: int, but: Sequence[str]) -> int:
    """Delete the waiting holds of an account's closed cycles, `but` those of these codes; gives how many."""
    return int((await connection.execute(_DROP_WAITING, account, before_cycle, but)).split()[-1])


async def drop_waiting_hold(connection: Connection, accounts: Sequence[str], tenant: str, hold: str) -> int:
    """Delete a tenant's waiting holds of one code, whatever their cycle; gives how many."""
    return int((await connection.execute(_DROP_WAITING_HOLD, accounts, tenant, hold)).split()[-1])


async def delete_before(connection: Connection, before: datetime) -> int:
    """Delete holds requested before an instant; gives how many."""
    return int((await connection.execute(_DELETE_OLD, before)).split()[-1])
