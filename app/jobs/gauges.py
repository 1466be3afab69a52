"""Gauges counted from the database: jobs' last success, SIMs by state, open operations, age of carrier figures."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from itertools import product
from typing import Any

from app.clock import monotonic
from app.db import quarantine
from app.db.operating import backlogs
from app.domain.notifications.channels import ChannelKind
from app.domain.vocabulary import SimState
from app.jobs.loops import take_turn
from app.jobs.schedule import HOUSEKEEPING, JobSpec, jobs_for
from app.telemetry import WAITING
from app.usecases.catalogue.freshness import account_freshness
from app.usecases.context import Context
from app.usecases.quarantine import Task
from app.usecases.usage.audit import KINDS, differs
from app.usecases.usage.lag import usage_lags

PERIOD_S = 15.0
PAUSE_FACTOR = 50
"""A count is followed by a pause of so many times its duration: with ten million SIMs counting takes minutes."""

Collector = Callable[[Context], Awaitable[None]]


async def run_gauges(ctx: Context) -> None:
    """Run every collector repeatedly, each in a task of its own, so that a slow one delays no other."""
    ctx.telemetry.expect_loops(map(loop_of, COLLECTORS), ctx.now())
    async with asyncio.TaskGroup() as group:
        for counting in COLLECTORS:
            group.create_task(_keep(ctx, counting))


def loop_of(counting: Collector) -> str:
    """The name of a collector's loop."""
    return f"gauges:{counting.__name__.lstrip('_')}"


async def _keep(ctx: Context, counting: Collector) -> None:
    while True:
        began = monotonic()
        await take_turn(ctx, loop_of(counting), counting)
        await asyncio.sleep(pause_after(monotonic() - began))


def pause_after(took: float) -> float:
    """Seconds to pause after a count that took `took` seconds: counting uses at most a fiftieth of a processor."""
    return max(PERIOD_S, took * PAUSE_FACTOR)


async def count(ctx: Context) -> None:
    """Set every gauge once."""
    for counting in COLLECTORS:
        await counting(ctx)


async def _jobs(ctx: Context) -> None:
    """Each job's last success and what the last housekeeping found, whichever process ran them."""
    async with ctx.work() as work:
        last = await work.job_runs.last_slots()
        first = await work.job_runs.first_started()
        audited = await work.job_runs.last_report(HOUSEKEEPING)
        held_up = await work.job_runs.above_zero_since(HOUSEKEEPING, "partitions_waiting")
    for job in jobs_for(ctx):
        if job.name in last:
            ctx.telemetry.job_last_success.labels(job.name).set(last[job.name].timestamp())
        ctx.telemetry.job_overdue_seconds.labels(job.name).set(_overdue_s(ctx, job, last.get(job.name, first)))
    ctx.telemetry.partitions_waiting_seconds.set(_age_s(held_up, ctx.now()))
    for kind in KINDS:
        if (found := audited.get(differs(kind))) is not None:
            ctx.telemetry.usage_audit_differences.labels(kind).set(found)


def _overdue_s(ctx: Context, job: JobSpec, done: datetime | None) -> float:
    """Since when the slot after `done` is due; before any job has run in this database nothing is."""
    if done is None:
        return 0
    return max(0.0, (ctx.now() - job.next_after(done)).total_seconds())


async def _operations(ctx: Context) -> None:
    async with ctx.work() as work:
        operations = await work.operation_search.open_counts()
    for status, how_many in operations.items():
        ctx.telemetry.operations_open.labels(status).set(how_many)


async def _cards(ctx: Context) -> None:
    async with ctx.work() as work:
        counts = await work.sims.counts()
    found = {(carrier, state): how_many for carrier, state, how_many in counts}
    carriers = {account.carrier.value for account in ctx.accounts.values()} | {carrier for carrier, _ in found}
    for labels in product(carriers, [state.value for state in SimState]):
        ctx.telemetry.sims.labels(*labels).set(found.get(labels, 0))


