"""asyncpg: usage counters by cycle and day, carrier figures.

Set-based statements over thousands of SIMs, on the unit of work's own connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

import asyncpg

from app.db.connection import Connection
from app.db.report_days import ANY_DAY
from app.db.twin import NO_ROW_LOCKS, Twin
from app.db.usage.shares import restate
from app.db.used import BEFORE_ACTIVATION, USED
from app.domain.usage.figures import CarrierFigure

Rows = list[asyncpg.Record]

# Inserted by SIM and cycle, as ingest does: two that begin the same counters wait for each other in one order.
_ENSURE_COUNTERS = """
INSERT INTO usage_cycles (sim_id, cycle, pool_ref, next_check_bytes)
SELECT k.sim_id, k.cycle, p.ref, 0
  FROM unnest($1::bigint[], $2::int[]) k(sim_id, cycle)
  JOIN sims s ON s.id = k.sim_id
  LEFT JOIN pools p ON p.tenant = s.tenant AND p.id = s.pool AND k.cycle >= coalesce(p.open_cycle, 0)
 ORDER BY 1, 2 ON CONFLICT DO NOTHING
"""
# Pulls, refreshes and corrections run side by side: compared with the stored `as_of`, an older figure changes nothing.
# What a figure replaces is kept (LC-12); the counters are locked, so the snapshot shows what is replaced.
_UPSERT_CYCLE_FIGURES = """
WITH k AS (
    SELECT * FROM unnest($1::bigint[], $2::int[], $3::bigint[], $4::timestamptz[]) k(sim_id, cycle, bytes, as_of)),
changed AS (
    UPDATE usage_cycles c SET carrier_bytes = k.bytes, carrier_as_of = k.as_of FROM k
     WHERE c.sim_id = k.sim_id AND c.cycle = k.cycle AND (c.carrier_as_of IS NULL OR c.carrier_as_of <= k.as_of)
       AND (c.carrier_bytes, c.carrier_as_of) IS DISTINCT FROM (k.bytes, k.as_of)
    RETURNING c.sim_id, c.cycle),
replaced AS (
    INSERT INTO usage_figures_replaced (sim_id, cycle, bytes, as_of, until)
    SELECT c.sim_id, c.cycle, c.carrier_bytes, c.carrier_as_of, $5
      FROM changed JOIN usage_cycles c USING (sim_id, cycle) ORDER BY 1, 2)
SELECT sim_id, cycle FROM changed
"""
_SNAPSHOT = "Citus runs the parts of a WITH one after another: what is replaced is read before it is replaced"
_CYCLE_FIGURES = Twin(
    plain=_UPSERT_CYCLE_FIGURES,
    distributed="""
WITH was AS MATERIALIZED (
    SELECT c.sim_id, c.cycle, c.carrier_bytes, c.carrier_as_of
      FROM unnest($1::bigint[], $2::int[]) k(sim_id, cycle)
      JOIN usage_cycles c ON c.sim_id = k.sim_id AND c.cycle = k.cycle),
changed AS (
    UPDATE usage_cycles c SET carrier_bytes = k.bytes, carrier_as_of = k.as_of
      FROM unnest($1::bigint[], $2::int[], $3::bigint[], $4::timestamptz[]) k(sim_id, cycle, bytes, as_of)
     WHERE c.sim_id = k.sim_id AND c.cycle = k.cycle AND (c.carrier_as_of IS NULL OR c.carrier_as_of <= k.as_of)
       AND (c.carrier_bytes, c.carrier_as_of) IS DISTINCT FROM (k.bytes, k.as_of)
    RETURNING c.sim_id, c.cycle),
replaced AS (
    INSERT INTO usage_figures_replaced (sim_id, cycle, bytes, as_of, until)
    SELECT sim_id, cycle, was.carrier_bytes, was.carrier_as_of, $5 FROM changed JOIN was USING (sim_id, cycle)
     ORDER BY 1, 2)
SELECT sim_id, cycle FROM changed
""",
    why=_SNAPSHOT,
)
_UPSERT_DAY_FIGURES = """
WITH k AS (
    SELECT * FROM unnest($1::bigint[], $2::date[], $3::bigint[], $4::timestamptz[], $5::timestamptz[], $6::int[])
                  k(sim_id, day, bytes, starts_at, as_of, cycle)),
