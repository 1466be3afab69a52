"""Lists, counts and summaries of SIMs and operations on a large fleet, by every documented filter (`make bench-lists`).

A fleet of 1,000,000 cards of one tenant, and as many operations. Most cards are alike, and what is rare stands at the
end of the fleet, where a list in the order of ids comes to it last. Each request is asked so often through `simgate
api`, one at a time; the slowest but one in a hundred counts. One card in fifty has used 80 to 84 % of its allowance,
another 71 %, the last 200 all of it; all others 1 %.

    python -m bench.lists [--cards 1000000] [--times 100]

Fails where a request's p99 is over 50 ms; those that no index answers are named and told, and do not count.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time

import asyncpg
import httpx

from app.db.usage.shares import restate
from bench.house import KEY, api, database

RESTATED = 10_000
"""Counters whose shares one statement writes."""

MOST_MS = 50.0

REQUESTS = (
    "/v1/sims",
    *(f"/v1/sims?state={state}" for state in ("active", "suspended", "cancelled")),
    *("/v1/sims?carrier=cmcc", "/v1/sims?carrier=overseas", "/v1/sims?account=cucc-main", "/v1/sims?account=none"),
    *("/v1/sims?plan=p-1", "/v1/sims?plan=none", "/v1/sims?plan=p-3&state=suspended"),
    *("/v1/sims?pool=one", "/v1/sims?order=o-77", "/v1/sims?order=none"),
    *("/v1/sims?tag=site:s-77", "/v1/sims?tag=all:1", "/v1/sims?tag=no:1"),
    *("/v1/sims?hold=manual", "/v1/sims?hold=violation"),
    *("/v1/sims?expires_before=2027-06-01", "/v1/sims?expires_before=2020-01-01"),
    *("/v1/sims?q=8986", "/v1/sims?q=898600000000007", "/v1/sims?q=nothing"),
    *("/v1/sims?msisdn=1400000000077", "/v1/sims?imsi=460040000000077", "/v1/sims?device_serial=300077"),
    *(f"/v1/sims?usage_pct_gte={percent}" for percent in (1, 50, 80, 84, 100, 101)),
    *("/v1/sims?usage_pct_gte=80&state=active", "/v1/sims?usage_pct_gte=80&plan=p-3"),
    *("/v1/sims?usage_pct_gte=80&include=total", "/v1/sims/summary?by=state&usage_pct_gte=80"),
    *("/v1/sims?include=total", "/v1/sims?state=active&include=total"),
    *(f"/v1/sims/summary?by={by}" for by in ("carrier", "carrier,state", "hold", "plan", "pool")),
    *("/v1/sims/summary?by=state&carrier=cmcc", "/v1/sims/summary?by=carrier&hold=manual"),
    *("/v1/sims/summary?by=state&order=o-77", "/v1/sims/summary?by=state&tag=site:s-77"),
    "/v1/operations",
    *(f"/v1/operations?status={status}" for status in ("succeeded", "failed", "queued", "verifying")),
    *("/v1/operations?kind=suspend", "/v1/operations?kind=renew", "/v1/operations?kind=rebind"),
    *("/v1/operations?channel=api", "/v1/operations?channel=desk&status=waiting_carrier"),
    *("/v1/operations?overdue=true", "/v1/operations?overdue=false"),
    *("/v1/operations?account=cmcc-main", "/v1/operations?account=none", "/v1/operations?correlation_id=c-77"),
    *("/v1/operations?sim=8986000000000000077", "/v1/operations?created_before=2020-01-01T00:00:00Z"),
    "/v1/operations?status=queued&created_before=2027-01-01T00:00:00Z",
)
WITHOUT_INDEX = (
    "/v1/sims/summary?by=state&expires_before=2027-06-01",
    "/v1/sims/summary?by=state&tag=all:1",
    "/v1/sims/summary?by=state&q=8986",
    "/v1/sims?usage_pct_gte=74&hold=violation",
    "/v1/sims?usage_pct_gte=84&include=total",
)
"""What reads as many SIMs as it counts, or compares the counters of all that stand between two steps."""

FLEET = """
INSERT INTO sims (tenant, iccid, msisdn, imsi, carrier, account, terms, plan, pool, order_id, underlying, state, holds,
                  expires_on, device_serial, tags, created_at, updated_at)
