"""asyncpg: the counters of cycles at an instant, worked out again from reports and carrier figures (US-5).

`usage_cycles` holds the sums of now. As of an instant T, as known at K, those reports count that were received up to K
and whose traffic is from before T (or that had come by T: a gateway's clock may be ahead); of the figures known at K
the latest that covers nothing after T (or was held at T), as `app.db.usage.figures` counts the present ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from app.db.connection import Connection
from app.db.report_days import ANY_DAY
from app.db.twin import BESIDE_LOCAL, Layout, fetched_first
from app.db.usage.counters import ReportPosition
from app.domain.usage.figures import CarrierFigure

_REPORT = "least(r.at, coalesce(r.received_at, r.at)) <= $6 AND coalesce(r.received_at, r.at) <= $7"
_FIGURE = "f.bytes IS NOT NULL AND least(f.as_of, f.known_at) <= $6 AND coalesce(f.known_at, f.as_of) <= $7"

_SHOWN = """sim_id = ANY($1::bigint[])
       AND {0} >= (SELECT min(o) FROM unnest($3::timestamptz[]) o)
       AND {0} < (SELECT max(o) FROM unnest($4::timestamptz[]) o)"""
# A figure is known from where the one before it was replaced; that of the first one is a record without bytes.
_CYCLE_FIGURE = f"""
    SELECT f.bytes, f.as_of FROM (
        SELECT h.bytes, h.as_of, lag(h.until) OVER (ORDER BY h.until, h.id) AS known_at FROM (
            SELECT x.bytes, x.as_of, x.until, x.id FROM usage_figures_replaced x
             WHERE x.sim_id = k.sim_id AND x.cycle = k.cycle AND x.day IS NULL
             UNION ALL SELECT c.carrier_bytes, c.carrier_as_of, 'infinity', 0) h) f
     WHERE {_FIGURE} ORDER BY f.as_of DESC, f.known_at DESC NULLS LAST LIMIT 1"""  # noqa: S608 - our own text
_DAY_FIGURES = f"""
    SELECT DISTINCT ON (f.day) f.day, f.starts_at, f.bytes, f.as_of FROM (
        SELECT h.*, lag(h.until) OVER (PARTITION BY h.day ORDER BY h.until, h.id) AS known_at FROM (
            SELECT x.day, x.starts_at, x.bytes, x.as_of, x.until, x.id FROM usage_figures_replaced x
             WHERE x.sim_id = k.sim_id AND x.cycle = k.cycle AND x.day IS NOT NULL
             UNION ALL
            SELECT d.day, d.starts_at, d.bytes, d.as_of, 'infinity', 0 FROM usage_days d
             WHERE d.sim_id = k.sim_id AND d.starts_at >= k.opens AND d.starts_at < k.closes) h) f
     WHERE {_FIGURE} ORDER BY f.day, f.as_of DESC, f.known_at DESC NULLS LAST"""  # noqa: S608 - our own text

PAST = fetched_first(
    f"""
