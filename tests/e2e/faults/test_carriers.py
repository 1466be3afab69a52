"""`make test-faults`: a carrier that is down for a day, by the one clock of gateway and carriers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.e2e.faults.load import Load, open_load
from tests.e2e.faults.measured import survives
from tests.e2e.faults.stand import Stand, open_stand, own_server
from tests.receiver import receiver

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]
DOWN = ("jasper", "ctcc_cmp")
STEP = timedelta(hours=1)
DAY = timedelta(hours=23)
"""A little less than the verification window, so that what hung at the beginning is still looked for by the gateway."""


@asynccontextmanager
async def _down_for_a_day(stand: Stand, load: Load) -> AsyncIterator[None]:
    """Two carriers answer nothing but 500 while the clock of everybody goes forward a day, hour by hour."""
    for protocol in DOWN:
        fault = {"protocol": protocol, "operation": "*", "kind": "status_500", "count": None, "params": {}}
        await stand.tell_carriers("faults", fault)
    began = datetime.fromisoformat((await load.send("GET", "/v1/admin/clock")).json()["now"])
    now = began
    while now - began < DAY:
        await asyncio.sleep(0.5)
        moved = await load.send("POST", "/v1/admin/clock", json={"now": (now + STEP).isoformat()}, timeout=300)
        assert moved.is_success, moved.text
        now = datetime.fromisoformat(moved.json()["now"])
    assert (await stand.control.delete("/_control/faults")).is_success
    yield


async def test_a_carrier_is_down_for_a_day(tmp_path: Path) -> None:
    with own_server(tmp_path) as server:
        async with (
            open_stand(tmp_path, server, per_second=50) as stand,
            receiver() as taken,
            open_load(stand, taken) as load,
        ):
            await survives(stand, load, "two carriers down for a day", _down_for_a_day(stand, load), within_s=300)
