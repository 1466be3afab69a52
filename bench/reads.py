"""Reads per second of one card against the least they can cost, in the same run (`make bench-reads`).

`GET /v1/sims/{iccid}`, a random card of 100,000 with usage, every time. Beside it, in turns, three rounds each: the
empty route `GET /livez` of the same server, and a bare uvicorn that runs the very same statement (`bench.bare`). The
ratios of the medians are what counts. `GET /v1/sims/{iccid}/explanation` is compared with the read of the card.

    python -m bench.reads [--sims 100000] [--seconds 5] [--clients 16]

Fails under a ratio of 0.35 to the empty route or of 0.55 to the bare server, or over 200 MB.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import time
from typing import Any

import asyncpg
import uvloop

from bench.bare import bare_server
from bench.house import KEY, ROOT, api, cpu_seconds, database, iccid, postgres_seconds, postmaster, resident_mb, seed

LEAST_OF_EMPTY = 0.35
LEAST_OF_BARE = 0.55
MOST_MB = 200
ROUNDS = 3


async def generate(address: str, sims: int, seconds: float, clients: int, under: str) -> dict[str, Any]:
    """Ask over so many connections for so long; no card means the empty route; `under`: what follows the card."""
    host, port = address.rsplit(":", 1)
    latencies: list[float] = []
    chosen = random.Random(7)
    until = time.perf_counter() + seconds

    async def one() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        while (began := time.perf_counter()) < until:
            path = f"/v1/sims/{iccid(chosen.randrange(sims) + 1)}{under}" if sims else "/livez"
            writer.write(f"GET {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {KEY}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert b" 200 " in head[:20], head
            await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
            latencies.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*(one() for _ in range(clients)))
    latencies.sort()
    return {
        "rate": len(latencies) / seconds,
        "p50_ms": latencies[len(latencies) // 2] * 1000,
        "p99_ms": latencies[int(len(latencies) * 0.99)] * 1000,
        "count": len(latencies),
    }


def ask(address: str, arguments: argparse.Namespace, sims: int, under: str = "") -> dict[str, Any]:
    """One round, by a process of its own."""
    command = [sys.executable, "-m", "bench.reads", "--generate", "--address", address, "--sims", str(sims)]
    command += ["--under", under]
    command += ["--seconds", str(arguments.seconds), "--clients", str(arguments.clients)]
    told: dict[str, Any] = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    return told


async def _use(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "UPDATE usage_cycles SET reported = sim_id * 1000, reported_since = sim_id * 1000, reported_at = now()"
    )
    await connection.execute("VACUUM ANALYZE usage_cycles")
    await connection.close()


def main() -> None:
    """Run, print, and fail where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sims", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--address", help=argparse.SUPPRESS)
    parser.add_argument("--under", default="", help=argparse.SUPPRESS)
    parser.add_argument("--generate", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.generate:
        load = generate(arguments.address, arguments.sims, arguments.seconds, arguments.clients, arguments.under)
        print(json.dumps(uvloop.run(load)))
        return
    rounds: dict[str, list[dict[str, Any]]] = {"empty": [], "card": [], "bare": [], "explanation": []}
    with database() as where:
        asyncio.run(seed(where.dsn, arguments.sims, counters=True))
        asyncio.run(_use(where.dsn))
        with api(where) as (address, pid), bare_server(where) as plain:
            server = asyncio.run(postmaster(where.dsn))
            ask(address, arguments, arguments.sims)
            ask(plain, arguments, arguments.sims)
            for _ in range(ROUNDS):
                rounds["empty"].append(ask(address, arguments, 0))
                rounds["bare"].append(ask(plain, arguments, arguments.sims))
                before, used = cpu_seconds(pid), postgres_seconds(server)
                rounds["card"].append(ask(address, arguments, arguments.sims))
                rounds["card"][-1]["api_us"] = (cpu_seconds(pid) - before) / rounds["card"][-1]["count"] * 1e6
                after = postgres_seconds(server)
                rounds["explanation"].append(ask(address, arguments, arguments.sims, "/explanation"))
                database_s = sum(after[one] - used.get(one, 0.0) for one in after)
                rounds["card"][-1]["database_us"] = database_s / rounds["card"][-1]["count"] * 1e6
            memory = resident_mb(pid)
    middle = {
        name: {key: statistics.median(one[key] for one in found) for key in found[0]} for name, found in rounds.items()
    }
    of_empty = middle["card"]["rate"] / middle["empty"]["rate"]
    of_bare = middle["card"]["rate"] / middle["bare"]["rate"]
    print("| route | requests/s | p50 | p99 | API | database |")
    print("|---|---|---|---|---|---|")
    empty, bare, card = middle["empty"], middle["bare"], middle["card"]
    print(f"| GET /livez | {empty['rate']:,.0f} | {empty['p50_ms']:.1f} ms | {empty['p99_ms']:.1f} ms | | |")
    print(f"| the statement alone | {bare['rate']:,.0f} | {bare['p50_ms']:.1f} ms | {bare['p99_ms']:.1f} ms | | |")
    print(
        f"| GET /v1/sims/{{iccid}} | {card['rate']:,.0f} | {card['p50_ms']:.1f} ms | {card['p99_ms']:.1f} ms"
        f" | {card['api_us']:.0f} µs | {card['database_us']:.0f} µs |"
    )
    explained = middle["explanation"]
    middle_ms, late_ms = explained["p50_ms"], explained["p99_ms"]
    print(f"| …/explanation | {explained['rate']:,.0f} | {middle_ms:.1f} ms | {late_ms:.1f} ms | | |")
    times = card["rate"] / explained["rate"]
    print(f"an explanation costs {times:.1f} times a read")
    print(f"ratio to the empty route {of_empty:.2f}, to the statement alone {of_bare:.2f}, API {memory} MB")
    failed = [f"{of_empty:.2f} of the empty route"] if of_empty < LEAST_OF_EMPTY else []
    failed += [f"{of_bare:.2f} of the statement alone"] if of_bare < LEAST_OF_BARE else []
    failed += [f"{memory} MB"] if memory > MOST_MB else []
    sys.exit("missed: " + ", ".join(failed) if failed else 0)


if __name__ == "__main__":
    main()
