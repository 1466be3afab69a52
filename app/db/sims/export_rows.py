"""asyncpg: what is exported of a chunk of an export's SIMs, in the order of their row ids (EX-2)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID

import asyncpg

from app.db.connection import Connection
from app.db.twin import OUTER_JOINED, fetched_first
from app.db.used import USED

_IDS = "SELECT sim_id FROM export_sims WHERE export_id = $1 AND sim_id > $2 ORDER BY sim_id LIMIT $3"
_SIMS = """
SELECT s.iccid, s.carrier, s.terms, s.plan, s.msisdn, s.imsi, s.account, s.opened_on, s.purchased_on, s.state,
       s.activated_on, s.expires_on, s.imei, s.device_serial, s.alias, s.province, s.real_name, s.pool,
       s.order_id AS order, s.holds::text AS holds, s.remark, s.test_months, s.auto_stop, s.tags::text AS tags, s.online
  FROM sims s WHERE s.id = ANY($1::bigint[]) ORDER BY s.id
"""
_BY_CYCLE = fetched_first(
    f"""
SELECT s.id, s.iccid, s.carrier, s.plan, c.cycle, {USED} AS bytes
  FROM sims s LEFT JOIN usage_cycles c ON c.sim_id = s.id AND c.cycle = ANY($2::int[])
 WHERE s.id = ANY($1::bigint[]) ORDER BY s.id, c.cycle
""",  # noqa: S608 - our own text
    why=OUTER_JOINED,
    usage_cycles="sim_id = ANY($1::bigint[]) AND cycle = ANY($2::int[])",
)
_BY_DAY = """
SELECT s.iccid, d.day, d.bytes, d.as_of
  FROM sims s JOIN usage_days d ON d.sim_id = s.id AND d.day >= $2
 WHERE s.id = ANY($1::bigint[]) ORDER BY s.id, d.day
"""
_OPERATIONS = """
SELECT o.id, s.iccid, o.kind, o.status, o.channel, o.source, o.created_at, o.due_at, o.settled_at
  FROM sims s JOIN operations o ON o.sim_id = s.id
 WHERE s.id = ANY($1::bigint[]) ORDER BY s.id, o.id
"""

Rows = list[asyncpg.Record]


async def next_ids(connection: Connection, export_id: UUID, after: int, limit: int) -> list[int]:
    """The next SIMs of an export, by row id."""
    return [row["sim_id"] for row in await connection.fetch(_IDS, export_id, after, limit)]


async def sims(connection: Connection, ids: Sequence[int]) -> Rows:
    """SIMs with the columns that an import takes, and `online`."""
    rows: Rows = await connection.fetch(_SIMS, ids)
    return rows


async def usage_by_cycle(connection: Connection, ids: Sequence[int], cycles: Sequence[int]) -> Rows:
    """Bytes used in these cycles (yyyymm), a row each; a SIM without any has one row with `cycle` NULL."""
    rows: Rows = await connection.fetch(_BY_CYCLE.text, ids, cycles)
    return rows


async def usage_by_day(connection: Connection, ids: Sequence[int], since: date) -> Rows:
    """The carrier's figures by day, from a day on."""
    rows: Rows = await connection.fetch(_BY_DAY, ids, since)
    return rows


async def operations(connection: Connection, ids: Sequence[int]) -> Rows:
    """Every operation of the SIMs."""
    rows: Rows = await connection.fetch(_OPERATIONS, ids)
    return rows
