"""Gauges come from the database: every process tells the same, also one that has just begun and ran nothing."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app.cli.doctor.results import DoctorResult, ok, wrong
from app.cli.doctor.waiting import waiting_results
from app.jobs.gauges import count, pause_after, run_gauges
from app.jobs.runner import LEASE
from tests.gateway import Gateway, open_gateway
from tests.usecases.usage.reporting import HOME

NOON = datetime.fromisoformat("2026-12-28T12:00:00+08:00")
"""China Unicom's cycle of January runs since the 27th, the others' is December's."""


@pytest.fixture(autouse=True)
async def at_noon(gateway: Gateway) -> None:
    """Noon of a day on which carriers are in different cycles."""
    gateway.ctx.clock.adopt(gateway.ctx.clock.offset + (NOON - gateway.ctx.now()))


async def _figure(gateway: Gateway, card: str, cycle: str, day: int) -> None:
    as_of = datetime(2026, 12, day, tzinfo=HOME).isoformat()
    figure = {"iccid": card, "cycle": cycle, "bytes": 5, "as_of": as_of}
    answer = await gateway.api.post("/v1/usage/corrections", json={"corrections": [figure]})
    assert answer.json()["applied"] == 1, answer.text


async def _hours(gateway: Gateway) -> dict[str, float | None]:
    """The lag of each account in hours, to the nearest one."""
    await count(gateway.ctx)
    registry = gateway.ctx.telemetry.registry
    told = {
        code: registry.get_sample_value("simgate_usage_lag_seconds", {"account": code}) for code in gateway.ctx.accounts
    }
    return {code: None if seconds is None else round(seconds / 3600) for code, seconds in told.items()}


async def test_the_lag_of_an_account_is_counted_in_its_own_cycle(gateway: Gateway) -> None:
    mobile, unicom = await gateway.fleet({}, {"carrier": "cucc"})
    await _figure(gateway, mobile, "2026-12", 27)
    await _figure(gateway, unicom, "2026-12", 20)
    await _figure(gateway, unicom, "2027-01", 28)

    assert await _hours(gateway) == {"cmcc-main": 36, "cucc-main": 12, "ctcc-main": None, "overseas-desk": None}


async def test_the_oldest_figure_of_an_account_is_what_counts(gateway: Gateway) -> None:
    one, two = await gateway.fleet({}, {})
    await _figure(gateway, one, "2026-12", 28)
    await _figure(gateway, two, "2026-12", 25)

    assert (await _hours(gateway))["cmcc-main"] == 84


async def test_a_card_the_carrier_has_stopped_does_not_age_its_account(gateway: Gateway) -> None:
    runs, stopped, resumed = await gateway.fleet({}, {}, {})
    await _figure(gateway, runs, "2026-12", 28)
    await _figure(gateway, stopped, "2026-12", 5)
    await _figure(gateway, resumed, "2026-12", 5)
    word = "UPDATE sims SET carrier_state = 'suspended', carrier_as_of = $2, carrier_changed_at = $3 WHERE iccid = $1"
    async with gateway.ctx.pool.acquire() as connection:
        await connection.execute(word, stopped, NOON - timedelta(days=20), None)
        await connection.execute(word, resumed, NOON - timedelta(days=20), NOON - timedelta(hours=15))

    assert (await _hours(gateway))["cmcc-main"] == 15


async def test_figures_that_stop_coming_with_a_new_cycle_age_from_its_beginning(gateway: Gateway) -> None:
    known, _new = await gateway.fleet({"carrier": "cucc"}, {"carrier": "cucc"})
    await _figure(gateway, known, "2026-12", 26)

    assert (await _hours(gateway))["cucc-main"] == 36


async def test_the_lag_is_the_same_in_a_process_that_never_asked_a_carrier(
    gateway: Gateway, clean_database: str, tmp_path: Path
) -> None:
    [card] = await gateway.fleet({})
    await _figure(gateway, card, "2026-12", 28)

    async with open_gateway(clean_database, tmp_path) as another:
        another.ctx.clock.adopt(gateway.ctx.clock.offset)
        told = await _hours(another)

    assert told == await _hours(gateway)
    assert told["cmcc-main"] == 12


