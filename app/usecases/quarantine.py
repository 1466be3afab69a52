"""Isolation: one subject that a background task cannot handle is set aside, and everything else goes on.

A batch is handled in one transaction. Where it fails for a reason of its data, it is halved until the subject at fault
is alone; that one is set aside with its error and attempted again with back-off. A database or a carrier that is away
or busy sets nothing aside.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from app.carriers.errors import CarrierError
from app.db import quarantine as rows
from app.db.connection import DATA_ERRORS, DATABASE_ERRORS
from app.db.quarantine import Key
from app.telemetry import get_logger
from app.usecases.context import Context

log = get_logger("quarantine")

Subject = TypeVar("Subject", int, str)
"""A subject's key: the row id of a SIM or pool, else its id or code."""


class Task(StrEnum):
    """The tasks that set subjects aside."""

    LIMITS = "limits"
    CYCLE_ROLLOVER = "cycle_rollover"
    EXPIRY_SWEEP = "expiry_sweep"
    RETENTION = "retention"
    EXPIRY_REMINDERS = "expiry_reminders"
    USAGE_PULL = "usage_pull"
    POOL_REFRESH = "pool_refresh"
    FRESHNESS = "freshness"
    RECONCILE = "reconcile"
    STOPS = "stops"
    INBOX = "inbox"
    OPERATIONS = "operations"
    SCHEDULE = "schedule"
    OVERDUE = "overdue"
    BULK = "bulk"
    ORDERS = "orders"
    WEBHOOKS = "webhooks"
    NOTIFICATIONS = "notifications"
    AUTOMATIONS = "automations"
    AUDIT = "audit"
    USAGE_INGEST = "usage_ingest"


class SubjectKind(StrEnum):
    """What a key is of."""

    SIM = "sim"
    POOL = "pool"
    ACCOUNT = "account"
    OPERATION = "operation"
    BULK_OPERATION = "bulk_operation"
    ORDER = "order"
    NOTIFICATION = "notification"
    AUTOMATION = "automation"
    WEBHOOK = "webhook"
    NOTIFICATION_CHANNEL = "notification_channel"


ROW_IDS = frozenset({SubjectKind.SIM, SubjectKind.POOL})
"""Kinds whose key is a row id; that of any other kind is a text."""


class PartlyHandled(Exception):
    """A batch was handled, and what belongs to it is committed, but for these subjects."""

    def __init__(self, errors: Mapping[Subject, Exception], changed: int = 0) -> None:
        super().__init__(f"{len(errors)} not handled")
        self.errors: dict[Key, Exception] = {subject: error for subject, error in errors.items()}  # noqa: C416 - widens
        self.changed = changed


def is_of_data(error: BaseException) -> bool:
    """Whether a subject's data caused the error, so that trying again changes nothing."""
    if isinstance(error, ExceptionGroup):
        return all(is_of_data(one) for one in error.exceptions)
    if isinstance(error, CarrierError):
        return False
    if not isinstance(error, DATABASE_ERRORS) or isinstance(error, DATA_ERRORS):
        return isinstance(error, Exception)
    state = getattr(getattr(error, "orig", None) or error, "sqlstate", None) or ""
    return state[:2] in ("22", "23")


async def handle_isolated(
    ctx: Context,
    task: Task,
    subjects: Sequence[Subject],
    handle: Callable[[Sequence[Subject]], Awaitable[int]],
    *,
    kind: SubjectKind = SubjectKind.SIM,
    most: int | None = None,
) -> int:
    """Handle these subjects, each by itself where the batch fails; gives how many changed.

    `handle` handles subjects in one transaction, gives how many changed, and may raise `PartlyHandled`. Subjects set
    aside earlier are left out until they are due; those handled are released. `most`: where so many fail and not one
    is handled, the fault is not theirs, and the error is raised. Raises what a database or a carrier in trouble raises.
    """
    if not subjects:
        return 0
    async with ctx.pool.acquire() as connection:
        resting = await rows.resting(connection, task, kind, subjects, ctx.now())
    isolation = _Isolation(ctx=ctx, task=task, kind=kind, handle=handle, most=most)
    return await isolation.run([one for one in subjects if one not in resting])


@dataclass(slots=True, kw_only=True)
class _Isolation(Generic[Subject]):
    """One call of `handle_isolated`: how many subjects were handled so far, and how many failed alone."""

    ctx: Context
    task: Task
    kind: SubjectKind
    handle: Callable[[Sequence[Subject]], Awaitable[int]]
    most: int | None
    handled: int = 0
    failed: int = 0

    async def run(self, subjects: Sequence[Subject]) -> int:
        """Handle these subjects, in halves where that fails; gives how many changed."""
        if not subjects:
            return 0
        try:
            changed = await self.handle(subjects)
        except PartlyHandled as partly:
            await self._end(subjects, partly.errors)
            return partly.changed
        except Exception as error:
            if not is_of_data(error) or self._is_everyones(len(subjects)):
                raise
            failed = error
        else:
            await self._end(subjects, {})
            return changed
        if len(subjects) > 1:  # outside of `except`, or the log would begin with the error of every larger batch
            middle = len(subjects) // 2
            return await self.run(subjects[:middle]) + await self.run(subjects[middle:])
        await self._end(subjects, {subjects[0]: failed})
        return 0

    def _is_everyones(self, failing: int) -> bool:
        return self.most is not None and not self.handled and failing == 1 and self.failed >= self.most

    async def _end(self, subjects: Sequence[Subject], errors: Mapping[Key, Exception]) -> None:
        """Set those with an error aside, release the others.

        Not in the transaction of `handle`: a process that dies in between leaves an entry, which the next attempt
        removes.
        """
        self.handled += len(subjects) - len(errors)
        self.failed += len(errors)
        for subject, failed in errors.items():
            await set_aside(self.ctx, self.task, self.kind, subject, failed)
        async with self.ctx.pool.acquire() as connection:
            await rows.release(connection, self.task, self.kind, [one for one in subjects if one not in errors])


async def set_aside(ctx: Context, task: Task, kind: SubjectKind, subject: Key, error: Exception) -> datetime:
    """Set one subject aside with its error; gives when it is attempted again."""
    log.error("quarantine.set_aside", task=task, kind=kind, id=subject, exc_info=error)
    async with ctx.pool.acquire() as connection:
        return await rows.set_aside(connection, task, kind, subject, _class_of(error), ctx.now())


def _class_of(error: Exception) -> str:
    """The name of the error's class; never its text, which may quote what must not be shown."""
    name = type(error).__name__
    return f"{type(error).__module__}.{name}" if name == "Error" else name


async def release(ctx: Context, task: Task, kind: SubjectKind, subjects: Sequence[Subject]) -> None:
    """Take subjects off the list that no longer need handling."""
    async with ctx.pool.acquire() as connection:
        await rows.release(connection, task, kind, subjects)
