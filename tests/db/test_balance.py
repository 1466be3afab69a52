"""A balance is a chain that the database itself holds: whoever writes, in whichever order (ADR 21)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.db.commerce import balance as rows
from app.domain.commerce.balance import Draft, EntryKind, chained
from tests import databases
from tests.examples import tries

AT = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
TENANTS = ("a", "b")
DRAFT = st.builds(
    Draft,
    kind=st.sampled_from(EntryKind),
    reference=st.sampled_from([f"r{n}" for n in range(6)]),
    amount_fen=st.integers(-(10**9), 10**9).filter(bool),
)
TRANSACTION = st.tuples(st.sampled_from(TENANTS), st.lists(DRAFT, min_size=1, max_size=3), st.booleans())
WRITERS = st.lists(st.lists(TRANSACTION, min_size=1, max_size=4), min_size=2, max_size=5)

INSERT = """
INSERT INTO balance_entries (tenant, number, previous, kind, reference, amount_fen, before_fen, after_fen, at)
VALUES ('a', $1, $2, 'payment', $3, $4, $5, $6, now())
"""


async def post(connection: Any, tenant: str, drafts: list[Draft]) -> None:
    """What the use-case does in its transaction."""
    balance = await rows.lock(connection, tenant)
    fresh = await rows.without_known(connection, tenant, drafts)
    if fresh:
        entries = chained(balance.last_entry, balance.fen, fresh)
        await rows.append(connection, tenant, entries, balance.spell, AT)


async def write(dsn: str, transactions: list[tuple[str, list[Draft], bool]]) -> list[tuple[str, Draft]]:
    """One writer: each of its transactions is committed, or given up at its end."""
    connection = await asyncpg.connect(dsn)
    kept: list[tuple[str, Draft]] = []
    try:
        for tenant, drafts, commits in transactions:
            transaction = connection.transaction()
            await transaction.start()
            await post(connection, tenant, drafts)
            await (transaction.commit if commits else transaction.rollback)()
            kept += [(tenant, draft) for draft in drafts if commits]
    finally:
        await connection.close()
    return kept


async def prepared(dsn: str) -> Any:
    await databases.empty(dsn)
    connection = await asyncpg.connect(dsn)
    for tenant in TENANTS:
        await connection.execute("INSERT INTO tenants (id, created_at) VALUES ($1, now())", tenant)
    return connection


async def holds(dsn: str, writers: list[list[tuple[str, list[Draft], bool]]]) -> None:
    connection = await prepared(dsn)
    try:
        told = [each for one in await asyncio.gather(*(write(dsn, one) for one in writers)) for each in one]
        for tenant in TENANTS:
            found = await connection.fetch("SELECT * FROM balance_entries WHERE tenant = $1 ORDER BY number", tenant)
            kept = await connection.fetchrow("SELECT * FROM buyer_accounts WHERE tenant = $1", tenant)
            names = {(row["kind"], row["reference"]) for row in found}
            assert names == {(draft.kind.value, draft.reference) for of, draft in told if of == tenant}
            assert len(names) == len(found)
            assert [row["number"] for row in found] == list(range(1, len(found) + 1))
            assert all(a["after_fen"] == b["before_fen"] for a, b in pairwise(found))
            total = sum(row["amount_fen"] for row in found)
            assert total == (kept["balance_fen"] if kept else 0)
            assert not found or found[-1]["after_fen"] == total
    finally:
        await connection.close()
        await databases.empty(dsn)


@settings(max_examples=tries(25), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(writers=WRITERS)
def test_no_interleaving_of_writers_breaks_the_sum(
    database_dsn: str, writers: list[list[tuple[str, list[Draft], bool]]]
) -> None:
    databases.run_async(lambda: holds(database_dsn, writers))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE balance_entries SET amount_fen = amount_fen WHERE number = 1",
        "UPDATE balance_entries SET at = now()",
        "DELETE FROM balance_entries WHERE number = 2",
    ],
)
async def test_an_entry_is_never_changed_and_never_deleted(
    clean_database: str,
    database_dsn: str,
    statement: str,
) -> None:
    connection = await prepared(database_dsn)
    await post(connection, "a", [Draft(kind=EntryKind.PAYMENT, reference=str(n), amount_fen=5) for n in range(2)])
    with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
        await connection.execute(statement)
    assert await connection.fetchval("SELECT balance_fen FROM buyer_accounts") == 10
    await connection.close()


@pytest.mark.parametrize(
    ("entry", "error"),
    [
        ((3, 2, "x", 5, 11, 16), asyncpg.ForeignKeyViolationError),  # begins elsewhere than its predecessor ended
        ((4, 3, "x", 5, 10, 15), asyncpg.ForeignKeyViolationError),  # leaves a number out
        ((4, 2, "x", 5, 10, 15), asyncpg.CheckViolationError),  # follows another than its predecessor
        ((3, 2, "x", 5, 10, 16), asyncpg.CheckViolationError),  # does not add up
        ((3, 2, "x", 0, 10, 10), asyncpg.CheckViolationError),  # moves nothing
        ((3, None, "x", 5, 0, 5), asyncpg.CheckViolationError),  # begins anew
        ((2, 1, "x", 5, 5, 10), asyncpg.UniqueViolationError),  # is there already
        ((3, 2, "0", 5, 10, 15), asyncpg.UniqueViolationError),  # is counted already
    ],
)
async def test_the_database_takes_no_entry_that_breaks_the_chain(
    clean_database: str,
    database_dsn: str,
    entry: tuple[Any, ...],
    error: type[Exception],
) -> None:
    connection = await prepared(database_dsn)
    await post(connection, "a", [Draft(kind=EntryKind.PAYMENT, reference=str(n), amount_fen=5) for n in range(2)])
    with pytest.raises(error):
        await connection.execute(INSERT, *entry)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await connection.execute("UPDATE buyer_accounts SET balance_fen = 11")
    await connection.close()
