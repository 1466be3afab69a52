"""asyncpg: stops that rules ask for, and the brake on them (ST-25): what was stopped when, what waits for a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from app.db.connection import Connection

HOUR = timedelta(hours=1)
REMEDIED_PREFIX = "remedied:"
"""Before a hold's code: the mark of a card whose owner did in this cycle what may lift the hold (`usage_marks`)."""

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
_RELEASED = """
SELECT r.sim_id, r.cycle, r.hold
  FROM rule_stops r JOIN account_states a ON a.account = r.account
 WHERE r.stopped_at IS NULL AND r.asked_at <= a.brake_released_at
 ORDER BY r.id LIMIT $1
"""
_LIFTABLE_HOLDS = """
WITH k AS (SELECT * FROM unnest($1::bigint[], $2::int[]) k(sim_id, cycle))
SELECT sim_id, hold FROM rule_stops JOIN k USING (sim_id, cycle) WHERE stopped_at IS NOT NULL
 UNION SELECT sim_id, substr(mark, $4) FROM usage_marks JOIN k USING (sim_id, cycle) WHERE starts_with(mark, $3)
"""
_DROP_WAITING = "DELETE FROM rule_stops WHERE account = $1 AND cycle < $2 AND stopped_at IS NULL"
_DROP = """
DELETE FROM rule_stops r USING unnest($1::bigint[], $2::int[], $3::text[]) k(sim_id, cycle, hold)
 WHERE r.stopped_at IS NULL AND r.sim_id = k.sim_id AND r.cycle = k.cycle AND r.hold = k.hold
"""
_DELETE_OLD = "DELETE FROM rule_stops WHERE asked_at < $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleStop:
    """A rule's wish to stop a card; `stopped_at` None: it waits behind the brake."""

    tenant: str
    account: str
    sim_id: int
    cycle: int
    hold: str
    rule: str
    asked_at: datetime
    stopped_at: datetime | None


async def lock_accounts(connection: Connection, accounts: Sequence[str]) -> None:
    """One judge of an account's brake at a time."""
    for account in sorted(set(accounts)):
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('brake ' || $1, 0))", account)


async def stopped_last_hour(
    connection: Connection, accounts: Sequence[str], now: datetime
) -> dict[tuple[str, str], int]:
    """How many cards each rule stopped within the hour, by (account, hold).

    A release begins the hour anew; what was asked for before it, and stops by that person's word, counts no more.
    """
    rows = await connection.fetch(_STOPPED, accounts, now - HOUR)
    return {(row["account"], row["hold"]): row["stopped"] for row in rows}


async def cards_of(connection: Connection, accounts: Sequence[str]) -> dict[str, int]:
    """How many cards each account has."""
    return {row["account"]: row["cards"] for row in await connection.fetch(_CARDS, accounts)}


async def keep(connection: Connection, stops: Sequence[RuleStop]) -> set[tuple[int, str]]:
    """Remember stops; gives the (card, hold) that begin to wait. One released keeps the instant it was asked for at."""
    if not stops:
        return set()
    columns = [[getattr(stop, name) for stop in stops] for name in RuleStop.__dataclass_fields__]
    return {(row["sim_id"], row["hold"]) for row in await connection.fetch(_KEEP, *columns) if row["waits"]}


async def waiting(connection: Connection, sim_ids: Sequence[int]) -> set[tuple[int, int, str]]:
    """What of these cards waits behind the brake: (card, cycle, hold)."""
    return {(row["sim_id"], row["cycle"], row["hold"]) for row in await connection.fetch(_WAITING, sim_ids)}


async def released(connection: Connection, limit: int) -> list[asyncpg.Record]:
    """Stops that waited when a person released the brake: (card, cycle, hold). Not locked: cards come first."""
    found: list[asyncpg.Record] = await connection.fetch(_RELEASED, limit)
    return found


async def liftable_holds(connection: Connection, pairs: Sequence[tuple[int, int]]) -> dict[int, set[str]]:
    """The holds of each card that its use in this cycle answers for: put on by a rule, or remedied (card, cycle)."""
    sims, cycles = zip(*pairs, strict=True)
    found: dict[int, set[str]] = {}
    for row in await connection.fetch(_LIFTABLE_HOLDS, sims, cycles, REMEDIED_PREFIX, len(REMEDIED_PREFIX) + 1):
        found.setdefault(row["sim_id"], set()).add(row["hold"])
    return found


async def drop(connection: Connection, stops: Sequence[tuple[int, int, str]]) -> None:
    """These waiting stops are no longer called for: (card, cycle, hold)."""
    if stops:
        sims, cycles, holds = zip(*stops, strict=True)
        await connection.execute(_DROP, sims, cycles, holds)


async def drop_waiting(connection: Connection, account: str, before_cycle: int) -> int:
    """What waited in cycles that are over need not be stopped any more."""
    return int((await connection.execute(_DROP_WAITING, account, before_cycle)).split()[-1])


async def delete_before(connection: Connection, before: datetime) -> int:
    """Forget stops of long ago."""
    return int((await connection.execute(_DELETE_OLD, before)).split()[-1])
