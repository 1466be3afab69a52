"""A storm of reports: shuffled, repeated, re-batched, by several clients at once, while processes are killed.

What comes of it is compared with an independent sum of the distinct reports, by card, day, cycle and pool.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO
from zoneinfo import ZoneInfo

import asyncpg
import httpx

from app.settings import PROJECT
from tests.e2e.process import free_port

KEY = "storm-key-0123456789-0123456789-0123456789"
HOME = ZoneInfo("Asia/Shanghai")
Record = tuple[str, str, int, datetime, int]
"""(gateway, id, number of the card, at, bytes)."""


def name_of(card: int) -> str:
    """The ICCID of a card."""
    return f"898600{card:013d}"


@dataclass
class Storm:
    """Distinct reports, and the queue of what is sent: all of them, a fifth again, shuffled."""

    distinct: int
    cards: int
    seed: int = 7
    records: list[Record] = field(default_factory=list)
    queue: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        chosen, now = random.Random(self.seed), datetime.now(UTC).replace(microsecond=0)
        for number in range(self.distinct):
            age = timedelta(seconds=chosen.randrange(86_400 * 40))
            gateway = f"gw-{chosen.randrange(20)}"
            self.records.append(
                (gateway, f"r{number}", chosen.randrange(self.cards), now - age, chosen.randrange(1 << 20))
            )
        again = chosen.sample(range(self.distinct), self.distinct // 5)
        self.queue = [*range(self.distinct), *again]
        chosen.shuffle(self.queue)

    def body(self, indexes: Sequence[int]) -> bytes:
        """Some of them as NDJSON."""
        return "\n".join(
            json.dumps({"gateway": g, "id": i, "iccid": name_of(c), "at": at.isoformat(), "bytes": b})
            for g, i, c, at, b in (self.records[index] for index in indexes)
        ).encode()

    def by_day(self) -> dict[tuple[str, str], int]:
        """The independent sum by card and day."""
        sums: dict[tuple[str, str], int] = defaultdict(int)
        for _, _, card, at, amount in self.records:
            sums[name_of(card), at.astimezone(HOME).date().isoformat()] += amount
        return {place: amount for place, amount in sums.items() if amount}

    def by_pool(self) -> dict[int, int]:
        """The independent sum of the one pool, whose members are the even cards, by cycle (202611)."""
        sums: dict[int, int] = defaultdict(int)
        for (iccid, day), amount in self.by_day().items():
            sums[int(day[:4]) * 100 + int(day[5:7])] += amount * (int(iccid[6:]) % 2 == 0)
        return {cycle: amount for cycle, amount in sums.items() if amount}


@dataclass
class Api:
    """`simgate api` on one port, killed and started again."""

    url: str
    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    errors: int | IO[bytes] = subprocess.DEVNULL

    async def start(self) -> None:
        environment = {
            **os.environ,
            "DATABASE_URL": self.url,
            "SIMGATE_PORT": str(self.port),
            "SIMGATE_DATA_DIR": str(self.folder),
            "SIMGATE_BOOTSTRAP_KEY": KEY,
        }
        command = [sys.executable, "-m", "app.cli", "api"]
        self.process = subprocess.Popen(
            command, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL, stderr=self.errors
        )
        async with httpx.AsyncClient() as client:
            for _ in range(600):
                try:
                    if (await client.get(f"http://127.0.0.1:{self.port}/livez")).is_success:
                        return
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        raise AssertionError("the API does not answer")

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)


async def seed(dsn: str, cards: int) -> None:
    """So many active cards, every other one in a pool."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("INSERT INTO tenants (id, created_at) VALUES ('default', now()) ON CONFLICT DO NOTHING")
    await connection.execute(
        "INSERT INTO plans (tenant, id, carrier, allowance, months, kind)"
        " VALUES ('default', 'cmcc-pool', 'cmcc', 1048576, 12, 'pool_backward')"
    )
    await connection.execute(
        "INSERT INTO pools (tenant, id, name, kind, carrier, plan, created_at)"
        " VALUES ('default', 'p1', 'Meters', 'backward', 'cmcc', 'cmcc-pool', now())"
    )
    await connection.execute(
        "INSERT INTO sims (tenant, iccid, carrier, account, terms, plan, pool, underlying, state, activated_on,"
        " expires_on, created_at, updated_at)"
        " SELECT 'default', '898600' || lpad(n::text, 13, '0'), 'cmcc', 'cmcc-main', 'gsl', 'cmcc-pool',"
        " CASE WHEN n % 2 = 0 THEN 'p1' END, 'active', 'active', '2026-01-01', '2099-12-31', now(), now()"
        " FROM generate_series(0, $1::int - 1) n",
        cards,
    )
    await connection.close()


