"""Delete what is kept no longer (ADR 33): in small transactions, each archived before it is committed."""

from __future__ import annotations

from datetime import datetime

from app.clock import monotonic
from app.db.operating import retention
from app.db.operating.retention import CHUNK, SWEEPS, Span, Sweep
from app.domain.retention import Record
from app.usecases.context import Context
from app.usecases.ids import new_id

MOST_SECONDS = 900.0
"""Real time that one table takes of a night; what is left is deleted in the next ones."""


async def delete_old(ctx: Context, record: Record) -> int:
    """Delete what of a kind is older than its window; gives how many rows. Raises `OSError` of a full archive."""
    before = ctx.retention.before(record, ctx.now())
    if before is None:
        return 0
    return sum([await _sweep(ctx, sweep, before) for sweep in SWEEPS[record]])


async def _sweep(ctx: Context, sweep: Sweep, before: datetime) -> int:
    """Delete the old rows of one table, span by span; a span that had more than one transaction takes goes on."""
    total, after, until = 0, sweep.start, monotonic() + MOST_SECONDS
    while monotonic() < until:
        deleted, span = await _delete_span(ctx, sweep, after, before)
        total += deleted
        if span is None or (span.last is None and deleted < CHUNK):
            break
        if sweep.walk == "key" or deleted < CHUNK:
            after = span.last
    return total


async def _delete_span(ctx: Context, sweep: Sweep, after: object, before: datetime) -> tuple[int, Span | None]:
    """One transaction: what it deletes is on the archive's disk before it is committed."""
    async with ctx.work() as work:
        connection = await work.driver()
        span = await retention.next_span(connection, sweep, after, before)
        if span is None:
            return 0, None
        deleted, lines = await retention.delete_old(connection, sweep, span, before, whole=ctx.archive is not None)
        if ctx.archive is not None and lines:
            await ctx.archive.store(sweep.table, f"{sweep.table}-{new_id(ctx.now())}.ndjson.gz", lines)
        await work.commit()
    return deleted, span
