"""asyncpg: how long operations took, and which were late (SL-9), by tenant, carrier, account and kind.

An operation counts from its hand-in: its creation, or where it was scheduled, when it was started. A cancelled one
counts nowhere; only a successful one has a duration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import asyncpg

from app.db.connection import Connection
from app.db.kept_connections import KeptConnections

_STARTED = """
CASE WHEN o.history -> 0 ->> 'status' = 'scheduled' THEN coalesce((o.history -> 1 ->> 'at')::timestamptz, o.created_at)
     ELSE o.created_at END"""
_SECONDS = f"greatest(extract(epoch FROM o.settled_at - ({_STARTED})), 0)::float8"
_FOUND = "($4::text IS NULL OR o.carrier = $4) AND ($5::text IS NULL OR o.kind = $5)"

_MEASURED = f"""
WITH done AS (
    SELECT o.carrier, o.account, o.kind, {_SECONDS} AS seconds,
           o.due_at IS NOT NULL AS promised, coalesce(o.settled_at > o.due_at, false) AS late
      FROM operations o
     WHERE o.tenant = $1 AND o.status = 'succeeded' AND o.settled_at >= $2 AND o.settled_at < $3 AND {_FOUND}),
sums AS (
    SELECT carrier, account, kind, count(*) AS count,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS p50,
           percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS p95,
           count(*) FILTER (WHERE promised) AS promised, count(*) FILTER (WHERE late) AS late
      FROM done GROUP BY carrier, account, kind),
open AS (
    SELECT o.carrier, o.account, o.kind, count(*) AS open_late FROM operations o
     WHERE o.tenant = $1 AND o.overdue AND o.settled_at IS NULL AND o.due_at < $3 AND {_FOUND}
     GROUP BY o.carrier, o.account, o.kind)
SELECT carrier, account, kind, coalesce(count, 0) AS count, p50, p95, coalesce(promised, 0) AS promised,
       coalesce(late, 0) AS late, coalesce(open_late, 0) AS open_late
  FROM sums FULL JOIN open USING (carrier, account, kind) ORDER BY carrier, account, kind
"""  # noqa: S608 - our own text
_RECENT = f"""
SELECT k.kind, r.*
  FROM unnest($3::text[]) k(kind)
 CROSS JOIN LATERAL (
    SELECT count(*) AS samples, percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS p50,
           percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS p95
      FROM (SELECT {_SECONDS} AS seconds FROM operations o
             WHERE o.tenant = $1 AND o.account = $2 AND o.kind = k.kind AND o.status = 'succeeded'
               AND o.settled_at >= $4
             ORDER BY o.settled_at DESC LIMIT $5) o) r
 WHERE r.samples >= $6
"""  # noqa: S608 - our own text

# Late is what ended after it was due, and what is due and open still. The days are those of the account's zone.
_LATE = """
SELECT o.id, o.sim_id, o.iccid, o.carrier, o.account, o.kind, o.status, o.due_rule, o.due_at, o.settled_at,
       greatest((o.due_at AT TIME ZONE z.zone)::date, $2::date) AS first_day,
       least(((coalesce(o.settled_at, $4) - interval '1 microsecond') AT TIME ZONE z.zone)::date, $3::date - 1)
       AS last_day
  FROM operations o
 CROSS JOIN LATERAL (SELECT coalesce((SELECT a.zone FROM unnest($5::text[], $6::text[]) a(account, zone)
                                       WHERE a.account = o.account), 'Asia/Shanghai') AS zone) z
 WHERE o.tenant = $1 AND (o.overdue OR o.settled_at > o.due_at) AND o.status <> 'cancelled'
   AND coalesce(o.settled_at, $4) > o.due_at
   AND o.due_at < ($3::date::timestamp AT TIME ZONE z.zone)
   AND coalesce(o.settled_at, $4) > ($2::date::timestamp AT TIME ZONE z.zone)
   AND ($7::text IS NULL OR o.carrier = $7) AND ($8::text IS NULL OR o.kind = $8)"""
_TOTALS = f"""
SELECT l.carrier, l.account, l.kind, l.due_rule, count(DISTINCT l.id) AS operations,
       count(DISTINCT (l.sim_id, d.day)) AS card_days
  FROM ({_LATE}) l CROSS JOIN LATERAL generate_series(l.first_day, l.last_day, interval '1 day') d(day)
 GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""  # noqa: S608 - our own text
_ITEMS = f"""
SELECT l.*, l.last_day - l.first_day + 1 AS days FROM ({_LATE}) l
 WHERE $9::uuid IS NULL OR l.id > $9 ORDER BY l.id LIMIT $10
"""  # noqa: S608 - our own text


@dataclass(frozen=True, slots=True, kw_only=True)
class LateOperations:
    """Whose late operations of which days: `[first, end)`, at `now`; `zones` by account; None: any carrier or kind."""

    tenant: str
    first: date
    end: date
    now: datetime
    zones: Mapping[str, str]
    carrier: str | None = None
    kind: str | None = None

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The first parameters of the statements."""
        accounts, zones = list(self.zones), list(self.zones.values())
        return self.tenant, self.first, self.end, self.now, accounts, zones, self.carrier, self.kind


async def measured(
    connection: Connection, tenant: str, span: tuple[datetime, datetime], carrier: str | None, kind: str | None
) -> list[asyncpg.Record]:
    """How many succeeded in a span, p50 and p95 in seconds, and how many had a due time, were late, or still are."""
    found: list[asyncpg.Record] = await connection.fetch(_MEASURED, tenant, *span, carrier, kind)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentWindow:
    """Which operations of a kind are measured: the last `most` that succeeded since an instant, if `least` did."""

    since: datetime
    most: int
    least: int


async def recent(
    reads: KeptConnections, tenant: str, account: str, kinds: Sequence[str], window: RecentWindow
) -> Sequence[asyncpg.Record]:
    """`kind`, `samples`, `p50` and `p95` (seconds) of the kinds of which enough succeeded lately."""
    return await reads.fetch(_RECENT, tenant, account, list(kinds), window.since, window.most, window.least)


async def late_totals(connection: Connection, wanted: LateOperations) -> list[asyncpg.Record]:
    """Late operations and card-days by carrier, account, kind and rule."""
    found: list[asyncpg.Record] = await connection.fetch(_TOTALS, *wanted.arguments)
    return found


async def late_items(
    connection: Connection, wanted: LateOperations, after: Any, limit: int
) -> Sequence[asyncpg.Record]:
    """A page of late operations by id, each with its days late."""
    found: Sequence[asyncpg.Record] = await connection.fetch(_ITEMS, *wanted.arguments, after, limit)
    return found
