"""asyncpg: turning the usage tables of a Citus coordinator into distributed ones, filled or not, by steps that resume.

Each step is one transaction and looks first whether it is done. Nothing else may use the database meanwhile: the row in
`usage_distribution`, without `done_at`, keeps gateways from starting (`app.db.twin.learn_layout`). The partitions of
reports are set aside first, and their rows moved part by part of their file; where a run stopped is in the same row.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

from app.db.connection import Connection
from app.db.usage.distributed.partitions import make_identities, make_reports
from app.domain.calendar.days import add_to_month

BLOCKS = 16_384
"""Blocks of 8 kB moved in one transaction: 128 MB of reports."""

DISTRIBUTE_LOCK = 7_446_294
"""Advisory lock of the session: one `--distribute` at a time."""

ASIDE = "aside_"
"""Before the name of a partition that waits to be moved."""

_PREPARE = (
    """CREATE TABLE IF NOT EXISTS usage_distribution (
        id smallint PRIMARY KEY CHECK (id = 1), shards int NOT NULL, part text, next_block bigint NOT NULL DEFAULT 0,
        begun_at timestamptz NOT NULL DEFAULT now(), done_at timestamptz)""",
    """CREATE TABLE IF NOT EXISTS usage_identities (
        sim_id bigint, at timestamptz NOT NULL, bytes bigint NOT NULL, gateway int NOT NULL, report_id text NOT NULL,
        iccid text, received_at timestamptz, day_key smallint NOT NULL DEFAULT 0,
        CONSTRAINT ck_usage_identities_known_or_named CHECK ((sim_id IS NULL) = (iccid IS NOT NULL)))
        PARTITION BY RANGE (at)""",
    """CREATE TABLE IF NOT EXISTS usage_staged (
        sim_id bigint NOT NULL, round bigint NOT NULL, ordinal int NOT NULL, cycle int NOT NULL, bytes bigint NOT NULL,
        first float8 NOT NULL, last float8 NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS ix_usage_staged_round ON usage_staged (round)",
    "ALTER TABLE usage_staged REPLICA IDENTITY FULL",
)
# A connection whose application is not named here sees shards in the catalogue, and else pays a second or two at its
# first use of an array's type, while Citus hides them.
_SHOW_SHARDS = "ALTER DATABASE {} SET citus.show_shards_for_app_name_prefixes = '*'"
DISTRIBUTED = {
    "usage_cycles": ("sim_id", "none"),
    "usage_days": ("sim_id", "usage_cycles"),
    "usage_staged": ("sim_id", "usage_cycles"),
    "usage_identities": ("gateway", "none"),
    "usage_reports": ("sim_id", "usage_cycles"),
}
"""Each table with its distribution column, and the table whose shards it shares; in this order."""

_IS_DISTRIBUTED = "SELECT EXISTS (SELECT 1 FROM pg_dist_partition WHERE logicalrelid = $1::text::regclass)"
_PARTS = """
SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
 WHERE i.inhparent = 'usage_reports'::regclass ORDER BY 1
"""
_INDEXES = """
SELECT c.relname AS name FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid WHERE x.indrelid = $1::text::regclass
"""
_SET_ASIDE = """
SELECT tablename AS name, pg_relation_size(format('usage_parts.%I', tablename)::regclass) / 8192 AS blocks
  FROM pg_tables WHERE schemaname = 'usage_parts' AND starts_with(tablename, $1) ORDER BY 1
"""
_OTHERS = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = 'simgate' AND pid <> pg_backend_pid()
"""
_MOVE = """
INSERT INTO {table} (sim_id, at, bytes, gateway, report_id, iccid, received_at, day_key)
SELECT sim_id, at, bytes, gateway, report_id, iccid, received_at, day_key FROM usage_parts.{part}
 WHERE ctid >= '({first},0)'::tid AND ctid < '({end},0)'::tid{known}
"""


class NotDistributable(Exception):
    """The usage tables cannot be distributed here; the message says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """How far a distribution is: blocks of reports moved, of how many, and what is done now."""

    done: int
    total: int
    label: str


async def distribute(connection: Connection, shards: int) -> AsyncIterator[Moved]:
    """Distribute the usage tables over the workers, saying how far it is. Raises `NotDistributable`."""
    await _check_server(connection)
    await connection.execute("SET statement_timeout = 0; SET lock_timeout = '10s'; SET application_name = 'distribute'")
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", DISTRIBUTE_LOCK):
        raise NotDistributable("another `simgate migrate --distribute` is at it")
    if others := await connection.fetchval(_OTHERS):
        raise NotDistributable(f"{others} connections of gateways are open: stop every process first")
    count = await _prepare(connection, shards)
    for table, (column, beside) in DISTRIBUTED.items():
        yield Moved(done=0, total=1, label=table)
        if not await connection.fetchval(_IS_DISTRIBUTED, table):
            await _distribute_table(connection, table, column, count if beside == "none" else None, beside)
    async for moved in _move_reports(connection):
        yield moved
    for table in ("usage_cycles", "usage_days"):  # what was copied is still in the coordinator's own table, unseen
        await connection.execute("SELECT truncate_local_data_after_distributing_table($1::text::regclass)", table)
    await connection.execute("UPDATE usage_distribution SET done_at = now()")
    for table in DISTRIBUTED:
        await connection.execute(f"ANALYZE {table}")


