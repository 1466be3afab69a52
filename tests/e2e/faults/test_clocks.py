"""`make test-faults`: the clock of the gateway's machines jumps an hour forward and back again, under load.

libfaketime stands in for whoever sets it; the database's clock, another machine's, goes on as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.faults.load import open_load
from tests.e2e.faults.measured import survives
from tests.e2e.faults.stand import open_stand, own_server
from tests.receiver import receiver

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
NO_LIBRARY = "libfaketime is not installed here (Debian: apt install libfaketime): no clock was set"
pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not LIBRARIES, reason=NO_LIBRARY),
]
HOUR_S = 3600


def _set(clock: Path, seconds: int) -> None:
    clock.write_text(f"{seconds:+d}")


@asynccontextmanager
async def _jumping(clock: Path) -> AsyncIterator[None]:
    """An hour forward, back to the right time, an hour back, and right again."""
    for seconds in (HOUR_S, 0, -HOUR_S, 0):
        _set(clock, seconds)
        await asyncio.sleep(5)
    yield


async def test_the_clock_of_the_gateways_machines_is_set_forward_and_back(tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    _set(clock, 0)
    with own_server(tmp_path) as server:
        async with (
            open_stand(tmp_path, server, variables=faked(clock)) as stand,
            receiver() as taken,
            open_load(stand, taken) as load,
        ):
            await survives(stand, load, "clock set an hour forward, back, and right again", _jumping(clock))


async def test_the_clock_of_one_worker_is_set_forward_and_back(tmp_path: Path) -> None:
    """It may neither take work up before it is due nor leave work of others behind that is due in an hour."""
    clock = tmp_path / "clock"
    _set(clock, 0)
    with own_server(tmp_path) as server:
        async with open_stand(tmp_path, server, roles=("api", "api", "worker", "scheduler")) as stand:
            await stand.add("worker", **faked(clock)).answers("/readyz")
            async with receiver() as taken, open_load(stand, taken) as load:
                await survives(stand, load, "one worker's clock set an hour forward, back, and right", _jumping(clock))


def faked(clock: Path) -> dict[str, str]:
    """Variables of a process whose wall clock is set by a file."""
    return {
        "LD_PRELOAD": str(LIBRARIES[-1]),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_RESET": "1",
    }
