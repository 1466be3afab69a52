"""`make test-faults`: what happens to the database, under load: nothing accepted is lost, nothing is done twice."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from tests.database_link import DatabaseLink, open_link
from tests.e2e.faults.load import Load, open_load
from tests.e2e.faults.measured import survives
from tests.e2e.faults.stand import Stand, open_stand, own_server
from tests.receiver import receiver

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
async def linked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Stand, Load, DatabaseLink]]:
    """A stand whose way to the database can be slow."""
    folder = tmp_path_factory.mktemp("stand")
    with own_server(folder) as server:
        async with (
            open_link(server.url, folder) as link,
            open_stand(folder, server, url=link.url) as stand,
            receiver() as taken,
            open_load(stand, taken) as load,
        ):
            yield stand, load, link


@asynccontextmanager
async def _signalled(stand: Stand, number: int) -> AsyncIterator[None]:
    """The database gets a signal that ends it, and is back when the block ends."""
    before = stand.postmaster
    os.kill(before, number)
    while not await asyncio.to_thread(stand.server.answers) or stand.postmaster == before:
        await asyncio.sleep(0.05)
    yield


@asynccontextmanager
async def _nothing(seconds: float = 0.0) -> AsyncIterator[None]:
    await asyncio.sleep(seconds)
    yield


async def test_without_a_fault_for_comparison(linked: tuple[Stand, Load, DatabaseLink]) -> None:
    stand, load, _ = linked
    await survives(stand, load, "no fault", _nothing())


@pytest.mark.parametrize(("name", "number"), [("restarted", signal.SIGINT), ("killed", signal.SIGKILL)])
async def test_the_database_ends_and_comes_back(
    linked: tuple[Stand, Load, DatabaseLink], name: str, number: int
) -> None:
    stand, load, _ = linked
    await survives(stand, load, f"database {name}", _signalled(stand, number))


def _family(first: int) -> list[int]:
    """A process and its children."""
    found = [first]
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == first:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@asynccontextmanager
async def _frozen(stand: Stand, seconds: float) -> AsyncIterator[None]:
    """Every process of the database stands still."""
    family = _family(stand.postmaster)
    for pid in family:
        os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(seconds)
    for pid in family:
        os.kill(pid, signal.SIGCONT)
    yield


async def test_the_database_stands_still_for_longer_than_leases(linked: tuple[Stand, Load, DatabaseLink]) -> None:
    stand, load, _ = linked
    await survives(stand, load, "database frozen", _frozen(stand, 8))


async def test_the_database_answers_slowly(linked: tuple[Stand, Load, DatabaseLink]) -> None:
    stand, load, link = linked

    @asynccontextmanager
    async def slow() -> AsyncIterator[None]:
        link.delay_s = 0.1
        await asyncio.sleep(12)
        link.delay_s = 0
        yield

    await survives(stand, load, "database slow, each answer 0.1 s late", slow())


@asynccontextmanager
async def _no_connections(stand: Stand, seconds: float) -> AsyncIterator[None]:
    """Others take every connection that is or becomes free, the gateway's own included."""
    taken: list[asyncpg.Connection[asyncpg.Record]] = [await asyncpg.connect(stand.server.dsn)]
    until = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until:
        try:
            taken.append(await asyncpg.connect(stand.server.dsn))
        except asyncpg.TooManyConnectionsError:
            await taken[0].execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'simgate' LIMIT 3"
            )
            await asyncio.sleep(0.05)
    for connection in taken:
        await connection.close()
    yield


async def test_others_take_every_connection(linked: tuple[Stand, Load, DatabaseLink]) -> None:
    stand, load, _ = linked
    await survives(stand, load, "out of connections", _no_connections(stand, 8))
