"""Usage reports per second, answered after commit, against a bare binary COPY (`make bench-ingest`).

100,000 cards, 100 gateways, batches of 1,000, 5 % sent again, 5 % late (up to ten days, within the running cycle; with
`--closed` of the cycle before), the three kinds of body in turn; generator, API and database share the machine. In the
same run the same rows go by plain binary COPY into a table without an index, one connection, the same batch size, one
transaction a batch, before and after: the ratio is what counts.

    python -m bench.ingest [--sims 100000] [--records 1000000] [--clients 32] [--ids sequence|uuid]
                           [--closed] [--growth]

`--growth` repeats a smaller sample with 100,000, 1,000,000 and 10,000,000 cards whose counters all exist, reports
spread over all of them, on a PostgreSQL with memory for ten million (`GROWN`). Fails under a ratio of 0.15,
over 200 MB, or where a record costs more than 1.3 times.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

import asyncpg
import uvloop

from bench.house import (
    ROOT,
    Database,
    api,
    cpu_seconds,
    database,
    postgres_seconds,
    postmaster,
    resident_mb,
    seed,
)
from bench.reports import BATCH, Fleet, requests

LEAST_RATIO = 0.15
MOST_GROWTH = 1.3
MOST_MB = 200
BARE_ROWS = 200_000
GROWN = {"shared_buffers": "4GB", "max_wal_size": "8GB"}
"""For all three sizes of `--growth`: a database of ten million cards has memory for their counters."""


@dataclass
class Load:
    """What the generator saw."""

    seconds: float
    latencies: list[float]
    counted: dict[str, int]
    cpu: float

    def shown(self) -> str:
        """As one line of JSON."""
        return json.dumps(self.__dict__)


async def generate(address: str, whole: list[bytes], clients: int) -> Load:
    """Send all requests over so many connections."""
    host, port = address.rsplit(":", 1)
    counted: dict[str, int] = {}
    latencies: list[float] = []
    whole.reverse()

    async def one() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        while whole:
            request, began = whole.pop(), time.perf_counter()
            while True:
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                told = json.loads(await reader.readexactly(length))
                if b" 200 " in head[:20]:
                    break
                counted["refused"] = counted.get("refused", 0) + 1
                await asyncio.sleep(0.5)
            latencies.append(time.perf_counter() - began)
            for name, value in told.items():
                counted[name] = counted.get(name, 0) + (value if isinstance(value, int) else len(value))
        writer.close()

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one() for _ in range(clients)))
    return Load(time.perf_counter() - began, latencies, counted, time.process_time() - cpu)


def generator(arguments: argparse.Namespace) -> None:
    """The generator's own process: prepares everything, says so, waits for the word, sends, tells."""
    fleet = Fleet(sims=arguments.sims, ids=arguments.ids, closed=arguments.closed)
    whole = list(requests(fleet, arguments.records))
    print("ready", flush=True)
    sys.stdin.readline()
    print(uvloop.run(generate(arguments.address, whole, arguments.clients)).shown(), flush=True)


