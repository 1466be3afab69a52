"""Job slots: each is run once to its end, whoever fails or dies meanwhile, and no job waits for another."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from app.jobs.advance import QUIET_S, Advancer
from app.jobs.runner import LEASE, SlotOutcome
from app.jobs.schedule import JobSpec
from app.jobs.scheduler import run_scheduler
from app.usecases.context import Context
from app.usecases.errors import Conflict
from tests.gateway import Gateway
from tests.jobs.timetable import EVENING, Job, at, leases_run_out, runs, slots, tick


@pytest.fixture(autouse=True)
async def in_the_evening(gateway: Gateway) -> None:
    """Eight in the evening."""
    gateway.ctx.clock.adopt(gateway.ctx.clock.offset + (EVENING - gateway.ctx.now()))


async def test_a_failed_slot_is_tried_again_until_it_succeeds_and_then_no_more(gateway: Gateway) -> None:
    job = Job(failures=2)
    process = slots(at(19, "broken", job))

    for _ in range(5):
        await tick(gateway, process)

    assert job.runs == 3
    run = (await runs(gateway))["broken"]
    assert (run["report"], bool(run["finished_at"])) == ({"runs": 3}, True)


async def test_a_failed_slot_rests_before_anybody_tries_it_again(gateway: Gateway) -> None:
    job = Job(failures=1)
    spec = at(19, "broken", job)
    one, two = slots(spec, retry_s=30), slots(spec)

    for _ in range(3):
        await tick(gateway, one, two)
    resting = job.runs
    await leases_run_out(gateway)
    await tick(gateway, two)

    assert (resting, job.runs) == (1, 2)
    assert (await runs(gateway))["broken"]["finished_at"]


async def test_a_failure_is_seen_in_the_run_and_in_a_metric(gateway: Gateway) -> None:
    process = slots(at(19, "broken", Job(failures=1)), retry_s=30)

    await tick(gateway, process)

    run = (await runs(gateway))["broken"]
    failures = gateway.ctx.telemetry.registry.get_sample_value("simgate_job_failures_total", {"job": "broken"})
    assert (run["finished_at"], run["report"], failures) == (None, {"error": "ValueError"}, 1)


async def test_one_job_that_fails_does_not_keep_the_others_of_the_tick(gateway: Gateway) -> None:
    later = Job()

    await tick(gateway, slots(at(18, "broken", Job(failures=1)), at(19, "later", later), retry_s=30))

    assert later.runs == 1


async def test_a_slot_whose_runner_was_killed_is_taken_over_by_another_process(gateway: Gateway) -> None:
    job = Job()
    spec = at(19, "pull", job)
    slot = spec.latest_until(EVENING - timedelta(hours=12), EVENING)
    assert slot is not None
    async with gateway.ctx.work() as work:  # what a killed process leaves behind
        assert await work.job_runs.claim_slot("pull", slot, gateway.ctx.now(), LEASE)
        await work.commit()
    process = slots(spec)

    await tick(gateway, process)
    while_alive = job.runs
    await leases_run_out(gateway)
    await tick(gateway, process)

    assert (while_alive, job.runs) == (0, 1)


async def test_two_processes_run_a_slot_once(gateway: Gateway) -> None:
    job = Job()
    spec = at(19, "pull", job)
    processes = [slots(spec) for _ in range(4)]

    for process in processes:
        process.start_due(gateway.ctx)
    await asyncio.gather(*(process.wait_until_idle() for process in processes))
    for _ in range(2):
        await tick(gateway, *processes)

    assert job.runs == 1


async def test_a_long_job_keeps_no_other_waiting_and_is_not_begun_again(gateway: Gateway) -> None:
    done = asyncio.Event()
    pull, sweep = Job(until=done), Job()
    process = slots(at(18, "pull", pull), at(19, "sweep", sweep))
    elsewhere = slots(at(18, "pull", pull))

    process.start_due(gateway.ctx)
    while not (await runs(gateway)).get("sweep", {}).get("finished_at"):
        await asyncio.sleep(0.01)
    await gateway.advance(days=1)
    process.start_due(gateway.ctx)
    await tick(gateway, elsewhere)
    while_it_runs = pull.runs
    done.set()
    await process.wait_until_idle()
    await tick(gateway, process)

    assert while_it_runs == 1
    assert (pull.runs, sweep.runs) == (2, 2)


async def test_told_to_stop_a_job_under_way_frees_its_slot_for_another_process(gateway: Gateway) -> None:
    held, job = Job(until=asyncio.Event()), Job()
    process, stop = slots(at(19, "pull", held)), asyncio.Event()
    scheduler = asyncio.create_task(run_scheduler(gateway.ctx, process, stop, busy=asyncio.Lock()))
    while not held.runs:
        await asyncio.sleep(0.01)

    stop.set()
    await process.stop(0)
    await scheduler
    await tick(gateway, slots(at(19, "pull", job)))

    assert (held.runs, job.runs) == (1, 1)


class Carriers:
    """The sandbox of the gateway under test, which is on the same clock."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def next_due(self) -> datetime | None:
        return None

    async def move_to(self, instant: datetime) -> None:
        await self._gateway.sandbox.tick()


