"""Every documented filter of a list is answered by index: no plan reads a large table from one end to the other."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy.dialects import postgresql

from app.db.operations.search import OperationFilter, page_of
from app.db.sims.by_share import NEXT, Share, next_arguments
from app.db.sims.lists import among, enough, look, page_ids, statements
from app.db.sims.search import SimFilter, where_of
from app.db.sims.summaries import count, count_statement, summary, summary_statement
from app.db.usage.shares import restate
from app.routers.schemas.base import Paging
from app.routers.schemas.operations import OperationListQuery
from app.routers.schemas.sims.requests import SimFilters

CARDS = 20_000
LARGE = ("sims", "operations", "usage_cycles", "usage_shares")

SIM_FILTERS: dict[str, list[dict[str, Any]]] = {
    "state": [{"state": "active"}, {"state": "suspended"}, {"state": "cancelled"}],
    "carrier": [{"carrier": "cmcc"}, {"carrier": "overseas"}],
    "account": [{"account": "cmcc-main"}, {"account": "none"}],
    "plan": [{"plan": "p-1"}, {"plan": "none"}, {"plan": "p-3", "state": "suspended"}],
    "pool": [{"pool": "one"}, {"pool": "none"}],
    "order": [{"order": "o-7"}, {"order": "none"}],
    "tag": [{"tags": {"site": "s-7"}}, {"tags": {"all": "1"}}, {"tags": {"no": "1"}}],
    "hold": [{"hold": "manual"}, {"hold": "violation"}],
    "expires_before": [{"expires_before": date(2027, 6, 1)}, {"expires_before": date(2020, 1, 1)}],
    "q": [{"q": "898600"}, {"q": "89860000000000077"}, {"q": "nothing"}],
    "msisdn": [{"msisdn": "1400000000077"}],
    "imsi": [{"imsi": "460040000000077"}],
    "device_serial": [{"device_serial": "300077"}],
}
OPERATION_FILTERS: dict[str, list[dict[str, Any]]] = {
    "sim": [{"iccid": "8986000000000000077"}],
    "kind": [{"kind": "suspend"}, {"kind": "renew"}],
    "status": [{"status": "succeeded"}, {"status": "queued"}, {"status": "failed"}],
    "channel": [{"channel": "desk"}, {"channel": "api"}, {"channel": "desk", "status": "waiting_carrier"}],
    "overdue": [{"overdue": True}, {"overdue": False}],
    "bulk_operation": [{"bulk_id": UUID(int=7)}],
    "account": [{"account": "cmcc-main"}, {"account": "none"}],
    "correlation_id": [{"correlation_id": "c-77"}],
    "created_before": [{"created_before": datetime(2026, 1, 1, tzinfo=UTC), "status": "queued"}],
    "created_from": [{"created_from": datetime(2026, 11, 1, tzinfo=UTC)}],
}
BY_STEPS = {"usage_pct_gte"}
"""Found by the steps of `usage_shares`: a test of its own."""

CYCLES = {"cmcc": 202612, "cucc": 202701}
_COUNTERS = """
INSERT INTO usage_cycles (sim_id, cycle, reported, reported_since)
SELECT id, 202612, b, b FROM (SELECT id, CASE WHEN state = 'suspended' THEN 90 ELSE 50 END AS b FROM sims) s
"""
_PLANS = """
INSERT INTO plans (tenant, id, carrier, allowance, months, kind)
SELECT t, 'p-' || n, 'cmcc', 100, 12, 'card' FROM unnest(ARRAY['default', 'other']) t, generate_series(0, 4) n
"""

_FLEET = """
INSERT INTO sims (tenant, iccid, msisdn, imsi, carrier, account, terms, plan, pool, order_id, underlying, state, holds,
                  expires_on, device_serial, tags, created_at, updated_at)