SELECT k.sim_id, k.cycle, u.figures, u.figures_to, r.reported, r.reported_at, r.reported_since, a.addons,
       CASE WHEN c.tested_to IS NULL OR NOT k.activated OR c.tested_to > $6 OR u.figures_to >= c.tested_to THEN 0
            ELSE least(coalesce(u.figures, 0) + r.tested, greatest(c.tested, 0)) END AS tested
  FROM unnest($1::bigint[], $2::int[], $3::timestamptz[], $4::timestamptz[], $5::boolean[])
       k(sim_id, cycle, opens, closes, activated)
  JOIN usage_cycles c ON c.sim_id = k.sim_id AND c.cycle = k.cycle
  LEFT JOIN LATERAL ({_CYCLE_FIGURE}) b ON true
  LEFT JOIN LATERAL (
    SELECT array_agg(d.starts_at) AS starts, array_agg(d.as_of) AS ends FROM ({_DAY_FIGURES}) d) s ON true
 CROSS JOIN LATERAL (
    SELECT CASE WHEN b.bytes IS NULL AND count(d.day) = 0 THEN NULL
                ELSE greatest(coalesce(b.bytes, 0) + coalesce(sum(d.bytes), 0) - coalesce(sum((
                     SELECT sum(r.bytes) FROM usage_reports r
                      WHERE r.sim_id = k.sim_id AND b.as_of > d.starts_at AND r.at >= d.starts_at AND r.at <= b.as_of
                        AND {ANY_DAY}
                        AND {_REPORT})), 0), 0) END::bigint AS figures,
           greatest(b.as_of, max(d.as_of)) AS figures_to
      FROM ({_DAY_FIGURES}) d WHERE b.as_of IS NULL OR d.as_of > b.as_of) u
 CROSS JOIN LATERAL (
    SELECT coalesce(sum(r.bytes), 0)::bigint AS reported, max(r.at) AS reported_at,
           coalesce(sum(r.bytes) FILTER (WHERE (b.as_of IS NULL OR r.at > b.as_of) AND NOT EXISTS (
               SELECT FROM unnest(s.starts, s.ends) x(starts_at, ends_at)
                WHERE x.starts_at <= r.at AND r.at < x.ends_at)), 0)::bigint AS reported_since,
           coalesce(sum(r.bytes) FILTER (WHERE r.at <= c.tested_to
               AND (u.figures_to IS NULL OR r.at > u.figures_to)), 0)::bigint AS tested
      FROM usage_reports r
     WHERE r.sim_id = k.sim_id AND r.at >= k.opens AND r.at < k.closes AND {_REPORT}
       AND {ANY_DAY}) r
 CROSS JOIN LATERAL (
    SELECT least(coalesce(sum(x.bytes), 0), 1::bigint << 60)::bigint AS addons FROM usage_addons x
     WHERE x.sim_id = k.sim_id AND x.cycle = k.cycle AND x.in_force_at <= $6) a
""",  # noqa: S608 - our own text
    why=BESIDE_LOCAL,
    usage_cycles="sim_id = ANY($1::bigint[]) AND cycle = ANY($2::int[])",
    usage_days=_SHOWN.format("starts_at"),
    usage_reports=f"{_SHOWN.format('at')} AND {ANY_DAY}",
)
"""Counters as `usage_cycles` shows them, of SIM, cycle, its span, and whether the SIM was activated ($1 to $5)."""

FETCHED_AT_ONCE = 20
"""Counters whose reports are fetched by one statement where these are distributed."""

_DAYS = f"""
SELECT (at AT TIME ZONE $4)::date AS day, least(sum(bytes), 9223372036854775807)::bigint AS bytes, max(at) AS as_of
  FROM usage_reports r WHERE sim_id = $1 AND at >= $2 AND at < $3 AND {ANY_DAY}
   AND least(r.at, coalesce(r.received_at, r.at)) <= $5 AND coalesce(r.received_at, r.at) <= $6 GROUP BY 1
"""  # noqa: S608 - our own text
_CARRIER_DAYS = """
SELECT DISTINCT ON (f.day) f.day, f.bytes, f.as_of FROM (
    SELECT h.*, lag(h.until) OVER (PARTITION BY h.day ORDER BY h.until, h.id) AS known_at FROM (
        SELECT x.day, x.bytes, x.as_of, x.until, x.id FROM usage_figures_replaced x
         WHERE x.sim_id = $1 AND x.day BETWEEN $2 AND $3 AND x.cycle = ANY($6::int[])
         UNION ALL
        SELECT d.day, d.bytes, d.as_of, 'infinity', 0 FROM usage_days d
         WHERE d.sim_id = $1 AND d.day BETWEEN $2 AND $3) h) f
 WHERE f.bytes IS NOT NULL AND least(f.as_of, f.known_at) <= $4 AND coalesce(f.known_at, f.as_of) <= $5
 ORDER BY f.day, f.as_of DESC, f.known_at DESC NULLS LAST
"""
_REPORTS = f"""
WITH r AS MATERIALIZED (
    SELECT gateway, report_id, at, bytes FROM usage_reports
     WHERE sim_id = $1 AND at >= $2 AND at < $3 AND (at, gateway, report_id) > ($2, $4, $5)
       AND {ANY_DAY}
       AND least(at, coalesce(received_at, at)) <= $7 AND coalesce(received_at, at) <= $8
     ORDER BY at, gateway, report_id LIMIT $6)
