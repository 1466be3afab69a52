"""Reports are found by the day and the SIM: in new partitions and in those from before, by every role (docs/adr/0040)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from app.db.connection import Connection
from app.db.report_days import ANY_DAY, DAY_S, DAYS
from app.db.tenancy import API_ROLE
from app.db.twin import Layout
from app.db.usage import counters
from tests.db.usage import statements
from tests.gateway import Gateway
from tests.roles import divide, url_as
from tests.usecases.usage.reporting import days, hours_ago, report, send

PART = "reports_2031_01"
BEFORE = f"""
DROP INDEX usage_parts.ix_{PART}_day_key;
CREATE INDEX ix_{PART}_sim_id_at ON usage_parts.{PART} (sim_id, at) WHERE sim_id IS NOT NULL
"""
"""Turns a partition into one that a release before has made."""

# Of a thousand SIMs, a report every two hours of the month.
FILL = """
INSERT INTO usage_reports (sim_id, at, bytes, gateway, report_id, day_key)
SELECT n % 1000 + 1, t, 1, 1, n::text, {key}
  FROM generate_series(0, 99999) n, LATERAL (SELECT '2031-01-01+00'::timestamptz + n * interval '26 seconds' AS t) i
"""
KEY = f"floor(extract(epoch FROM t) / {DAY_S})::bigint % {DAYS} + 1"
LOOKS = re.compile(r"\b(?:FROM|JOIN|UPDATE) usage_reports\b")
BY_IDENTITY = re.compile(r"r\.report_id = ")


def test_no_two_days_of_a_month_share_a_key() -> None:
    first = date(2026, 1, 1)
    keys: dict[tuple[int, int], list[int]] = {}
    for number in range(3 * 366):
        day = first + timedelta(days=number)
        at = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
        keys.setdefault((day.year, day.month), []).append(int(at // DAY_S) % DAYS + 1)
    assert all(len(set(found)) == len(found) for found in keys.values())


def test_whoever_looks_for_a_sims_reports_names_the_keys() -> None:
    _, every = statements.written()
    looking = [text for text in every if LOOKS.search(text) and not BY_IDENTITY.search(text)]
    assert len(looking) > 15
    assert [text for text in looking if ANY_DAY not in text and "{any_day}" not in text] == []


@pytest.fixture
async def owner(clean_database: str, database_dsn: str) -> AsyncIterator[Connection]:
    """A database with one partition, of January 2031."""
    if Layout.distributed:
        pytest.skip("plans of shards are not those of the coordinator")
    connection = await asyncpg.connect(database_dsn)
    await connection.execute(f"DROP TABLE IF EXISTS usage_parts.{PART}")
    await connection.execute("SELECT usage_parts.make_part('2031-01-01')")
    yield connection
    await connection.execute(f"DROP TABLE usage_parts.{PART}")
    await connection.close()


async def _plan(connection: Connection) -> str:
    month = datetime(2031, 1, 1, tzinfo=UTC)
    text = re.sub(r"\$4", "'UTC'", counters._DAYS).replace("$1", "77")
    text = text.replace("$2", f"'{month}'").replace("$3", f"'{month + timedelta(days=31)}'")
    return "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {text}"))


@pytest.mark.parametrize(
    ("made_before", "index"), [(False, f"ix_{PART}_day_key"), (True, f"ix_{PART}_sim_id_at")], ids=["new", "before"]
)
async def test_a_month_of_a_sim_is_found_by_the_index_of_its_partition(
    owner: Connection, clean_database: str, database_dsn: str, made_before: bool, index: str
) -> None:
    if made_before:
        await owner.execute(BEFORE)
    await owner.execute(FILL.format(key="0" if made_before else KEY))
    await owner.execute("ANALYZE usage_reports")
    await divide(database_dsn)
    api = await asyncpg.connect(url_as(API_ROLE, clean_database).replace("+asyncpg", ""))
    try:
        # As whoever sees the rows of one tenant: only conditions that leak nothing go by index.
        plans: dict[str, Any] = {"owner": await _plan(owner), API_ROLE: await _plan(api)}
    finally:
        await api.close()
    for plan in plans.values():
        cond = r"sim_id = '?77" if made_before else r"day_key = ANY .*sim_id = '?77"
        assert re.search(rf"{index} .*\n +Index Cond: .*{cond}", plan), plan
        assert "Seq Scan on reports" not in plan, plan


async def test_late_reports_and_those_of_the_release_before_are_read_beside_the_others(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"expires_on": "2030-12-31"})
    now = gateway.ctx.now()
    await send(gateway.api, [report(card, hours_ago(now, 24 * back), 1 << back, number=back) for back in range(12)])
    async with gateway.ctx.pool.acquire() as connection:
        await connection.execute("UPDATE usage_reports SET day_key = 0 WHERE bytes % 3 = 1")
        keys = await connection.fetchval("SELECT count(DISTINCT day_key) FROM usage_reports")
    await send(
        gateway.api, [report(card, hours_ago(now, 24 * back), 1 << 20, number=f"late-{back}") for back in (7, 60)]
    )

    seen = await days(gateway.api, card, from_=f"{now - timedelta(days=20):%Y-%m-%d}")

    assert keys > 2
    assert sum(seen.values()) == (1 << 12) - 1 + (1 << 20)
