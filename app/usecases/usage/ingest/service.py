"""Usage ingest: every report counted once, in the cycle in which its traffic happened, answered after commit (US-3).

Requests that wait together share a transaction: `submit` queues, at most `COMMITTERS` tasks take what waits and commit
it. When more waits than `MAX_WAITING`, or the database cannot be had, a request is refused whole, nothing half-kept.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import asyncpg

from app.clock import monotonic
from app.db.connection import DATA_ERRORS, DATABASE_ERRORS, Connection
from app.db.mapping import SimRecord
from app.db.pools.rows import members_to_check, refs_of
from app.db.uow import UnitOfWork
from app.db.usage import ingest as rows
from app.db.usage import unmatched as aside
from app.db.usage.counters import queue_checks
from app.db.usage.partitions import create_partitions
from app.domain.identifiers import alternate_iccid
from app.domain.vocabulary import Carrier
from app.telemetry import get_logger
from app.usecases.context import Context
from app.usecases.errors import Unavailable
from app.usecases.usage.ingest.batch import Batch, StaleSimCache
from app.usecases.usage.ingest.counters import Countable, count
from app.usecases.usage.ingest.cycle_index import CALENDAR_MASK, oldest_instant
from app.usecases.usage.ingest.reports import Reports, Submission, Tally
from app.usecases.usage.ingest.sim_cache import HOME, SimLookupCache, canonical_iccid

COMMITTERS = 2
"""Transactions at once: one decodes and counts while the other waits for the database."""

MAX_RECORDS = 10_000
"""Records in one shared transaction, unless one request alone has more."""

MAX_WAITING = 60_000
"""Records that may wait in one process before further requests are told to come back."""

TRIES = 4
_BUSY_S = 10
_log = get_logger("ingest")

TRY_AGAIN = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.UniqueViolationError, StaleSimCache)


class Ingest:
    """The ingest of one process."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._cards = SimLookupCache(ctx)
        self._queue: deque[Submission] = deque()
        self._waiting = 0
        self._committers: set[asyncio.Task[None]] = set()

    async def submit(self, tenant: str, reports: Reports, *, rejected: int = 0) -> Tally:
        """Count the reports of one request; gives what became of each, once it is committed.

        `rejected`: how many more the caller has refused already, for the metrics. Raises `Unavailable`.
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
            await self._commit(taken)

    def _take(self) -> list[Submission]:
        taken = [self._queue.popleft()]
        records = len(taken[0].reports)
        while self._queue and records + len(self._queue[0].reports) <= MAX_RECORDS:
            taken.append(self._queue.popleft())
            records += len(taken[-1].reports)
        return taken

    async def _commit(self, taken: list[Submission]) -> None:
        """Commit the requests together; where that fails for a reason of the data, each for itself."""
        size = sum(len(submission.reports) for submission in taken)
        try:
            tallies = await self._write(taken)
        except asyncio.CancelledError:
            for submission in taken:
                submission.fail(Unavailable("the gateway is stopping", retry_after=1))
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, every waiting caller must be answered
            if isinstance(error, DATABASE_ERRORS) and not isinstance(error, DATA_ERRORS):
                # Not committed, or nobody can know: the same request may be sent again, as duplicates are not counted.
                _log.warning("ingest.unavailable", error=type(error).__name__, records=size)
                for submission in taken:
                    submission.fail(Unavailable("the database cannot take reports now", retry_after=1))
            elif len(taken) > 1:
                for submission in taken:
                    self._waiting += len(submission.reports)
                    await self._commit([submission])
            else:
                taken[0].fail(error)
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
                    raise Unavailable("the reports could not be brought in, try again", retry_after=1) from error
                if isinstance(error, StaleSimCache):
                    self._cards.forget(error.epoch)
            except asyncpg.CheckViolationError:
                if attempt == TRIES:
                    raise
                await self._create_partitions()
        raise AssertionError("unreachable: the last try returns or raises")

    async def _write_once(self, taken: Sequence[Submission]) -> list[Tally]:
        async with self._ctx.pool.acquire(timeout=_BUSY_S) as connection:
            batch = Batch(connection, self._cards, self._ctx.now())
            await batch.classify(taken)
            started = monotonic()
            async with connection.transaction():
                await batch.write()
            self._ctx.telemetry.usage_commit_seconds.observe(monotonic() - started)
        return batch.tallies

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


def oldest_accepted(ctx: Context) -> datetime:
    """The first instant that a report may still be for, whatever card it is of."""
    zones = {ctx.zone(code) for code in ctx.accounts} | {ZoneInfo(HOME)}
    return min(oldest_instant(carrier, zone, ctx.now()) for carrier in Carrier for zone in zones)


async def prepare_partitions(ctx: Context, connection: Connection) -> list[str]:
    """Make the leaves that reports accepted from now until the next housekeeping may fall into."""
    return await create_partitions(connection, oldest_accepted(ctx), ctx.now() + PARTITIONS_AHEAD)


async def attach_unmatched_reports(ctx: Context, work: UnitOfWork, tenant: str, ids: Mapping[str, int]) -> int:
    """Count the reports kept aside for cards that arrive with this transaction (ids by ICCID); gives how many.

    The pools they join are looked at (ST-4). Call it last: until the commit, ingest of unknown cards waits.
    """
    forms = {
        form: sim_id for iccid, sim_id in ids.items() for form in (iccid, alternate_iccid(iccid)) if form is not None
    }
    if not forms:
        return 0
    connection = await work.driver()
    arrived = list(ids.values())
    await queue_checks(connection, await members_to_check(connection, arrived), await refs_of(connection, arrived))
    await rows.lock_counting(connection)  # first, as ingest does: one order of locks
    reports = await aside.waiting(connection, tenant, forms)
    if not reports:
        return 0
    await aside.assign_sims(connection, reports)
    book, iccid_of = SimLookupCache(ctx), {sim_id: iccid for iccid, sim_id in ids.items()}
    await book.learn(connection, tenant, sorted({iccid_of[row["sim_id"]] for row in reports}))
    cards, tables = book.find(tenant, [iccid_of[row["sim_id"]] for row in reports]), book.tables(ctx.now())
    counted = []
    for card, row in zip(cards, reports, strict=True):
        second = row["at"].timestamp()
        if card is not None and (key := tables[card & CALENDAR_MASK].key(second)):
            counted.append((card, key, second, row["bytes"]))
    if counted:
        columns = Countable(*(list(column) for column in zip(*counted, strict=True)))
        await work.events.add(await count(connection, book, columns, ctx.now()))
    return len(reports)


async def detach_reports(ctx: Context, work: UnitOfWork, record: SimRecord) -> None:
    """A mistaken card leaves with this transaction: what was reported for it waits for it to come back."""
    connection = await work.driver()
    await aside.release(connection, record.tenant, record.id, canonical_iccid(record.sim.iccid), ctx.now())
