"""`simgate migrate --distribute` and `--check-distribution`: the usage tables over the workers of Citus."""

from __future__ import annotations

from datetime import datetime

import asyncpg

from app.cli.exits import CommandError, ExitCode
from app.cli.progress import Progress
from app.db.usage.distributed.check import check_distribution
from app.db.usage.distributed.distribute import NotDistributable, distribute
from app.db.usage.distributed.restored import WorkersNotRestored, settle_workers
from app.postgres.external import driver_arguments, normalised


async def distribute_usage(url: str, shards: int) -> None:
    """Distribute the usage tables, with a bar; run again after a stop, it goes on. Raises `CommandError`."""
    connection = await asyncpg.connect(**driver_arguments(normalised(url)), statement_cache_size=0)
    try:
        with Progress(1.0) as progress:
            async for moved in distribute(connection, shards):
                progress.show(moved.done / max(moved.total, 1), moved.label)
    except NotDistributable as reason:
        raise CommandError(ExitCode.USE, str(reason)) from None
    finally:
        await connection.close()


async def check_lines(url: str) -> str:
    """How the usage tables lie, line by line. Raises `CommandError` with what is wrong."""
    connection = await asyncpg.connect(**driver_arguments(normalised(url)), statement_cache_size=0)
    try:
        found = await check_distribution(connection)
    finally:
        await connection.close()
    if found.faults:
        raise CommandError(ExitCode.OTHER, "; ".join(found.faults))
    return "\n".join(found.lines)


async def settle_restored(url: str, backed_up_at: datetime) -> None:
    """After a restore: the workers are restored as well, and nothing is left in two phases. Raises `CommandError`."""
    connection = await asyncpg.connect(**driver_arguments(normalised(url)), statement_cache_size=0)
    try:
        await settle_workers(connection, backed_up_at)
    except WorkersNotRestored as reason:
        raise CommandError(ExitCode.DATABASE, str(reason)) from None
    finally:
        await connection.close()