SELECT g.name, r.gateway, r.report_id, r.at, r.bytes
  FROM r JOIN usage_gateways g ON g.id = r.gateway ORDER BY r.at, r.gateway, r.report_id
"""  # noqa: S608 - our own text
_EVER_USED = f"""
SELECT EXISTS (SELECT 1 FROM usage_cycles u
                WHERE u.sim_id = $1 AND u.cycle < $2 AND (u.reported > 0 OR coalesce(u.figures, 0) > 0))
    OR EXISTS (SELECT 1 FROM usage_reports r
                WHERE r.sim_id = $1 AND least(r.at, coalesce(r.received_at, r.at)) <= $3
                  AND coalesce(r.received_at, r.at) <= $4 AND {ANY_DAY})
"""  # noqa: S608 - our own text
_DELETE_OLD = """
DELETE FROM usage_figures_replaced
 WHERE ctid = ANY(ARRAY(SELECT ctid FROM usage_figures_replaced WHERE until < $1 LIMIT $2))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastCycle:
    """A SIM's cycle (yyyymm) with its span, and whether the SIM was activated at the instant of the read."""

    sim_id: int
    cycle: int
    opens: datetime
    closes: datetime
    activated: bool


Moment = tuple[datetime, datetime]
"""The instant as of which is read, and the one at which it was known."""


async def counters_at(
    connection: Connection, cycles: Sequence[PastCycle], moment: Moment
) -> dict[tuple[int, int], Mapping[str, Any]]:
    """The counters of these cycles at a moment by (SIM, cycle), with the columns `usage_view` needs."""
    # On Citus the reports are fetched before they are summed, and gone through once for each counter.
    size = FETCHED_AT_ONCE if Layout.distributed else max(len(cycles), 1)
    parts = [cycles[first : first + size] for first in range(0, len(cycles), size)]
    rows = [row for part in parts for row in await _past(connection, part, moment)]
    return {(row["sim_id"], row["cycle"]): row for row in rows}


async def _past(connection: Connection, cycles: Sequence[PastCycle], moment: Moment) -> Sequence[Mapping[str, Any]]:
    rows: Sequence[Mapping[str, Any]] = await connection.fetch(
        PAST.text,
        [one.sim_id for one in cycles],
        [one.cycle for one in cycles],
        [one.opens for one in cycles],
        [one.closes for one in cycles],
        [one.activated for one in cycles],
        *moment,
    )
    return rows


async def used_before(connection: Connection, sim_id: int, cycle: int, moment: Moment) -> bool:
    """Whether a SIM had reported traffic at a moment, or had used anything in a cycle before this one (yyyymm)."""
    used: bool = await connection.fetchval(_EVER_USED, sim_id, cycle, *moment)
    return used


async def days_at(
    connection: Connection, sim_id: int, span: tuple[datetime, datetime], zone: str, moment: Moment
) -> dict[date, Mapping[str, Any]]:
    """(day, bytes, as_of) by day of `zone` in a span: the sum of a SIM's reports at a moment, and the last."""
    return {row["day"]: row for row in await connection.fetch(_DAYS, sim_id, *span, zone, *moment)}


async def carrier_days_at(
    connection: Connection, sim_id: int, days: tuple[date, date], cycles: Sequence[int], moment: Moment
) -> dict[date, CarrierFigure]:
    """The carrier's figures for a SIM's days, both included, at a moment; `cycles`: those they lie in."""
    rows = await connection.fetch(_CARRIER_DAYS, sim_id, *days, *moment, cycles)
    return {row["day"]: CarrierFigure(used=row["bytes"], as_of=row["as_of"]) for row in rows}


async def reports_at(
    connection: Connection, sim_id: int, after: ReportPosition, until: datetime, limit: int, moment: Moment
) -> list[Mapping[str, Any]]:
    """A SIM's distinct reports at a moment, after a position and before an instant, by instant."""
    place = (after.at, until, after.gateway, after.report_id)
    return list(await connection.fetch(_REPORTS, sim_id, *place, limit, *moment))


async def delete_figures_before(connection: Connection, before: datetime, limit: int) -> int:
    """Delete at most `limit` figures replaced before an instant; gives how many."""
    return int((await connection.execute(_DELETE_OLD, before, limit)).split()[-1])
