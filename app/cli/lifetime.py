"""The life of a process in its log: a line when it has started, one when it has stopped; and why it could not go on."""

from __future__ import annotations

import platform
import socket
import ssl
import traceback
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

import structlog

from app.cli.exits import CommandError, ExitCode
from app.clock import monotonic
from app.db.connection import DATABASE_ERRORS, trouble
from app.db.operating.readiness import applied_schema
from app.db.twin import DistributionUnfinished
from app.settings import VERSION, Settings
from app.telemetry import get_logger
from app.usecases.context import Context

log = get_logger("process")


@asynccontextmanager
async def lifetime(ctx: Context, settings: Settings, role: str) -> AsyncIterator[None]:
    """Log `process.started` now, and `process.stopped` or `process.failed` at the end."""
    began = monotonic()
    build = {"version": VERSION, "commit": settings.commit, "role": role}
    ctx.telemetry.build_info.labels(**build).set(1)
    log.info(
        "process.started",
        **build,
        python=platform.python_version(),
        schema=(await applied_schema(ctx.pool)).revision,
        accounts=len(ctx.accounts),
        sandbox=ctx.sandbox,
        walled=ctx.walled,
    )
    try:
        yield
    except BaseException as error:
        log.critical("process.failed", role=role, seconds=round(monotonic() - began, 1), exc_info=error)
        raise
    log.info("process.stopped", role=role, seconds=round(monotonic() - began, 1))


ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "42501": "its user lacks a right: let it own the database, or GRANT CREATE ON SCHEMA public TO it; a role of "
        "simgate migrate --roles gets its rights by simgate migrate as the owner",
        "57P": "the server is starting or stopping: start again in a moment",
        "53300": "the server takes no more connections: lower SIMGATE_DATABASE_POOL or raise max_connections",
        "53": "the server lacks memory or disk: look into its log",
        "26000": "a PgBouncer in transaction mode lies in between: set SIMGATE_PGBOUNCER=1",
        "42P05": "a PgBouncer in transaction mode lies in between: set SIMGATE_PGBOUNCER=1",
        "08P01": "a PgBouncer lies in between, or no PostgreSQL: set SIMGATE_PGBOUNCER=1, or check DATABASE_URL",
        "28": "it does not let this user in: check user and password of DATABASE_URL, and pg_hba.conf",
        "3D000": "there is no such database: create it, or correct DATABASE_URL",
        "25006": "it is read-only, a standby: point DATABASE_URL at the primary",
        "55P03": "something holds a lock: end long transactions (pg_stat_activity), then start again",
        "57014": "a statement took too long: end long transactions (pg_stat_activity), then start again",
    }
)
"""SQLSTATE, or how it begins -> what to do; the longest that fits."""


def database_message(error: BaseException) -> str:
    """What is wrong with the database, and what to do about it. Never a value of a row, never a password."""
    found = trouble(error)
    sqlstate = found.get("sqlstate", "")
    advice = next((ADVICE[sqlstate[:size]] for size in range(5, 1, -1) if sqlstate[:size] in ADVICE), None)
    what = found.get("reason") or found["error"]
    return f"the database cannot be used: {what}. {advice or 'Check that it is up, and start again'}."


NETWORK_ERRORS = (ConnectionError, TimeoutError, ssl.SSLError, socket.gaierror)
"""Of `OSError`, which is among `DATABASE_ERRORS`, those of a connection; the others are of files."""

DATABASE_COMMANDS = frozenset({"run", "api", "worker", "scheduler", "migrate", "restored", "key-create", "job"})


def exit_of(error: BaseException, command: str) -> tuple[ExitCode, str]:
    """The exit code and the last line for what no command expected; a defect is logged, or shown, with traceback."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, CommandError):
        return error.code, str(error)
    if isinstance(error, DistributionUnfinished):
        return ExitCode.DATABASE, str(error)
    is_file = isinstance(error, OSError) and not isinstance(error, NETWORK_ERRORS)
    if command in DATABASE_COMMANDS and isinstance(error, DATABASE_ERRORS) and not is_file:
        return ExitCode.DATABASE, database_message(error)
    if isinstance(error, OSError) and is_file:
        return ExitCode.OTHER, f"{error.filename or 'the system'}: {error.strerror or type(error).__name__}"
    if structlog.is_configured():
        log.critical("process.crashed", exc_info=error)
    else:
        traceback.print_exception(error)
    return ExitCode.OTHER, f"a defect of SimGate ({type(error).__name__}): please report what stands above"
