"""asyncpg: the partitions of `usage_reports`: one per month of `at` (UTC), created ahead, dropped whole when too old.

Each has its own unique index on the identity, which a partitioned table cannot have across partitions, and one that
finds a SIM's reports by instant.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import asyncpg

from app.domain.calendar.days import add_to_month

PARTITIONS_LOCK = 7_446_290
"""Advisory lock: one process creates partitions at a time."""

_MAKE = "SELECT usage_parts.make_part($1)"
_DROP = "SELECT usage_parts.drop_part($1)"
"""Functions of the database, as only the owner of the table may do it, who need not be our role (docs/adr/0033)."""

_PRESENT = "SELECT tablename FROM pg_tables WHERE schemaname = 'usage_parts'"


def _months(first: date, last: date) -> Iterator[date]:
    month = first.replace(day=1)
    while month <= last:
        yield month
        month = add_to_month(month, 1)


def _name(month: date) -> str:
    return f"reports_{month:%Y_%m}"


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
            await connection.execute(_MAKE, month)
    return [_name(month) for month in missing]


async def drop_partitions(connection: asyncpg.Connection[asyncpg.Record], before: datetime) -> list[str]:
    """Drop the partitions of the months that ended before an instant; gives their names."""
    oldest = _name(before.astimezone(UTC).date())
    present = [row["tablename"] for row in await connection.fetch(_PRESENT)]
    old = sorted(name for name in present if name < oldest)
    for name in old:
        await connection.execute(_DROP, name)
    return old