async def test_a_process_that_begins_knows_each_jobs_last_success(gateway: Gateway) -> None:
    async with gateway.ctx.work() as work:
        for job, days in (("usage_pull:cmcc-main", 3), ("usage_pull:cmcc-main", 2), ("gone", 1), ("reconcile", 1)):
            slot = NOON - timedelta(days=days)
            assert await work.job_runs.claim_slot(job, slot, slot, LEASE)
            if job != "reconcile":
                await work.job_runs.finish_slot(job, slot, slot, {})
        await work.commit()

    await count(gateway.ctx)

    registry = gateway.ctx.telemetry.registry
    told = {
        job: registry.get_sample_value("simgate_job_last_success_timestamp_seconds", {"job": job})
        for job in ("usage_pull:cmcc-main", "gone", "reconcile")
    }
    assert told == {"usage_pull:cmcc-main": (NOON - timedelta(days=2)).timestamp(), "gone": None, "reconcile": None}


async def test_a_prepared_transaction_that_nobody_ends_ages_and_is_what_the_doctor_names(
    gateway: Gateway,
) -> None:
    async def seen() -> tuple[bool, list[DoctorResult]]:
        await count(gateway.ctx)
        age = gateway.ctx.telemetry.registry.get_sample_value("simgate_prepared_transactions_oldest_seconds")
        told = await waiting_results(gateway.ctx, prepared_limit=timedelta(0))
        return bool(age), [one for one in told if one.key.startswith("database.prepared")]

    assert await seen() == (False, [ok("database.prepared")])
    async with gateway.ctx.pool.acquire() as connection:
        await connection.execute("BEGIN; PREPARE TRANSACTION 'left behind'")
        try:
            assert await seen() == (True, [wrong("database.prepared_old", minutes=0)])
        finally:
            await connection.execute("ROLLBACK PREPARED 'left behind'")
    assert await seen() == (False, [ok("database.prepared")])


@pytest.mark.parametrize(
    ("left", "days"), [((), 0), ((1, 1, 2), 2), ((1, 0, 1), 0), ((1, 1, 0), 0), ((0, 1, None), 1), ((1, 1, 1, 3), 3)]
)
async def test_how_long_an_old_partition_waits_is_told_by_every_process(
    gateway: Gateway, left: tuple[int | None, ...], days: int
) -> None:
    """`left`: what each night could not drop, the last one last; None: it failed, and says nothing."""
    async with gateway.ctx.work() as work:
        for ago, waiting in enumerate(reversed(left)):
            slot = NOON - timedelta(days=ago)
            assert await work.job_runs.claim_slot("housekeeping", slot, slot, LEASE)
            found = {} if waiting is None else {"partitions_waiting": waiting}
            await work.job_runs.finish_slot("housekeeping", slot, slot, found)
        await work.commit()

    await count(gateway.ctx)

    told = gateway.ctx.telemetry.registry.get_sample_value("simgate_partitions_waiting_seconds")
    assert told is not None
    assert (told // 86400, told > 0) == (days, any(left) and left[-1] != 0)


def test_counting_that_takes_long_rests_long() -> None:
    assert (pause_after(0.1), pause_after(10)) == (15, 500)


async def test_what_cannot_be_counted_holds_up_no_other_gauge(gateway: Gateway) -> None:
    value = gateway.ctx.telemetry.registry.get_sample_value
    await gateway.fleet({})
    async with gateway.ctx.pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE usage_cycles IN ACCESS EXCLUSIVE MODE")
        keeping = asyncio.create_task(run_gauges(gateway.ctx))
        cards, operations = ({"carrier": "cmcc", "state": "active"}, {"status": "queued"})
        while (value("simgate_sims", cards), value("simgate_operations_open", operations)) != (1, 0):
            await asyncio.sleep(0.01)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)

    assert keeping.cancelled()
