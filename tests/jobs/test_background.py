"""Every background loop and job: its last success is a metric, `/readyz?verbose=true` shows it, an alert watches it."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

import pytest
import yaml

from app.container import CLOCK_LOOP, run_clock_sync
from app.jobs import scheduler
from app.jobs.gauges import COLLECTORS, loop_of, run_gauges
from app.jobs.housekeeping import run_housekeeping
from app.jobs.loops import LOOPS, run_loops, take_turn
from app.jobs.schedule import jobs_for
from app.jobs.slots import open_slots
from app.settings import PROJECT
from app.usecases.context import Context
from tests.gateway import Gateway

NAMES = [*(loop.name for loop in LOOPS), *map(loop_of, COLLECTORS), scheduler.LOOP, CLOCK_LOOP]
EXPRESSIONS = [
    rule["expr"]
    for group in yaml.safe_load((PROJECT / "ops" / "prometheus-rules.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
MATCHER = re.compile(r'simgate_loop_last_success_timestamp_seconds\{loop(=~|!~)"([^"]*)"\}')


@pytest.fixture
async def running(gateway: Gateway) -> Gateway:
    """A gateway whose loops have all begun and been stopped again, before most of them took a turn."""
    ctx, stop = gateway.ctx, asyncio.Event()
    jobs = jobs_for(ctx)
    slots = await open_slots(ctx, jobs)
    ending = [
        asyncio.create_task(run_loops(ctx, stop, moving=asyncio.Lock())),
        asyncio.create_task(scheduler.run_scheduler(ctx, slots, stop, busy=asyncio.Lock())),
    ]
    endless = [asyncio.create_task(run_gauges(ctx)), asyncio.create_task(run_clock_sync(ctx))]
    await asyncio.sleep(0)
    stop.set()
    await asyncio.gather(*ending)
    for task in endless:
        task.cancel()
    await asyncio.gather(*endless, return_exceptions=True)
    return gateway


async def test_every_loop_has_a_last_success_metric_and_is_shown(running: Gateway) -> None:
    shown = (await running.api.get("/readyz", params={"verbose": "true"})).json()["loops"]
    value = running.ctx.telemetry.registry.get_sample_value

    assert {loop["name"] for loop in shown} == set(NAMES)
    for name in NAMES:
        assert value("simgate_loop_last_success_timestamp_seconds", {"loop": name})
        assert value("simgate_loop_failures_in_a_row", {"loop": name}) is not None


async def test_every_job_has_a_last_success_metric_and_is_shown(running: Gateway) -> None:
    names = {job.name for job in jobs_for(running.ctx)}
    shown = (await running.api.get("/readyz", params={"verbose": "true"})).json()["jobs"]
    value = running.ctx.telemetry.registry.get_sample_value

    assert {job["name"]: job["last_success"] for job in shown} == dict.fromkeys(names)
    for name in names:
        assert value("simgate_job_last_success_timestamp_seconds", {"job": name})


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_watches_the_loops_last_success(name: str) -> None:
    watching = [match for expression in EXPRESSIONS for match in MATCHER.findall(expression)]

    assert [one for one in watching if bool(re.fullmatch(one[1], name)) is (one[0] == "=~")] != []


def test_alerts_watch_every_jobs_last_success_and_every_loops_failures() -> None:
    assert any("by (job, exported_job) (simgate_job_overdue_seconds)" in one for one in EXPRESSIONS)
    assert any("by (loop) (simgate_loop_failures_in_a_row)" in one for one in EXPRESSIONS)


async def test_a_collector_that_fails_is_seen_and_ends_no_process(gateway: Gateway) -> None:
    async def fails(_: Context) -> None:
        raise ValueError

    assert await take_turn(gateway.ctx, "gauges:fails", fails) is None

    value = gateway.ctx.telemetry.registry.get_sample_value
    assert value("simgate_loop_failures_in_a_row", {"loop": "gauges:fails"}) == 1


async def test_a_step_of_housekeeping_that_fails_keeps_no_other_from_being_taken(gateway: Gateway) -> None:
    taken: list[str] = []

    async def fails(_: Context) -> int:
        raise ValueError("first")

    async def works(_: Context) -> int:
        taken.append("second")
        return 2

    with pytest.raises(ValueError, match="first"):
        await run_housekeeping(gateway.ctx, {"first": fails, "second": works})

    assert taken == ["second"]


async def test_a_job_shows_the_slot_of_its_last_success_in_any_process(running: Gateway) -> None:
    ctx = running.ctx
    slot = ctx.now() - timedelta(hours=1)
    async with ctx.work() as work:
        assert await work.job_runs.claim_slot("reconcile", slot, slot, timedelta(seconds=30))
        await work.job_runs.finish_slot("reconcile", slot, slot, {})
        await work.commit()

    shown = (await running.api.get("/readyz", params={"verbose": "true"})).json()["jobs"]

    assert {job["name"]: job["last_success"] for job in shown}["reconcile"] == slot.isoformat()
