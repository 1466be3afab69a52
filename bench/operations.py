"""Operations per second of one worker, and the API beside a large bulk operation (`make bench-operations`).

Carriers answer after 20 ms (the sandbox, a process of its own; Jasper: one call a card). Each figure of the worker
stands beside the same calls made by bare httpx right before and right after it. The ratio is what counts: carriers,
database and worker share the machine.

    python -m bench.operations [--cards 3000] [--bulk 100000] [--watch 40]

Fails under a ratio of 0.65, or where the API's p99 beside the bulk operation is more than five times its p99 alone.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import uvloop

from bench.house import KEY, ROOT, Database, cpu_seconds, database, iccid, postgres_seconds, postmaster, resident_mb

LATENCY_MS = 20
IN_FLIGHT = 20
"""Where bare httpx is at its best (`docs/carriers/README.md`, httpx), and the most a client of ours uses."""

LIMIT = 100
LEAST_RATIO = 0.65
MOST_P99 = 5.0
AUTH = base64.b64encode(b"sandbox-jasper:00000000-1111-2222-3333-444444444444").decode()
ACCOUNTS = """
[accounts.cucc-main]
carrier = "cucc"
zone = "Asia/Shanghai"
tenants = ["*"]
[[accounts.cucc-main.protocols]]
protocol = "jasper"
base_url = "sandbox"
uses = ["*"]
credentials = {{ username = "sandbox-jasper", api_key = "00000000-1111-2222-3333-444444444444" }}
settings = {{ completion_s = 0, settle_lag_s = 2{limit} }}
"""


@dataclass
class Stand:
    """Addresses and processes of one run."""

    where: Database
    folder: Path
    sandbox_port: int
    api_port: int

    def environment(self, limit: int | None) -> dict[str, str]:
        accounts = self.folder / f"carriers-{limit}.toml"
        accounts.write_text(ACCOUNTS.format(limit=f", per_second = {limit}" if limit else ""))
        return {
            **os.environ,
            "DATABASE_URL": self.where.url,
            "SIMGATE_CARRIERS": str(accounts),
            "SIMGATE_SANDBOX_PORT": str(self.sandbox_port),
            "SIMGATE_PORT": str(self.api_port),
            "SIMGATE_DATA_DIR": str(self.folder),
            "SIMGATE_BOOTSTRAP_KEY": KEY,
        }

    @contextmanager
    def role(self, *command: str, limit: int | None = None) -> Iterator[int]:
        """One process of the gateway; gives its pid."""
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", *command],
            cwd=ROOT,
            env=self.environment(limit),
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "log").open("ab"),
        )
        try:
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


async def answering(url: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        for _ in range(600):
            try:
                if (await client.get(url)).is_success:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.05)
    sys.exit(f"{url} does not answer")


async def put_cards(stand: Stand, count: int) -> None:
    """Cards for the gateway, and for the carrier."""
    connection = await asyncpg.connect(stand.where.dsn)
    await connection.execute("INSERT INTO tenants (id, created_at) VALUES ('default', now()) ON CONFLICT DO NOTHING")
    await connection.execute(
        "INSERT INTO plans (tenant, id, carrier, allowance, months, kind)"
        " VALUES ('default', 'cucc-1g', 'cucc', 1073741824, 12, 'card') ON CONFLICT DO NOTHING"
    )
    await connection.execute(
        "INSERT INTO sims (tenant, iccid, carrier, account, terms, plan, underlying, state, opened_on, activated_on,"
        " expires_on, created_at, updated_at)"
        " SELECT 'default', '898600' || lpad(n::text, 13, '0'), 'cucc', 'cucc-main', 'standard', 'cucc-1g', 'active',"
        " 'active', '2026-01-05', '2026-02-01', '2099-01-31', now(), now() FROM generate_series(1, $1::bigint) n"
        " ON CONFLICT DO NOTHING",
        count,
    )
    await connection.execute("VACUUM ANALYZE sims")
    await connection.close()
    row = {"carrier": "cucc", "terms": "standard", "plan": "cucc-1g", "state": "active", "activated_on": "2026-02-01"}
    async with httpx.AsyncClient(trust_env=False, timeout=120) as client:
        for start in range(1, count + 1, 5_000):
            numbers = range(start, min(start + 5_000, count + 1))
            lines = "\n".join(json.dumps(row | {"iccid": iccid(number)}) for number in numbers)
            url = f"http://127.0.0.1:{stand.sandbox_port}/_control/sims"
            answer = await client.post(url, content=lines, headers={"Content-Type": "application/x-ndjson"})
            answer.raise_for_status()


async def bare(stand: Stand, cards: Sequence[int], status: str) -> float:
    """The same calls by httpx alone, per second."""
    url = f"http://127.0.0.1:{stand.sandbox_port}/jasper/rws/api/v1/devices/"
    headers = {"Authorization": f"Basic {AUTH}", "Accept": "application/json"}
    waiting = iter(cards)
    limits = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
    async with httpx.AsyncClient(trust_env=False, limits=limits, timeout=30, headers=headers) as client:

        async def caller() -> None:
            for number in waiting:
                answer = await client.put(url + iccid(number), json={"status": status})
                answer.raise_for_status()

        began, used = time.perf_counter(), time.process_time()
        await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))
        print(f"bare httpx: processor time {(time.process_time() - used) * 1e6 / len(cards):.0f} µs a call")
        return len(cards) / (time.perf_counter() - began)


@asynccontextmanager
async def caller(stand: Stand) -> AsyncIterator[httpx.AsyncClient]:
    base, headers = f"http://127.0.0.1:{stand.api_port}", {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=base, headers=headers, trust_env=False, timeout=120) as client:
        yield client


async def ask_singly(stand: Stand, cards: Sequence[int], action: str) -> float:
    """Ask for each card by itself; accepted per second."""
    waiting = iter(cards)
    async with caller(stand) as client:

        async def one() -> None:
            for number in waiting:
                answer = await client.post(f"/v1/sims/{iccid(number)}/{action}")
                assert answer.status_code == 202, answer.text

        began = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(8)))
        return len(cards) / (time.perf_counter() - began)


async def ask_in_bulk(stand: Stand, cards: Sequence[int], kind: str) -> str:
    body = {"kind": kind, "selector": {"iccids": [iccid(number) for number in cards]}}
    async with caller(stand) as client:
        answer = await client.post("/v1/bulk-operations", json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.headers["location"])


async def succeeded(dsn: str, kind: str, count: int, worker: int) -> float:
    """Wait until so many have succeeded; per second between the first and the last twentieth.

    Prints the processor time that the worker and the database took for one.
    """
    connection, parent = await asyncpg.connect(dsn), await postmaster(dsn)
    query = "SELECT count(*) FROM operations WHERE kind = $1 AND status = 'succeeded'"
    begun: tuple[int, float, float] | None = None
    for _ in range(6000):
        done = await connection.fetchval(query, kind)
        used = done, cpu_seconds(worker), sum(postgres_seconds(parent).values())
        if begun is None and done >= count / 20:  # what it takes to start is not the operations'
            begun = used
        if done >= count:
            break
        await asyncio.sleep(0.1)
    else:
        rows = await connection.fetch("SELECT status, error, count(*) FROM operations GROUP BY 1, 2")
        sys.exit(f"not done: {[dict(row) for row in rows]}")
    seconds = await connection.fetchval(
        "SELECT extract(epoch FROM percentile_disc(0.95) WITHIN GROUP (ORDER BY settled_at)"
        " - percentile_disc(0.05) WITHIN GROUP (ORDER BY settled_at)) FROM operations WHERE kind = $1",
        kind,
    )
    await connection.close()
    if begun is not None:
        spent = [(end - start) * 1e6 / (used[0] - begun[0]) for start, end in zip(begun[1:], used[1:], strict=True)]
        print(f"{kind}: processor time {spent[0]:.0f} µs of the worker, {spent[1]:.0f} µs of the database")
    return count * 0.9 / float(seconds)


async def latencies(stand: Stand, cards: int, seconds: float) -> list[float]:
    """Times of reads by a few callers, in milliseconds: cards, a list, operations."""
    found: list[float] = []
    until = time.perf_counter() + seconds
    async with caller(stand) as client:

        async def one(seed: int) -> None:
            number = seed
            while time.perf_counter() < until:
                number = (number * 7919 + 13) % cards + 1
                paths = (f"/v1/sims/{iccid(number)}", "/v1/sims?limit=20", "/v1/operations?limit=20")
                began = time.perf_counter()
                answer = await client.get(paths[number % 3])
                found.append((time.perf_counter() - began) * 1000)
                assert answer.status_code == 200, answer.text
                await asyncio.sleep(0.05)

        await asyncio.gather(*(one(seed) for seed in range(1, 5)))
    return found


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


async def throughput(stand: Stand, cards: int) -> bool:
    """One worker, singly and in bulk, beside bare httpx."""
    first, second = range(1, cards + 1), range(cards + 1, 2 * cards + 1)
    accepted = await ask_singly(stand, first, "suspend")
    yards = [await bare(stand, second, "DEACTIVATED")]
    with stand.role("worker") as worker:
        single = await succeeded(stand.where.dsn, "suspend", cards, worker)
    yards.append(await bare(stand, second, "ACTIVATED"))
    await ask_in_bulk(stand, first, "resume")
    with stand.role("worker") as worker:
        bulk = await succeeded(stand.where.dsn, "resume", cards, worker)
    yards.append(await bare(stand, second, "DEACTIVATED"))
    await bare(stand, second, "ACTIVATED")
    ratios = 2 * single / (yards[0] + yards[1]), 2 * bulk / (yards[1] + yards[2])
    print(f"bare httpx, {IN_FLIGHT} in flight  " + ", ".join(f"{yard:.0f}" for yard in yards) + " calls/s in between")
    print(f"accepted by the API        {accepted:8.0f} /s")
    print(f"single: accepted -> succeeded  {single:8.0f} /s   ratio {ratios[0]:.2f}")
    print(f"bulk:   accepted -> succeeded  {bulk:8.0f} /s   ratio {ratios[1]:.2f}")
    return min(ratios) >= LEAST_RATIO


async def beside_a_bulk_operation(stand: Stand, api_pid: int, items: int, seconds: float) -> bool:
    """The API's p99 alone, and while a large bulk operation runs at the account's limit."""
    alone = await latencies(stand, items, seconds)
    memory = resident_mb(api_pid)
    began = time.perf_counter()
    location = await ask_in_bulk(stand, range(1, items + 1), "suspend")
    taken = time.perf_counter() - began
    with stand.role("worker", limit=LIMIT) as worker:
        await asyncio.sleep(5)
        early = await progress(stand, location)
        began = time.perf_counter()
        beside = await latencies(stand, items, seconds)
        late = await progress(stand, location)
        rate = (late["progress"]["done"] - early["progress"]["done"]) / (time.perf_counter() - began)
        worker_mb = resident_mb(worker)
    async with caller(stand) as client:
        await client.post(f"{location}/cancel")
    ratio = p99(beside) / p99(alone)
    print(f"bulk of {items} accepted in {taken:.1f} s; {rate:.0f} items/s at a limit of {LIMIT}; eta {late['eta']}")
    print(f"API p99 alone {p99(alone):.1f} ms, beside it {p99(beside):.1f} ms: {ratio:.1f} times")
    print(f"memory: API {memory} -> {resident_mb(api_pid)} MB, worker {worker_mb} MB")
    return ratio <= MOST_P99


async def progress(stand: Stand, location: str) -> Any:
    async with caller(stand) as client:
        return (await client.get(location)).json()


async def run(stand: Stand, options: argparse.Namespace) -> bool:
    flags = ("--memory", "--port", str(stand.sandbox_port), "--protocols", "jasper", "--latency-ms", str(LATENCY_MS))
    with stand.role("sandbox", *flags), stand.role("api", limit=None) as api_pid:
        await answering(f"http://127.0.0.1:{stand.sandbox_port}/_control/clock")
        await answering(f"http://127.0.0.1:{stand.api_port}/livez")
        await put_cards(stand, max(options.bulk, 2 * options.cards))
        fast = await throughput(stand, options.cards)
        calm = await beside_a_bulk_operation(stand, api_pid, options.bulk, options.watch) if options.bulk else True
    return fast and calm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cards", type=int, default=3_000)
    parser.add_argument("--bulk", type=int, default=100_000)
    parser.add_argument("--watch", type=float, default=40.0)
    options = parser.parse_args()
    with database() as where, tempfile.TemporaryDirectory(prefix="simgate-bench-") as folder:
        stand = Stand(where, Path(folder), free_port(), free_port())
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            good = runner.run(run(stand, options))
    sys.exit(0 if good else "FAILED: see the ratios above")


if __name__ == "__main__":
    main()
