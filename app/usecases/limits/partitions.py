"""Daily: partitions of reports made ahead; old ones detached, archived where there is an archive, and dropped."""

from __future__ import annotations

from datetime import timedelta

from app.db.connection import Connection
from app.db.usage import partitions
from app.db.usage.partitions import Partition
from app.telemetry import get_logger
from app.usecases.context import Context
from app.usecases.usage.ingest.service import oldest_accepted, prepare_partitions

MARGIN = timedelta(days=32)
"""A partition is kept a month longer than any of its reports is accepted: zones differ, and clocks may be wrong."""

TRIES = 12
"""Attempts to detach a partition that a transaction may be reading, each as long as the connection's `lock_timeout`
(5 s). After that it waits for the next run."""

PAGES_OF_A_FILE = 16_384
"""128 MB, about a million reports: what one statement reads, within its time-out."""

_log = get_logger("partitions")


async def maintain_partitions(ctx: Context) -> dict[str, int]:
    """Make the partitions that are needed soon, and let the old ones go; a long reader is waited for a minute.

    Interrupted anywhere, the next run goes on. Gives how many were created and dropped, and how many wait.
    """
    async with ctx.pool.acquire() as connection:
        created = await prepare_partitions(ctx, connection)
        old = await partitions.old_partitions(connection, oldest_accepted(ctx) - MARGIN)
        dropped = 0
        for partition in old:
            if not await _detached(ctx, connection, partition):
                _log.warning("partitions.detach_waits", partition=partition.name)
                break  # PostgreSQL detaches one partition of a table at a time
            await _archive(ctx, connection, partition)
            await partitions.drop(connection, partition)
            dropped += 1
    return {
        "partitions_created": len(created),
        "partitions_dropped": dropped,
        "partitions_waiting": len(old) - dropped,
    }


async def _detached(ctx: Context, connection: Connection, partition: Partition) -> bool:
    """Whether the partition is out of the table, after some attempts."""
    for _ in range(TRIES):
        if partition.detached or await partitions.detach(connection, partition):
            return True
        present = await partitions.old_partitions(connection, oldest_accepted(ctx) - MARGIN)
        partition = next(one for one in present if one.name == partition.name)
    return False


async def _archive(ctx: Context, connection: Connection, partition: Partition) -> None:
    """Write the rows of a detached partition to the archive, if there is one; files that are there are left."""
    if ctx.archive is None:
        return
    for number, first in enumerate(range(0, partition.pages, PAGES_OF_A_FILE)):
        name = f"{partition.name}-{partition.number}.{number:05d}.csv.gz"
        if not ctx.archive.has("usage_reports", name):
            last = first + PAGES_OF_A_FILE >= partition.pages
            pages = range(first, partitions.BEHIND_THE_LAST if last else first + PAGES_OF_A_FILE)
            async with ctx.archive.writing("usage_reports", name) as write:
                await partitions.copy_pages(connection, partition, pages, write)
