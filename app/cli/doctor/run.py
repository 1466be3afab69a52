"""`simgate doctor`: database, schema, clock, disk, carriers, what waits; the exit code says whether all is well."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from app.carriers.config_file import Account, AccountsInvalid, read_accounts
from app.cli.database import database
from app.cli.doctor.network import carrier_results
from app.cli.doctor.results import DoctorResult, Level, note, ok, printed, wrong
from app.cli.doctor.waiting import job_results, waiting_results
from app.cli.exits import CommandError, ExitCode
from app.clock import SystemClock
from app.container import open_container, sync_clock
from app.db.connection import DATABASE_ERRORS, trouble
from app.db.operating.readiness import applied_schema, server_of
from app.db.schema.revision import HEAD_REVISION, AppliedSchema
from app.postgres.errors import DatabaseUnusable, DataDirInUse
from app.settings import Settings
from app.texts.doctor import doctor_line
from app.usecases.context import Context

CLOCK_LIMIT_MS = 2_000
"""A larger difference breaks leases, signatures and deadlines."""

DISK_LIMIT_MB = 1_024
DISK_LIMIT_PERCENT = 5
MB = 1 << 20


def doctor(settings: Settings, language: str) -> None:
    """`simgate doctor`. Raises `CommandError` where something is wrong."""
    accounts, results = _accounts(settings.carriers)
    results += asyncio.run(carrier_results(accounts, settings.sandbox_url))
    folders = [*_disk(settings.data_dir), *_archive(settings.archive_dir)]
    results = [*_database_results(settings, accounts), *folders, *results]
    print("\n".join(printed(results, language)))
    if count := sum(one.level is Level.WRONG for one in results):
        raise CommandError(ExitCode.OTHER, doctor_line("ill", language, {"count": count}))
    print(doctor_line("well", language, {}))


def _accounts(path: Path) -> tuple[list[Account], list[DoctorResult]]:
    try:
        accounts = read_accounts(path)
    except AccountsInvalid as invalid:
        return [], [wrong("carriers.wrong", reason=message) for message in invalid.messages]
    return accounts, [ok("carriers.file", count=len(accounts), path=path)]


def _disk(folder: Path) -> list[DoctorResult]:
    """The disk of a folder; of a database elsewhere its own machine must be asked."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    usage = shutil.disk_usage(there)
    full = usage.free < DISK_LIMIT_MB * MB or usage.free * 100 < usage.total * DISK_LIMIT_PERCENT
    facts = {"free": usage.free // MB, "total": usage.total // MB, "folder": there}
    return [wrong("disk.full", **facts) if full else ok("disk.room", **facts)]


def _archive(folder: Path | None) -> list[DoctorResult]:
    """The archive of old rows, where there is one: without it nothing old is deleted."""
    if folder is None:
        return []
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not (there.is_dir() and os.access(there, os.W_OK)):
        return [wrong("archive.unwritable", folder=folder)]
    return _disk(folder)


def _database_results(settings: Settings, accounts: Sequence[Account]) -> list[DoctorResult]:
    if settings.database_url is None and not (settings.data_dir / "postgres").exists():
        return [note("database.none", folder=settings.data_dir)]
    try:
        with database(settings) as url:
            return asyncio.run(_inside(settings, url, accounts))
    except (DatabaseUnusable, DataDirInUse) as unusable:
        return [wrong("database.unusable", reason=unusable)]
    except (*DATABASE_ERRORS, asyncpg.PostgresError) as error:
        told = trouble(error)
        return [wrong("database.unusable", reason=told.get("reason", told["error"]))]


async def _inside(settings: Settings, url: str, accounts: Sequence[Account]) -> list[DoctorResult]:
    async with open_container(settings, url, accounts) as container:
        ctx = container.context
        results = await _server(ctx)
        schema = await applied_schema(ctx.pool)
        results.append(_schema(schema))
        if not schema.fits:
            return results
        await sync_clock(ctx)
        return [*results, *await waiting_results(ctx), *await job_results(ctx)]


async def _server(ctx: Context) -> list[DoctorResult]:
    """The server's version, and its clock against ours at the middle of the question."""
    clock = SystemClock()
    before = clock.now()
    server = await server_of(ctx.pool)
    after = clock.now()
    apart = abs(server.now - (before + (after - before) / 2))
    milliseconds = int(apart.total_seconds() * 1000)
    differs = milliseconds > CLOCK_LIMIT_MS
    return [
        ok("database.reached", address=server.name, version=server.version),
        wrong("clock.differs", milliseconds=milliseconds) if differs else ok("clock.same", milliseconds=milliseconds),
    ]


def _schema(schema: AppliedSchema) -> DoctorResult:
    if schema.is_newer:
        return (note if schema.fits else wrong)(
            "schema.newer" if schema.fits else "schema.too_new", revision=schema.revision
        )
    if schema.fits:
        return ok("schema.current", revision=schema.revision)
    return wrong("schema.behind", revision=schema.revision or "-", head=HEAD_REVISION)
