"""`make test-faults`: carriers that answer in 8, 25 and 60 s of real time, all six at once, with the lease of ten seconds.

What is shorter than `read_s` (30 s) is waited for and never unknown; what is longer is given up, verified, and done once.
`tests/usecases/execution/test_slow_carriers.py` has the same at a twentieth of the times, and what leases and breaker do.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.clock import monotonic
from tests.e2e.crash.stage import PROTOCOLS
from tests.e2e.faults.load import ENDED, Load, nothing_lost_or_twice, open_load
from tests.e2e.faults.stand import Stand, cards_of, open_stand, own_server
from tests.receiver import receiver

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]
DELAYS = (8, 25, 60)


async def _slow_suspend(stand: Stand, load: Load, card: str, seconds: int) -> str:
    """Suspend a card whose carrier takes so long to answer anything about it; gives the operation."""
    fault = {"protocol": "*", "operation": "suspend", "kind": "slow", "count": 1, "naming": [card]}
    await stand.tell_carriers("faults", fault | {"params": {"seconds": seconds}})
    asked = await load.send("POST", f"/v1/sims/{card}/suspend", json={})
    assert asked.status_code == 202, asked.text
    load.accepted[asked.json()["id"]] = (card, "suspend")
    return str(asked.json()["id"])


async def test_slow_is_not_taken_for_lost(tmp_path: Path) -> None:
    with own_server(tmp_path) as server:
        async with (
            open_stand(tmp_path, server, variables={"SIMGATE_LEASE_S": "10"}) as stand,
            receiver() as taken,
            open_load(stand, taken) as load,
        ):
            began = monotonic()
            asked = {
                (protocol, seconds): await _slow_suspend(stand, load, cards_of(protocol)[place], seconds)
                for place, seconds in enumerate(DELAYS)
                for protocol in PROTOCOLS
            }
            for (protocol, seconds), name in asked.items():
                while (operation := (await load.send("GET", f"/v1/operations/{name}")).json())["status"] not in ENDED:
                    assert monotonic() - began < 400, (protocol, seconds, operation)
                    await asyncio.sleep(0.5)
                statuses = [line["status"] for line in operation["history"]]
                assert operation["status"] == "succeeded", operation
                assert "verifying" not in statuses or seconds == DELAYS[-1], (protocol, seconds, statuses)
                assert operation["attempts"] == 1, (protocol, seconds, operation)
            print(f"\ncarriers that answer in 8, 25 and 60 s: {await nothing_lost_or_twice(load)}")
            assert not (defects := stand.defects()), defects[:3]
