"""The import of a large fleet against a bare COPY of the same rows, in one run (`make bench-import`).

A file of 1,000,000 new cards, as the command line sends it: to `simgate api`, which keeps it, and from there to
`simgate worker`, which imports it. Timed from the first byte to the answer that all of it can be read. Beside it COPY
copies the very rows that the import wrote into `sims` (in PostgreSQL's own text form, one statement) into two copies
of that table, three rounds each: one with its indices, and one without any, as no table of ours can be.

The cards are of three carriers, opened over 270 days, activated within a month, with numbers, orders and tags of their
own. `--unlike`: no two cards share what the rules look at, which is the worst case.

    python -m bench.import_fleet [--rows 1000000] [--unlike] [--format csv]

Fails over 60 seconds a million rows, over 250 MB in either process, or below 0.15 of the COPY with indices.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from app.domain.identifiers import luhn_digit
from bench.house import KEY, ROOT, Database, api, cpu_seconds, database, postgres_seconds, postmaster

MOST_SECONDS = 60.0
"""For a million rows."""
MOST_MB = 250
LEAST_RATIO = 0.15
ROUNDS = 3

CARRIERS = (("cmcc", "898600"), ("cucc", "898601"), ("ctcc", "898603"))
COLUMNS = (
    *("iccid", "carrier", "terms", "plan", "msisdn", "imsi", "account", "opened_on", "state", "activated_on"),
    *("device_serial", "province", "order", "tags"),
)


def cards(rows: int, *, unlike: bool) -> Iterator[list[str]]:
    """The cells of each row, in the order of `COLUMNS`."""
    chosen, first = random.Random(7), date(2026, 1, 1)
    for number in range(rows):
        carrier, prefix = CARRIERS[number % 3]
        body = f"{prefix}{number:013d}"
        opened = first + timedelta(days=number // 300 % 270)
        if unlike:
            opened = date(2000, 1, 1) + timedelta(days=chosen.randrange(9_000))
        activated = opened + timedelta(days=chosen.randrange(300 if unlike else 30))
        yield [
            *(body + luhn_digit(body), carrier, "flexem", f"{carrier}-100m", f"14{number:011d}", f"46004{number:010d}"),
            *("", opened.isoformat(), "active", activated.isoformat()),
            *(f"3000{number}", "湖北", f"o-{number // 1000}", f"site=s-{number % 5000}"),
        ]


def write_file(path: Path, rows: int, form: str, *, unlike: bool) -> None:
    """The file of the fleet."""
    with path.open("w", encoding="utf-8") as file:
        if form == "csv":
            file.write(",".join(COLUMNS) + "\n")
            file.writelines(",".join(cells) + "\n" for cells in cards(rows, unlike=unlike))
        else:
            for cells in cards(rows, unlike=unlike):
                row = {name: cell for name, cell in zip(COLUMNS, cells, strict=True) if cell}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


async def add_plans(dsn: str) -> None:
    """The tenant and the plans of the fleet."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("INSERT INTO tenants (id, created_at) VALUES ('default', now()) ON CONFLICT DO NOTHING")
    for carrier, _ in CARRIERS:
        await connection.execute(
            "INSERT INTO plans (tenant, id, carrier, allowance, months, kind)"
            " VALUES ('default', $1, $2, 104857600, 12, 'card')",
            f"{carrier}-100m",
            carrier,
        )
    await connection.close()


@contextmanager
def worker(where: Database) -> Iterator[int]:
    """`simgate worker` in a process of its own: its pid."""
    with tempfile.TemporaryDirectory(prefix="simgate-bench-worker-") as folder:
        environment = {**os.environ, "DATABASE_URL": where.url, "SIMGATE_DATA_DIR": folder}
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "worker"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
        )
        try:
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def most_mb(pid: int) -> int:
    """The most resident memory that a process has had."""
    told = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(told[1]) // 1024 if told else 0


def imported(address: str, path: Path) -> tuple[float, dict[str, Any]]:
    """Send the file and follow the import; seconds until all of it can be read, and its report."""
    kind = "text/csv" if path.suffix == ".csv" else "application/x-ndjson"
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": kind, "Prefer": "respond-async"}
    began, steps = time.perf_counter(), {}
    with httpx.Client(base_url=f"http://{address}", headers=headers, timeout=600) as client:
        with path.open("rb") as file:
            answer = client.post("/v1/sims/import", content=file)
        answer.raise_for_status()
        steps["sent"] = time.perf_counter() - began
        while (task := client.get(answer.headers["Location"]).json())["status"] in ("queued", "running"):
            steps.setdefault(task["step"] or "queued", time.perf_counter() - began)
            time.sleep(0.2)
    seconds = time.perf_counter() - began
    print("  " + ", ".join(f"{step} at {at:.1f} s" for step, at in steps.items()) + f", done at {seconds:.1f} s")
    if task["status"] != "succeeded":
        sys.exit(f"the import failed: {task['problem']}")
    return seconds, task["report"]


