"""kill -9 between claim and settlement, for every protocol: each operation takes effect exactly once (OP-3).

Phases are held open by faults of kind `slow` at the carriers; the product has no hook for these tests. The moments
are seeded: a run that fails can be run again with its seed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from app.postgres import cluster
from app.postgres.supervisor import embedded
from tests import databases
from tests.e2e.crash.drive import Drive
from tests.e2e.crash.stage import PROTOCOLS, open_stage

SEED = int(os.environ.get("SIMGATE_CRASH_SEED", "20261121"))


LULL_EVERY = 15
"""Kills between two moments of peace, in which operations get to their end and new ones begin."""

Disturb = Callable[[Drive], Awaitable[None]]
Strike = Callable[..., Awaitable[None]]
"""What happens to a worker at a seeded moment, called with the drive and `longest_s`: `Drive.kill_one` or `freeze_one`."""


async def run(
    url: str,
    folder: Path,
    *,
    workers: int,
    kills: int,
    cards: int,
    seed: int,
    strike: Strike = Drive.kill_one,
    disturb: Disturb | None = None,
) -> Drive:
    async with open_stage(url, folder) as stage:
        drive = Drive(stage, seed, cards=cards)
        await drive.put_fleet()
        await drive.slow_down()
        for _ in range(workers):
            await stage.workers.start()
        began = time.monotonic()
        bulk_id = await drive.ask_in_bulk()
        async with drive.busy():
            while drive.tally.telling < kills:
                await strike(drive, longest_s=0.4)
                if disturb is not None and drive.tally.kills % 5 == 0:
                    await disturb(drive)
                if drive.tally.kills % LULL_EVERY == 0:
                    await asyncio.sleep(2.5)
                    await drive.slow_down()
                assert drive.tally.kills < kills * 3, drive.tally.shown()
        await stage.control.delete("/_control/faults")
        await drive.until_quiet()
        await drive.count_bulk(bulk_id)
        await drive.give_up_verifying()
        await drive.until_quiet()  # what was shown not applied has been sent again, and is being done there
        summary = await drive.count_effects()
        await drive.count_agreement()
        print(f"\nseed {seed}, {workers} workers, {time.monotonic() - began:.0f} s: {drive.tally.shown()}\n{summary}")
    return drive


@pytest.mark.timeout(120)
async def test_a_killed_worker_doubles_nothing_and_loses_nothing(clean_database: str, tmp_path: Path) -> None:
    """The short form, part of every run."""
    drive = await run(clean_database, tmp_path, workers=2, kills=12, cards=8, seed=SEED)
    assert all(drive.tally.of(protocol) for protocol in PROTOCOLS), drive.tally.shown()


@pytest.mark.crash
@pytest.mark.timeout(600)
@pytest.mark.parametrize("workers", [1, 2, 4])
async def test_workers_killed_again_and_again(clean_database: str, tmp_path: Path, workers: int) -> None:
    drive = await run(
        clean_database,
        tmp_path,
        workers=workers,
        kills=int(os.environ.get("SIMGATE_CRASH_KILLS", "160")),
        cards=24,
        seed=SEED + workers,
    )
    for protocol in PROTOCOLS:
        phases = {phase for name, phase in drive.tally.hits if name == protocol}
        assert {"sent", "asking"} <= phases, drive.tally.shown()
        assert drive.tally.of(protocol) >= 100, drive.tally.shown()


@pytest.mark.crash
@pytest.mark.timeout(600)
async def test_workers_that_stand_still_past_their_lease(clean_database: str, tmp_path: Path) -> None:
    """Others take their operations over meanwhile; once they wake up they send nothing twice."""
    await run(clean_database, tmp_path, workers=3, kills=40, cards=24, seed=SEED + 20, strike=Drive.freeze_one)


@pytest.mark.crash
@pytest.mark.timeout(600)
async def test_the_database_restarted_under_workers_that_are_killed(tmp_path: Path) -> None:
    """A server of its own, which keeps its commits; every fifth kill it is shut down at once and comes back."""
    folder = tmp_path / "data"
    folder.mkdir()
    tmp_path.chmod(0o711)
    folder.chmod(0o711)
    restarts = 0

    async def restart(drive: Drive) -> None:
        nonlocal restarts
        await asyncio.sleep(1)  # a worker that is only starting may refuse to: its database is away
        pid = int((cluster.locate(folder).data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGQUIT)
        restarts += 1
        for _ in range(200):
            await asyncio.sleep(0.1)
            if await asyncio.to_thread(server.answers):
                return
        raise AssertionError("the database did not come back")

    with embedded(folder, settings={"fsync": "off", "max_connections": "200"}) as server:
        databases.run_async(lambda: databases.execute(server.dsn, "CREATE DATABASE crash"))
        databases.migrate(server.url_of("crash"))
        url = server.url_of("crash")
        await run(url, tmp_path, workers=2, kills=60, cards=16, seed=SEED + 9, disturb=restart)
    assert restarts >= 12
