"""Readiness: whether this process may be sent requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from app.db.connection import DATABASE_ERRORS
from app.db.operating.readiness import applied_schema
from app.usecases.context import Context

FIRST_IMPORT = "demo-fleet"


async def readiness(
    ctx: Context, sandbox_answers: Callable[[], Awaitable[bool]], *, loads_fleet: bool = False
) -> dict[str, str]:
    """Check -> `ok`, or what is missing. At most two seconds. `loads_fleet`: this process imports the demo fleet first.

    One role alone (`simgate api`, …) imports nothing, and waits for no import.
    """
    checks = {"database": "ok", "migrations": "ok", "sandbox": "ok", "first_import": "ok"}
    try:
        async with asyncio.timeout(2):
            if not (await applied_schema(ctx.pool)).fits:
                return checks | {"migrations": "not current", "first_import": "waiting"}
            async with ctx.work() as work:
                if loads_fleet and not await work.import_marks.is_set(FIRST_IMPORT):
                    checks["first_import"] = "under way"
            if ctx.sandbox and not await sandbox_answers():
                checks["sandbox"] = "does not answer"
    except DATABASE_ERRORS:
        checks["database"] = "does not answer"
    return checks


def loops_view(ctx: Context) -> list[dict[str, Any]]:
    """The background loops of this process as JSON: when each last succeeded, and its failures in a row since."""
    return [
        {
            "name": name,
            "last_success": health.last_success.isoformat() if health.last_success else None,
            "failures_in_a_row": health.failures,
        }
        for name, health in sorted(ctx.telemetry.loops.items())
    ]


async def jobs_view(ctx: Context) -> list[dict[str, Any]]:
    """The timed jobs as JSON: the slot of each one's last success, in whichever process; null: none, or not known."""
    last: dict[str, datetime] = {}
    try:
        async with asyncio.timeout(2), ctx.work() as work:
            last = await work.job_runs.last_slots()
    except DATABASE_ERRORS:
        last = {}
    return [
        {"name": job, "last_success": last[job].isoformat() if job in last else None}
        for job in sorted(ctx.telemetry.jobs)
    ]
