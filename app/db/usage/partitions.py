"""asyncpg: the partitions of `usage_reports`: one per month of `at` (UTC), created ahead, taken out whole when too old.

Each has its own unique index on the identity, which a partitioned table cannot have across partitions, and one that
finds a SIM's reports by instant.

Neither way asks for a lock on `usage_reports` that ingest or a reader would stand behind: a partition is made as a
table by itself and attached, and is detached concurrently before it is dropped (docs/adr/0033).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

import asyncpg

from app.db.connection import Connection
from app.db.twin import Layout, Twin
from app.db.usage.distributed import partitions as distributed
from app.domain.calendar.days import add_to_month

PARTITIONS_LOCK = 7_446_290
"""Advisory lock: one process creates partitions at a time."""

_MAKE = "SELECT usage_parts.make_part($1)"
"""A function of the database's: it acts as the owner of the tables, who need not be the role that ingests (ADR 38)."""

DETACH_TIMEOUT_S = 60.0
"""Where the connection has no `lock_timeout` (PgBouncer), one attempt to detach waits so long."""

BEHIND_THE_LAST = 2**32 - 1
"""A page that no table has."""

# A partition that was detached has no row in pg_inherits; on other servers' shards names differ, so that none is taken
# for one. `pending`: its detaching was begun, and interrupted.
_PARTITIONS = r"""
SELECT c.relname AS name, c.oid::bigint AS number, i.inhrelid IS NULL AS detached,
       coalesce(i.inhdetachpending, false) AS pending,
       pg_relation_size(c.oid) / current_setting('block_size')::int AS pages
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
 WHERE n.nspname = 'usage_parts' AND c.relkind = 'r' AND c.relname ~ '^reports_\d{4}_\d{2}$'
 ORDER BY pending DESC, name
"""
_FOUND = Twin(
    plain=_PARTITIONS,
    distributed=_PARTITIONS.replace("pg_relation_size(c.oid)", "coalesce(citus_relation_size(c.oid), 0)"),
    why="the rows lie in shards, of which the coordinator's own catalogue shows no size",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A partition, or a table that was one. `number`: its OID; `pages`: its size in pages, without indexes."""

    name: str
    number: int
    detached: bool
    pending: bool
    pages: int


def _months(first: date, last: date) -> Iterator[date]:
    month = first.replace(day=1)
    while month <= last:
        yield month
        month = add_to_month(month, 1)


def _name(month: date) -> str:
    return f"reports_{month:%Y_%m}"


def _make_distributed(month: date) -> list[str]:
    """The statements that create one partition of distributed tables. `PARTITION OF` would lock all readers out."""
    name, until = _name(month), add_to_month(month, 1)
    span = f"FOR VALUES FROM ('{month.isoformat()} 00:00+00') TO ('{until.isoformat()} 00:00+00')"
    return [*distributed.make_reports(name, span), *distributed.make_identities(name, span)]


async def _all(connection: Connection) -> list[Partition]:
    return [Partition(**row) for row in await connection.fetch(_FOUND.text)]


async def create_partitions(connection: Connection, first: datetime, last: datetime) -> list[str]:
    """Create the partitions of the months from `first` through `last` that do not exist; gives their names."""
    async with connection.transaction():
        # Housekeeping and any ingest may find one missing at once: the second looks after the first has committed.
        await connection.execute("SELECT pg_advisory_xact_lock($1)", PARTITIONS_LOCK)
        present = {partition.name for partition in await _all(connection)}
        wanted = _months(first.astimezone(UTC).date(), last.astimezone(UTC).date())
        missing = [month for month in wanted if _name(month) not in present]
        for month in missing:
            if Layout.distributed:
                for statement in _make_distributed(month):
                    await connection.execute(statement)
            else:
                await connection.execute(_MAKE, month)
    return [_name(month) for month in missing]


async def old_partitions(connection: Connection, before: datetime) -> list[Partition]:
    """The partitions of the months that ended before an instant, those whose detaching was interrupted first."""
    oldest = _name(before.astimezone(UTC).date())
    return [partition for partition in await _all(connection) if partition.name < oldest]


async def detach(connection: Connection, partition: Partition) -> bool:
    """Take a partition out of `usage_reports`; False where a transaction that may read it has not ended.

    Begun is kept: the next attempt finishes it. Not within a transaction. Readers that begin meanwhile do not see the
    partition, and nobody waits for it.
    """
    how = "FINALIZE" if partition.pending else "CONCURRENTLY"
    statement = f"ALTER TABLE usage_reports DETACH PARTITION usage_parts.{partition.name} {how}"
    try:
        if Layout.distributed:
            await distributed.detach(connection, partition.name)
        else:
            await connection.execute(statement, timeout=DETACH_TIMEOUT_S)
    except (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError, TimeoutError):
        return False
    return True


async def drop(connection: Connection, partition: Partition) -> None:
    """Drop a table that was detached."""
    if Layout.distributed:
        await connection.execute(f"DROP TABLE usage_parts.{distributed.identities_of(partition.name)}")
    await connection.execute(f"DROP TABLE usage_parts.{partition.name}")


async def copy_pages(
    connection: Connection, partition: Partition, pages: range, write: Callable[[bytes], Awaitable[None]]
) -> None:
    """Write the rows of a range of a detached table's pages as CSV with a header; nobody changes them any more."""
    query = (
        f"SELECT * FROM usage_parts.{partition.name}"  # noqa: S608 - a name of ours
        f" WHERE ctid >= '({pages.start},0)' AND ctid < '({pages.stop},0)'"
    )
    if Layout.distributed:
        query = distributed.slice_of(partition.name, pages, partition.pages)
    await connection.copy_from_query(query, output=write, format="csv", header=True)
