"""What runs when: every timed job of the gateway, as data. A job body holds no rule; it calls one use-case."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from app.domain.calendar.days import HOME_ZONE
from app.jobs.cycle_rollover import roll_over_day
from app.jobs.daily import DailyTrigger
from app.jobs.housekeeping import run_housekeeping
from app.jobs.pool_refresh import is_quiet, refresh
from app.jobs.usage_pull import is_complete, pull_usage, resume_pull, set_unconfigured_aside
from app.usecases.balance.retention import charge_zone, is_nothing_retained
from app.usecases.carrier_sync.reconcile import reconcile
from app.usecases.context import Context
from app.usecases.findings.look import look_at_fleet
from app.usecases.limits.overrun import is_not_priced, queue_closed_cycles
from app.usecases.orders.auto_renew import auto_renew, is_nothing_flagged
from app.usecases.sims.expire import expire_zone

HOUSEKEEPING = "housekeeping"
"""Among others it audits the counters; what it found is read from its report (`app.jobs.gauges`)."""

Run = Callable[[Context], Awaitable[dict[str, Any]]]
Idle = Callable[[Context], Awaitable[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """One timed job: its name, when it fires, what it does. Missed slots are caught up by the latest one alone.

    `idle`: whether a slot would find nothing to do; an advance of the clock does not stop for such a slot.
    `only_looks`: an idle slot would do nothing but look, and report `{}`. An advance that passes it writes it down as
    run, without running it; it has looked already.
    """

    name: str
    trigger: CronTrigger | DailyTrigger
    run: Run
    idle: Idle | None = None
    only_looks: bool = False

    def next_after(self, instant: datetime) -> datetime:
        """The first slot after an instant."""
        found: datetime | None = self.trigger.get_next_fire_time(instant, instant)
        if found is None:
            raise ValueError(f"job {self.name} never fires again")
        return found

    def latest_until(self, after: datetime, until: datetime) -> datetime | None:
        """The last slot in (after, until], None where there is none."""
        latest = None
        while (slot := self.next_after(latest or after)) <= until:
            latest = slot
        return latest


def daily(hour: int, minute: int, zone: ZoneInfo = HOME_ZONE) -> DailyTrigger:
    """Every day at a time of day in a zone."""
    return DailyTrigger(hour, minute, zone)


def hourly(minute: int) -> CronTrigger:
    """Every hour at a minute."""
    return CronTrigger(minute=minute, timezone=HOME_ZONE)


def _named(job: str, zone: ZoneInfo) -> str:
    """A job's name in `job_runs` and metrics: `job` in the home zone, `job:zone` elsewhere."""
    return job if zone.key == HOME_ZONE.key else f"{job}:{zone.key}"


def jobs_for(ctx: Context) -> tuple[JobSpec, ...]:
    """Every job; those that depend on the carrier's day exist once per time zone, pulls once per account."""
    zones = sorted({ctx.zone(code) for code in ctx.accounts}, key=str)
    sweeps = [
        JobSpec(name=_named("expiry_sweep", zone), trigger=daily(0, 5, zone), run=partial(expire_zone, zone=zone))
        for zone in zones
    ]
    rollovers = [
        JobSpec(name=_named("cycle_rollover", zone), trigger=daily(0, 1, zone), run=partial(roll_over_day, zone=zone))
        for zone in zones
    ]
    overruns = [
        JobSpec(
            name=_named("overrun_closing", zone),
            trigger=daily(0, 2, zone),
            run=partial(queue_closed_cycles, zone=zone),
            idle=is_not_priced,
        )
        for zone in zones
    ]
    retentions = [
        JobSpec(
            name=_named("retention_fees", zone),
            trigger=daily(0, 6, zone),
            run=partial(charge_zone, zone=zone),
            idle=partial(is_nothing_retained, zone=zone),
        )
        for zone in zones
    ]
    pulls = [
        JobSpec(
            name=f"usage_pull:{code}", trigger=daily(2, 30, ctx.zone(code)), run=partial(pull_usage, accounts=[code])
        )
        for code in ctx.accounts
    ]
    rests = [
        JobSpec(
            name=f"usage_resume:{code}",
            trigger=hourly(0),
            run=partial(resume_pull, account=code),
            idle=partial(is_complete, account=code),
            only_looks=True,
        )
        for code in ctx.accounts
    ]
    return (
        *rollovers,
        *overruns,
        *sweeps,
        *retentions,
        *pulls,
        *rests,
        JobSpec(name="unconfigured_accounts", trigger=daily(2, 30), run=set_unconfigured_aside),
        JobSpec(name="pool_refresh", trigger=hourly(0), run=refresh, idle=is_quiet),
        JobSpec(name=HOUSEKEEPING, trigger=daily(4, 0), run=run_housekeeping),
        JobSpec(name="findings", trigger=daily(6, 0), run=look_at_fleet),
        JobSpec(name="auto_renewals", trigger=daily(8, 0), run=auto_renew, idle=is_nothing_flagged),
        JobSpec(name="reconcile", trigger=daily(5, 30), run=reconcile),
    )