changed AS (
    INSERT INTO usage_days AS d (sim_id, day, bytes, starts_at, as_of)
    SELECT sim_id, day, bytes, starts_at, as_of FROM k
    ON CONFLICT (sim_id, day) DO UPDATE SET bytes = excluded.bytes, as_of = excluded.as_of
     WHERE d.as_of <= excluded.as_of AND (d.bytes, d.as_of) IS DISTINCT FROM (excluded.bytes, excluded.as_of)
    RETURNING sim_id, day),
replaced AS (
    INSERT INTO usage_figures_replaced (sim_id, cycle, day, starts_at, bytes, as_of, until)
    SELECT k.sim_id, k.cycle, k.day, k.starts_at, d.bytes, d.as_of, $7
      FROM changed JOIN k USING (sim_id, day) LEFT JOIN usage_days d USING (sim_id, day) ORDER BY 1, 3)
SELECT sim_id, day FROM changed
"""
_DAY_FIGURES = Twin(
    plain=_UPSERT_DAY_FIGURES,
    distributed="""
WITH was AS MATERIALIZED (
    SELECT d.sim_id, d.day, d.bytes, d.as_of
      FROM unnest($1::bigint[], $2::date[]) k(sim_id, day) JOIN usage_days d ON d.sim_id = k.sim_id AND d.day = k.day),
changed AS (
    INSERT INTO usage_days AS d (sim_id, day, bytes, starts_at, as_of)
    SELECT * FROM unnest($1::bigint[], $2::date[], $3::bigint[], $4::timestamptz[], $5::timestamptz[])
    ON CONFLICT (sim_id, day) DO UPDATE SET bytes = excluded.bytes, as_of = excluded.as_of
     WHERE d.as_of <= excluded.as_of AND (d.bytes, d.as_of) IS DISTINCT FROM (excluded.bytes, excluded.as_of)
    RETURNING sim_id, day),
replaced AS (
    INSERT INTO usage_figures_replaced (sim_id, cycle, day, starts_at, bytes, as_of, until)
    SELECT k.sim_id, k.cycle, k.day, k.starts_at, was.bytes, was.as_of, $7
      FROM changed
      JOIN unnest($1::bigint[], $2::date[], $4::timestamptz[], $6::int[]) k(sim_id, day, starts_at, cycle)
        USING (sim_id, day)
      LEFT JOIN was USING (sim_id, day) ORDER BY 1, 3)
SELECT sim_id, day FROM changed
""",
    why=_SNAPSHOT,
)
_CYCLES = f"""
SELECT cycle, figures, figures_to, reported, reported_since, reported_at, addons, {BEFORE_ACTIVATION} AS tested
  FROM usage_cycles c WHERE sim_id = $1 AND cycle BETWEEN $2 AND $3 ORDER BY cycle
"""  # noqa: S608 - our own text
_DAYS = f"""
SELECT (at AT TIME ZONE $4)::date AS day, least(sum(bytes), 9223372036854775807)::bigint AS bytes, max(at) AS as_of
  FROM usage_reports WHERE sim_id = $1 AND at >= $2 AND at < $3 AND {ANY_DAY} GROUP BY 1
"""  # noqa: S608 - our own text
_CARRIER_DAYS = "SELECT day, bytes, as_of FROM usage_days WHERE sim_id = $1 AND day BETWEEN $2 AND $3"
_REPORTS = f"""
WITH r AS MATERIALIZED (
    SELECT gateway, report_id, at, bytes FROM usage_reports
     WHERE sim_id = $1 AND at >= $2 AND at < $3 AND (at, gateway, report_id) > ($2, $4, $5)
       AND {ANY_DAY}
     ORDER BY at, gateway, report_id LIMIT $6)
SELECT g.name, r.gateway, r.report_id, r.at, r.bytes
  FROM r JOIN usage_gateways g ON g.id = r.gateway ORDER BY r.at, r.gateway, r.report_id
"""  # noqa: S608 - our own text
# Locked by SIM, against ingest and figures: what is evaluated is not overtaken before `next_check_bytes` is stored.
_COUNTERS = f"""
SELECT c.sim_id, c.cycle, c.pool_ref, c.next_check_bytes, c.addons, c.reported, c.figures, c.figures_to,
       {USED} AS used
  FROM usage_cycles c JOIN unnest($1::bigint[], $2::int[]) k(sim_id, cycle)
    ON c.sim_id = k.sim_id AND c.cycle = k.cycle ORDER BY c.sim_id FOR UPDATE OF c
"""  # noqa: S608 - our own text
_LOCKED_COUNTERS = Twin(
    plain=_COUNTERS,
    distributed=f"""
