"""The demo fleet's clock moved by a year: seconds, processor time, stops, jobs, carrier calls (`make bench-advance`).

`simgate run` on a database of the bench's own, its first start with the demo fleet, then one `POST /v1/admin/clock`
as `simgate advance` sends it, from one midnight to another. Processor time is of the gateway's process, carriers
included, and of PostgreSQL's; a stop is one move of the stored clock.

    python -m bench.advance [--days 365] [--state FILE]

`--state` writes what the fleet has come to (`bench.advance_state`). Fails where a year takes over 120 s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from app.domain.calendar.days import HOME_ZONE
from bench.advance_state import state_of
from bench.house import KEY, ROOT, Database, cpu_seconds, database, free_port, postgres_seconds, postmaster, wait_for

MOST_S = 120.0
YEAR = 365
ANSWER_S = 7200.0
IDLE_S = 11.0
"""An idle session of PostgreSQL tells what it has counted after ten seconds."""

COMMITS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
STOPS = "SELECT n_tup_ins + n_tup_upd FROM pg_stat_user_tables WHERE relname = 'clock_offset'"


@dataclass(frozen=True, slots=True)
class Seen:
    """What had been used and done at one moment."""

    wall_s: float
    gateway_s: float
    postgres: Mapping[str, float]
    commits: int
    calls: float


@contextmanager
def gateway(where: Database) -> Iterator[tuple[httpx.Client, int]]:
    """`simgate run` with the demo fleet: a client of it and its pid."""
    ports = {name: str(free_port()) for name in ("SIMGATE_PORT", "SIMGATE_SANDBOX_PORT")}
    with tempfile.TemporaryDirectory(prefix="simgate-bench-advance-") as folder:
        own = {"DATABASE_URL": where.url, "SIMGATE_DATA_DIR": folder, "SIMGATE_BOOTSTRAP_KEY": KEY}
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "run"],
                cwd=ROOT,
                env={**os.environ, **ports, **own},
                stdout=log,
                stderr=log,
            )
        address = f"http://127.0.0.1:{ports['SIMGATE_PORT']}"
        try:
            wait_for(f"{address}/readyz", process)
            headers = {"Authorization": f"Bearer {KEY}"}
            with httpx.Client(base_url=address, headers=headers, timeout=ANSWER_S, trust_env=False) as client:
                yield client, process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def seen(where: Database, client: httpx.Client, pid: int) -> Seen:
    """What has been used and done by now."""
    lines = client.get("/metrics").text.splitlines()
    calls = sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("simgate_carrier_requests_total{"))
    commits, used = asyncio.run(_counted(where.dsn, COMMITS)), postgres_seconds(asyncio.run(postmaster(where.dsn)))
    return Seen(time.perf_counter(), cpu_seconds(pid), used, commits, calls)


async def _counted(dsn: str, statement: str) -> int:
    connection = await asyncpg.connect(dsn)
    found = await connection.fetchval(statement)
    await connection.close()
    return int(found)


def stops_by_now(where: Database) -> int:
    """How often the clock was moved; waits until PostgreSQL's sessions have told."""
    time.sleep(IDLE_S)
    return asyncio.run(_counted(where.dsn, STOPS))


def report(before: Seen, after: Seen, days: int, stops: int, answer: Mapping[str, Any]) -> float:
    """Print what the advance took, whole and per simulated day; gives its seconds."""
    wall_s, gateway_s = after.wall_s - before.wall_s, after.gateway_s - before.gateway_s
    postgres_s = sum(used - before.postgres.get(pid, 0.0) for pid, used in after.postgres.items())
    jobs = sum(answer["jobs"].values())
    print(
        f"{days} days in {wall_s:.1f} s; load {os.getloadavg()[0]:.1f}; processor seconds a year at this rate:"
        f" {(gateway_s + postgres_s) / days * YEAR:.0f}"
    )
    print(
        f"per day: gateway {1000 * gateway_s / days:.0f} ms, PostgreSQL {1000 * postgres_s / days:.0f} ms of processor,"
        f" {stops / days:.1f} stops, {jobs / days:.1f} job runs,"
        f" {(after.calls - before.calls) / days:.0f} carrier calls,"
        f" {(after.commits - before.commits) / days:.0f} transactions"
    )
    for job, times in answer["jobs"].items():
        print(f"  {job}: {times}")
    for job, times in answer.get("failed", {}).items():
        print(f"  {job}: failed {times}")
    return wall_s


def moved(client: httpx.Client, now: str, *, days: int) -> dict[str, Any]:
    """The clock moved to the midnight so many days on; what the gateway answered."""
    midnight = datetime.fromisoformat(now).astimezone(HOME_ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    target = {"now": (midnight + timedelta(days=days)).isoformat()}
    answer: dict[str, Any] = client.post("/v1/admin/clock", json=target).raise_for_status().json()
    return answer


def main() -> None:
    """Advance, print, and fail beyond the bound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=YEAR)
    parser.add_argument("--state", type=Path)
    options = parser.parse_args()
    with database() as where, gateway(where) as (client, pid):
        moved(client, client.get("/v1/admin/clock").json()["now"], days=1)
        stops, before = stops_by_now(where), seen(where, client, pid)
        answer = moved(client, client.get("/v1/admin/clock").json()["now"], days=options.days)
        after = seen(where, client, pid)
        wall_s = report(before, after, options.days, stops_by_now(where) - stops, answer)
        if options.state is not None:
            options.state.write_text(json.dumps(asyncio.run(state_of(where.dsn)), indent=1, sort_keys=True))
    most_s = MOST_S * options.days / YEAR
    sys.exit(0 if options.days < YEAR or wall_s <= most_s else f"FAILED: {wall_s:.0f} s, at most {most_s:.0f} s")


if __name__ == "__main__":
    main()
