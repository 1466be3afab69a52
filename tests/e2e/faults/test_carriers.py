"""`make test-faults`: a carrier that is down for a day, by the one clock of gateway and carriers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from app.container import CLOCK_PERIOD_S
from app.domain.operation.outcomes import MAX_POLL_INTERVAL
from tests.e2e.faults.load import open_load
from tests.e2e.faults.measured import survives
from tests.e2e.faults.stand import Stand, open_stand, own_server
from tests.receiver import receiver

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]
DOWN = ("jasper", "ctcc_cmp")
HOUR = timedelta(hours=1)
HOURS = 22
"""Less than the verification window, so that what hung at the beginning is still looked for by the gateway."""

POLLED = MAX_POLL_INTERVAL
"""After so long everything is looked for again; a breaker is tried more often."""

OPEN = """
SELECT count(*), count(*) FILTER (WHERE status = 'running' OR lease_until IS NOT NULL
                                     OR run_after <= now() + (SELECT offset_us FROM clock_offset) * interval '1 microsecond')
  FROM operations WHERE settled_at IS NULL AND created_at < $1
"""
MOVE = "INSERT INTO clock_offset VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET offset_us = excluded.offset_us"


@asynccontextmanager
async def _down_for_a_day(stand: Stand) -> AsyncIterator[None]:
    """Two carriers answer nothing but 500 while the clock of everybody goes forward a day; then they are back.

    The clock is moved as the database keeps it, and not by the API, which first waits until nothing is under way.
    """
    for protocol in DOWN:
        fault = {"protocol": protocol, "operation": "*", "kind": "status_500", "count": None, "params": {}}
        await stand.tell_carriers("faults", fault)
    for hour in range(1, HOURS + 1):
        await _later(stand, hour * HOUR)
    assert (await stand.control.delete("/_control/faults")).is_success
    back_at = datetime.now(UTC) + HOURS * HOUR
    for times in range(1, 7):
        await _later(stand, HOURS * HOUR + times * POLLED)
        if not await _open_since_before(stand, back_at):
            print(f"\n{times * POLLED} after the carriers were back nothing of the day is open")
            break
    else:
        raise AssertionError(f"operations of the day are open {times * POLLED} after the carriers were back")
    yield


async def _open_since_before(stand: Stand, instant: datetime) -> int:
    """How many operations from before an instant are still open, once none of them is due or in hand."""
    database = await asyncpg.connect(stand.server.dsn)
    for _ in range(120):
        still, due = await database.fetchrow(OPEN, instant)
        if not due:
            break
        await asyncio.sleep(0.5)
    await database.close()
    return int(still)


async def _later(stand: Stand, offset: timedelta) -> None:
    """Gateway and carriers are so much ahead of the time of day; ours first, so that no carrier is ever ahead of us."""
    database = await asyncpg.connect(stand.server.dsn)
    await database.execute(MOVE, offset // timedelta(microseconds=1))
    await database.close()
    await asyncio.sleep(2 * CLOCK_PERIOD_S)
    await stand.tell_carriers("clock", {"now": (datetime.now(UTC) + offset).isoformat()})
    await asyncio.sleep(2)


async def test_a_carrier_is_down_for_a_day(tmp_path: Path) -> None:
    with own_server(tmp_path) as server:
        async with (
            open_stand(tmp_path, server, per_second=50) as stand,
            receiver() as taken,
            open_load(stand, taken) as load,
        ):
            await survives(stand, load, "two carriers down for a day", _down_for_a_day(stand))
