"""asyncpg: the findings that are stored: added, kept, ended, and read page by page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from app.db.connection import Connection

_ROWS = """
SELECT * FROM jsonb_to_recordset($1::text::jsonb) AS n(
       tenant text, code text, kind text, rule text, sim_id bigint, carrier text, evidence jsonb, advice text,
       operation text, arguments jsonb, saves_fen bigint)
"""
_STORE = """
INSERT INTO findings AS f (tenant, code, kind, rule, sim_id, carrier, evidence, advice, operation, arguments, saves_fen,
                           since, seen_at)
SELECT n.*, $2::timestamptz, $2::timestamptz FROM ({rows}) n ORDER BY n.sim_id, n.carrier, n.code
ON CONFLICT ({key}) WHERE ended_at IS NULL AND sim_id IS {null} NULL DO UPDATE
   SET tenant = excluded.tenant, rule = excluded.rule, evidence = excluded.evidence, advice = excluded.advice,
       operation = excluded.operation, arguments = excluded.arguments, saves_fen = excluded.saves_fen,
       seen_at = excluded.seen_at
"""
_STORE_OF_SIMS = _STORE.format(rows=_ROWS, key="sim_id, code", null="NOT")
_STORE_OF_CARRIERS = _STORE.format(rows=_ROWS, key="tenant, carrier, code", null="")
_KEEP = "UPDATE findings SET seen_at = $2 WHERE ended_at IS NULL AND sim_id = ANY($1::bigint[])"
_END = "UPDATE findings SET ended_at = $1 WHERE ended_at IS NULL AND seen_at < $1"
_FORGET = """
DELETE FROM findings f WHERE f.sim_id IS NOT NULL AND NOT EXISTS (SELECT FROM sims s WHERE s.id = f.sim_id)
"""
_PAGE = """
SELECT f.*, f.evidence::text AS evidence_text, f.arguments::text AS arguments_text, s.iccid
  FROM findings f LEFT JOIN sims s ON s.id = f.sim_id
 WHERE f.tenant = $1 AND f.id > $2 AND f.ended_at IS {}
   AND ($3::text IS NULL OR f.kind = $3) AND ($4::text IS NULL OR f.code = $4)
   AND ($5::bigint IS NULL OR f.sim_id = $5) AND (f.sim_id IS NULL OR s.tenant = f.tenant)
 ORDER BY f.id LIMIT $6
"""
_OPEN_PAGE, _ENDED_PAGE = _PAGE.format("NULL"), _PAGE.format("NOT NULL")


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRow:
    """One finding as it is stored: of a SIM by its row id, or of a tenant's SIMs of a carrier."""

    tenant: str
    code: str
    kind: str
    rule: str
    evidence: dict[str, Any]
    advice: str
    arguments: dict[str, Any]
    operation: str | None = None
    sim_id: int | None = None
    carrier: str | None = None
    saves_fen: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingFilter:
    """Which findings: those that last, or those that ended; None: no filter."""

    ended: bool = False
    kind: str | None = None
    code: str | None = None
    sim_id: int | None = None


async def store(connection: Connection, found: Sequence[FindingRow], at: datetime) -> None:
    """Add what is new, and renew what lasts: its `since` stays."""
    for statement, of_sims in ((_STORE_OF_SIMS, True), (_STORE_OF_CARRIERS, False)):
        rows = [_columns(one) for one in found if (one.sim_id is not None) == of_sims]
        if rows:
            await connection.execute(statement, json.dumps(rows), at)


def _columns(one: FindingRow) -> dict[str, Any]:
    return {name: getattr(one, name) for name in FindingRow.__dataclass_fields__}


async def keep(connection: Connection, sim_ids: Sequence[int], at: datetime) -> None:
    """Renew the findings of these SIMs, which could not be looked at."""
    await connection.execute(_KEEP, list(sim_ids), at)


async def end_unseen(connection: Connection, at: datetime) -> int:
    """End what was not seen in the run of this instant; gives how many."""
    return _count(await connection.execute(_END, at))


async def forget(connection: Connection) -> int:
    """Delete what is about SIMs that were deleted; gives how many."""
    return _count(await connection.execute(_FORGET))


def _count(tag: str) -> int:
    return int(tag.rpartition(" ")[2])


async def page(
    connection: Connection, tenant: str, wanted: FindingFilter, after: int, limit: int
) -> Sequence[asyncpg.Record]:
    """The next findings of a tenant by id, with the ICCID of each SIM."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(
        _ENDED_PAGE if wanted.ended else _OPEN_PAGE, tenant, after, wanted.kind, wanted.code, wanted.sim_id, limit
    )
    return rows
