"""asyncpg: deletes what is older than its window, a few thousand rows a statement, as JSON where they are archived.

Most tables are walked along their key, which grows with time, and the walk ends at the first rows that are new: no
index by age is needed, and no statement reads more than its window. Tables by SIM are walked along the SIMs,
items along their bulk operations. Small tables are searched until nothing more is found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal
from uuid import UUID

from app.db.connection import Connection
from app.db.twin import COLUMNS, Layout
from app.domain.retention import Record
from app.domain.vocabulary import OperationKind

CHUNK = 10_000
"""Rows that one statement deletes at most."""

SIMS_AT_ONCE = 1_000

_NO_UUID = UUID(int=0)
REMEMBERED = (OperationKind.RENEW, OperationKind.RETAIN_NUMBER, OperationKind.CHANGE_REGION)
"""Kinds whose operations rules count or read whatever their age (RN-6, LC-10, RG-2); a SIM has few of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """How the old rows `t` of one table are found.

    `walk`: along the table's `key`, which is in the order of `born`; along the SIMs; along the bulk operations `b`; or
    not at all. `old`: which rows may go, `$1` being the instant before which they are old; `of_sims`: of which SIMs `s`
    of the walk.
    """

    table: str
    old: str
    of_sims: str = "true"
    walk: Literal["key", "sims", "bulk", "none"] = "none"
    key: str = "id"
    born: str = "created_at"
    start: Any = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Keys of a walk: after `after` through `last`, both None where there is no walk."""

    after: Any = None
    last: Any = None


_KINDS = ", ".join(f"'{kind}'" for kind in REMEMBERED)
_CYCLE = "to_char($1::timestamptz AT TIME ZONE 'UTC', 'YYYYMM')::int"
_DAY = "($1::timestamptz AT TIME ZONE 'UTC')::date"

# What is queued for a receiver is never taken from it: positions and pending deliveries say what that is.
_READ_BY_ALL = """t.known_at < $1 AND t.position IS NOT NULL
   AND NOT EXISTS (SELECT FROM webhook_endpoints w WHERE w.tenant = t.tenant AND w.enabled AND w.position < t.position)
   AND NOT EXISTS (SELECT FROM notification_channels c
                    WHERE c.tenant = t.tenant AND c.enabled AND c.position < t.position)
   AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.event_id = t.id AND d.status = 'pending')"""
_UNUSED = "t.reported = 0 AND coalesce(t.figures, 0) = 0"
_USED_SINCE = """EXISTS (SELECT 1 FROM usage_cycles n WHERE n.sim_id = t.sim_id AND n.cycle > t.cycle
                           AND (n.reported > 0 OR coalesce(n.figures, 0) > 0))"""

SWEEPS: Mapping[Record, tuple[Sweep, ...]] = MappingProxyType(
    {
        Record.OPERATIONS: (
            Sweep(table="bulk_items", walk="bulk", old="b.finished_at < $1 AND b.approval_id IS NULL"),
            Sweep(
                table="bulk_operations",
                walk="key",
                start=_NO_UUID,
                old="t.finished_at < $1 AND t.approval_id IS NULL"
                " AND NOT EXISTS (SELECT FROM bulk_items i WHERE i.bulk_id = t.id)",
            ),
            Sweep(
                table="operations",
                walk="key",
                start=_NO_UUID,
                old=f"t.settled_at < $1 AND t.order_id IS NULL AND t.kind NOT IN ({_KINDS})"
                " AND NOT EXISTS (SELECT FROM bulk_operations b WHERE b.id = t.bulk_id)",
            ),
        ),
        Record.EVENTS: (Sweep(table="events", walk="key", born="known_at", old=_READ_BY_ALL),),
        Record.DELIVERIES: (Sweep(table="webhook_deliveries", walk="key", old="t.settled_at < $1"),),
        Record.NOTIFICATIONS: (
            Sweep(table="notification_deliveries", walk="key", start=_NO_UUID, old="t.settled_at < $1"),
            Sweep(table="notification_items", old="t.due_at < $1"),
        ),
        Record.AUDIT: (Sweep(table="audit", walk="key", born="at", old="t.at < $1"),),
        Record.NOTICES: (Sweep(table="inbox", old="t.handled_at < $1 AND t.received_at < $1"),),
        Record.FINDINGS: (Sweep(table="findings", old="t.ended_at < $1"),),
        Record.JOB_RUNS: (
            Sweep(
                table="job_runs",
                old="t.finished_at < $1 AND EXISTS (SELECT FROM job_runs n"
                " WHERE n.job = t.job AND n.slot > t.slot AND n.finished_at IS NOT NULL)",
            ),
        ),
        Record.TIMELINE: (Sweep(table="sim_history", walk="sims", old="t.known_at < $1"),),
        Record.CHANGES: (
            Sweep(table="sim_changes", old="t.known_at < $1"),
            Sweep(table="pool_changes", old="t.known_at < $1"),
        ),
        # What was used before the activation counts against the test (QT-9); whether a SIM ever used anything is asked
        # as long as it lives: its newest counter that says so stays.
        Record.COUNTERS: (
            Sweep(
                table="usage_cycles",
                walk="sims",
                old=f"t.cycle < {_CYCLE} AND ({_UNUSED} OR {_USED_SINCE})",
                of_sims="s.activated_on IS NOT NULL",
            ),
            Sweep(table="usage_marks", walk="sims", old=f"t.cycle < {_CYCLE}"),
            Sweep(table="usage_gaps", walk="sims", old=f"t.cycle < {_CYCLE}"),
            Sweep(table="usage_corrections", walk="sims", old=f"t.cycle < {_CYCLE}"),
        ),
        Record.DAY_FIGURES: (Sweep(table="usage_days", walk="sims", old=f"t.day < {_DAY}"),),
        Record.FIRINGS: (
            Sweep(
                table="automation_firings",
                walk="key",
                born="at",
                old="coalesce(t.done_at, t.at) < $1 AND t.status NOT IN ('waiting', 'braked')",
            ),
        ),
    }
)
"""What is deleted of each kind, in this order."""


async def next_span(connection: Connection, sweep: Sweep, after: Any, before: datetime) -> Span | None:
    """The next keys to look at after one; None where all that may be old has been looked at."""
    if sweep.walk in ("bulk", "none"):
        return Span()
    if sweep.walk == "sims":
        query = "SELECT max(id) FROM (SELECT id FROM sims WHERE id > $1 ORDER BY id LIMIT $2) w"
        last = await connection.fetchval(query, after, SIMS_AT_ONCE)
        return None if last is None else Span(after=after, last=last)
    row = await connection.fetchrow(
        f"SELECT (array_agg({sweep.key} ORDER BY {sweep.key} DESC))[1] AS last,"  # noqa: S608 - names of ours
        f" bool_or({sweep.born} < $3) AS is_old FROM (SELECT {sweep.key}, {sweep.born} FROM {sweep.table}"
        f" WHERE {sweep.key} > $1 ORDER BY {sweep.key} LIMIT $2) w",
        after,
        CHUNK,
        before,
    )
    return Span(after=after, last=row["last"]) if row is not None and row["is_old"] else None


async def delete_old(
    connection: Connection, sweep: Sweep, span: Span, before: datetime, *, whole: bool
) -> tuple[int, list[str]]:
    """Delete up to `CHUNK` old rows of a span; gives how many, and with `whole` each as a line of JSON."""
    where, arguments = _where(sweep, span)
    if Layout.distributed and sweep.table in COLUMNS:
        where = where_distributed(sweep)
    statement = f"DELETE FROM {sweep.table} t WHERE {where}"  # noqa: S608 - names of ours
    if not whole:
        return int((await connection.execute(statement, before, *arguments)).split()[-1]), []
    # Not in RETURNING itself: Citus takes no function there that is not IMMUTABLE.
    gone = f"WITH gone AS ({statement} RETURNING t.*) SELECT row_to_json(gone)::text AS line FROM gone"  # noqa: S608
    rows = await connection.fetch(gone, before, *arguments)
    return len(rows), [row["line"] for row in rows]


def _where(sweep: Sweep, span: Span) -> tuple[str, list[Any]]:
    """The condition of a deletion, and its arguments behind the instant."""
    if sweep.walk == "key":
        return f"t.{sweep.key} > $2 AND t.{sweep.key} <= $3 AND {sweep.old}", [span.after, span.last]
    if sweep.walk == "none":
        found = f"SELECT t.ctid FROM {sweep.table} t WHERE {sweep.old} LIMIT {CHUNK}"  # noqa: S608 - names of ours
        return f"t.ctid = ANY(ARRAY({found}))", []
    if sweep.walk == "bulk":  # one after the other, by the items' key: their table has millions that are not old
        found = (
            f"SELECT o.ctid FROM bulk_operations b CROSS JOIN LATERAL (SELECT t.ctid FROM {sweep.table} t"  # noqa: S608
            f" WHERE t.bulk_id = b.id LIMIT {CHUNK}) o WHERE {sweep.old} LIMIT {CHUNK}"
        )
        return f"t.ctid = ANY(ARRAY({found}))", []
    found = (
        f"SELECT o.ctid FROM sims s CROSS JOIN LATERAL (SELECT t.ctid FROM {sweep.table} t"  # noqa: S608 - names of ours
        f" WHERE t.sim_id = s.id AND {sweep.old}) o WHERE s.id > $2 AND s.id <= $3 AND {sweep.of_sims} LIMIT {CHUNK}"
    )
    return f"t.ctid = ANY(ARRAY({found}))", [span.after, span.last]


def where_distributed(sweep: Sweep) -> str:
    """The same of the SIMs of a span where the table is distributed: a row's place is known to its shard alone.

    All old rows of the span at once: a limit is no part of a DELETE.
    """
    found = f"SELECT s.id FROM sims s WHERE s.id > $2 AND s.id <= $3 AND {sweep.of_sims}"  # noqa: S608 - names of ours
    return f"t.sim_id IN ({found}) AND {sweep.old}"
