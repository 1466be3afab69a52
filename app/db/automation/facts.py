"""asyncpg: what automations are judged by, for a chunk of SIMs at a time: the scope, usage by cycle and by day, events.

The same statements serve the live evaluation and a back-test.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import asyncpg

from app.db.connection import Connection
from app.db.report_days import ANY_DAY
from app.db.sims.search import SimFilter, where_of
from app.db.twin import BESIDE_LOCAL, fetched_first
from app.db.used import USED

# The allowance that applied to the cycle (`app.db.usage.allowances`), with the cycle's add-on packs.
_CYCLES = fetched_first(
    f"""
SELECT s.id AS sim_id, k.cycle, {USED} AS used, coalesce(was.allowance, p.allowance) + c.addons AS allowance
  FROM sims s
  JOIN unnest($2::text[], $3::int[], $4::timestamptz[]) k(account, cycle, ends) ON k.account = s.account
  JOIN usage_cycles c ON c.sim_id = s.id AND c.cycle = k.cycle
 CROSS JOIN LATERAL (
    SELECT coalesce((SELECT l.plan FROM sim_plans l
                      WHERE l.sim_id = s.id AND l.until >= k.ends ORDER BY l.until LIMIT 1), s.plan) AS plan) had
  LEFT JOIN LATERAL (
    SELECT a.allowance FROM plan_allowances a
     WHERE a.tenant = s.tenant AND a.plan = had.plan AND a.until >= k.ends ORDER BY a.until LIMIT 1) was ON true
  LEFT JOIN plans p ON p.tenant = s.tenant AND p.id = had.plan
 WHERE s.id = ANY($1::bigint[]) AND s.activated_on IS NOT NULL
 ORDER BY s.id, k.cycle
""",  # noqa: S608 - our own text
    why=BESIDE_LOCAL,
    usage_cycles="sim_id = ANY($1::bigint[]) AND cycle = ANY($3::int[])",
)
# A day's used is the carrier's figure for it, else the sum of its reports (US-5).
_DAYS = f"""
WITH d AS MATERIALIZED (
    SELECT sim_id, day, bytes FROM usage_days WHERE sim_id = ANY($1::bigint[]) AND day BETWEEN $2 AND $3),
r AS MATERIALIZED (
    SELECT sim_id, (at AT TIME ZONE $4)::date AS day, least(sum(bytes), 9223372036854775807) AS bytes
      FROM usage_reports WHERE sim_id = ANY($1::bigint[]) AND at >= $5 AND at < $6 AND {ANY_DAY}
     GROUP BY 1, 2)
SELECT s.id AS sim_id, u.day, coalesce(u.figure, u.reported)::bigint AS used, p.allowance
  FROM (SELECT sim_id, day, d.bytes AS figure, r.bytes AS reported FROM d FULL JOIN r USING (sim_id, day)) u
  JOIN sims s ON s.id = u.sim_id
  LEFT JOIN plans p ON p.tenant = s.tenant AND p.id = s.plan
 WHERE s.activated_on <= u.day
 ORDER BY s.id, u.day
"""  # noqa: S608 - our own text
_EVENTS = """
SELECT position, event_id, type, subject, known_at, data FROM events
 WHERE tenant = $1 AND position > $2 AND type = ANY($3::text[]) AND known_at >= $4 AND known_at < $5
 ORDER BY position LIMIT $6
"""

Rows = list[asyncpg.Record]


def _plain(arguments: Sequence[Any]) -> list[Any]:
    """Arguments for a connection that has no codec for JSON."""
    return [json.dumps(value) if isinstance(value, dict | list) else value for value in arguments]


async def scope_ids(connection: Connection, tenant: str, wanted: SimFilter, after: int, limit: int) -> list[int]:
    """Row ids of the next SIMs of a scope after an id."""
    where, arguments = where_of(tenant, wanted)
    n = len(arguments)
    rows = await connection.fetch(
        f"SELECT s.id FROM sims s WHERE {where} AND s.id > ${n + 1} ORDER BY s.id LIMIT ${n + 2}",  # noqa: S608 - ours
        *_plain(arguments),
        after,
        limit,
    )
    return [row["id"] for row in rows]


async def scope_of(connection: Connection, tenant: str, wanted: SimFilter, iccids: Sequence[str]) -> dict[str, int]:
    """Of SIMs by their ICCIDs, those of a scope: ICCID -> row id."""
    where, arguments = where_of(tenant, wanted)
    rows = await connection.fetch(
        f"SELECT s.id, s.iccid FROM sims s WHERE {where} AND s.iccid = ANY(${len(arguments) + 1}::text[])",  # noqa: S608
        *_plain(arguments),
        list(iccids),
    )
    return {row["iccid"]: row["id"] for row in rows}


async def scope_size(connection: Connection, tenant: str, wanted: SimFilter) -> int:
    """How many SIMs a scope has."""
    where, arguments = where_of(tenant, wanted)
    return int(await connection.fetchval(f"SELECT count(*) FROM sims s WHERE {where}", *_plain(arguments)))  # noqa: S608


async def accounts_of(connection: Connection, sim_ids: Sequence[int]) -> dict[int, tuple[str, str]]:
    """(account, carrier) of SIMs by row id."""
    rows = await connection.fetch("SELECT id, account, carrier FROM sims WHERE id = ANY($1::bigint[])", sim_ids)
    return {row["id"]: (row["account"], row["carrier"]) for row in rows}


async def cycle_usage(
    connection: Connection, sim_ids: Sequence[int], cycles: Mapping[tuple[str, int], datetime]
) -> Rows:
    """(sim_id, cycle, used, allowance) of activated SIMs; `cycles`: the end of each (account, cycle yyyymm)."""
    accounts, numbers = [account for account, _ in cycles], [number for _, number in cycles]
    found: Rows = await connection.fetch(_CYCLES.text, sim_ids, accounts, numbers, list(cycles.values()))
    return found


async def day_usage(
    connection: Connection,
    sim_ids: Sequence[int],
    zone: str,
    days: tuple[date, date],
    instants: tuple[datetime, datetime],
) -> Rows:
    """(sim_id, day, used, allowance) of SIMs of one zone, activated by then; `days` are both included.

    `instants`: those at which the days begin and end.
    """
    found: Rows = await connection.fetch(_DAYS, sim_ids, *days, zone, *instants)
    return found


async def events_between(
    connection: Connection,
    tenant: str,
    types: Sequence[str],
    period: tuple[datetime, datetime],
    after: int,
    limit: int,
) -> Rows:
    """The next events of these types past a position that became known in [start, end)."""
    found: Rows = await connection.fetch(_EVENTS, tenant, after, list(types), *period, limit)
    return found