UPDATE usage_cycles c SET addons = c.addons FROM unnest($1::bigint[], $2::int[]) k(sim_id, cycle)
 WHERE c.sim_id = k.sim_id AND c.cycle = k.cycle
RETURNING c.sim_id, c.cycle, c.pool_ref, c.next_check_bytes, c.addons, c.reported, c.figures, c.figures_to,
          {USED} AS used
""",  # noqa: S608 - our own text
    why=NO_ROW_LOCKS,
)
_UNCHECKED_USAGE = f"""
SELECT c.sim_id, {USED} AS used
  FROM usage_cycles c JOIN unnest($1::bigint[], $2::int[]) k(sim_id, cycle) ON c.sim_id = k.sim_id AND c.cycle = k.cycle
 WHERE {USED} >= c.next_check_bytes
"""  # noqa: S608 - our own text
_SET_NEXT_CHECKS = """
UPDATE usage_cycles c SET next_check_bytes = k.bytes
  FROM unnest($1::bigint[], $2::int[], $3::bigint[]) k(sim_id, cycle, bytes)
 WHERE c.sim_id = k.sim_id AND c.cycle = k.cycle
"""
# Whoever inserts a mark emits its event: of two at once the second waits for the first's commit and gets no row back.
_MARK = """
INSERT INTO usage_marks (sim_id, cycle, mark, at)
SELECT k.*, $4 FROM unnest($1::bigint[], $2::int[], $3::text[]) k ON CONFLICT DO NOTHING RETURNING sim_id, mark
"""
_MARKS = """
SELECT sim_id, array_agg(mark) AS marks
  FROM usage_marks JOIN unnest($1::bigint[], $2::int[]) k(sim_id, cycle) USING (sim_id, cycle)
 WHERE starts_with(mark, $3) GROUP BY sim_id
"""
_LIFETIME_BYTES = """
SELECT sim_id, sum(greatest(reported, coalesce(figures, 0) + reported_since)) AS bytes
  FROM usage_cycles WHERE sim_id = ANY($1::bigint[]) GROUP BY sim_id
"""
_ADD_PACK = """
INSERT INTO usage_addons (sim_id, cycle, bytes, in_force_at) VALUES ($1, $2, $3, $4)
"""
_RAISE_ADDONS = "UPDATE usage_cycles SET addons = least(addons + $3, 1::bigint << 60) WHERE sim_id = $1 AND cycle = $2"


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleFigureRow:
    """A carrier's figure for a SIM's cycle (yyyymm)."""

    sim_id: int
    cycle: int
    figure: CarrierFigure


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFigureRow:
    """A carrier's figure for a SIM's day, which starts at `starts_at` and lies in `cycle` (yyyymm)."""

    sim_id: int
    day: date
    cycle: int
    starts_at: datetime
    figure: CarrierFigure


class ReportPosition(NamedTuple):
    """A position in a SIM's reports: instant, gateway row id, report id; the defaults are before all of the instant."""

    at: datetime
    gateway: int = -1
    report_id: str = ""


async def ensure_counters(connection: Connection, pairs: Sequence[tuple[int, int]]) -> None:
    """Insert the counters of these (SIM, cycle) that do not exist yet."""
    await connection.execute(_ENSURE_COUNTERS, [sim_id for sim_id, _ in pairs], [cycle for _, cycle in pairs])


async def upsert_cycle_figures(
    connection: Connection, figures: Sequence[CycleFigureRow], now: datetime
) -> set[tuple[int, int]]:
    """Store figures of cycles, one for each, unless a later is held (US-5); gives the (SIM, cycle) that changed.

    What they replace is kept as known until `now`. The counters are locked by the caller.
    """
    rows = await connection.fetch(
        _CYCLE_FIGURES.text,
        [row.sim_id for row in figures],
        [row.cycle for row in figures],
        [row.figure.used for row in figures],
        [row.figure.as_of for row in figures],
        now,
    )
    return {(row["sim_id"], row["cycle"]) for row in rows}


async def upsert_day_figures(
    connection: Connection, figures: Sequence[DayFigureRow], now: datetime
) -> set[tuple[int, date]]:
    """Store figures of days, one for each, unless a later is held (US-5); gives the (SIM, day) that changed.

    What they replace is kept as known until `now`. The counters are locked by the caller.
    """
    rows = await connection.fetch(
        _DAY_FIGURES.text,
        [row.sim_id for row in figures],
        [row.day for row in figures],
        [row.figure.used for row in figures],
        [row.starts_at for row in figures],
        [row.figure.as_of for row in figures],
        [row.cycle for row in figures],
        now,
    )
    return {(row["sim_id"], row["day"]) for row in rows}


