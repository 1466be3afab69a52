"""asyncpg: the partitions of `usage_reports`: one per month of `at` (UTC), created ahead, dropped whole when too old.

Each has its own unique index on the identity, which a partitioned table cannot have across partitions, and one that
finds a SIM's reports by instant.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import asyncpg

from app.db.twin import Layout
from app.db.usage.distributed.partitions import identities_of, make_identities, make_reports
from app.domain.calendar.days import add_to_month

PARTITIONS_LOCK = 7_446_290
"""Advisory lock: one process creates partitions at a time."""

_PRESENT = """
SELECT c.relname AS tablename FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
 WHERE i.inhparent = 'usage_reports'::regclass
"""


def _months(first: date, last: date) -> Iterator[date]:
    month = first.replace(day=1)
    while month <= last:
        yield month
        month = add_to_month(month, 1)


def _name(month: date) -> str:
    return f"reports_{month:%Y_%m}"


def _make(month: date) -> list[str]:
    """The statements that create one partition with its indexes."""
    name, until = _name(month), add_to_month(month, 1)
    span = f"FOR VALUES FROM ('{month.isoformat()} 00:00+00') TO ('{until.isoformat()} 00:00+00')"
    if Layout.distributed:
        return [*make_reports(name, span), *make_identities(name, span)]
    return [
        f"CREATE TABLE usage_parts.{name} PARTITION OF usage_reports {span}",
        f"CREATE UNIQUE INDEX uq_{name}_identity ON usage_parts.{name} (gateway, report_id)",
        f"CREATE INDEX ix_{name}_sim_id_at ON usage_parts.{name} (sim_id, at) WHERE sim_id IS NOT NULL",
    ]


async def create_partitions(
    connection: asyncpg.Connection[asyncpg.Record], first: datetime, last: datetime
) -> list[str]:
    """Create the partitions of the months from `first` through `last` that do not exist; gives their names."""
    async with connection.transaction():
        # Housekeeping and any ingest may find one missing at once: the second looks after the first has committed.
        await connection.execute("SELECT pg_advisory_xact_lock($1)", PARTITIONS_LOCK)
        present = {row["tablename"] for row in await connection.fetch(_PRESENT)}
        wanted = _months(first.astimezone(UTC).date(), last.astimezone(UTC).date())
        missing = [month for month in wanted if _name(month) not in present]
        for month in missing:
            for statement in _make(month):
                await connection.execute(statement)
    return [_name(month) for month in missing]


async def drop_partitions(connection: asyncpg.Connection[asyncpg.Record], before: datetime) -> list[str]:
    """Drop the partitions of the months that ended before an instant; gives their names."""
    oldest = _name(before.astimezone(UTC).date())
    present = [row["tablename"] for row in await connection.fetch(_PRESENT)]
    old = sorted(name for name in present if name < oldest)
    for name in old:
        await connection.execute(f"DROP TABLE usage_parts.{name}")
        if Layout.distributed:
            await connection.execute(f"DROP TABLE usage_parts.{identities_of(name)}")
    return old
