"""The life of a process in its log: one line when it has started, one when it has stopped or why it could not go on."""

from __future__ import annotations

import platform
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.clock import monotonic
from app.db.operating.readiness import applied_schema
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
    )
    try:
        yield
    except BaseException as error:
        log.critical("process.failed", role=role, seconds=round(monotonic() - began, 1), exc_info=error)
        raise
    log.info("process.stopped", role=role, seconds=round(monotonic() - began, 1))