SELECT 'default', '898600' || lpad(n::text, 13, '0'), '14' || lpad(n::text, 11, '0'), '46004' || lpad(n::text, 10, '0'),
       c, c || '-main', 'flexem', 'p-' || n % 20, CASE WHEN n % 100 = 1 THEN 'one' END, 'o-' || n / 1000, 'active',
       CASE WHEN n > $1 - 200 THEN 'suspended' ELSE 'active' END,
       CASE WHEN n > $1 - 200 THEN '[{"code": "manual", "since": "2026-11-20T08:00:00+08:00", "source": "carrier",
                                      "carrier_code": null}]' ELSE '[]' END::jsonb,
       date '2027-01-01' + (n % 365)::int, '3000' || n, jsonb_build_object('site', 's-' || n % 5000, 'all', '1'), now(),
       now()
  FROM (SELECT n, CASE n % 3 WHEN 0 THEN 'cmcc' WHEN 1 THEN 'cucc' ELSE 'ctcc' END AS c
          FROM generate_series(1, $1::bigint) n) f
"""
OPERATIONS = """
INSERT INTO operations (id, tenant, sim_id, iccid, carrier, account, kind, status, channel, source, overdue, run_after,
                        correlation_id, created_at, settled_at)
SELECT (lpad(to_hex(1780000000000 + n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid, 'default', s.id,
       s.iccid, s.carrier, s.account, CASE WHEN n < 20 THEN 'renew' ELSE 'suspend' END,
       CASE WHEN n < 30 THEN 'failed' WHEN n < 40 THEN 'queued' ELSE 'succeeded' END,
       CASE WHEN n < 100 THEN 'desk' ELSE 'api' END, 'api', n < 10, now() + interval '1 year', 'c-' || n, now(), now()
  FROM (SELECT *, row_number() OVER (ORDER BY id) AS n FROM sims) s
"""


async def seed(dsn: str, cards: int) -> None:
    """The fleet, its plans and its operations."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("INSERT INTO tenants (id, created_at) VALUES ('default', now()) ON CONFLICT DO NOTHING")
    await connection.execute(
        "INSERT INTO plans (tenant, id, carrier, allowance, months, kind)"
        " SELECT 'default', 'p-' || n, 'cmcc', 104857600, 12, 'card' FROM generate_series(0, 19) n"
    )
    await connection.execute(FLEET, cards, timeout=7200)
    await connection.execute(OPERATIONS, timeout=7200)
    await connection.execute(
        "INSERT INTO usage_cycles (sim_id, cycle, reported, reported_since)"
        " SELECT id, to_char(now() AT TIME ZONE 'Asia/Shanghai', 'YYYYMM')::int, b, b"
        " FROM (SELECT id, 1048576 * CASE WHEN state = 'suspended' THEN 100 WHEN id % 50 = 7 THEN 80 + id / 50 % 5"
        " WHEN id % 50 = 8 THEN 71 ELSE 1 END AS b FROM sims) s",
        timeout=7200,
    )
    ids = [row["id"] for row in await connection.fetch("SELECT id FROM sims ORDER BY id")]
    cycle = await connection.fetchval("SELECT max(cycle) FROM usage_cycles")
    for start in range(0, len(ids), RESTATED):
        await restate(connection, [(one, cycle) for one in ids[start : start + RESTATED]])
    for table in ("sims", "operations", "usage_cycles", "usage_shares", "sim_counts"):
        await connection.execute(f"VACUUM ANALYZE {table}", timeout=7200)
    await connection.execute("CHECKPOINT", timeout=600)
    await connection.close()


def p99(client: httpx.Client, path: str, times: int) -> tuple[float, float]:
    """Median and p99 of a request in ms, the first of them left out."""
    took = []
    for _ in range(times + 1):
        began = time.perf_counter()
        answer = client.get(path)
        took.append((time.perf_counter() - began) * 1000)
        answer.raise_for_status()
    took = sorted(took[1:])
    return took[len(took) // 2], took[max(int(len(took) * 0.99) - 1, 0)]


def main() -> None:
    """Run, print, and fail where a request is too slow."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cards", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=100)
    arguments = parser.parse_args()
    missed = []
    with database() as where:
        asyncio.run(seed(where.dsn, arguments.cards))
        headers = {"Authorization": f"Bearer {KEY}"}
        with api(where) as (address, _), httpx.Client(base_url=f"http://{address}", headers=headers, timeout=60) as ask:
            print(f"{arguments.cards:,} cards, load {os.getloadavg()[0]:.1f}")
            print("| request | p50 | p99 |")
            print("|---|---|---|")
            for path in REQUESTS:
                middle, slow = p99(ask, path, arguments.times)
                print(f"| `{path}` | {middle:.1f} ms | {slow:.1f} ms |", flush=True)
                missed += [f"{path} {slow:.0f} ms"] if slow > MOST_MS else []
            for path in WITHOUT_INDEX:
                middle, slow = p99(ask, path, max(arguments.times // 10, 3))
                print(f"| `{path}` (not by index) | {middle:.1f} ms | {slow:.1f} ms |", flush=True)
            print(f"load {os.getloadavg()[0]:.1f}")
    sys.exit("missed: " + ", ".join(missed) if missed else 0)


if __name__ == "__main__":
    main()