async def copies(dsn: str, folder: Path) -> dict[str, list[float]]:
    """Seconds of COPY of the rows of `sims` into two copies of it."""
    connection = await asyncpg.connect(dsn)
    rows = folder / "sims.copy"
    await connection.copy_from_table("sims", output=rows, timeout=3600)
    times: dict[str, list[float]] = {"with indices": [], "without any": []}
    for _ in range(ROUNDS):
        for name, like in (("with indices", "INCLUDING ALL"), ("without any", "INCLUDING DEFAULTS")):
            await connection.execute(f"CREATE TABLE copied (LIKE sims {like})")
            await connection.execute("CHECKPOINT", timeout=600)
            began = time.perf_counter()
            await connection.copy_to_table("copied", source=rows, timeout=3600)
            times[name].append(time.perf_counter() - began)
            await connection.execute("DROP TABLE copied")
    await connection.close()
    return times


def main() -> None:
    """Run, print, and fail where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--unlike", action="store_true", help="no two cards share what the rules look at")
    parser.add_argument("--format", choices=("csv", "ndjson"), default="csv")
    arguments = parser.parse_args()
    with database() as where, tempfile.TemporaryDirectory(prefix="simgate-bench-import-") as name:
        folder = Path(name)
        path = folder / f"fleet.{arguments.format}"
        write_file(path, arguments.rows, arguments.format, unlike=arguments.unlike)
        asyncio.run(add_plans(where.dsn))
        with api(where) as (address, pid), worker(where) as worker_pid:
            server = asyncio.run(postmaster(where.dsn))
            warm = folder / "warm.csv"
            warm.write_text("iccid,carrier,terms,plan\n")
            imported(address, warm)  # once the worker runs
            used, began = postgres_seconds(server), {"API": cpu_seconds(pid), "worker": cpu_seconds(worker_pid)}
            size, load = path.stat().st_size >> 20, os.getloadavg()[0]
            print(f"{arguments.rows:,} rows, {size} MB of {arguments.format}, load {load:.1f}")
            seconds, report = imported(address, path)
            assert report["created"] == arguments.rows, report
            after = postgres_seconds(server)
            memory = {"API": most_mb(pid), "worker": most_mb(worker_pid)}
            per_row = 1e6 / arguments.rows
            cpu = {
                "API": (cpu_seconds(pid) - began["API"]) * per_row,
                "worker": (cpu_seconds(worker_pid) - began["worker"]) * per_row,
                "database": sum(after[one] - used.get(one, 0.0) for one in after) * per_row,
            }
        sys.exit(report_of(arguments.rows, seconds, memory, cpu, asyncio.run(copies(where.dsn, folder))))


def report_of(
    rows: int, seconds: float, memory: dict[str, int], cpu: dict[str, float], times: dict[str, list[float]]
) -> str | int:
    """Print the table; what was missed, or 0."""
    print("| | seconds | rows/s | the import's part of it |")
    print("|---|---|---|---|")
    print(f"| the import | {seconds:.1f} | {rows / seconds:,.0f} | |")
    ratios = {}
    for name, found in times.items():
        middle = statistics.median(found)
        ratios[name] = middle / seconds
        spread = f"{middle:.1f} ({min(found):.1f}–{max(found):.1f})"
        print(f"| COPY {name} | {spread} | {rows / middle:,.0f} | {ratios[name]:.2f} |")
    told = ", ".join(f"{name} {mb} MB" for name, mb in memory.items())
    spent = ", ".join(f"{name} {us:.0f} µs" for name, us in cpu.items())
    print(f"most memory: {told}; processor time a row: {spent}")
    allowed = MOST_SECONDS * max(rows / 1_000_000, 0.05)
    missed = [f"{seconds:.1f} s of {allowed:.1f}"] if seconds > allowed else []
    missed += [f"{name} {mb} MB" for name, mb in memory.items() if mb > MOST_MB]
    missed += [f"{ratios['with indices']:.2f} of COPY"] if ratios["with indices"] < LEAST_RATIO else []
    return "missed: " + ", ".join(missed) if missed else 0


if __name__ == "__main__":
    main()
