"""What waits, and what waits too long: operations, webhooks, notifications, limit checks, jobs, quarantine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from app.cli.doctor.results import DoctorResult, note, ok, wrong
from app.db import quarantine
from app.db.operating import backlogs
from app.db.operating.backlogs import Backlog
from app.jobs.schedule import jobs_for
from app.usecases.context import Context

QUEUED_LIMIT = timedelta(minutes=15)
VERIFYING_LIMIT = timedelta(hours=2)
DELIVERY_LIMIT = timedelta(minutes=10)
PREPARED_LIMIT = timedelta(minutes=5)
JOB_LIMIT = timedelta(hours=1)
LOOK_BACK = timedelta(days=2)
"""Every job fires within it."""

LIMIT_CHECKS = 100_000
"""So many are behind by minutes: a worker does about a thousand a second."""


async def waiting_results(ctx: Context, prepared_limit: timedelta = PREPARED_LIMIT) -> list[DoctorResult]:
    """What waits in the database, by the gateway's clock."""
    now = ctx.now()
    async with ctx.pool.acquire() as connection:
        operations = await backlogs.operations_waiting(connection, list(ctx.accounts))
        paused = await backlogs.paused_since(connection)
        webhooks, disabled = await backlogs.webhooks_waiting(connection)
        notices = await backlogs.notices_waiting(connection)
        checks = await backlogs.limit_checks_waiting(connection)
        aside = await quarantine.counts(connection)
        prepared = await backlogs.oldest_prepared_s(connection)
    found = [note("carrier.paused", account=code, since=at.isoformat()) for code, at in sorted(paused.items())]
    for (account, what), backlog in sorted(operations.items()):
        found.append(_operations(account, what, backlog, now, paused=account in paused))
    found += [_queue("webhooks", webhooks, now), _queue("notices", notices, now)]
    found += [note("webhooks.disabled", count=disabled)] if disabled else []
    stuck = checks > LIMIT_CHECKS
    found.append((wrong if stuck else ok)("queue.limit_checks_stuck" if stuck else "queue.limit_checks", count=checks))
    orphaned = prepared > prepared_limit.total_seconds()
    minutes = int(prepared) // 60
    found.append(wrong("database.prepared_old", minutes=minutes) if orphaned else ok("database.prepared"))
    kept = {task: count for task, count in sorted(aside.items()) if count}
    found += [wrong("quarantine.some", task=task, count=count) for task, count in kept.items()]
    return found if kept else [*found, ok("quarantine.empty")]


def _minutes(backlog: Backlog, now: datetime) -> int:
    return int((now - backlog.since).total_seconds()) // 60 if backlog.since else 0


def _operations(account: str, what: str, backlog: Backlog, now: datetime, *, paused: bool) -> DoctorResult:
    """Operations of an account in one stage; those of a paused account wait as they should."""
    facts: dict[str, object] = {"account": account, "count": backlog.how_many}
    if what in ("brake", "overdue"):
        return note(f"queue.{what}", **facts)
    limit = {"queued": QUEUED_LIMIT, "verifying": VERIFYING_LIMIT}.get(what)
    since = backlog.since or now
    facts |= {"what": what, "minutes": _minutes(backlog, now)}
    if limit is not None and now - since > limit and not paused:
        return wrong("queue.operations_stuck", **facts)
    return ok("queue.operations", **facts)


def _queue(what: str, backlog: Backlog, now: datetime) -> DoctorResult:
    if not backlog.how_many and backlog.since is None:
        return ok("queue.empty", what=what)
    facts: dict[str, object] = {"what": what, "count": backlog.how_many, "minutes": _minutes(backlog, now)}
    if now - (backlog.since or now) > DELIVERY_LIMIT:
        return wrong("queue.stuck", **facts)
    return ok("queue.waits", **facts)


async def job_results(ctx: Context) -> list[DoctorResult]:
    """Jobs whose last slot has passed for more than an hour without a success, since the first job ever ran."""
    async with ctx.work() as work:
        first, last = await work.job_runs.first_started(), await work.job_runs.last_slots()
    if first is None:
        return [note("jobs.none")]
    late = list(_late(ctx, first, last))
    return late or [ok("jobs.in_time", count=len(jobs_for(ctx)))]


def _late(ctx: Context, first: datetime, last: dict[str, datetime]) -> Iterator[DoctorResult]:
    due_until = ctx.now() - JOB_LIMIT
    for spec in jobs_for(ctx):
        after = max(last.get(spec.name, first), due_until - LOOK_BACK)
        due = spec.latest_until(after, due_until) if after < due_until else None
        if due is not None:
            yield wrong("job.late", job=spec.name, slot=due.isoformat())
