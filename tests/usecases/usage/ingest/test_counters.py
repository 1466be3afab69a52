"""The first report of a card's cycle begins its counter, once, also where two transactions begin it at the same time."""

from __future__ import annotations

import asyncio

from app.db.usage import deltas as rows
from app.db.usage.ingest import lock_counting
from tests.gateway import Gateway
from tests.locks import until_waiting

CYCLE = 202611


async def _add(connection: rows.Connection, sim_id: int, amount: int) -> None:
    await lock_counting(connection)
    deltas = [rows.Delta(0, 0, sim_id, CYCLE, amount, 1_795_000_000.0, 1_795_000_000.0)]
    base = await rows.stage_deltas(connection, deltas)
    await rows.apply_round(connection, deltas, 2, base=base)


async def test_two_transactions_that_begin_one_counter_both_count(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    pool = gateway.ctx.pool
    async with pool.acquire() as first, pool.acquire() as second, pool.acquire() as third:
        sim_id = await third.fetchval("SELECT id FROM sims WHERE iccid = $1", card)
        async with first.transaction():
            await _add(first, sim_id, 5)

            async def late() -> None:
                async with second.transaction():
                    await _add(second, sim_id, 7)

            waiting = asyncio.create_task(late())
            await until_waiting(gateway)
        await waiting
        row = await third.fetchrow(
            "SELECT reported, reported_since, next_check_bytes FROM usage_cycles WHERE sim_id = $1", sim_id
        )
        checks = await third.fetchval("SELECT count(*) FROM usage_checks WHERE sim_id = $1", sim_id)

    assert (tuple(row), checks) == ((12, 12, 0), 2)


async def test_a_first_report_is_one_version_of_its_row(gateway: Gateway) -> None:
    """Begun with what the report brings: a row begun empty and moved at once would leave a dead version behind."""
    [card] = await gateway.fleet({})
    async with gateway.ctx.pool.acquire() as connection:
        sim_id = await connection.fetchval("SELECT id FROM sims WHERE iccid = $1", card)
        await connection.execute("TRUNCATE usage_cycles")  # an earlier test's dead rows would take the first places
        async with connection.transaction():
            await _add(connection, sim_id, 5)
        first = await connection.fetchval("SELECT ctid::text FROM usage_cycles WHERE sim_id = $1", sim_id)

    assert first == "(0,1)"
