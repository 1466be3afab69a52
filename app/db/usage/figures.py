"""asyncpg: carrier figures in the counters: which are in force, and which reports add to them (US-3, US-5).

`COUNTED` is the SQL of the domain's `with_days` and of the reports `merge_usage` adds; tests compare the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from app.db.connection import Connection
from app.db.report_days import ANY_DAY
from app.db.twin import NO_ROW_LOCKS, Twin
from app.db.usage.shares import restate
from app.db.used import USED

CYCLE_SPANS = "unnest($1::bigint[], $2::int[], $3::timestamptz[], $4::timestamptz[]) k(sim_id, cycle, opens, closes)"
"""The counters a statement is about (`columns`)."""

HELD_SPANS = f"""(
    SELECT h.sim_id, h.cycle, k.opens, k.closes
      FROM usage_cycles h JOIN {CYCLE_SPANS} ON h.sim_id = k.sim_id AND h.cycle = k.cycle) k"""  # noqa: S608 - our own text
"""Those of them that exist, as rows of the shards they lie in: what is LATERAL to them is then computed there."""

COUNTED = f"""
    SELECT CASE WHEN b.carrier_bytes IS NULL AND d.sim_id IS NULL THEN NULL
                ELSE greatest(coalesce(b.carrier_bytes, 0) + coalesce(d.bytes - d.held, 0), 0) END AS bytes,
           greatest(b.carrier_as_of, d.last) AS covered_to, d.sim_id IS NOT NULL AS has_day_figures,
           (SELECT sum(r.bytes) FROM usage_reports r
             WHERE r.sim_id = k.sim_id AND r.at >= k.opens AND r.at < k.closes AND {ANY_DAY}
               AND (b.carrier_as_of IS NULL OR r.at > b.carrier_as_of)
               AND (d.sim_id IS NULL OR NOT EXISTS (
                    SELECT 1 FROM usage_days x WHERE x.sim_id = k.sim_id AND x.starts_at <= r.at AND r.at < x.as_of
                       AND x.starts_at >= k.opens AND x.starts_at < k.closes))) AS since
      FROM usage_cycles b
      LEFT JOIN LATERAL (
        SELECT x.sim_id, sum(x.bytes) AS bytes, max(x.as_of) AS last,
               coalesce(sum((SELECT sum(r.bytes) FROM usage_reports r
                              WHERE r.sim_id = x.sim_id AND b.carrier_as_of > x.starts_at
                                AND r.at >= x.starts_at AND r.at <= b.carrier_as_of AND {ANY_DAY})), 0) AS held
          FROM usage_days x
         WHERE x.sim_id = k.sim_id AND x.starts_at >= k.opens AND x.starts_at < k.closes
           AND (b.carrier_as_of IS NULL OR x.as_of > b.carrier_as_of) GROUP BY x.sim_id) d ON true
     WHERE b.sim_id = k.sim_id AND b.cycle = k.cycle
"""  # noqa: S608 - our own text
"""The figures of the counter `k`, and the reports they do not cover, counted anew."""

_RECOUNT = """
UPDATE usage_cycles c
   SET figures = f.bytes, figures_to = f.covered_to, has_day_figures = f.has_day_figures,
       reported_since = coalesce(f.since, 0),
       tested = CASE WHEN c.tested_to IS NULL THEN c.tested
                     ELSE coalesce(f.bytes, 0) + coalesce((
                          SELECT sum(r.bytes) FROM usage_reports r
                           WHERE r.sim_id = k.sim_id AND r.at >= k.opens AND r.at < k.closes AND r.at <= c.tested_to
                             AND {any_day}
                             AND (f.covered_to IS NULL OR r.at > f.covered_to)), 0) END
  FROM {spans}
 CROSS JOIN LATERAL ({counted}) f
 WHERE c.sim_id = k.sim_id AND c.cycle = k.cycle
"""
_RECOUNTED = Twin(
    plain=_RECOUNT.format(spans=CYCLE_SPANS, counted=COUNTED, any_day=ANY_DAY),
    distributed=_RECOUNT.format(spans=HELD_SPANS, counted=COUNTED, any_day=ANY_DAY),
    why="nothing LATERAL to a function's rows is computed in the shards",
)

# The order of locks of ingest's rounds: by SIM, then cycle.
_LOCK_USAGE = f"""
SELECT c.sim_id, c.cycle, s.tenant, s.iccid, s.underlying, c.pool_ref, c.next_check_bytes,
       {USED} AS used
  FROM usage_cycles c JOIN sims s ON s.id = c.sim_id
  JOIN unnest($1::bigint[], $2::int[]) k(sim_id, cycle) ON c.sim_id = k.sim_id AND c.cycle = k.cycle
 ORDER BY c.sim_id, c.cycle FOR UPDATE OF c
"""  # noqa: S608 - our own text
_LOCK_DISTRIBUTED = f"""
WITH locked AS (
    UPDATE usage_cycles c SET addons = c.addons FROM unnest($1::bigint[], $2::int[]) k(sim_id, cycle)
     WHERE c.sim_id = k.sim_id AND c.cycle = k.cycle
    RETURNING c.sim_id, c.cycle, c.pool_ref, c.next_check_bytes, {USED} AS used)
SELECT l.sim_id, l.cycle, s.tenant, s.iccid, s.underlying, l.pool_ref, l.next_check_bytes, l.used
  FROM locked l JOIN sims s ON s.id = l.sim_id ORDER BY l.sim_id, l.cycle
"""  # noqa: S608 - our own text
_LOCKED = Twin(plain=_LOCK_USAGE, distributed=_LOCK_DISTRIBUTED, why=NO_ROW_LOCKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleSpan:
    """One SIM's cycle (yyyymm) with the instants at which it opens and closes."""

    sim_id: int
    cycle: int
    opens: datetime
    closes: datetime


def columns(spans: Sequence[CycleSpan]) -> tuple[list[int], list[int], list[datetime], list[datetime]]:
    """The spans as the arguments of `CYCLE_SPANS`."""
    return (
        [span.sim_id for span in spans],
        [span.cycle for span in spans],
        [span.opens for span in spans],
        [span.closes for span in spans],
    )


async def recount(connection: Connection, spans: Sequence[CycleSpan]) -> None:
    """Count these counters anew: the carrier figures in force and the sum of the reports they do not cover.

    A cycle's figure covers up to its `as_of`; for a day that also has a figure of its own, the later of the two is in
    force. Where a cycle's figure ends within a day whose own figure is later, the reports up to that end are what the
    cycle's figure holds of the day.
    """
    if spans:
        await connection.execute(_RECOUNTED.text, *columns(spans))
        await restate(connection, [(span.sim_id, span.cycle) for span in spans])


async def lock_usage(connection: Connection, pairs: Sequence[tuple[int, int]]) -> dict[tuple[int, int], asyncpg.Record]:
    """The counters of these (SIM, cycle) that exist, with tenant, ICCID and state; locked by SIM and cycle."""
    rows = await connection.fetch(_LOCKED.text, [sim_id for sim_id, _ in pairs], [cycle for _, cycle in pairs])
    return {(row["sim_id"], row["cycle"]): row for row in rows}
