"""Attempts again what was set aside (`app.usecases.quarantine`), once its back-off has passed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from app.carriers.errors import CarrierError
from app.db import quarantine as rows
from app.telemetry import get_logger
from app.usecases.automations.evaluate import evaluate_again as evaluate_automations_again
from app.usecases.balance.retention import charge_again
from app.usecases.bulk.advance import advance_again
from app.usecases.carrier_sync.freshness import query_again
from app.usecases.carrier_sync.notifications import process_again
from app.usecases.carrier_sync.reconcile import reconcile_again
from app.usecases.carrier_sync.stops import look_again
from app.usecases.carrier_sync.usage_run import pull_again
from app.usecases.context import Context
from app.usecases.execution.isolation import release_moved_on
from app.usecases.execution.overdue import mark_again
from app.usecases.execution.schedule import start_again
from app.usecases.limits.cycle_rollover import roll_over_again
from app.usecases.limits.evaluate import evaluate_again
from app.usecases.notifications.deliver import notify_again
from app.usecases.orders.advance import advance_again as advance_orders_again
from app.usecases.pools.near import look_at_pools
from app.usecases.quarantine import ROW_IDS, SubjectKind, Task
from app.usecases.sims.expire import expire_sims
from app.usecases.sims.expiry_reminders import remind_sims
from app.usecases.usage.audit import audit_again
from app.usecases.usage.ingest.unmatched import count_again
from app.usecases.webhooks.deliver import deliver_again

LIMIT = 100
"""Subjects attempted in one turn."""

UNREACHABLE_AGAIN_AFTER = timedelta(minutes=10)
"""Where the carrier does not answer, or its account is paused, that says nothing about the subject."""

Retry = Callable[[Context, SubjectKind, Sequence[Any]], Awaitable[None]]
"""Attempts subjects of one kind again: those handled are released, the others set aside again."""

RETRIES: Mapping[Task, Retry] = MappingProxyType(
    {
        Task.LIMITS: evaluate_again,
        Task.CYCLE_ROLLOVER: roll_over_again,
        Task.EXPIRY_SWEEP: expire_sims,
        Task.RETENTION: charge_again,
        Task.EXPIRY_REMINDERS: remind_sims,
        Task.USAGE_PULL: pull_again,
        Task.POOL_REFRESH: look_at_pools,
        Task.FRESHNESS: query_again,
        Task.RECONCILE: reconcile_again,
        Task.STOPS: look_again,
        Task.INBOX: process_again,
        Task.OPERATIONS: release_moved_on,
        Task.SCHEDULE: start_again,
        Task.OVERDUE: mark_again,
        Task.BULK: advance_again,
        Task.ORDERS: advance_orders_again,
        Task.WEBHOOKS: deliver_again,
        Task.NOTIFICATIONS: notify_again,
        Task.AUTOMATIONS: evaluate_automations_again,
        Task.AUDIT: audit_again,
        Task.USAGE_INGEST: count_again,
    }
)

log = get_logger("quarantine")


async def retry_set_aside(ctx: Context) -> int:
    """Attempt what is due, a task and kind at a time; gives how many subjects that was."""
    async with ctx.pool.acquire() as connection:
        due = await rows.due(connection, ctx.now(), LIMIT)
    by_task: dict[tuple[Task, SubjectKind], list[int | str]] = defaultdict(list)
    for row in due:
        task, kind = Task(row["task"]), SubjectKind(row["kind"])
        by_task[task, kind].append(int(row["key"]) if kind in ROW_IDS else row["key"])
    for (task, kind), keys in by_task.items():
        try:
            await RETRIES[task](ctx, kind, keys)
        except CarrierError as error:
            log.warning("quarantine.unreachable", task=task, kind=kind, error=type(error).__name__)
            async with ctx.pool.acquire() as connection:
                await rows.postpone(connection, task, kind, keys, ctx.now() + UNREACHABLE_AGAIN_AFTER)
    return len(due)
