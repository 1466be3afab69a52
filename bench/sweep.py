"""The expiry sweep of a large fleet against the bare SQL that writes the same rows, in one run (`make bench-sweep`).

A fleet of 1,000,000 cards, of which 20,000 fall due a day: half expire (with the suspend that follows, LC-8), half are
cancelled (LC-9). The sweep is the product's own, in this process, on a database with the product's settings. Beside
it, in turns, three rounds each: what a person at `psql` would send for the next day's 20,000 in the same chunks, one
`UPDATE` or `INSERT … SELECT` a table and chunk, of rows that are made of what the sweep wrote. The ratio of the
medians is what counts.

    python -m bench.sweep [--sims 1000000] [--due 20000] [--unlike]

Fails over a ratio of 2.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import uvloop

from app.carriers.config_file import read_accounts
from app.container import open_container
from app.settings import Settings
from app.usecases.context import Context
from app.usecases.deadlines.upkeep import group_sims
from app.usecases.sims.expire import CHUNK, expire_zone
from bench.house import ROOT, database, seed

HOME = ZoneInfo("Asia/Shanghai")
MOST_RATIO = 2.0
ROUNDS = 3

TABLES = {
    "sim_history": ("sim_id", {"id"}),
    "events": ("subject", {"id", "event_id", "xact", "position"}),
    "operations": ("sim_id", {"id", "iccid"}),
    "usage_checks": ("sim_id", {"id"}),
}
"""What a sweep adds rows to: the column that names the card, and those that each row has of its own."""

OWN = {"events": ", event_id", "operations": ", id, iccid"}
OWN_VALUES = {"events": ", gen_random_uuid()", "operations": ", gen_random_uuid(), n.iccid"}


async def make_due(connection: asyncpg.Connection[Any], due: int, today: date, *, unlike: bool) -> None:
    """`due` cards for each of the days to come: half of them expire on it, half are cancelled.

    They were opened and activated on different days. `unlike`: no two are in the same state, as each has been stopped
    by hand at an instant of its own.
    """
    for number in range(2 * ROUNDS + 1):
        day, first = today + timedelta(days=number), number * due
        await connection.execute(
            "UPDATE sims SET expires_on = $1, next_due_on = $2 WHERE id > $3 AND id <= $4",
            day - timedelta(days=1),
            day,
            first,
            first + due // 2,
        )
        await connection.execute(
            "UPDATE sims SET terms = 'standard', underlying = 'expired', state = 'expired', expires_on = $1,"
            " next_due_on = $2, holds = $5::text::jsonb WHERE id > $3 AND id <= $4",
            day - timedelta(days=91),
            day,
            first + due // 2,
            first + due,
            '[{"code": "plan_expired", "since": "2026-01-01T00:00:00Z", "source": "gateway", "carrier_code": null}]',
        )
    await connection.execute(
        "UPDATE sims SET activated_on = expires_on - 330 - (id % 31)::int,"
        " opened_on = expires_on - 400 - (id % 97)::int WHERE id <= $1",
        due * (2 * ROUNDS + 1),
    )
    if unlike:
        await connection.execute(
            "UPDATE sims SET holds = holds || jsonb_build_array(jsonb_build_object('code', 'manual', 'source',"
            " 'gateway', 'carrier_code', null, 'since',"
            " to_jsonb(timestamptz '2026-01-01 00:00+00' + id * interval '1 second'))) "
            " WHERE id <= $1",
            due * (2 * ROUNDS + 1),
        )
    await connection.execute("VACUUM ANALYZE sims", timeout=3600)
    await connection.execute("CHECKPOINT", timeout=600)


async def columns_of(connection: asyncpg.Connection[Any], table: str) -> list[str]:
    rows = await connection.fetch(
        "SELECT column_name FROM information_schema.columns WHERE table_name = $1 AND table_schema = 'public'"
        " ORDER BY ordinal_position",
        table,
    )
    return [row["column_name"] for row in rows]


async def keep_templates(connection: asyncpg.Connection[Any], samples: dict[str, int]) -> None:
    """The rows that the sweep wrote for one card that expired and for one that was cancelled."""
    for kind, sim_id in samples.items():
        iccid = await connection.fetchval("SELECT iccid FROM sims WHERE id = $1", sim_id)
        await connection.execute(f"CREATE TABLE kept_{kind}_sims AS SELECT * FROM sims WHERE id = {sim_id}")
        for table, (named, _) in TABLES.items():
            value = f"'{iccid}'" if named == "subject" else str(sim_id)
            await connection.execute(
                f"CREATE TABLE kept_{kind}_{table} AS SELECT * FROM {table} WHERE {named} = {value}"
            )


async def bare_chunk(
    connection: asyncpg.Connection[Any], kind: str, ids: list[int], columns: dict[str, list[str]]
) -> None:
    """The same rows for these cards, as set-based as SQL can be."""
    left = {"id", "iccid", "canonical_iccid", "msisdn", "imsi", "version", "expires_on", "created_at"}
    assigned = ", ".join(f"{name} = k.{name}" for name in columns["sims"] if name not in left)
    await connection.execute(
        f"UPDATE sims s SET {assigned}, version = s.version + 1 FROM kept_{kind}_sims k WHERE s.id = ANY($1::bigint[])",
        ids,
    )
    for table, (named, own) in TABLES.items():
        kept = [name for name in columns[table] if name not in own | {named}]
        value = "n.iccid" if named == "subject" else "n.id"
        await connection.execute(
            f"INSERT INTO {table} ({named}, {', '.join(kept)}{OWN.get(table, '')})"
            f" SELECT {value}, {', '.join('k.' + name for name in kept)}{OWN_VALUES.get(table, '')}"
            f" FROM sims n CROSS JOIN kept_{kind}_{table} k WHERE n.id = ANY($1::bigint[])",
            ids,
        )


async def bare(connection: asyncpg.Connection[Any], first: int, due: int, columns: dict[str, list[str]]) -> float:
    """Seconds of one day's cards by bare SQL, a transaction a chunk."""
    began = time.perf_counter()
    for kind, start in (("expired", first), ("cancelled", first + due // 2)):
        for low in range(start, start + due // 2, CHUNK):
            ids = list(range(low + 1, min(low + CHUNK, start + due // 2) + 1))
            async with connection.transaction():
                await connection.execute("SELECT 1 FROM sims WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE", ids)
                await bare_chunk(connection, kind, ids, columns)
    return time.perf_counter() - began


async def swept(ctx: Context, day: date, due: int) -> float:
    """Seconds of the product's sweep on a day; afterwards nothing is left to do."""
    while ctx.now().astimezone(HOME).date() < day:
        ctx.clock.offset += timedelta(hours=1)
    began, cpu = time.perf_counter(), time.process_time()
    report = await expire_zone(ctx, HOME)
    took = time.perf_counter() - began
    print(f"  {(time.process_time() - cpu) / due * 1e6:.0f} µs of this process's time a card")
    assert report["changed"] == due, report
    assert (await expire_zone(ctx, HOME))["seen"] == 0
    return took


async def measure(url: str, dsn: str, arguments: argparse.Namespace, folder: Path) -> int:
    sims, due = arguments.sims, arguments.due
    path = ROOT / "demo" / "carriers.toml"
    settings = Settings.model_validate(
        {"SIMGATE_DATA_DIR": folder, "SIMGATE_CARRIERS": path, "SIMGATE_SANDBOX_PORT": 1}
    )
    connection = await asyncpg.connect(dsn)
    async with open_container(settings, url, read_accounts(path)) as container:
        ctx = container.context
        while await group_sims(ctx):
            pass
        today = ctx.now().astimezone(HOME).date() + timedelta(days=1)
        await make_due(connection, due, today, unlike=arguments.unlike)
        gc.freeze()  # as the product's processes do
        gc.set_threshold(100_000, 20, 50)
        print(f"{sims:,} cards, {due:,} due a day, chunks of {CHUNK}")
        await swept(ctx, today, due)  # warm, and the source of what bare SQL writes
        await keep_templates(connection, {"expired": 1, "cancelled": due // 2 + 1})
        columns = {table: await columns_of(connection, table) for table in ("sims", *TABLES)}
        ours, theirs = [], []
        for number in range(1, ROUNDS + 1):
            day = 2 * number - 1
            ours.append(await swept(ctx, today + timedelta(days=day), due))
            theirs.append(await bare(connection, (day + 1) * due, due, columns))
            print(f"  round {number}: sweep {ours[-1]:.2f} s, bare SQL {theirs[-1]:.2f} s")
    await connection.close()
    return report_of(ours, theirs, due)


def report_of(ours: list[float], theirs: list[float], due: int) -> int:
    sweep, sql = statistics.median(ours), statistics.median(theirs)
    ratio = sweep / sql
    print(f"sweep {sweep:.2f} s ({min(ours):.2f}–{max(ours):.2f}), {sweep / due * 1e6:.0f} µs a card")
    print(f"bare  {sql:.2f} s ({min(theirs):.2f}–{max(theirs):.2f}), {sql / due * 1e6:.0f} µs a card")
    print(f"ratio {ratio:.2f} (at most {MOST_RATIO})")
    return 0 if ratio <= MOST_RATIO else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sims", type=int, default=1_000_000)
    parser.add_argument("--due", type=int, default=20_000)
    parser.add_argument("--unlike", action="store_true", help="no two cards are in the same state: the worst case")
    arguments = parser.parse_args()
    with database() as where:
        asyncio.run(seed(where.dsn, arguments.sims, counters=False))
        with tempfile.TemporaryDirectory(prefix="simgate-bench-sweep-") as folder:
            return uvloop.run(measure(where.url, where.dsn, arguments, Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
