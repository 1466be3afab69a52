"""Whoever sets the machine's clock does not move the gateway's; a wrong one is set right by two witnesses of three."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from app.clock import OffsetClock
from app.container import sync_clock
from app.jobs.scheduler import keep_ticking
from app.usecases.context import Context

HOUR = timedelta(hours=1)
A_MOMENT = timedelta(seconds=0.5)


class Machine:
    """The clock of a machine, which is set by so much."""

    by = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.by


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_clock_that_is_set_wrong_moves_nothing(jump: timedelta) -> None:
    machine = Machine()
    clock = OffsetClock(machine=machine)
    machine.by = jump

    assert clock.correct(datetime.now(UTC)) == timedelta()
    assert abs(clock.now() - datetime.now(UTC)) < A_MOMENT


@pytest.mark.parametrize("wrong", [HOUR, -HOUR])
def test_a_clock_that_was_wrong_from_the_beginning_and_is_set_right_is_followed(wrong: timedelta) -> None:
    machine = Machine()
    machine.by = wrong
    clock = OffsetClock(2 * HOUR, machine)
    machine.by = timedelta()

    assert abs(clock.correct(datetime.now(UTC)) + wrong) < A_MOMENT
    assert abs(clock.real() - datetime.now(UTC)) < A_MOMENT
    assert abs(clock.now() - 2 * HOUR - datetime.now(UTC)) < A_MOMENT


def test_a_database_whose_clock_is_wrong_moves_nothing() -> None:
    clock = OffsetClock()

    assert clock.correct(datetime.now(UTC) + HOUR) == timedelta()


async def test_the_database_is_asked_which_clock_is_right(ctx: Context) -> None:
    clock, machine = ctx.clock, Machine()
    clock._machine = machine
    before, machine.by = clock.real(), HOUR
    await sync_clock(ctx)

    assert clock.real() - before < HOUR / 2


async def test_timed_jobs_go_on_where_the_clock_was_set_back() -> None:
    """APScheduler's next tick was as far away as the clock had been set back."""
    ticks, stop = asyncio.Event(), asyncio.Event()

    async def tick() -> None:
        ticks.set()

    scheduler = AsyncIOScheduler(timezone=UTC)
    job = scheduler.add_job(tick, IntervalTrigger(seconds=1, timezone=UTC))
    scheduler.start()
    job.modify(next_run_time=datetime.now(UTC) + HOUR)
    keeping = asyncio.create_task(keep_ticking(job, stop))
    async with asyncio.timeout(10):
        await ticks.wait()
    stop.set()
    await keeping
    scheduler.shutdown(wait=False)
