"""`make test-faults`: processes of each role killed, and frozen past their lease, under load."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.e2e.faults.load import Load, open_load
from tests.e2e.faults.measured import survives
from tests.e2e.faults.stand import LEASE_S, Stand, open_stand, own_server
from tests.e2e.process import Process
from tests.receiver import receiver

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]
PAST_LEASE_S = 3 * LEASE_S


@pytest.fixture(scope="module")
async def stand_and_load(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Stand, Load]]:
    folder = tmp_path_factory.mktemp("processes")
    with own_server(folder) as server:
        async with open_stand(folder, server) as stand, receiver() as taken, open_load(stand, taken) as load:
            yield stand, load


@asynccontextmanager
async def _killed(processes: list[Process]) -> AsyncIterator[None]:
    """kill -9, and started again as a supervisor does; one after another."""
    for process in processes:
        process.kill()
        await asyncio.sleep(0.5)
        process.start()
        await process.answers()
    yield


@asynccontextmanager
async def _frozen(processes: list[Process], seconds: float) -> AsyncIterator[None]:
    """All of them stand still at once, and go on."""
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
    await asyncio.sleep(seconds)
    for process in processes:
        os.kill(process.pid, signal.SIGCONT)
    yield


@pytest.mark.parametrize("role", ["api", "worker", "scheduler"])
async def test_processes_of_a_role_are_killed_one_after_another(stand_and_load: tuple[Stand, Load], role: str) -> None:
    stand, load = stand_and_load
    await survives(stand, load, f"{role}s killed", _killed(stand.of(role)))


@pytest.mark.parametrize("role", ["api", "worker", "scheduler"])
async def test_one_process_of_a_role_is_frozen_past_its_lease(stand_and_load: tuple[Stand, Load], role: str) -> None:
    stand, load = stand_and_load
    await survives(stand, load, f"one {role} frozen", _frozen(stand.of(role)[:1], PAST_LEASE_S))


async def test_every_process_is_frozen_past_its_lease(stand_and_load: tuple[Stand, Load]) -> None:
    """A machine that is paused and goes on."""
    stand, load = stand_and_load
    await survives(stand, load, "all processes frozen", _frozen(stand.processes, PAST_LEASE_S))


async def test_every_process_is_killed_at_once(stand_and_load: tuple[Stand, Load]) -> None:
    stand, load = stand_and_load

    @asynccontextmanager
    async def killed() -> AsyncIterator[None]:
        for process in stand.processes:
            process.kill()
        for process in stand.processes:
            process.start()
        for process in stand.of("api"):
            await process.answers()
        yield

    await survives(stand, load, "all processes killed", killed())


async def test_the_carriers_are_killed_and_come_back(stand_and_load: tuple[Stand, Load]) -> None:
    """Connections refused for seconds, answers lost in the middle; what they did before stays done."""
    stand, load = stand_and_load

    @asynccontextmanager
    async def killed() -> AsyncIterator[None]:
        for _ in range(3):
            stand.sandbox.kill()
            await asyncio.sleep(1)
            await stand.start_carriers()
            await asyncio.sleep(1)
        yield

    await survives(stand, load, "carriers killed", killed())
