"""`make test-faults`: webhooks come within a second at p99 while somebody else's transactions run (docs/operations.md, What faults do).

One idles in another database of the same server; and a fleet of a hundred thousand cards is imported. A second is for
a machine with a processor to spare: what a plain chain of hand-overs lost meanwhile (`witness.py`) is left to deliveries too.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import asyncpg
import httpx
import pytest

from app.clock import monotonic
from tests.e2e.crash.stage import PROTOCOLS
from tests.e2e.faults.load import Load, nothing_lost_or_twice, open_load
from tests.e2e.faults.measured import changed
from tests.e2e.faults.stand import KEY, Stand, cards_of, open_stand, own_server
from tests.e2e.faults.witness import Witness, lost, told, witnessing
from tests.gateway import iccid
from tests.receiver import Receiver, receiver

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]
ROWS = int(os.environ.get("ROWS", "100000"))
P99_S = 1.0
CHAINS = 2
"""A worker's one thread takes the turns of its other loops in between: so many times what a plain chain lost."""


@asynccontextmanager
async def _idle_elsewhere(stand: Stand) -> AsyncIterator[None]:
    """A transaction that has written and does nothing, in another database of the server."""
    await _execute(stand.server.dsn, "CREATE DATABASE elsewhere")
    connection = await asyncpg.connect(stand.server.dsn_of("elsewhere"))
    await connection.execute("BEGIN")
    await connection.execute("CREATE TABLE t (n int)")
    yield
    await connection.execute("ROLLBACK")
    await connection.close()


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(statement)
    await connection.close()


def _file() -> Iterator[bytes]:
    """The rows of the import, in CSV."""
    yield b"iccid,carrier,terms,plan,state,activated_on\n"
    for n in range(ROWS):
        yield f"{iccid(50_000_000 + n)},cmcc,standard,cmcc-1t,active,2026-01-05\n".encode()


async def _import(stand: Stand) -> float:
    """Import the fleet; gives the seconds it took."""
    began = monotonic()
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "text/csv"}
    base = f"http://127.0.0.1:{stand.of('api')[0].port}"
    async with httpx.AsyncClient(base_url=base, trust_env=False, timeout=900) as api:
        done = await api.post("/v1/sims/import", content=b"".join(_file()), headers=headers)
    assert done.is_success, done.text[:500]
    return monotonic() - began


class Arrivals:
    """When each event came to the receiver, after it was known to the gateway."""

    def __init__(self, taken: Receiver) -> None:
        self.seconds: list[float] = []
        taken.answer = self._answer

    def _answer(self, event: dict[str, Any]) -> int:
        known = datetime.fromisoformat(event["data"]["known_at"])
        self.seconds.append((datetime.now(UTC) - known).total_seconds())
        return 204

    def p99(self) -> float:
        return quantiles(self.seconds, n=100)[98]

    def __str__(self) -> str:
        middle, worst = median(self.seconds), max(self.seconds)
        return f"{len(self.seconds)} events: median {middle:.2f} s, p99 {self.p99():.2f} s, longest {worst:.2f} s"


async def _measured(load: Load, witness: Witness, name: str, meanwhile: Awaitable[float]) -> tuple[bool, str]:
    """Changes and their deliveries as long as something else goes on; whether they came in time, and what was seen."""
    arrivals, began = Arrivals(load.receiver), monotonic()
    task = asyncio.ensure_future(meanwhile)
    await _changes_until(load, task)
    await _all_in(load)
    chains = await asyncio.to_thread(witness.between, began, monotonic())
    bound = P99_S + CHAINS * lost(chains)
    seen = f"{name} for {task.result():.0f} s: {arrivals}; bound {bound:.2f} s, {told(chains)}; load {os.getloadavg()[0]:.1f}"
    print(f"\n{seen}")
    return arrivals.p99() < bound, seen


async def _changes_until(load: Load, done: asyncio.Future[float]) -> None:
    """Changes at every carrier, one round after another, each with its events."""
    cards = [cards_of(protocol)[0] for protocol in PROTOCOLS]
    while not done.done():
        await asyncio.gather(*(changed(load, card) for card in cards))


async def test_deliveries_come_within_a_second_while_others_transactions_run(tmp_path: Path) -> None:
    with own_server(tmp_path) as server, witnessing() as witness:
        async with open_stand(tmp_path, server) as stand, receiver() as taken, open_load(stand, taken) as load:
            seen = [await _measured(load, witness, "no foreign transaction", asyncio.sleep(20, 20.0))]
            async with _idle_elsewhere(stand):
                idle = "a transaction idles in another database"
                seen.append(await _measured(load, witness, idle, asyncio.sleep(20, 20.0)))
                seen.append(await _measured(load, witness, f"{ROWS} rows are imported", _import(stand)))
            print(await nothing_lost_or_twice(load))
    assert all(in_time for in_time, _ in seen), [text for in_time, text in seen if not in_time]


async def _all_in(load: Load) -> None:
    """Wait until the events of every change so far have come."""
    until = monotonic() + 60
    while not set(load.accepted) <= {e["data"].get("operation", {}).get("id") for e in load.receiver.taken}:
        assert monotonic() < until, "events do not come"
        await asyncio.sleep(0.05)
