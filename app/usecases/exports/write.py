"""The worker's part of an export: writes the file of the next one, part by part (EX-2).

A process that dies leaves its lease to expire, and the export is written again from the start by another one; whoever
was away past its lease finds another claim number and stops.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from app.db.exports import ExportRecord
from app.domain.calendar.days import HOME_ZONE
from app.telemetry import get_logger
from app.usecases.context import Context
from app.usecases.exports.contents import next_ids, rows_of
from app.usecases.exports.sheets import Sheet, open_sheet
from app.usecases.quarantine import is_of_data

CHUNK = 1_000
"""SIMs read at a time."""

LEASE = timedelta(minutes=2)
log = get_logger("exports")


class Outdated(Exception):
    """Another worker has taken the export meanwhile."""


async def write_next_export(ctx: Context) -> int:
    """Write the file of the export that has waited longest; gives 1, or 0 where there is none."""
    async with ctx.work() as work:
        record = await work.exports.claim(LEASE)
        if record is None:
            return 0
        await work.exports.drop_parts(record.id)
        await work.commit()
    sheet = open_sheet(record.format, record.columns)
    try:
        await _write(ctx, record, sheet)
    except Outdated:
        log.warning("export.outdated", export=str(record.id))
    except Exception as error:
        if not is_of_data(error):
            raise
        log.exception("export.failed", export=str(record.id))
        await _finish(ctx, record, status="failed", error=type(error).__name__)
    finally:
        sheet.close()
    return 1


async def _write(ctx: Context, record: ExportRecord, sheet: Sheet) -> None:
    on = record.created_at.astimezone(HOME_ZONE).date()
    after, done, number, size = 0, 0, 0, 0
    while True:
        async with ctx.pool.acquire() as connection:
            ids = await next_ids(connection, record.id, after, CHUNK)
            rows = await rows_of(connection, record.what, ids, record.columns, on) if ids else []
        await asyncio.to_thread(sheet.add, rows)
        parts = await asyncio.to_thread(lambda: list(sheet.take())) if ids else sheet.take(whole=True)
        for part in parts:
            await _keep(ctx, record, done, number, part)
            number, size = number + 1, size + len(part)
        if not ids:
            break
        after, done = ids[-1], done + len(ids)
        await _keep(ctx, record, done)
    await _finish(ctx, record, status="ready", size=size)


async def _keep(ctx: Context, record: ExportRecord, done: int, number: int = 0, part: bytes | None = None) -> None:
    """Store the progress and a part, and renew the lease. Raises `Outdated`."""
    async with ctx.work() as work:
        if not await work.exports.keep(record, LEASE, done=done):
            raise Outdated
        if part is not None:
            await work.exports.add_part(record.id, number, part)
        await work.commit()


async def _finish(ctx: Context, record: ExportRecord, *, status: str, **values: object) -> None:
    async with ctx.work() as work:
        if not await work.exports.keep(record, LEASE, status=status, finished_at=ctx.now(), **values):
            raise Outdated
        await work.exports.drop_selection(record.id)
        await work.commit()
