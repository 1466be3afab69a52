"""asyncpg: unmatched reports, counted when their SIM is added, unmatched again when it is removed, deleted in time.

The statements share the locks and the transaction of usage ingest (`app.db.usage.ingest`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg

from app.db.connection import Connection
from app.db.report_days import ANY_DAY
from app.db.twin import Twin
from app.db.usage.ingest import SIMS_LOCK, UNMATCHED_LOCK

_REPORTS_OF = """
SELECT u.id, u.gateway, u.report_id, u.at, u.bytes, k.sim_id
  FROM unnest($2::text[], $3::bigint[]) k(iccid, sim_id)
  JOIN usage_unmatched u ON u.tenant = $1 AND u.iccid = k.iccid
"""
_ASSIGN_SIMS = """
UPDATE usage_reports r SET sim_id = k.sim_id, iccid = NULL
  FROM unnest($1::int[], $2::text[], $3::timestamptz[], $4::bigint[]) k(gateway, report_id, at, sim_id)
 WHERE r.gateway = k.gateway AND r.report_id = k.report_id AND r.at = k.at
"""
_DETACH = f"""
WITH mine AS (UPDATE usage_reports SET sim_id = NULL, iccid = $2 WHERE sim_id = $1 AND {ANY_DAY}
              RETURNING gateway, report_id, at, bytes)
INSERT INTO usage_unmatched (tenant, iccid, gateway, report_id, at, bytes, received_at)
SELECT $3, $2, gateway, report_id, at, bytes, $4 FROM mine
"""  # noqa: S608 - our own text
_DELETE_OLD = """
WITH old AS (DELETE FROM usage_unmatched WHERE id IN (
                 SELECT id FROM usage_unmatched WHERE received_at < $1 ORDER BY received_at LIMIT $2)
             RETURNING gateway, report_id, at)
DELETE FROM usage_reports r USING old
 WHERE r.gateway = old.gateway AND r.report_id = old.report_id AND r.at = old.at AND r.sim_id IS NULL
"""
_TWO_TABLES = "the identity lies by gateway, the report of a known SIM by SIM"
_ASSIGNED = Twin(
    plain=_ASSIGN_SIMS,
    distributed="""
WITH named AS (
    UPDATE usage_identities r SET sim_id = k.sim_id, iccid = NULL
      FROM unnest($1::int[], $2::text[], $3::timestamptz[], $4::bigint[]) k(gateway, report_id, at, sim_id)
     WHERE r.gateway = k.gateway AND r.report_id = k.report_id AND r.at = k.at
    RETURNING r.sim_id, r.at, r.bytes, r.gateway, r.report_id, r.received_at, r.day_key)
INSERT INTO usage_reports (sim_id, at, bytes, gateway, report_id, received_at, day_key) SELECT * FROM named
""",
    why=_TWO_TABLES,
)
_DETACHED = Twin(
    plain=_DETACH,
    distributed=f"""
WITH mine AS (DELETE FROM usage_reports WHERE sim_id = $1 AND {ANY_DAY} RETURNING gateway, report_id, at, bytes),
unnamed AS (
    UPDATE usage_identities r SET sim_id = NULL, iccid = $2 FROM mine
     WHERE r.gateway = mine.gateway AND r.report_id = mine.report_id AND r.at = mine.at RETURNING 1)
INSERT INTO usage_unmatched (tenant, iccid, gateway, report_id, at, bytes, received_at)
SELECT $3, $2, gateway, report_id, at, bytes, $4 FROM mine
""",  # noqa: S608 - our own text
    why=_TWO_TABLES,
)
_DELETED = Twin(
    plain=_DELETE_OLD, distributed=_DELETE_OLD.replace("usage_reports", "usage_identities"), why=_TWO_TABLES
)
# Raised under SIMS_LOCK, exclusive: a batch takes it shared and compares the epoch it was resolved in.
_RAISE_EPOCH = """
INSERT INTO usage_epoch (id, epoch) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET epoch = usage_epoch.epoch + 1
"""
_OF_ONE_SIM = (
    "usage_cycles",
    "usage_days",
    "usage_marks",
    "usage_addons",
    "usage_gaps",
    "usage_corrections",
    "sim_plans",
    "usage_figures_replaced",
    "usage_shares",
)
_LIST = """
SELECT u.id, u.iccid, g.name AS gateway, u.report_id, u.at, u.bytes, u.received_at
  FROM usage_unmatched u JOIN usage_gateways g ON g.id = u.gateway
 WHERE u.tenant = $1 AND u.id > $2 ORDER BY u.id LIMIT $3
"""


async def invalidate_sim_caches(connection: Connection) -> None:
    """Wait for the batches under way and invalidate the SIM cache of every process."""
    await connection.execute(f"SELECT pg_advisory_xact_lock({SIMS_LOCK})")
    await connection.execute(_RAISE_EPOCH)


async def lock_reports(connection: Connection) -> None:
    """Take `UNMATCHED_LOCK`, so that no other unmatched reports can be added until the commit."""
    await connection.execute(f"SELECT pg_advisory_xact_lock({UNMATCHED_LOCK})")


async def lock_reports_of(connection: Connection, tenant: str, forms: Mapping[str, int]) -> list[asyncpg.Record]:
    """(id, gateway, report_id, at, bytes, sim_id) of the unmatched reports of these SIMs (row id by form of the ICCID).

    Takes `UNMATCHED_LOCK`, so that no others can be added until the commit.
    """
    await lock_reports(connection)
    found: list[asyncpg.Record] = await connection.fetch(_REPORTS_OF, tenant, list(forms), list(forms.values()))
    return found


async def assign_sims(connection: Connection, reports: Sequence[asyncpg.Record]) -> None:
    """Assign these reports to their SIMs; they are no longer unmatched."""
    await connection.execute(
        _ASSIGNED.text,
        [row["gateway"] for row in reports],
        [row["report_id"] for row in reports],
        [row["at"] for row in reports],
        [row["sim_id"] for row in reports],
    )
    await connection.execute("DELETE FROM usage_unmatched WHERE id = ANY($1::bigint[])", [row["id"] for row in reports])


async def detach(connection: Connection, tenant: str, sim_id: int, iccid: str, now: datetime) -> None:
    """Make the reports of a SIM that is removed unmatched under its ICCID, and delete its counters."""
    await invalidate_sim_caches(connection)
    await connection.execute(_DETACHED.text, sim_id, iccid, tenant, now)
    for table in _OF_ONE_SIM:
        await connection.execute(f"DELETE FROM {table} WHERE sim_id = $1", sim_id)  # noqa: S608 - names of ours


async def delete_before(connection: Connection, before: datetime, limit: int) -> int:
    """Delete unmatched reports received before an instant, with their identities; gives how many.

    `UNMATCHED_LOCK` keeps out those being counted for a SIM that is added: without its identity a report could be
    counted twice.
    """
    async with connection.transaction():
        await connection.execute(f"SELECT pg_advisory_xact_lock({UNMATCHED_LOCK})")
        return int((await connection.execute(_DELETED.text, before, limit)).split()[-1])


async def page(connection: Connection, tenant: str, after: int, limit: int) -> list[asyncpg.Record]:
    """A tenant's unmatched reports by row id."""
    found: list[asyncpg.Record] = await connection.fetch(_LIST, tenant, after, limit)
    return found
