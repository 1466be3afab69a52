"""The daily look for findings over a large fleet, and forecasts of a SIM and of a large pool (`make bench-findings`).

A fleet with five whole cycles of usage, of which one SIM in twenty is silent and one in twenty has rebinds. The look is
the product's own, in this process, on a database with the product's settings: once to store what it finds, once to
renew it. Then pages of the list, and forecasts over eight weeks of reports.

    python -m bench.findings [--sims 100000] [--members 2000]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from app.carriers.config_file import read_accounts
from app.container import open_container
from app.db.usage.partitions import create_partitions
from app.settings import Settings
from app.usecases.context import Context
from app.usecases.findings.look import look_at_fleet
from app.usecases.findings.read import list_findings
from app.usecases.forecasts.pools import forecast_pool
from app.usecases.forecasts.sims import forecast_sim
from bench.house import ROOT, database, iccid, seed

ROUNDS = 20
DAYS = 56

_PLANS = """
INSERT INTO plans (tenant, id, carrier, allowance, months, kind, price_fen) VALUES
  ('default', 'cmcc-30m', 'cmcc', 31457280, 12, 'card', 1200),
  ('default', 'cmcc-1g', 'cmcc', 1073741824, 12, 'card', 12000)
"""
_CYCLES = """
INSERT INTO usage_cycles (sim_id, cycle, reported, reported_since, reported_at)
SELECT s.id, to_char($1::date - make_interval(months => m), 'YYYYMM')::int, b, b, now()
  FROM sims s CROSS JOIN generate_series(0, 5) m
 CROSS JOIN LATERAL (SELECT CASE WHEN s.id % 20 = 0 THEN 0 ELSE (random() * 120000000)::bigint END AS b) u
"""
_REBINDS = """
INSERT INTO operations (id, tenant, sim_id, iccid, carrier, account, kind, status, channel, source,
                        run_after, created_at, settled_at)
SELECT gen_random_uuid(), tenant, id, iccid, carrier, account, 'rebind', 'succeeded', 'desk', 'api',
       now(), now(), now()
  FROM sims CROSS JOIN generate_series(1, 3) WHERE id % 20 = 1
"""
_REPORTS = """
INSERT INTO usage_reports (sim_id, at, bytes, gateway, report_id)
SELECT s, $1::timestamptz - make_interval(hours => h), (random() * 3000000)::bigint, 1, s || '-' || h
  FROM generate_series($2::bigint, $3::bigint) s CROSS JOIN generate_series(1, $4::int, $5::int) h
"""


async def prepare(dsn: str, ctx: Context, sims: int, members: int) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("UPDATE plans SET price_fen = 3600")
    await connection.execute(_PLANS)
    await connection.execute("UPDATE sims SET created_at = now() - interval '1 year', real_name = 'verified'")
    await connection.execute(_CYCLES, ctx.now().date(), timeout=3600)
    await connection.execute(_REBINDS)
    await create_partitions(connection, ctx.now() - timedelta(days=DAYS + 1), ctx.now())
    await connection.execute("INSERT INTO usage_gateways (tenant, name) VALUES ('default', 'gw')")
    await connection.execute(
        "INSERT INTO pools (tenant, id, name, kind, carrier, plan, created_at) VALUES"
        " ('default', 'p', 'p', 'forward', 'cmcc', 'cmcc-100m', now())"
    )
    first = sims - members + 1
    await connection.execute("UPDATE sims SET pool = 'p' WHERE id >= $1", first)
    await connection.execute(_REPORTS, ctx.now(), first, sims, DAYS * 24, 24, timeout=3600)
    await connection.execute(_REPORTS, ctx.now(), 1, 1, DAYS * 24, 1, timeout=3600)
    for table in ("sims", "usage_cycles", "operations", "usage_reports"):
        await connection.execute(f"VACUUM ANALYZE {table}", timeout=3600)
    await connection.close()


async def looked(ctx: Context, sims: int) -> None:
    """One look, and the longest time in which nothing else could run in the process."""
    longest, stopped = 0.0, False

    async def watch() -> None:
        nonlocal longest
        while not stopped:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - began)

    watching = asyncio.create_task(watch())
    began, cpu = time.perf_counter(), time.process_time()
    report = await look_at_fleet(ctx)
    took, used = time.perf_counter() - began, time.process_time() - cpu
    stopped = True
    await watching
    found = sum(report["findings"].values())
    print(
        f"look: {took:.1f} s, {took / sims * 1e6:.0f} µs a SIM, {used / sims * 1e6:.0f} µs of them this process's;"
        f" {found:,} findings; longest pause {longest * 1e3:.0f} ms"
    )


async def timed(name: str, act: Callable[[], Awaitable[Any]]) -> None:
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await act()
        took.append(time.perf_counter() - began)
    print(f"{name}: median {statistics.median(took) * 1e3:.1f} ms, longest {max(took) * 1e3:.1f} ms")


async def measure(url: str, dsn: str, sims: int, members: int, folder: Path) -> int:
    path = ROOT / "demo" / "carriers.toml"
    settings = Settings.model_validate(
        {"SIMGATE_DATA_DIR": folder, "SIMGATE_CARRIERS": path, "SIMGATE_SANDBOX_PORT": 1}
    )
    async with open_container(settings, url, read_accounts(path)) as container:
        ctx = container.context
        await prepare(dsn, ctx, sims, members)
        print(f"{sims:,} SIMs, five whole cycles; a pool of {members:,} with a report a day for {DAYS} days")
        for _ in range(2):
            await looked(ctx, sims)
        given: dict[str, Any] = {"ended": False, "code": None, "iccid": None, "limit": 50}
        for kind in (None, "waste", "risk"):
            for after in (0, sims // 20):
                page = lambda kind=kind, after=after: list_findings(ctx, "default", kind=kind, after=after, **given)  # noqa: E731
                await timed(f"page of 50, kind {kind}, after {after:,}", page)
        await timed("forecast of a SIM, a report an hour", lambda: forecast_sim(ctx, "default", iccid(1)))
        await timed("forecast of the pool", lambda: forecast_pool(ctx, "default", "p"))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sims", type=int, default=100_000)
    parser.add_argument("--members", type=int, default=2_000)
    given = parser.parse_args()
    with database() as found, tempfile.TemporaryDirectory(prefix="simgate-bench-findings-") as folder:
        uvloop.run(seed(found.dsn, given.sims, counters=False))
        return uvloop.run(measure(found.url, found.dsn, given.sims, given.members, Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