SELECT CASE WHEN n % 10 = 0 THEN 'other' ELSE 'default' END, '898600' || lpad(n::text, 13, '0'),
       '14' || lpad(n::text, 11, '0'), '46004' || lpad(n::text, 10, '0'), 'cmcc', 'cmcc-main', 'flexem',
       'p-' || n % 5, CASE WHEN n % 100 = 1 THEN 'one' END, 'o-' || n / 50, 'active',
       CASE WHEN n > $1 - 40 THEN 'suspended' ELSE 'active' END,
       CASE WHEN n > $1 - 40 THEN '[{"code": "manual"}]' ELSE '[]' END::jsonb, date '2027-01-01' + (n % 365)::int,
       '3000' || n, jsonb_build_object('site', 's-' || n % 500, 'all', '1'), now(), now()
  FROM generate_series(1, $1::bigint) n
"""
_OPERATIONS = """
INSERT INTO operations (id, tenant, sim_id, iccid, carrier, account, kind, status, channel, source, overdue, run_after,
                        correlation_id, created_at, settled_at, bulk_id)
SELECT (lpad(to_hex(1780000000000 + n), 12, '0') || '7000800000000000' || lpad(to_hex(n), 4, '0'))::uuid AS id,
       tenant, id, iccid, carrier, account, CASE WHEN n < 20 THEN 'renew' ELSE 'suspend' END,
       CASE WHEN n < 30 THEN 'failed' ELSE 'succeeded' END, CASE WHEN n < 40 THEN 'desk' ELSE 'api' END, 'api', n < 10,
       now(), 'c-' || n, now(), now(), NULL
  FROM (SELECT *, row_number() OVER (ORDER BY id) AS n FROM sims) s
"""


@pytest.fixture
async def fleet(clean_database: str) -> AsyncIterator[asyncpg.Pool[asyncpg.Record]]:
    """A fleet in which nearly all cards are alike, as in life; what is rare stands at its end."""
    async with asyncpg.create_pool(clean_database.replace("+asyncpg", ""), min_size=1, max_size=1, init=_json) as pool:
        await pool.execute(_FLEET, CARDS)
        await pool.execute(_OPERATIONS)
        await pool.execute("INSERT INTO tenants (id, created_at) VALUES ('other', now()) ON CONFLICT DO NOTHING")
        await pool.execute(_PLANS)
        await pool.execute(_COUNTERS)
        ids = [row["id"] for row in await pool.fetch("SELECT id FROM sims")]
        async with pool.acquire() as connection:
            await restate(connection, [(sim_id, 202612) for sim_id in ids])
        for table in LARGE:
            await pool.execute(f"VACUUM ANALYZE {table}")
        yield pool


async def _json(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")


async def _whole_reads(pool: asyncpg.Pool[asyncpg.Record], statement: str, arguments: list[Any]) -> list[str]:
    """The large tables that a statement's plan reads whole, by heap or by index without a condition."""
    plan = "\n".join(row[0] for row in await pool.fetch(f"EXPLAIN {statement}", *arguments))
    return [line for line in plan.splitlines() if "Seq Scan" in line and any(f" on {name}" in line for name in LARGE)]


def test_every_documented_filter_is_looked_at() -> None:
    assert set(SimFilters.model_fields) == SIM_FILTERS.keys() | BY_STEPS
    documented = set(OperationListQuery.model_fields) - set(Paging.model_fields) - {"include"}
    assert documented == OPERATION_FILTERS.keys()


async def test_no_filter_of_a_list_of_sims_reads_the_whole_table(fleet: asyncpg.Pool[asyncpg.Record]) -> None:
    """Of the statements of a page those that are sent: the second only where the first has not found enough."""
    found = {}
    for given in [{}, *(one for several in SIM_FILTERS.values() for one in several)]:
        *first, last = statements("default", SimFilter(**given), 0, 51)
        for statement, arguments in first:
            found[str(given)] = await _whole_reads(fleet, statement, arguments)
            if enough(await fleet.fetchrow(statement, *arguments), 51) is not None:
                break
        else:
            found[str(given)] = found.get(str(given), []) + await _whole_reads(fleet, *last)
    assert {given: whole for given, whole in found.items() if whole} == {}