async def counters(connection: Connection, pairs: Sequence[tuple[int, int]]) -> dict[int, asyncpg.Record]:
    """The counters of each SIM's cycle by SIM row id, locked. `pairs`: (SIM, cycle)."""
    rows = await connection.fetch(_LOCKED_COUNTERS.text, [sim_id for sim_id, _ in pairs], [cycle for _, cycle in pairs])
    return {row["sim_id"]: row for row in rows}


async def unchecked_usage(connection: Connection, pairs: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Used bytes by SIM of those (SIM, cycle) that have reached `next_check_bytes` and were not evaluated since."""
    rows = await connection.fetch(_UNCHECKED_USAGE, [sim_id for sim_id, _ in pairs], [cycle for _, cycle in pairs])
    return {row["sim_id"]: row["used"] for row in rows}


async def set_next_checks(connection: Connection, checks: Sequence[tuple[int, int, int | None]]) -> None:
    """Store the used bytes at which limits must next be evaluated: (SIM, cycle, bytes or None)."""
    sims, cycles, amounts = zip(*checks, strict=True)
    await connection.execute(_SET_NEXT_CHECKS, sims, cycles, amounts)


async def mark(connection: Connection, marks: Sequence[tuple[int, int, str]], now: datetime) -> set[tuple[int, str]]:
    """Record marks of SIMs in a cycle: (SIM, cycle, mark); gives the (SIM, mark) recorded for the first time."""
    sims, cycles, names = zip(*marks, strict=True)
    rows = await connection.fetch(_MARK, sims, cycles, names, now)
    return {(row["sim_id"], row["mark"]) for row in rows}


async def marks_of(connection: Connection, pairs: Sequence[tuple[int, int]], prefix: str) -> dict[int, set[str]]:
    """By SIM row id, the marks of these (SIM, cycle) that begin with `prefix`."""
    sims, cycles = zip(*pairs, strict=True)
    return {row["sim_id"]: set(row["marks"]) for row in await connection.fetch(_MARKS, sims, cycles, prefix)}


async def lifetime_bytes(connection: Connection, sim_ids: Sequence[int]) -> dict[int, int]:
    """The bytes each of these SIMs has used in all its cycles together."""
    return {row["sim_id"]: int(row["bytes"]) for row in await connection.fetch(_LIFETIME_BYTES, sim_ids)}


async def add_pack(connection: Connection, sim_id: int, cycle: int, amount: int, at: datetime) -> None:
    """Add an add-on pack to a SIM's cycle (QT-7)."""
    await ensure_counters(connection, [(sim_id, cycle)])
    await connection.execute(_ADD_PACK, sim_id, cycle, amount, at)
    await connection.execute(_RAISE_ADDONS, sim_id, cycle, amount)
    await restate(connection, [(sim_id, cycle)])


async def cycles_of(connection: Connection, sim_id: int, first: int, last: int) -> Rows:
    """A SIM's counters of the cycles `first` through `last` (yyyymm)."""
    found: Rows = await connection.fetch(_CYCLES, sim_id, first, last)
    return found


async def days_of(
    connection: Connection, sim_id: int, opens: datetime, closes: datetime, zone: str
) -> dict[date, asyncpg.Record]:
    """(day, bytes, as_of) by day of `zone` between two instants: the sum of a SIM's reports, and the last."""
    rows = await connection.fetch(_DAYS, sim_id, opens, closes, zone)
    return {row["day"]: row for row in rows}


async def carrier_days(connection: Connection, sim_id: int, first: date, last: date) -> dict[date, CarrierFigure]:
    """The carrier's figures for a SIM's days from `first` through `last`."""
    rows = await connection.fetch(_CARRIER_DAYS, sim_id, first, last)
    return {row["day"]: CarrierFigure(used=row["bytes"], as_of=row["as_of"]) for row in rows}


async def reports_of(connection: Connection, sim_id: int, after: ReportPosition, until: datetime, limit: int) -> Rows:
    """A SIM's distinct reports after a position and before an instant, by instant."""
    found: Rows = await connection.fetch(_REPORTS, sim_id, after.at, until, after.gateway, after.report_id, limit)
    return found