async def bare_copy(dsn: str, arguments: argparse.Namespace) -> float:
    """Rows per second of the same rows by binary COPY into a table without an index."""
    fleet = Fleet(sims=arguments.sims, ids=arguments.ids, closed=arguments.closed)
    batches = [fleet.batch(number) for number in range(min(BARE_ROWS, arguments.records) // BATCH)]
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "DROP TABLE IF EXISTS bench_bare;"
        "CREATE TABLE bench_bare (gateway text, id text, iccid text, at timestamptz, bytes bigint)"
    )
    for name in ("fsync", "synchronous_commit"):
        if await connection.fetchval(f"SHOW {name}") != "on":
            sys.exit(f"{name} is off: no comparison")
    began = time.perf_counter()
    for batch in batches:
        await connection.copy_records_to_table("bench_bare", records=batch)
    rate = len(batches) * BATCH / (time.perf_counter() - began)
    await connection.execute("DROP TABLE bench_bare")
    await connection.close()
    return rate


def measure(where: Database, arguments: argparse.Namespace) -> dict[str, Any]:
    """One run: bare COPY, ingest, bare COPY again."""
    command = [sys.executable, "-m", "bench.ingest", "--generate"]
    for name in ("sims", "records", "clients", "ids"):
        command += [f"--{name}", str(getattr(arguments, name))]
    command += ["--closed"] if arguments.closed else []
    bare = [uvloop.run(bare_copy(where.dsn, arguments))]
    with api(where) as (address, pid):
        _warm_up(address, arguments)
        with subprocess.Popen(
            [*command, "--address", address], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            process.stdout.readline()
            server = asyncio.run(postmaster(where.dsn))
            used, before = postgres_seconds(server), cpu_seconds(pid)
            process.stdin.write("go\n")
            process.stdin.flush()
            load = Load(**json.loads(process.stdout.readline()))
            after = postgres_seconds(server)
            cpu = cpu_seconds(pid) - before
        memory = resident_mb(pid)
    bare.append(uvloop.run(bare_copy(where.dsn, arguments)))
    latencies = sorted(load.latencies)
    rate = arguments.records / load.seconds
    return {
        "sims": arguments.sims,
        "records": arguments.records,
        "ids": arguments.ids,
        "rate": rate,
        "bare": statistics.mean(bare),
        "ratio": rate / statistics.mean(bare),
        "p50_ms": latencies[len(latencies) // 2] * 1000,
        "p99_ms": latencies[int(len(latencies) * 0.99)] * 1000,
        "api_us": cpu / arguments.records * 1e6,
        "database_us": sum(after[pid] - used.get(pid, 0.0) for pid in after) / arguments.records * 1e6,
        "generator_us": load.cpu / arguments.records * 1e6,
        "memory_mb": memory,
        "counted": load.counted,
    }


def _warm_up(address: str, arguments: argparse.Namespace) -> None:
    """Reports nobody measures: connections, statements, leaves, and the counters' pages in memory."""
    fleet = Fleet(sims=arguments.sims, ids="sequence", run="0000000000")
    left = arguments.warm
    while left > 0:
        uvloop.run(generate(address, list(requests(fleet, min(left, 50 * BATCH))), 8))
        left -= 50 * BATCH


def show(rows: list[dict[str, Any]]) -> None:
    """The table for docs/performance.md."""
    names = [
        "SIM rows",
        "records",
        "ids",
        "records/s",
        "bare COPY rows/s",
        "ratio",
        "p50",
        "p99",
        "API",
        "database",
        "generator",
        "API RSS",
    ]
    print("|", " | ".join(names), "|")
    print("|" + "---|" * len(names))
    for row in rows:
        print(
            f"| {row['sims']:,} | {row['records']:,} | {row['ids']} | {row['rate']:,.0f} | {row['bare']:,.0f}"
            f" | {row['ratio']:.2f} | {row['p50_ms']:.0f} ms | {row['p99_ms']:.0f} ms | {row['api_us']:.1f} µs"
            f" | {row['database_us']:.1f} µs | {row['generator_us']:.1f} µs | {row['memory_mb']} MB |"
        )
    print("counted:", rows[-1]["counted"])


def main() -> None:
    """Run, print, and fail where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sims", type=int, default=100_000)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--ids", choices=("sequence", "uuid"), default="sequence")
    parser.add_argument("--closed", action="store_true", help="late reports are of the cycle before")
    parser.add_argument("--warm", type=int, default=50_000, help="reports before it counts")
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--address", help=argparse.SUPPRESS)
    parser.add_argument("--generate", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.generate:
        generator(arguments)
        return
    arguments.warm = max(arguments.warm, 600_000) if arguments.growth else arguments.warm
    sizes = (100_000, 1_000_000, 10_000_000) if arguments.growth else (arguments.sims,)
    rows = []
    for sims in sizes:
        arguments.sims = sims
        with database(GROWN if arguments.growth else None) as where:
            asyncio.run(seed(where.dsn, sims, counters=True))
            rows.append(measure(where, arguments))
    show(rows)
    failed = [f"ratio {rows[0]['ratio']:.2f}"] if rows[0]["ratio"] < LEAST_RATIO else []
    failed += [f"{row['memory_mb']} MB" for row in rows if row["memory_mb"] > MOST_MB]
    growth = (rows[-1]["api_us"] + rows[-1]["database_us"]) / (rows[0]["api_us"] + rows[0]["database_us"])
    if arguments.growth:
        print(f"cost per record at {rows[-1]['sims']:,} cards: {growth:.2f} of that at {rows[0]['sims']:,}")
        failed += [f"growth {growth:.2f}"] if growth > MOST_GROWTH else []
    sys.exit("missed: " + ", ".join(failed) if failed else 0)


if __name__ == "__main__":
    main()
