"""Whether the gateway may be sent work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg

from app.db.readiness import applied_revision
from app.usecases.context import Context

HEAD_REVISION = "0009"
"""The newest migration; a test keeps it in step with `migrations/versions`."""

FIRST_IMPORT = "demo-fleet"


async def readiness(ctx: Context, sandbox_answers: Callable[[], Awaitable[bool]]) -> dict[str, str]:
    """Check by check, `ok` or what is missing."""
    checks = {"database": "ok", "migrations": "ok", "sandbox": "ok", "first_import": "ok"}
    try:
        async with asyncio.timeout(2):
            if await applied_revision(ctx.pool) != HEAD_REVISION:
                return checks | {"migrations": "not current", "first_import": "waiting"}
            async with ctx.work() as work:
                if ctx.sandbox and not await work.ledger.marked(FIRST_IMPORT):
                    checks["first_import"] = "under way"
            if ctx.sandbox and not await sandbox_answers():
                checks["sandbox"] = "does not answer"
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        checks["database"] = "does not answer"
    return checks