async def _waiting(ctx: Context) -> None:
    """What waits, and how long the oldest has waited, by account; 0 where nothing does."""
    telemetry, now = ctx.telemetry, ctx.now()
    async with ctx.pool.acquire() as connection:
        found = await backlogs.operations_waiting(connection, list(ctx.accounts))
        paused = await backlogs.paused_since(connection)
    for labels in product(ctx.accounts, WAITING):
        backlog = found.get(labels, backlogs.Backlog())
        telemetry.operations_waiting.labels(*labels).set(backlog.how_many)
        telemetry.operations_oldest_seconds.labels(*labels).set(_age_s(backlog.since, now))
    for account in ctx.accounts:
        telemetry.account_paused_seconds.labels(account).set(_age_s(paused.get(account), now))


async def _queues(ctx: Context) -> None:
    """What waits of webhooks, limit checks and carriers' notifications."""
    telemetry, now = ctx.telemetry, ctx.now()
    async with ctx.pool.acquire() as connection:
        webhooks, disabled = await backlogs.webhooks_waiting(connection)
        telemetry.limit_checks_waiting.set(await backlogs.limit_checks_waiting(connection))
        notices = await backlogs.notices_waiting(connection)
    telemetry.webhooks_waiting.set(webhooks.how_many)
    telemetry.webhooks_oldest_seconds.set(_age_s(webhooks.since, now))
    telemetry.webhook_endpoints_disabled.set(disabled)
    telemetry.notices_oldest_seconds.set(_age_s(notices.since, now))


def _age_s(since: datetime | None, now: datetime) -> float:
    return 0 if since is None else max(0.0, (now - since).total_seconds())


async def _usage_lag(ctx: Context) -> None:
    lags = await usage_lags(ctx)
    ctx.telemetry.usage_lag_seconds.clear()
    for account, lag in lags.items():
        ctx.telemetry.usage_lag_seconds.labels(account).set(lag.total_seconds())


async def _quarantine(ctx: Context) -> None:
    async with ctx.pool.acquire() as connection:
        found = await quarantine.counts(connection)
    for task in Task:
        ctx.telemetry.quarantined.labels(task).set(found.get(task, 0))


async def _freshness(ctx: Context) -> None:
    failed: list[Exception] = []
    for account in ctx.accounts:
        try:
            _set_freshness(ctx, account, await account_freshness(ctx, account))
        except Exception as error:  # noqa: BLE001 - raised below, once the other accounts are counted
            failed.append(error)
    if failed:
        raise failed[0]


def _set_freshness(ctx: Context, account: str, found: Mapping[str, Any]) -> None:
    for figure in ("usage", "state", "watched"):
        for quantile, key in (("0.5", "p50_s"), ("0.99", "p99_s")):
            if (age := found["attained"][figure][key]) is not None:
                ctx.telemetry.freshness_age_seconds.labels(account, figure, quantile).set(age)
    if found["attainable"] is not None:
        ctx.telemetry.call_budget_per_hour.labels(account).set(found["limits"]["current_per_hour"])
        for sims, seconds in found["attainable"].items():
            ctx.telemetry.freshness_attainable_seconds.labels(account, sims.removesuffix("_s")).set(seconds)


async def _prepared(ctx: Context) -> None:
    async with ctx.pool.acquire() as connection:
        ctx.telemetry.prepared_oldest_seconds.set(await backlogs.oldest_prepared_s(connection))


async def _notification_channels(ctx: Context) -> None:
    async with ctx.work() as work:
        failing = await work.notification_channels.failing()
    for kind in ChannelKind:
        ctx.telemetry.notification_channels_failing.labels(kind).set(failing.get(kind, 0))


COLLECTORS: tuple[Collector, ...] = (
    _jobs,
    _operations,
    _waiting,
    _queues,
    _cards,
    _usage_lag,
    _freshness,
    _quarantine,
    _prepared,
    _notification_channels,
)
