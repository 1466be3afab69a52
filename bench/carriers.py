"""What a carrier client costs over bare httpx, and how many calls a bulk question takes (`make bench-carriers`).

Against the sandbox in a process of its own, answering after 20 ms, without limits: for each protocol the client and
bare httpx take turns at the same calls (recorded from the client, byte by byte), 20 in flight each. Fails where it
reaches under 0.7 of bare httpx, or a batch protocol needs more than ceil(10,000 / batch) calls for 10,000 cards.

    python -m bench.carriers [--calls 2000] [--protocols onelink,jasper]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import multiprocessing
import socket
import sys
import time
import tomllib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import uvloop

from app.carriers.account_client import AccountClient
from app.carriers.base import SimRef
from app.carriers.config_file import parse_accounts
from app.carriers.registry import build_clients
from app.clock import SystemClock
from app.domain.calendar.cycles import cycle_at
from app.domain.vocabulary import Carrier, OperationKind
from sandbox.options import ProtocolSettings, SandboxOptions
from sandbox.serve import serve

ROOT = Path(__file__).parent.parent
ZONE = ZoneInfo("Asia/Shanghai")
IN_FLIGHT = 20
LATENCY_MS = 20
LEAST_RATIO = 0.7
FLEET = 10_000
ROUNDS = 4

CARRIER_OF = {
    "onelink": Carrier.CMCC,
    "jasper": Carrier.CUCC,
    "unicom_cmp": Carrier.CUCC,
    "ctcc_cmp": Carrier.CTCC,
    "ctwing": Carrier.CTCC,
    "gsl": Carrier.CTCC,
}
PREFIX = {Carrier.CMCC: "898604", Carrier.CUCC: "898606", Carrier.CTCC: "898611"}


@dataclass
class Recorder(httpx.AsyncBaseTransport):
    """Sends on what it is given, and keeps it."""

    inner: httpx.AsyncBaseTransport
    kept: list[httpx.Request] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.kept.append(request)
        return await self.inner.handle_async_request(request)


@dataclass
class Counted:
    """An observer that counts requests."""

    calls: int = 0

    def request(self, *_: object) -> None:
        self.calls += 1

    def breaker(self, *_: object, opened: bool) -> None:
        assert not opened, "the breaker opened during a bench"


def serve_sandbox(port: int) -> None:
    free = {protocol: ProtocolSettings(repeat_window_s=0, per_second=None, completion_s=1) for protocol in CARRIER_OF}
    uvloop.run(serve(SandboxOptions(settings=free, latency_ms=LATENCY_MS), "127.0.0.1", port))


def sims_of(carrier: Carrier) -> list[SimRef]:
    lead = {Carrier.CMCC: "14401", Carrier.CUCC: "10646", Carrier.CTCC: "14914"}[carrier]
    return [SimRef(iccid=f"{PREFIX[carrier]}000000000{n:05d}", msisdn=f"{lead}000{n:05d}") for n in range(FLEET)]


async def load_fleet(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=120) as control:
        for carrier in PREFIX:
            rows = [
                json.dumps(
                    {
                        "iccid": sim.iccid,
                        "msisdn": sim.msisdn,
                        "carrier": carrier,
                        "terms": "standard",
                        "plan": f"{carrier}-100m",
                        "state": "active",
                        "opened_on": "2026-09-01",
                        "activated_on": "2026-09-05",
                        "expires_on": "2027-09-04",
                        "gsl": carrier is Carrier.CTCC,
                    }
                )
                for sim in sims_of(carrier)
            ]
            answer = await control.post("/_control/sims", content="\n".join(rows))
            answer.raise_for_status()


def client_of(
    protocol: str, url: str, observer: Counted, wire: httpx.AsyncBaseTransport | None = None
) -> AccountClient:
    document = tomllib.loads((ROOT / "demo" / "carriers-all.toml").read_text(encoding="utf-8"))
    entries = [entry for account in document["accounts"].values() for entry in account["protocols"]]
    entry = {**next(one for one in entries if one["protocol"] == protocol), "uses": ["*"], "settings": {}}
    accounts = parse_accounts({"accounts": {"bench": {"carrier": CARRIER_OF[protocol].value, "protocols": [entry]}}})
    return build_clients(accounts, sandbox_url=url, clock=SystemClock(), observer=observer, wire=wire)["bench"]


async def at_once(jobs: Sequence[Callable[[], Awaitable[Any]]]) -> tuple[float, float]:
    """Wall and CPU seconds of all jobs, 20 at a time."""
    waiting = iter(jobs)

    async def serve() -> None:
        for job in waiting:
            await job()

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*[serve() for _ in range(IN_FLIGHT)])
    return time.perf_counter() - wall, time.process_time() - cpu


async def compare(protocol: str, url: str, calls: int) -> dict[str, float]:
    """Calls a second and CPU a call, of the client and of bare httpx, in turns."""
    sims = sims_of(CARRIER_OF[protocol])
    recorder = Recorder(httpx.AsyncHTTPTransport())
    scout = client_of(protocol, url, Counted(), recorder)
    await scout.snapshot([sims[0]])
    per_card = len(recorder.kept)
    await scout.snapshot([sims[1]])
    recorded = recorder.kept[per_card:] if protocol == "onelink" else recorder.kept[:per_card]
    await scout.close()
    counted = Counted()
    client = client_of(protocol, url, counted)
    await client.snapshot([sims[2]])
    counted.calls = 0
    bare = httpx.AsyncClient(limits=httpx.Limits(max_connections=IN_FLIGHT), trust_env=False, timeout=30)
    cards = max(1, calls // (len(recorded) * ROUNDS))
    ours_s = ours_cpu = bare_s = bare_cpu = 0.0
    bare_calls = 0
    for turn in range(ROUNDS):
        mine = [lambda sim=sims[(turn * cards + n) % FLEET]: client.snapshot([sim]) for n in range(cards)]
        theirs = [lambda request=request: replay(bare, request) for _ in range(cards) for request in recorded]
        bare_calls += len(theirs)
        for jobs in (theirs, mine) if turn % 2 else (mine, theirs):
            wall, cpu = await at_once(jobs)
            if jobs is mine:
                ours_s, ours_cpu = ours_s + wall, ours_cpu + cpu
            else:
                bare_s, bare_cpu = bare_s + wall, bare_cpu + cpu
    await client.close()
    await bare.aclose()
    ours_rate, bare_rate = counted.calls / ours_s, bare_calls / bare_s
    return {
        "calls": counted.calls,
        "per_second": ours_rate,
        "cpu_ms": 1000 * ours_cpu / counted.calls,
        "bare_per_second": bare_rate,
        "bare_cpu_ms": 1000 * bare_cpu / bare_calls,
        "ratio": ours_rate / bare_rate,
    }


async def replay(bare: httpx.AsyncClient, request: httpx.Request) -> None:
    headers = {name: value for name, value in request.headers.items() if name not in ("host", "content-length")}
    answer = await bare.request(request.method, request.url, content=request.content or None, headers=headers)
    assert answer.status_code == 200, answer.text


def bulk_questions(client: AccountClient, protocol: str) -> list[tuple[str, int, Callable[[], Awaitable[Any]]]]:
    """(what, cards a call, the question) of each batch the protocol has."""
    carrier = CARRIER_OF[protocol]
    sims = sims_of(carrier)
    cycle = cycle_at(carrier, SystemClock().now(), ZONE)
    state = ("state", lambda: client.snapshot(sims))
    usage = ("month usage", lambda: client.usage(sims, cycle))
    suspend = ("suspend", lambda: client.change_many(OperationKind.SUSPEND, sims, {}))
    batches: dict[str, list[tuple[str, int, Callable[[], Awaitable[Any]]]]] = {
        "onelink": [("month usage", 100, usage[1]), ("suspend", 100, suspend[1])],
        "jasper": [("state", 50, state[1])],
        "unicom_cmp": [("state", 50, state[1]), ("month usage", 50, usage[1])],
        "ctwing": [("state", 100, state[1]), ("month usage", 100, usage[1])],
        "gsl": [("state", 500, state[1]), ("month usage", 500, usage[1])],
    }
    return batches.get(protocol, [])


async def count_bulk(protocol: str, url: str) -> list[tuple[str, int, int, int]]:
    """(what, cards told, calls, calls allowed) for 10,000 cards."""
    counted = Counted()
    client = client_of(protocol, url, counted)
    await client.snapshot([sims_of(CARRIER_OF[protocol])[0]])
    lines = []
    for what, batch, question in bulk_questions(client, protocol):
        counted.calls = 0
        told = await question()
        lines.append((what, len(told), counted.calls, math.ceil(FLEET / batch)))
    await client.close()
    return lines


async def run(url: str, protocols: Sequence[str], calls: int) -> bool:
    await load_fleet(url)
    good = True
    print(f"{'protocol':<11} {'calls':>6} {'calls/s':>8} {'CPU ms':>7}   {'bare/s':>8} {'CPU ms':>7}   ratio")
    for protocol in protocols:
        found = await compare(protocol, url, calls)
        fine = found["ratio"] >= LEAST_RATIO and found["calls"] >= min(calls, 2000) * 0.99
        good &= fine
        ours = f"{found['calls']:>6.0f} {found['per_second']:>8.0f} {found['cpu_ms']:>7.2f}"
        bare = f"{found['bare_per_second']:>8.0f} {found['bare_cpu_ms']:>7.2f}"
        print(f"{protocol:<11} {ours}   {bare}   {found['ratio']:.2f}{'' if fine else '  TOO LOW'}")
    print(f"\ncalls for {FLEET} cards")
    for protocol in protocols:
        for what, told, used, allowed in await count_bulk(protocol, url):
            fine = used <= allowed and told == FLEET
            good &= fine
            verdict = "" if fine else "  TOO MANY"
            print(f"{protocol:<11} {what:<12} {used:>5} of {allowed:>5} allowed, {told} cards{verdict}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=2400, help="calls per protocol and side (default 2400)")
    parser.add_argument("--protocols", default=",".join(CARRIER_OF), help="comma-separated")
    asked = parser.parse_args()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sandbox = multiprocessing.get_context("spawn").Process(target=serve_sandbox, args=(port,), daemon=True)
    sandbox.start()
    try:
        wait_for(port)
        good = uvloop.run(run(f"http://127.0.0.1:{port}", asked.protocols.split(","), asked.calls))
    finally:
        sandbox.terminate()
        sandbox.join(10)
    print("\nas required" if good else "\nNOT as required")
    return 0 if good else 1


def wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("the sandbox did not start")


if __name__ == "__main__":
    sys.exit(main())
