"""Runs one slot of a job: claimed in `job_runs`, so that of N replicas one runs it; one log line, one metric."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from app.db.connection import DATABASE_ERRORS, trouble
from app.jobs.schedule import JobSpec
from app.telemetry import get_logger
from app.usecases.context import Context

LEASE = timedelta(seconds=30)
HEARTBEAT_S = 10.0

log = get_logger("jobs")


class SlotOutcome(StrEnum):
    """Outcome of trying a slot: run here, done before, held elsewhere or waiting to be retried, failed here."""

    RUN = "run"
    DONE = "done"
    HELD = "held"
    FAILED = "failed"


async def run_slot(ctx: Context, job: JobSpec, slot: datetime, *, retry_after: timedelta = LEASE) -> SlotOutcome:
    """Run one slot unless another process has it. A failed run is logged and may be claimed again after `retry_after`.

    The slot of a process that dies may be claimed after its lease; a cancelled run releases its slot at once.
    """
    started = ctx.now()
    try:
        taken = await _claim(ctx, job, slot, started)
        if taken is SlotOutcome.RUN:
            report = await _run(ctx, job, slot, started)
            await _finish(ctx, job, slot, report)
        return taken
    except asyncio.CancelledError:
        await _release(ctx, job, slot, started, timedelta(), "stopped")
        raise
    except Exception as error:
        ctx.telemetry.job_failures.labels(job.name).inc()
        log.exception("job.failed", job=job.name, slot=slot.isoformat(), again_in_s=retry_after.total_seconds())
        await _release(ctx, job, slot, started, retry_after, type(error).__name__)
        return SlotOutcome.FAILED


async def pass_idle(ctx: Context, slots: Mapping[str, datetime]) -> list[str]:
    """Write down slots that have nothing to do as run, all in one transaction; gives the jobs it was done for.

    A slot that another process has, or had, is left to `run_slot`.
    """
    async with ctx.work() as work:
        passed = await work.job_runs.record_idle(slots, ctx.now())
        await work.commit()
    for job in passed:
        ctx.telemetry.job_last_success.labels(job).set(slots[job].timestamp())
        log.info("job.done", job=job, slot=slots[job].isoformat())
    return passed


async def _claim(ctx: Context, job: JobSpec, slot: datetime, started: datetime) -> SlotOutcome:
    # Committed before the job runs, which has transactions of its own and may take hours: the lease, kept by `_beat`,
    # stands for the lock.
    async with ctx.work() as work:
        mine = await work.job_runs.claim_slot(job.name, slot, started, LEASE)
        done = not mine and await work.job_runs.finished(job.name, slot)
        await work.commit()
    if mine:
        return SlotOutcome.RUN
    return SlotOutcome.DONE if done else SlotOutcome.HELD


async def _run(ctx: Context, job: JobSpec, slot: datetime, started: datetime) -> dict[str, Any]:
    beating = asyncio.create_task(_beat(ctx, job, slot, started))
    try:
        if ctx.tracing is None:
            return await job.run(ctx)
        with ctx.tracing.span("job", {"simgate.job": job.name, "simgate.slot": slot.isoformat()}):
            return await job.run(ctx)
    finally:
        beating.cancel()


async def _finish(ctx: Context, job: JobSpec, slot: datetime, report: dict[str, Any]) -> None:
    async with ctx.work() as work:
        await work.job_runs.finish_slot(job.name, slot, ctx.now(), report)
        await work.commit()
    ctx.telemetry.job_last_success.labels(job.name).set(slot.timestamp())
    log.info("job.done", job=job.name, slot=slot.isoformat(), **report)


async def _release(
    ctx: Context, job: JobSpec, slot: datetime, started: datetime, retry_after: timedelta, error: str
) -> None:
    """Let go of a slot, if it still is ours; where that cannot be written, its lease runs out."""
    try:
        async with ctx.work() as work:
            await work.job_runs.release_slot(job.name, slot, started, retry_after, {"error": error})
            await work.commit()
    except DATABASE_ERRORS as away:
        log.warning("job.not_released", job=job.name, slot=slot.isoformat(), **trouble(away))


async def _beat(ctx: Context, job: JobSpec, slot: datetime, started: datetime) -> None:
    """Keep the lease while the run lasts; a database that is away for a while does not end this."""
    while True:
        await asyncio.sleep(HEARTBEAT_S)
        try:
            async with ctx.work() as work:
                await work.job_runs.extend_slot(job.name, slot, started, LEASE)
                await work.commit()
        except DATABASE_ERRORS as error:
            log.warning("job.database_trouble", job=job.name, **trouble(error))
