"""Usage ingest: every report counted once, in the cycle in which its traffic happened, answered after commit (US-3).

Requests that wait together share a transaction: `submit` queues a request, at most `COMMITTERS` tasks take what waits
and commit it. When more waits than `MAX_WAITING`, or the database is unavailable, a request is refused as a whole.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from app.clock import monotonic
from app.db import quarantine
from app.db.connection import Connection
from app.db.tenancy import across_tenants, act_for
from app.db.usage.partitions import create_partitions
from app.domain.calendar.days import HOME_ZONE
from app.domain.vocabulary import Carrier
from app.telemetry import get_logger
from app.usecases.context import Context
from app.usecases.errors import Unavailable
from app.usecases.quarantine import SubjectKind, Task, is_of_data, set_aside
from app.usecases.usage.ingest.batch import Batch, StaleSimCache
from app.usecases.usage.ingest.cycle_table import oldest_instant
from app.usecases.usage.ingest.reports import Reports, Submission, Tally
from app.usecases.usage.ingest.sim_cache import SimLookupCache

COMMITTERS = 2
"""Transactions at once: one resolves and sums while the other waits for the database."""

MAX_RECORDS = 10_000
"""Records in one shared transaction, unless one request alone has more."""

MAX_WAITING = 60_000
"""Records that may wait in one process before further requests are refused with `Retry-After`."""

TRIES = 4
_BUSY_S = 10
_log = get_logger("ingest")

# What a batch may meet beside others and not when repeated: counters that begin out of order may deadlock, and the SIMs
# may have changed under it. Nothing of a failed batch is stored, and reports are counted once whatever is repeated.
TRY_AGAIN = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.UniqueViolationError, StaleSimCache)


class Ingest:
    """The ingest of one process."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._cache = SimLookupCache(ctx)
        self._queue: deque[Submission] = deque()
        self._waiting = 0
        self._committers: set[asyncio.Task[None]] = set()

    async def submit(self, tenant: str, reports: Reports, *, rejected: int = 0) -> Tally:
        """Count the reports of one request; returns the result of each after the commit.

        `rejected`: how many more records the caller has rejected, for the metrics. Raises `Unavailable`.
        """
        if self._waiting and self._waiting + len(reports) > MAX_WAITING:
            raise Unavailable("more reports wait than the database takes", retry_after=1)
        submission = Submission(tenant=tenant, reports=reports, done=asyncio.get_running_loop().create_future())
        if len(reports):
            self._waiting += len(reports)
            self._queue.append(submission)
            self._wake()
            tally = await submission.done
        else:
            tally = Tally()
        self._count(tally, len(reports), rejected)
        return tally

    def _wake(self) -> None:
        if len(self._committers) < COMMITTERS:
            task = asyncio.create_task(self._drain())
            self._committers.add(task)
            task.add_done_callback(self._committers.discard)

    async def _drain(self) -> None:
        while self._queue:
            taken = self._take()
            act_for(taken[0].tenant)  # not for the request's that began this task; where it counts, all are of one
            await self._store(taken)

    def _take(self) -> list[Submission]:
        taken = [self._queue.popleft()]
        records = len(taken[0].reports)
        while self._queue and records + len(self._queue[0].reports) <= MAX_RECORDS:
            if self._ctx.walled and self._queue[0].tenant != taken[0].tenant:
                break
            taken.append(self._queue.popleft())
            records += len(taken[-1].reports)
        return taken

    async def _store(self, taken: list[Submission]) -> None:
        """Store the requests in one transaction; where their data makes that fail, each in its own."""
        size = sum(len(submission.reports) for submission in taken)
        try:
            tallies = await self._write(taken)
        except asyncio.CancelledError:
            for submission in taken:
                submission.fail(Unavailable("the gateway is stopping", retry_after=1))
            raise
        except Exception as error:  # noqa: BLE001 - every waiting caller must be answered, whatever failed
            if len(taken) > 1 and is_of_data(error):
                for submission in taken:
                    self._waiting += len(submission.reports)
                    await self._store([submission])
            else:
                for submission in taken:
                    submission.fail(error)
        else:
            for submission, tally in zip(taken, tallies, strict=True):
                submission.succeed(tally)
        finally:
            self._waiting -= size

    async def _write(self, taken: Sequence[Submission]) -> list[Tally]:
        for attempt in range(1, TRIES + 1):
            try:
                return await self._write_once(taken)
            except TRY_AGAIN as error:
                if attempt == TRIES:
                    raise Unavailable("the reports could not be stored, try again", retry_after=1) from error
                if isinstance(error, StaleSimCache):
                    self._cache.invalidate(error.epoch)
            except asyncpg.CheckViolationError:
                if attempt == TRIES:
                    raise
                await self._create_partitions()
        raise AssertionError("unreachable: the last try returns or raises")

    async def _write_once(self, taken: Sequence[Submission]) -> list[Tally]:
        async with self._ctx.pool.acquire(timeout=_BUSY_S) as connection:
            # Before the transaction: gateways are created in autocommit, and no lock is held while SIMs are looked up.
            batch = Batch(connection, self._cache, self._ctx.now(), self._ctx.gap_band)
            await batch.resolve(taken)
            started = monotonic()
            async with connection.transaction():
                await batch.write()
            self._ctx.telemetry.usage_commit_seconds.observe(monotonic() - started)
        if self._cache.unreadable:
            await self._set_aside()
        return batch.tallies

    async def _set_aside(self) -> None:
        """Set SIMs aside of which no report can be counted; each once, however many reports of it come."""
        unreadable, self._cache.unreadable = self._cache.unreadable, {}
        with across_tenants():
            async with self._ctx.pool.acquire() as connection:
                known = await quarantine.listed(connection, Task.USAGE_INGEST, SubjectKind.SIM, list(unreadable))
            for sim_id, error in unreadable.items():
                if sim_id not in known:
                    await set_aside(self._ctx, Task.USAGE_INGEST, SubjectKind.SIM, sim_id, error)

    async def _create_partitions(self) -> None:
        async with self._ctx.pool.acquire(timeout=_BUSY_S) as connection:
            await prepare_partitions(self._ctx, connection)

    def _count(self, tally: Tally, size: int, rejected: int) -> None:
        telemetry = self._ctx.telemetry
        telemetry.usage_batch_records.observe(size + rejected)
        counted = {
            "accepted": tally.accepted,
            "duplicate": tally.duplicates,
            "conflict": len(tally.conflicts),
            "unknown": len(tally.unknown),
            "rejected": len(tally.rejected) + rejected,
            "late": tally.late,
        }
        for result, number in counted.items():
            if number:
                telemetry.usage_reports.labels(result).inc(number)


PARTITIONS_AHEAD = timedelta(days=40)
"""How far ahead partitions are created: well beyond the next run of housekeeping."""


def oldest_accepted(ctx: Context) -> datetime:
    """The first instant for which a report is still accepted, of any SIM."""
    zones = {ctx.zone(code) for code in ctx.accounts} | {HOME_ZONE}
    return min(
        oldest_instant(carrier, zone, ctx.now(), ctx.retention.report_cycles) for carrier in Carrier for zone in zones
    )


async def prepare_partitions(ctx: Context, connection: Connection) -> list[str]:
    """Create the partitions that reports accepted until the next housekeeping may need; gives the new ones."""
    return await create_partitions(connection, oldest_accepted(ctx), ctx.now() + PARTITIONS_AHEAD)
