"""Reads per second of one card against the least they can cost, in the same run (`make bench-reads`).

`GET /v1/sims/{iccid}`, a random card of 100,000 with usage, every time. Beside it, in turns, three rounds each: the
empty route `GET /livez` of the same server, and a bare uvicorn that runs the very same statement (`bench.bare`). The
ratios of the medians are what counts. `GET /v1/sims/{iccid}/explanation` is compared with the read of the card, by the
processor time of API and database together: of running cards, and of stopped ones, which have a recovery plan. The read
of a card is also asked of an API that is connected as its own role, which PostgreSQL keeps to one tenant (ADR 38).

    python -m bench.reads [--sims 100000] [--seconds 5] [--clients 16]

A page of 50 cards is measured by the processor time of API and database a card.

Fails under a ratio of 0.35 to the empty route or of 0.55 to the bare server, where an explanation costs more than 3
reads or a listed card more than 25 µs, or over 200 MB.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
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
from bench.house import (
    KEY,
    ROOT,
    api,
    behind_the_wall,
    cpu_seconds,
    database,
    iccid,
    postgres_seconds,
    postmaster,
    resident_mb,
    seed,
)

LEAST_OF_EMPTY = 0.35
LEAST_OF_BARE = 0.55
MOST_READS = 3.0
"""Reads that the explanation of a running card may cost."""
MOST_MB = 200
MOST_A_LISTED_CARD_US = 25.0
"""Processor time of API and database for each card of a page of `PAGE`."""
LIST, PAGE = "list", 50
STOPPED = 1_000
"""Every so-manyth card is stopped."""
ROUNDS = 3


def _path(sims: int, under: str, every: int, chosen: random.Random) -> str:
    """The next path; no card means the empty route, `list` a page at a random place, else `under` follows the card."""
    if not sims:
        return "/livez"
    if under == LIST:
        after = base64.urlsafe_b64encode(str(chosen.randrange(sims - PAGE)).encode()).decode().rstrip("=")
        return f"/v1/sims?limit={PAGE}&cursor={after}"
    return f"/v1/sims/{iccid((chosen.randrange(sims // every) + 1) * every)}{under}"


async def generate(address: str, sims: int, seconds: float, clients: int, under: str, every: int) -> dict[str, Any]:
    """Ask over so many connections for so long, as `_path` says."""
    host, port = address.rsplit(":", 1)
    latencies: list[float] = []
    chosen = random.Random(7)
    until = time.perf_counter() + seconds

    async def one() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        while (began := time.perf_counter()) < until:
            path = _path(sims, under, every, chosen)
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


def ask(address: str, arguments: argparse.Namespace, sims: int, under: str = "", every: int = 1) -> dict[str, Any]:
    """One round, by a process of its own."""
    command = [sys.executable, "-m", "bench.reads", "--generate", "--address", address, "--sims", str(sims)]
    command += ["--under", under, "--every", str(every)]
    command += ["--seconds", str(arguments.seconds), "--clients", str(arguments.clients)]
    told: dict[str, Any] = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    return told


async def _use(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "UPDATE usage_cycles SET reported = sim_id * 1000, reported_since = sim_id * 1000, reported_at = now()"
    )
    hold = [{"code": "manual", "since": "2026-11-20T08:00:00+08:00", "source": "carrier", "carrier_code": "4"}]
    await connection.execute(
        "UPDATE sims SET state = 'suspended', holds = $1::text::jsonb WHERE id % $2 = 0", json.dumps(hold), STOPPED
    )
    for table in ("usage_cycles", "sims"):
        await connection.execute(f"VACUUM ANALYZE {table}")
    await connection.close()


def measured(address: str, arguments: argparse.Namespace, pid: int, server: str, *what: Any) -> dict[str, Any]:
    """One round with the processor time of API and database beside it, in microseconds a request."""
    before, used = cpu_seconds(pid), postgres_seconds(server)
    found = ask(address, arguments, arguments.sims, *what)
    after = postgres_seconds(server)
    database_s = sum(after[one] - used.get(one, 0.0) for one in after)
    found["api_us"] = (cpu_seconds(pid) - before) / found["count"] * 1e6
    found["database_us"] = database_s / found["count"] * 1e6
    return found


def line(name: str, found: dict[str, Any]) -> str:
    """A line of the table."""
    cpu = f"{found['api_us']:.0f} µs | {found['database_us']:.0f} µs" if "api_us" in found else " | "
    return f"| {name} | {found['rate']:,.0f} | {found['p50_ms']:.1f} ms | {found['p99_ms']:.1f} ms | {cpu} |"


def cpu(found: dict[str, Any]) -> float:
    """Processor time of a request, API and database together."""
    return float(found["api_us"] + found["database_us"])


def main() -> None:
    """Run, print, and fail where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sims", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--address", help=argparse.SUPPRESS)
    parser.add_argument("--under", default="", help=argparse.SUPPRESS)
    parser.add_argument("--every", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--generate", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.generate:
        under, every = arguments.under, arguments.every
        load = generate(arguments.address, arguments.sims, arguments.seconds, arguments.clients, under, every)
        print(json.dumps(uvloop.run(load)))
        return
    names = ("empty", "card", "bare", "explanation", "stopped", "list", "walled")
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    with database() as where:
        asyncio.run(seed(where.dsn, arguments.sims, counters=True))
        asyncio.run(_use(where.dsn))
        wall = behind_the_wall(where)
        with api(where) as (address, pid), bare_server(where) as plain, api(wall) as (walled, walled_pid):
            server = asyncio.run(postmaster(where.dsn))
            ask(address, arguments, arguments.sims)
            ask(plain, arguments, arguments.sims)
            ask(walled, arguments, arguments.sims)
            for _ in range(ROUNDS):
                rounds["empty"].append(ask(address, arguments, 0))
                rounds["bare"].append(ask(plain, arguments, arguments.sims))
                cost = (address, arguments, pid, server)
                rounds["card"].append(measured(*cost))
                rounds["explanation"].append(measured(*cost, "/explanation"))
                rounds["stopped"].append(measured(*cost, "/explanation", STOPPED))
                rounds["list"].append(measured(*cost, LIST))
                rounds["walled"].append(measured(walled, arguments, walled_pid, server))
            memory = resident_mb(pid)
    middle = {
        name: {key: statistics.median(one[key] for one in found) for key in found[0]} for name, found in rounds.items()
    }
    of_empty = middle["card"]["rate"] / middle["empty"]["rate"]
    of_bare = middle["card"]["rate"] / middle["bare"]["rate"]
    print("| route | requests/s | p50 | p99 | API | database |")
    print("|---|---|---|---|---|---|")
    card, explained = middle["card"], middle["explanation"]
    print(line("GET /livez", middle["empty"]))
    print(line("the statement alone", middle["bare"]))
    print(line("GET /v1/sims/{iccid}", card))
    print(line("GET /v1/sims/{iccid}, a role of its own", middle["walled"]))
    print(line("…/explanation", explained))
    print(line("…/explanation, stopped", middle["stopped"]))
    times, stopped = cpu(explained) / cpu(card), cpu(middle["stopped"]) / cpu(card)
    print(line(f"GET /v1/sims, {PAGE} a page", middle["list"]))
    listed = cpu(middle["list"]) / PAGE
    print(f"a page costs {listed:.1f} µs a card, {middle['list']['api_us'] / PAGE:.1f} µs of it in the API")
    print(f"an explanation costs {times:.1f} times a read, of a stopped card {stopped:.1f} times")
    each = [one["rate"] / other["rate"] for one, other in zip(rounds["walled"], rounds["card"], strict=True)]
    of_card, dearer = middle["walled"]["rate"] / card["rate"], cpu(middle["walled"]) / cpu(card)
    of_reads = f"{of_card:.2f} of the reads ({min(each):.2f} to {max(each):.2f})"
    print(f"as a role of its own {of_reads}, {dearer:.1f} times the processor time")
    print(f"ratio to the empty route {of_empty:.2f}, to the statement alone {of_bare:.2f}, API {memory} MB")
    failed = [f"{of_empty:.2f} of the empty route"] if of_empty < LEAST_OF_EMPTY else []
    failed += [f"{of_bare:.2f} of the statement alone"] if of_bare < LEAST_OF_BARE else []
    failed += [f"an explanation costs {times:.1f} reads"] if times > MOST_READS else []
    failed += [f"{listed:.1f} µs a listed card"] if listed > MOST_A_LISTED_CARD_US else []
    failed += [f"{memory} MB"] if memory > MOST_MB else []
    sys.exit("missed: " + ", ".join(failed) if failed else 0)


if __name__ == "__main__":
    main()