@pytest.mark.parametrize("percent", [40, 60, 80, 84, 91])
async def test_no_filter_by_use_reads_the_whole_table(fleet: asyncpg.Pool[asyncpg.Record], percent: int) -> None:
    """Also where all cards stand just below what is asked for, and those that have used more at the end."""
    wanted = SimFilter(usage_pct_gte=percent, cycles=CYCLES)
    sent = [among("default", SimFilter(state="active"), list(range(1, 400)), 51)]
    sent += [(NEXT.plain, next_arguments("default", Share(percent=percent, cycles=CYCLES), 0, 51))]
    sent += [count_statement("default", wanted), summary_statement("default", wanted, ["state"])]

    assert [found for statement in sent for found in await _whole_reads(fleet, *statement)] == []


async def test_no_list_of_a_step_is_found_by_walking_along_every_share(fleet: asyncpg.Pool[asyncpg.Record]) -> None:
    """In the order of ids all shares can be read by their key until enough match: where none does, that is all of them."""
    arguments = next_arguments("default", Share(percent=50, cycles=CYCLES), 0, 51)

    plan = [row[0] for row in await fleet.fetch(f"EXPLAIN {NEXT.plain}", *arguments)]

    assert [line for line in plan if "usage_shares" in line and "ix_usage_shares_step" not in line] == []


@pytest.mark.parametrize(("percent", "found"), [(40, 18_000), (51, 36), (80, 36), (84, 36), (90, 36), (91, 0)])
async def test_cards_are_listed_and_counted_by_use(
    fleet: asyncpg.Pool[asyncpg.Record], percent: int, found: int
) -> None:
    wanted = SimFilter(usage_pct_gte=percent, cycles=CYCLES)
    ids = await page_ids(fleet, "default", wanted, after=0, limit=20_000)
    by_state = await summary(fleet, "default", wanted, ["state"])

    assert (len(ids), await count(fleet, "default", wanted)) == (found, found)
    assert sum(row["count"] for row in by_state) == found


async def test_the_way_to_a_page_changes_nothing_of_what_is_in_it(fleet: asyncpg.Pool[asyncpg.Record]) -> None:
    """Every page of every list equals what the plain condition finds."""
    for given in [{}, *(one for several in SIM_FILTERS.values() for one in several)]:
        wanted = SimFilter(**given)
        where, arguments = where_of("default", wanted)
        expected = [
            row["id"]
            for row in await fleet.fetch(f"SELECT s.id FROM sims s WHERE {where} ORDER BY s.id", *arguments)  # noqa: S608
        ]
        after, pages = 0, []
        while page := await page_ids(fleet, "default", wanted, after=after, limit=1_000):
            pages += page
            after = page[-1]
        assert pages == expected, given


async def test_no_filter_of_a_list_of_operations_reads_the_whole_table(fleet: asyncpg.Pool[asyncpg.Record]) -> None:
    found = {}
    dialect = postgresql.asyncpg.dialect()
    for given in [{}, *(one for several in OPERATION_FILTERS.values() for one in several)]:
        statement = page_of(OperationFilter(tenant="default", **given), before=UUID(int=1 << 127), limit=51)
        compiled = statement.compile(dialect=dialect)
        arguments = [compiled.params[name] for name in compiled.positiontup or ()]
        if whole := await _whole_reads(fleet, str(compiled), arguments):
            found[str(given)] = whole
    assert found == {}


async def test_a_look_ends_where_it_was_told_to(fleet: asyncpg.Pool[asyncpg.Record]) -> None:
    statement, arguments = look("default", SimFilter(hold="manual"), 0, 51)

    row = await fleet.fetchrow(statement, *arguments)

    assert row is not None
    assert (row["seen"], row["ids"]) == (2_000, [])