async def rage(storm: Storm, api: Api, *, clients: int, batch: int, troubles: Sequence[str], dsn: str) -> int:
    """Send everything; at even distances, trouble. Gives how many requests had to be sent again."""
    chosen = random.Random(11)
    left = list(storm.queue)
    total, again = len(left), 0
    pending = list(troubles)
    lock = asyncio.Lock()

    async def one(client: httpx.AsyncClient) -> None:
        nonlocal again
        while left:
            taken = [left.pop() for _ in range(min(len(left), chosen.randrange(1, batch * 2)))]
            while taken:
                try:
                    answer = await client.post("/v1/usage/reports", content=storm.body(taken))
                except httpx.TransportError:
                    again += 1
                    cut = chosen.randrange(len(taken))  # sent again in other batches
                    left.extend(taken[:cut])
                    taken = taken[cut:]
                    await asyncio.sleep(0.05)
                    continue
                if answer.status_code == 503:
                    again += 1
                    assert int(answer.headers["retry-after"]) >= 1
                    await asyncio.sleep(0.2)
                    continue
                assert answer.status_code == 200, answer.text
                told = answer.json()
                assert not told["conflicts"]
                assert not told["rejected"]
                assert told["accepted"] + told["duplicates"] == len(taken)
                break
            async with lock:
                if pending and len(left) < total * len(pending) // (len(troubles) + 1):
                    await trouble(pending.pop(), api, dsn)

    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/x-ndjson"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{api.port}", headers=headers, timeout=60) as client:
        await asyncio.gather(*(one(client) for _ in range(clients)))
    assert not pending
    return again


async def trouble(kind: str, api: Api, dsn: str) -> None:
    """Kill the API and start it again, or end every connection of the database the hard way."""
    if kind == "api":
        await asyncio.sleep(random.random() * 0.02)
        api.kill()
        await api.start()
        return
    connection = await asyncpg.connect(dsn)
    postmaster = await connection.fetchval("SELECT pg_read_file('postmaster.pid')")
    await connection.close()
    os.kill(int(postmaster.splitlines()[0]), signal.SIGKILL)


async def assert_counted(storm: Storm, dsn: str) -> None:
    """Totals by card, day, cycle and pool equal the independent sums."""
    expected = storm.by_day()
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch(
        "SELECT s.iccid, s.pool, c.cycle, c.reported, c.reported_since FROM usage_cycles c JOIN sims s ON s.id = c.sim_id"
    )
    cycles: dict[tuple[str, int], int] = {}
    pool: dict[int, int] = defaultdict(int)
    for row in rows:
        assert row["reported"] == row["reported_since"]
        cycles[row["iccid"], row["cycle"]] = row["reported"]
        pool[row["cycle"]] += row["reported"] if row["pool"] else 0
    days = await connection.fetch(
        "SELECT s.iccid, (r.at AT TIME ZONE 'Asia/Shanghai')::date AS day, sum(r.bytes)::bigint AS bytes"
        " FROM usage_reports r JOIN sims s ON s.id = r.sim_id GROUP BY 1, 2 HAVING sum(r.bytes) > 0"
    )
    found = {(row["iccid"], row["day"].isoformat()): row["bytes"] for row in days}
    assert found == expected
    by_cycle: dict[tuple[str, int], int] = defaultdict(int)
    for (iccid, day), amount in expected.items():
        cycle = int(day[:4]) * 100 + int(day[5:7])
        by_cycle[iccid, cycle] += amount
    assert cycles == by_cycle
    assert {cycle: amount for cycle, amount in pool.items() if amount} == storm.by_pool()
    assert await connection.fetchval("SELECT count(*) FROM usage_reports") == storm.distinct
    await connection.close()