async def _check_server(connection: Connection) -> None:
    if not await connection.fetchval("SELECT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'citus')"):
        raise NotDistributable(
            "this server has no Citus extension: a plain PostgreSQL needs no distribution, and keeps its usage tables"
        )
    if not await connection.fetchval("SELECT citus_is_coordinator()"):
        raise NotDistributable("this server is a worker of Citus: DATABASE_URL must name the coordinator")
    if not await connection.fetchval("SELECT count(*) FROM citus_get_active_worker_nodes()"):
        raise NotDistributable("the coordinator has no worker: add one by SELECT citus_add_node(host, port)")


async def _prepare(connection: Connection, shards: int) -> int:
    """Create what only distributed databases have; gives the count of shards, that of the first run."""
    for statement in _PREPARE:
        await connection.execute(statement)
    name = await connection.fetchval("SELECT quote_ident(current_database())")
    await connection.execute(_SHOW_SHARDS.format(name))
    await connection.execute("SET citus.show_shards_for_app_name_prefixes = '*'")
    await connection.execute(
        "INSERT INTO usage_distribution (id, shards) VALUES (1, $1) ON CONFLICT DO NOTHING", shards
    )
    return int(await connection.fetchval("SELECT shards FROM usage_distribution"))


async def _distribute_table(connection: Connection, table: str, column: str, shards: int | None, beside: str) -> None:
    async with connection.transaction():
        # Commands that touch partitions of one table go through one connection a worker.
        await connection.execute("SET LOCAL citus.multi_shard_modify_mode = 'sequential'")
        if table == "usage_reports":
            for part in await connection.fetch(_PARTS):
                name = part["name"]
                await connection.execute(f"ALTER TABLE usage_reports DETACH PARTITION usage_parts.{name}")
                await connection.execute(f"ALTER TABLE usage_parts.{name} RENAME TO {ASIDE}{name}")
                for index in await connection.fetch(_INDEXES, f"usage_parts.{ASIDE}{name}"):
                    await connection.execute(
                        f"ALTER INDEX usage_parts.{index['name']} RENAME TO {ASIDE}{index['name']}"
                    )
        await connection.execute(
            "SELECT create_distributed_table($1::text::regclass, $2, colocate_with => $3, shard_count => $4)",
            table,
            column,
            beside,
            shards,
        )


async def _move_reports(connection: Connection) -> AsyncIterator[Moved]:
    parts = await connection.fetch(_SET_ASIDE, ASIDE)
    total, before = sum(part["blocks"] for part in parts), 0
    for part in parts:
        name = part["name"].removeprefix(ASIDE)
        await _ensure_partitions(connection, name)
        first = await connection.fetchval("SELECT next_block FROM usage_distribution WHERE part = $1", name) or 0
        while first < part["blocks"]:
            yield Moved(done=before + first, total=total, label=name)
            first = await _move_blocks(connection, name, first)
        async with connection.transaction():
            await connection.execute(f"DROP TABLE usage_parts.{ASIDE}{name}")
            await connection.execute("UPDATE usage_distribution SET part = NULL, next_block = 0")
        before += part["blocks"]


async def _ensure_partitions(connection: Connection, name: str) -> None:
    """The partitions of a month (`reports_yyyy_mm`), of reports and of identities, unless they are there."""
    if await connection.fetchval("SELECT to_regclass($1)", f"usage_parts.{name}") is not None:
        return
    month = datetime.strptime(name, "reports_%Y_%m").replace(tzinfo=UTC).date()
    span = f"FOR VALUES FROM ('{month} 00:00+00') TO ('{add_to_month(month, 1)} 00:00+00')"
    async with connection.transaction():
        for statement in (*make_reports(name, span), *make_identities(name, span)):
            await connection.execute(statement)


async def _move_blocks(connection: Connection, name: str, first: int) -> int:
    """Move the rows of some blocks, with the note of how far it came; gives the next block."""
    end = first + BLOCKS
    async with connection.transaction():
        for table, known in (("usage_identities", ""), ("usage_reports", " AND sim_id IS NOT NULL")):
            await connection.execute(
                _MOVE.format(table=table, part=f"{ASIDE}{name}", first=first, end=end, known=known)
            )
        await connection.execute("UPDATE usage_distribution SET part = $1, next_block = $2", name, end)
    return end