def advancer_of(gateway: Gateway, *jobs: JobSpec, retry_s: float = 0.0, quiet_s: float = QUIET_S) -> Advancer:
    """What moves the clock of this gateway, with jobs of a test's own."""
    return Advancer(
        ctx=gateway.ctx,
        slots=slots(*jobs, retry_s=retry_s),
        jobs=jobs,
        sandbox=Carriers(gateway),
        busy=asyncio.Lock(),
        moving=asyncio.Lock(),
        quiet_s=quiet_s,
    )


async def test_an_advance_passes_a_job_that_always_fails_and_tells_of_it(gateway: Gateway) -> None:
    broken, sweep = Job(failures=100), Job()
    jobs = (at(18, "broken", broken), at(19, "sweep", sweep))
    told = await advancer_of(gateway, *jobs, retry_s=30).advance_to(EVENING + timedelta(days=3))

    assert (told["jobs"], told["failed"]) == ({"sweep": 4}, {"broken": 4})
    assert (broken.runs, sweep.runs) == (4, 4)


async def test_an_advance_passes_an_operation_whose_account_is_paused(gateway: Gateway) -> None:
    """It is due all the while and cannot be sent: the clock does not wait for it."""
    (card,) = await gateway.fleet({})
    assert (await gateway.api.post("/v1/admin/accounts/cmcc-main/pause")).is_success
    answer = await gateway.api.post(f"/v1/sims/{card}/suspend")
    assert answer.status_code == 202, answer.text
    target = gateway.ctx.now() + timedelta(hours=1)
    jobs = (at(19, "sweep", Job()),)
    async with asyncio.timeout(20):
        await advancer_of(gateway, *jobs).advance_to(target)
    assert gateway.ctx.now() >= target
    assert (await gateway.api.get(answer.headers["location"])).json()["status"] == "queued"
    assert (await gateway.api.post("/v1/admin/accounts/cmcc-main/resume")).is_success
    assert (await gateway.operation(answer))["status"] == "succeeded"


def looking(job: Job, *, idle: bool) -> JobSpec:
    """A job of seven in the evening that only looks where it is idle."""

    async def is_idle(_: Context) -> bool:
        return idle

    return replace(at(19, "rest", job), idle=is_idle, only_looks=True)


async def test_an_advance_writes_an_idle_slot_that_would_only_look_down_as_run(gateway: Gateway) -> None:
    job, sweep = Job(), Job()
    advancer = advancer_of(gateway, looking(job, idle=True), at(19, "sweep", sweep))

    told = await advancer.advance_to(EVENING + timedelta(days=3))

    assert told["jobs"] == {"rest": 4, "sweep": 4}
    assert (job.runs, sweep.runs) == (0, 4)
    run = (await runs(gateway))["rest"]
    assert (run["slot"], run["report"], bool(run["finished_at"])) == ((await runs(gateway))["sweep"]["slot"], {}, True)
    advancer.slots.start_due(gateway.ctx)
    await advancer.slots.wait_until_idle()
    assert job.runs == 0


async def test_an_advance_runs_a_slot_whose_look_finds_something(gateway: Gateway) -> None:
    job = Job()

    told = await advancer_of(gateway, looking(job, idle=False)).advance_to(EVENING + timedelta(days=3))

    assert (told["jobs"], job.runs) == ({"rest": 4}, 4)


async def test_an_idle_slot_that_another_process_runs_is_left_to_it(gateway: Gateway) -> None:
    spec = looking(Job(), idle=True)
    slot = spec.latest_until(EVENING - timedelta(hours=12), EVENING)
    assert slot is not None
    async with gateway.ctx.work() as work:
        assert await work.job_runs.claim_slot("rest", slot, gateway.ctx.now(), LEASE)
        await work.commit()

    tried = await slots(spec).run_due(gateway.ctx)

    assert tried == [("rest", SlotOutcome.HELD)]
    assert not (await runs(gateway))["rest"]["finished_at"]


async def test_an_advance_ends_with_what_is_under_way_where_it_never_gets_quiet(gateway: Gateway) -> None:
    """Another process keeps an operation leased: the clock stays, and can be moved on once that has ended."""
    (card,) = await gateway.fleet({})
    answer = await gateway.api.post(f"/v1/sims/{card}/suspend")
    async with gateway.ctx.pool.acquire() as connection:
        await connection.execute(
            "UPDATE operations SET status = 'running', lease_until = clock_timestamp() + interval '1 hour'"
        )
    before = gateway.ctx.now()
    advancer = advancer_of(gateway, at(19, "sweep", Job()), quiet_s=2)

    with pytest.raises(Conflict, match="due: 1 operations under way") as refused:
        await advancer.advance_to(before + timedelta(days=2))
    stayed = gateway.ctx.now() - before < timedelta(hours=1)
    async with gateway.ctx.pool.acquire() as connection:
        await connection.execute("UPDATE operations SET lease_until = clock_timestamp()")
    told = await advancer.advance_to(before + timedelta(days=2))

    assert (refused.value.code, stayed, told["jobs"]) == ("NOT_QUIET", True, {"sweep": 3})
    assert (await gateway.operation(answer))["status"] == "succeeded"
