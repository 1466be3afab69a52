"""asyncpg: gaps as they are listed, widest first, and what explains them: reports by hours and days, corrections."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from app.db.connection import Connection
from app.db.report_days import ANY_DAY
from app.db.twin import BESIDE_LOCAL, fetched_first
from app.db.usage.figures import CYCLE_SPANS, CycleSpan, columns

Rows = list[asyncpg.Record]

Position = tuple[int, int]
"""A place in the list: the width of a gap in bytes, the row id of its SIM."""

_COLUMNS = """
SELECT g.sim_id, g.cycle, g.ours, g.theirs, g.as_of, g.width, s.iccid, s.msisdn, s.account, c.reported, c.reported_at,
       EXISTS (SELECT FROM usage_marks u
                WHERE u.sim_id = g.sim_id AND u.cycle = g.cycle AND u.mark = 'meters_disagree') AS meters_disagree
"""
_JOINS = "JOIN sims s ON s.id = g.sim_id JOIN usage_cycles c ON c.sim_id = g.sim_id AND c.cycle = g.cycle"
_PAGE = fetched_first(
    f"""
{_COLUMNS} FROM (
    SELECT * FROM usage_gaps
     WHERE tenant = $1 AND carrier = $2 AND cycle = $3 AND (width, sim_id) < ($4, $5)
     ORDER BY width DESC, sim_id DESC LIMIT $6) g
  {_JOINS} ORDER BY g.width DESC, g.sim_id DESC
""",  # noqa: S608 - our own text
    why=BESIDE_LOCAL,
    usage_cycles="""cycle = $3 AND sim_id IN (
        SELECT sim_id FROM usage_gaps WHERE tenant = $1 AND carrier = $2 AND cycle = $3 AND (width, sim_id) < ($4, $5)
         ORDER BY width DESC, sim_id DESC LIMIT $6)""",
)
_OF = fetched_first(
    f"""
{_COLUMNS} FROM unnest($1::bigint[]) WITH ORDINALITY k(sim_id, place)
  JOIN usage_gaps g ON g.sim_id = k.sim_id AND g.cycle = $2 AND g.tenant = $3
  {_JOINS} ORDER BY k.place
""",
    why=BESIDE_LOCAL,
    usage_cycles="sim_id = ANY($1::bigint[]) AND cycle = $2",
)
_IDS = """
SELECT sim_id FROM usage_gaps WHERE tenant = $1 AND carrier = $2 AND cycle = $3
 ORDER BY width DESC, sim_id DESC LIMIT $4
"""
_SUMS = f"""
SELECT k.place, sum(r.bytes) AS bytes
  FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[]) WITH ORDINALITY k(sim_id, opens, closes, place)
  JOIN usage_reports r ON r.sim_id = k.sim_id AND r.at >= k.opens AND r.at < k.closes AND {ANY_DAY}
 GROUP BY k.place
"""  # noqa: S608 - our own text
_DAYS = f"""
SELECT d.sim_id, d.day, d.bytes AS theirs, coalesce((
       SELECT sum(r.bytes) FROM usage_reports r
        WHERE r.sim_id = d.sim_id AND r.at >= d.starts_at AND r.at < d.as_of AND {ANY_DAY}), 0) AS ours
  FROM {CYCLE_SPANS}
  JOIN usage_days d ON d.sim_id = k.sim_id AND d.starts_at >= k.opens AND d.starts_at < k.closes
 ORDER BY d.sim_id, d.day
"""  # noqa: S608 - our own text
_BEFORE = """
SELECT sim_id, reported - reported_since AS ours, figures AS theirs
  FROM usage_cycles WHERE sim_id = ANY($1::bigint[]) AND cycle = $2 AND figures IS NOT NULL
"""
# Those in force: what a carrier's own figure has replaced since explains nothing any more.
_CORRECTIONS = fetched_first(
    """
SELECT u.sim_id, u.day, u.bytes, u.former, u.at, d.starts_at, d.as_of
  FROM usage_corrections u
  JOIN usage_cycles c ON c.sim_id = u.sim_id AND c.cycle = u.cycle
  LEFT JOIN usage_days d ON d.sim_id = u.sim_id AND d.day = u.day
 WHERE u.sim_id = ANY($1::bigint[]) AND u.cycle = $2
   AND CASE WHEN u.day IS NULL THEN (u.bytes, u.as_of) = (c.carrier_bytes, c.carrier_as_of)
            ELSE (u.bytes, u.as_of) = (d.bytes, d.as_of) AND (c.carrier_as_of IS NULL OR d.as_of > c.carrier_as_of) END
 ORDER BY u.sim_id, u.day
""",
    why=BESIDE_LOCAL,
    usage_cycles="sim_id = ANY($1::bigint[]) AND cycle = $2",
    usage_days="""sim_id = ANY($1::bigint[]) AND day IN (
        SELECT day FROM usage_corrections WHERE sim_id = ANY($1::bigint[]) AND cycle = $2)""",
)
BEFORE_ALL: Position = ((1 << 63) - 1, (1 << 63) - 1)
"""The place before the widest gap."""


async def page(connection: Connection, tenant: str, carrier: str, cycle: int, after: Position, limit: int) -> Rows:
    """The gaps of a tenant's SIMs of a carrier in a cycle (yyyymm) after a position, widest first."""
    found: Rows = await connection.fetch(_PAGE.text, tenant, carrier, cycle, *after, limit)
    return found


async def sims_with_gaps(connection: Connection, tenant: str, carrier: str, cycle: int, limit: int) -> list[int]:
    """The row ids of the SIMs with a gap, widest first."""
    return [row["sim_id"] for row in await connection.fetch(_IDS, tenant, carrier, cycle, limit)]


async def gaps_of(connection: Connection, tenant: str, sim_ids: Sequence[int], cycle: int) -> Rows:
    """The gaps of these SIMs in their order, without those that have closed."""
    found: Rows = await connection.fetch(_OF.text, sim_ids, cycle, tenant)
    return found


async def sums(connection: Connection, spans: Sequence[tuple[int, datetime, datetime]]) -> list[int]:
    """The bytes reported of each (SIM row id, opens, closes), in their order."""
    if not spans:
        return []
    found = await connection.fetch(_SUMS, *map(list, zip(*spans, strict=True)))
    by_place = {row["place"]: int(row["bytes"]) for row in found}
    return [by_place.get(place, 0) for place in range(1, len(spans) + 1)]


async def days(connection: Connection, spans: Sequence[CycleSpan]) -> Rows:
    """(sim_id, day, theirs, ours) of the days with a carrier's figure in these cycles."""
    found: Rows = await connection.fetch(_DAYS, *columns(spans))
    return found


async def sums_before(connection: Connection, sim_ids: Sequence[int], cycle: int) -> dict[int, tuple[int, int]]:
    """(ours, theirs) of another cycle by SIM row id, where a carrier's figure is known."""
    found = await connection.fetch(_BEFORE, sim_ids, cycle)
    return {row["sim_id"]: (row["ours"], row["theirs"]) for row in found}


async def corrections(connection: Connection, sim_ids: Sequence[int], cycle: int) -> Rows:
    """(sim_id, day, bytes, former, at, starts_at, as_of) of the corrections in force in a cycle."""
    found: Rows = await connection.fetch(_CORRECTIONS.text, sim_ids, cycle)
    return found
