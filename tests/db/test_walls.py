"""The second wall: what PostgreSQL itself keeps from the API's role, table by table, and what both roles may not do.

Nothing of our own code stands between: each test connects as the role, as a statement with a forgotten condition would.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import date

import asyncpg
import pytest

from app.db.connection import open_database
from app.db.roles import CREATE_ROLES, MAY_BECOME
from app.db.schema.all_tables import metadata
from app.db.schema.walls import OF_A_TENANT, OF_EVERY_TENANT, OPEN, PARTS
from app.db.tenancy import ACROSS, API_ROLE, WORKER_ROLE, act_for
from app.postgres.supervisor import Server
from app.settings import PROJECT
from tests import databases
from tests.gateway import open_gateway
from tests.roles import divide, url_as
from tests.routers.access.objects import everything

Connection = asyncpg.Connection
WALLED = sorted(metadata.tables.keys() - OPEN.keys())
RARE = """
INSERT INTO idempotency_keys (tenant, key, request_hash, status, headers, body, created_at, expires_at)
VALUES ('default', 'k', '', 200, '{}', '', now(), now());
INSERT INTO files (id, tenant, rows, created_at) VALUES (gen_random_uuid(), 'default', 1, now());
INSERT INTO import_parts (import_id, number, content) SELECT id, 0, '' FROM imports;
INSERT INTO file_rows (file_id, line, iccid) SELECT id, 2, 'i' FROM files;
INSERT INTO overrun_charges (sim_id, cycle, tenant, fen_per_mb, charged_mb, times) VALUES (1, 202611, 'default', 1, 1, 1);
INSERT INTO plan_allowances (tenant, plan, until, allowance) VALUES ('default', 'p', now(), 1);
INSERT INTO plan_checks (tenant, plan) VALUES ('default', 'p');
INSERT INTO quarantine (task, kind, subject, tenant, error, attempts, first_at, next_attempt_at)
VALUES ('t', 'k', 's', 'default', 'E', 1, now(), now());
INSERT INTO rule_stops (tenant, account, sim_id, cycle, hold, rule, asked_at)
VALUES ('default', 'a', 1, 202611, 'h', 'r', now());
INSERT INTO deadline_feed_events (feed_id, kind, day, content_hash, sequence, changed_at)
SELECT id, 'expiry', '2026-12-01', '', 0, now() FROM deadline_feeds;
INSERT INTO export_sims (export_id, sim_id) SELECT id, 1 FROM exports;
INSERT INTO notification_items (channel_id, event_id, zone, due_at)
SELECT id, 1, 'Asia/Shanghai', now() FROM notification_channels;
"""
"""Rows of tables that the objects of a tenant do not fill by themselves."""


async def count(connection: Connection, table: str) -> int:
    return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608 - a table of ours


@pytest.fixture(scope="module")
async def filled(
    database_server: Server, database_name: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """The address of a database of this module's own, in which tenant `default` has rows in every table."""
    name = f"walls_of_{database_name}"
    await databases.execute(database_server.dsn, f"CREATE DATABASE {name} TEMPLATE {databases.TEMPLATE}")
    dsn = database_server.dsn_of(name)
    async with open_gateway(database_server.url_of(name), tmp_path_factory.mktemp("walls")) as gateway:
        await everything(gateway)
        assert (await gateway.api.post("/v1/admin/tenants", json={"id": "other"})).is_success
        assert (await gateway.api.put("/v1/reminders", json={"usage_mb": [10]})).is_success
    await databases.execute(dsn, RARE)
    await divide(dsn)
    yield dsn
    await databases.execute(database_server.dsn, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def owner(filled: str) -> AsyncIterator[Connection]:
    """The owner's connection."""
    connection = await asyncpg.connect(filled)
    assert [table for table in WALLED if not await count(connection, table)] == []
    yield connection
    await connection.close()


@pytest.fixture
async def api(filled: str) -> AsyncIterator[Connection]:
    """A connection as the API's role, which has said for no tenant."""
    connection = await asyncpg.connect(url_as(API_ROLE, filled))
    yield connection
    await connection.close()


async def be(connection: Connection, tenant: str) -> None:
    await connection.execute("SELECT set_config('simgate.tenant', $1, true)", tenant)


def test_every_table_has_the_wall_or_a_reason_to_have_none() -> None:
    with_a_tenant = {name for name, table in metadata.tables.items() if "tenant" in table.c} | {"tenants"}
    assert with_a_tenant & OPEN.keys() == set(), "a table with a tenant stands open"
    assert metadata.tables.keys() - with_a_tenant - PARTS.keys() - OPEN.keys() == set(), (
        "name it in app.db.schema.walls"
    )
    assert set(PARTS.values()) <= with_a_tenant


async def test_the_database_has_the_walls_that_the_code_names(owner: Connection) -> None:
    rows = await owner.fetch(
        """SELECT c.relname, p.polname, p.polroles = '{0}' AS everyone, p.polcmd = '*' AS whole, p.polpermissive,
                  pg_get_expr(p.polqual, c.oid) AS sees, pg_get_expr(p.polwithcheck, c.oid) AS writes
             FROM pg_class c JOIN pg_policy p ON p.polrelid = c.oid WHERE c.relrowsecurity"""
    )
    assert {row["relname"] for row in rows} == set(WALLED)
    by_table = {(row["relname"], row["polname"]): row for row in rows}
    assert by_table.keys() == {(table, policy) for table in WALLED for policy in (OF_A_TENANT, OF_EVERY_TENANT)}
    for (table, policy), row in by_table.items():
        assert (row["whole"], row["everyone"]) == (True, policy == OF_A_TENANT), table
        assert row["sees"] == row["writes"], table
        if policy == OF_A_TENANT:
            own = "current_setting('simgate.tenant'::text, true)"
            assert own in row["sees"] or PARTS[table] in row["sees"], table


async def test_without_a_tenant_nothing_is_seen(api: Connection) -> None:
    assert {table: seen for table in WALLED if (seen := await count(api, table))} == {}


async def test_another_tenants_rows_are_neither_seen_nor_changed_nor_deleted(
    api: Connection, owner: Connection
) -> None:
    before = {table: await count(owner, table) for table in WALLED}
    for table in WALLED:
        column = [c.name for c in metadata.tables[table].c if c.computed is None][-1]
        for statement in (
            f"UPDATE {table} SET {column} = {column}",  # noqa: S608 - ours
            f"DELETE FROM {table}",  # noqa: S608 - ours
        ):
            async with api.transaction():
                await be(api, "other")
                assert await count(api, table) == (1 if table in ("tenants", "audit") else 0) or table == "api_keys", (
                    table
                )
                if table not in ("tenants", "audit"):
                    assert (await api.execute(statement)).endswith(" 0"), table
    assert {table: await count(owner, table) for table in WALLED} == before


async def test_a_tenants_own_rows_are_all_seen(api: Connection, owner: Connection) -> None:
    for table in WALLED:
        own = await owner.fetchval(f"SELECT count(*) FROM {table} WHERE {_of_default(table)}")  # noqa: S608 - ours
        async with api.transaction():
            await be(api, "default")
            assert await count(api, table) == own > 0, table


@pytest.mark.parametrize("tenant", ["other", None])
async def test_no_row_is_stored_for_another_tenant(api: Connection, owner: Connection, tenant: str | None) -> None:
    for table in WALLED:
        columns = ", ".join(column.name for column in metadata.tables[table].c if column.computed is None)
        [row] = await owner.fetch(f"SELECT to_jsonb(t) FROM {table} t WHERE {_of_default(table)} LIMIT 1")  # noqa: S608
        transaction = api.transaction()
        await transaction.start()
        if tenant is not None:
            await be(api, tenant)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await api.execute(
                f"INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE"  # noqa: S608 - ours
                f" SELECT {columns} FROM jsonb_populate_record(NULL::{table}, $1::jsonb)",
                row[0],
            )
        await transaction.rollback()


def _of_default(table: str) -> str:
    if table == "tenants":
        return "id = 'default'"
    return "tenant = 'default'" if "tenant" in metadata.tables[table].c else "true"


async def test_no_row_is_given_to_another_tenant(api: Connection) -> None:
    for table in (table for table in WALLED if table not in PARTS and table not in ("tenants", "audit")):
        transaction = api.transaction()
        await transaction.start()
        await be(api, "default")
        with pytest.raises(asyncpg.PostgresError, match=r"row-level security|append-only"):
            await api.execute(f"UPDATE {table} SET tenant = 'other'")  # noqa: S608 - ours
        await transaction.rollback()


@pytest.mark.parametrize("role", [API_ROLE, WORKER_ROLE])
async def test_the_audit_trail_is_added_to_and_never_changed(filled: str, role: str) -> None:
    connection = await asyncpg.connect(url_as(role, filled))
    try:
        async with connection.transaction():
            await be(connection, "default")
            seen = await count(connection, "audit")
            await connection.execute(
                "INSERT INTO audit (tenant, at, actor, action) VALUES ('default', now(), 'a', 'b')"
            )
            assert await count(connection, "audit") == seen + 1
        for statement in (
            "UPDATE audit SET actor = 'nobody'",
            "DELETE FROM audit",
            "TRUNCATE audit",
            "ALTER TABLE audit DISABLE ROW LEVEL SECURITY",
            "DROP TABLE audit",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
            if role == API_ROLE:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(f"SET ROLE {WORKER_ROLE}; {statement}")
    finally:
        await connection.close()


async def test_the_worker_has_every_tenants_rows(owner: Connection, filled: str) -> None:
    connection = await asyncpg.connect(url_as(WORKER_ROLE, filled))
    try:
        assert {t: await count(connection, t) for t in WALLED} == {t: await count(owner, t) for t in WALLED}
    finally:
        await connection.close()


async def test_a_partition_is_made_by_a_role_that_owns_none(owner: Connection, filled: str) -> None:
    for number, role in enumerate((API_ROLE, WORKER_ROLE), start=1):
        connection = await asyncpg.connect(url_as(role, filled))
        try:
            await connection.execute("SELECT usage_parts.make_part($1)", date(2031, number, 1))
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"DROP TABLE usage_parts.reports_2031_0{number}")
        finally:
            await connection.close()
        await owner.execute(f"DROP TABLE usage_parts.reports_2031_0{number}")


@pytest.mark.parametrize("pgbouncer", [False, True])
async def test_a_transaction_is_for_the_tenant_that_acts_and_leaves_nothing_behind(
    owner: Connection, filled: str, pgbouncer: bool
) -> None:
    url = url_as(API_ROLE, filled.replace("postgresql://", "postgresql+asyncpg://"))
    told = "SELECT current_setting('simgate.tenant', true), current_user, (SELECT count(*) FROM sims)"
    async with open_database(url, size=2, pgbouncer=pgbouncer) as opened, opened.pool.acquire() as connection:
        assert opened.walled
        whole = await count(owner, "sims")
        act_for("default")
        assert tuple(await connection.fetchrow(told)) == ("default", API_ROLE, whole)
        act_for("other")
        async with connection.transaction():
            assert tuple(await connection.fetchrow(told)) == ("other", API_ROLE, 0)
        act_for(ACROSS)
        assert tuple(await connection.fetchrow(told))[1:] == (WORKER_ROLE, whole)
        act_for("o'; SELECT 1 --")
        assert tuple(await connection.fetchrow(told)) == ("o'; SELECT 1 --", API_ROLE, 0)
        act_for(None)
        assert tuple(await connection.fetchrow(told)) == ("", API_ROLE, 0)


def test_the_page_for_operators_has_the_statements_for_whoever_may_create_roles() -> None:
    page = re.sub(r"\s+", " ", (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8"))
    assert [one for one in [*CREATE_ROLES.values(), MAY_BECOME] if f"{one};" not in page] == []
