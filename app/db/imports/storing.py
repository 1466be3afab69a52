"""asyncpg: the staged rows of an import (`app.db.imports.staging`) become SIMs, slice by slice."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from app.db.connection import Connection
from app.db.imports.staging import KNOWN, NEW, OWN, TEMPLATE
from app.db.schema.control import sims
from app.db.set_based import typed_columns

UPDATED = (
    *("msisdn", "imsi", "terms", "plan", "imei", "device_serial", "alias", "province", "real_name", "pool"),
    *("order_id", "remark", "test_months", "auto_stop", "tags"),
)
"""Columns that an import may change of a known SIM."""

DATE_COLUMNS = ("terms", "plan", "test_months")
"""Of these those from which deadlines follow."""

_OWN_VALUES = ", ".join("coalesce(r.tags::jsonb, '{}')" if name == "tags" else f"r.{name}" for name in OWN)
_SLICE = f"r.kind = {NEW} AND r.canonical > $1 AND r.canonical <= $2"
_LINES = f"r.kind = {NEW} AND r.line > $1 AND r.line <= $2"
_END_OF_SLICE = f"""
SELECT max(canonical) AS last, count(*) AS rows FROM (
    SELECT canonical FROM import_rows r WHERE kind = {NEW} AND canonical > $1 ORDER BY canonical LIMIT $2) s
"""  # noqa: S608 - our own text


def _adding(part: str, conflicts: str) -> str:
    """Adds SIMs by canonical ICCID; their timelines begin in the same statement: what was staged is read once."""
    return f"""
WITH added AS (
    INSERT INTO sims (id, tenant, canonical_iccid, {", ".join(OWN)}, {", ".join(TEMPLATE)}, created_at, updated_at)
    SELECT r.id, $3, r.canonical, {_OWN_VALUES}, {", ".join(f"t.{name}" for name in TEMPLATE)}, $4, $4
      FROM import_rows r JOIN import_templates t ON t.template = r.template WHERE {part}
     ORDER BY r.canonical {conflicts}
    RETURNING id, state, holds),
begun AS (
    INSERT INTO sim_history (sim_id, what, after, cause, rule, actor, took_effect_at, known_at)
    SELECT id, 'state', state, $5, $6, $7, $4, $4 FROM added)
SELECT count(*) AS added, count(*) FILTER (WHERE holds <> '[]') AS held FROM added
"""  # noqa: S608 - our own text


# One order of locks over the whole file for imports at the same moment. Of two imports of one card, the second waits
# for the first's commit, and then finds a conflict.
_ADD_SIMS = _adding(_SLICE, "ON CONFLICT DO NOTHING")
# Conflicts looked for before each row take a seventh of the time. Here one ends the transaction.
_ADD_FREE = _adding(_LINES, "")
# Below deadlock_timeout: whoever adds cards in the order of a file gives way to those that wait for one of them.
_GIVE_WAY = "SET LOCAL lock_timeout = '500ms'"
_WAIT_AGAIN = "SET LOCAL lock_timeout TO DEFAULT"
_CONFLICTS = f"""
SELECT r.* FROM import_rows r WHERE {_SLICE} AND NOT EXISTS (SELECT FROM sims s WHERE s.id = r.id) ORDER BY r.line
"""  # noqa: S608 - our own text
# A slice of rows, sorted, and once more for the trigger that counts them: else both go to disk.
_MAKE_ROOM = "SET LOCAL work_mem = '64MB'"
_CHANGE = """
UPDATE import_rows SET kind = $2, id = $3, changed = $4, plan_left = $5, limits_changed = $6 WHERE line = $1
"""
_NEXT_KNOWN = f"""
SELECT id, limits_changed FROM import_rows WHERE kind = {KNOWN} AND id > $1 ORDER BY id LIMIT $2
"""  # noqa: S608 - our own text
_KNOWN = f"r.kind = {KNOWN} AND r.id > $1 AND r.id <= $2"
_ANEW = " OR ".join(f"n.{name} IS DISTINCT FROM s.{name} AND n.{name} IS NOT NULL" for name in DATE_COLUMNS)
_UPDATE = f"""
UPDATE sims s SET {", ".join(f"{name} = coalesce(n.{name}, s.{name})" for name in UPDATED)},
       deadline_group = CASE WHEN {_ANEW} THEN NULL ELSE s.deadline_group END, version = s.version + 1, updated_at = $3
  FROM import_rows r
 CROSS JOIN LATERAL jsonb_to_record(r.changed::jsonb) AS n({", ".join(typed_columns(sims, UPDATED))})
 WHERE {_KNOWN} AND s.id = r.id
"""  # noqa: S608 - our own text
_PLANS_LEFT = f"""
INSERT INTO sim_plans (sim_id, until, plan)
SELECT r.id, $3, r.plan_left FROM import_rows r WHERE {_KNOWN} AND r.plan_left IS NOT NULL ON CONFLICT DO NOTHING
"""  # noqa: S608 - our own text
_MEMBERS = f"""
SELECT r.id FROM import_rows r JOIN import_templates t ON t.template = r.template
 WHERE r.kind = {NEW} AND t.pool IS NOT NULL
"""  # noqa: S608 - our own text
_HAS_UNMATCHED = "SELECT EXISTS (SELECT FROM usage_unmatched WHERE tenant = $1)"
_WITH_UNMATCHED = f"""
WITH u AS MATERIALIZED (SELECT DISTINCT iccid FROM usage_unmatched WHERE tenant = $1)
SELECT r.iccid, r.id FROM import_rows r JOIN u ON u.iccid = r.iccid WHERE r.kind = {NEW}
UNION
SELECT r.iccid, r.id FROM import_rows r JOIN u ON u.iccid = r.alternate WHERE r.kind = {NEW}
"""  # noqa: S608 - our own text
_SUBJECTS = f"""
SELECT id, line FROM import_rows WHERE line > $1 AND (kind = {NEW} OR (kind = {KNOWN} AND limits_changed))
 ORDER BY line LIMIT $2
"""  # noqa: S608 - our own text


class CardsTaken(Exception):
    """Another transaction adds, or has just added, a SIM of the file."""


_TAKEN = (asyncpg.UniqueViolationError, asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)


class Added(NamedTuple):
    """How many SIMs a slice has added, and how many of them have a hold."""

    added: int
    held: int


async def make_room(connection: Connection) -> None:
    """Let statements of this transaction keep a slice in memory."""
    await connection.execute(_MAKE_ROOM)


async def end_of_slice(connection: Connection, after: str, limit: int) -> tuple[str | None, int]:
    """The last canonical ICCID of the next new SIMs, None where none is left, and how many they are."""
    row = await connection.fetchrow(_END_OF_SLICE, after, limit)
    return (row["last"], row["rows"]) if row else (None, 0)


async def add_sims(
    connection: Connection, part: tuple[str, str], tenant: str, why: tuple[str, str, str], now: datetime
) -> Added:
    """Add the new SIMs of a slice, whose timelines begin with `why`: cause, rule, actor.

    Those that it gives no account of are known by now (`conflicts`).
    """
    return Added(*await connection.fetchrow(_ADD_SIMS, *part, tenant, now, *why))


async def give_way(connection: Connection) -> None:
    """Before `add_free_sims`: wait for nobody for long."""
    await connection.execute(_GIVE_WAY)


async def wait_again(connection: Connection) -> None:
    """After it: wait for others as every transaction does."""
    await connection.execute(_WAIT_AGAIN)


async def add_free_sims(
    connection: Connection, part: tuple[int, int], tenant: str, why: tuple[str, str, str], now: datetime
) -> Added:
    """Add the new SIMs of the lines behind the first and up to the second, where nobody else adds any of them.

    Raises `CardsTaken`: the transaction can only be rolled back.
    """
    try:
        return Added(*await connection.fetchrow(_ADD_FREE, *part, tenant, now, *why))
    except _TAKEN as taken:
        raise CardsTaken from taken


async def conflicts(connection: Connection, part: tuple[str, str]) -> list[asyncpg.Record]:
    """The staged rows of a slice whose SIMs another transaction has added."""
    found: list[asyncpg.Record] = await connection.fetch(_CONFLICTS, *part)
    return found


async def change_kind(connection: Connection, line: int, kind: int, update: tuple[Any, ...]) -> None:
    """Make something else of a row; `update`: row id, changed columns (JSON), plan left, whether limits changed."""
    await connection.execute(_CHANGE, line, kind, *update)


async def next_known(connection: Connection, after: int, limit: int) -> list[asyncpg.Record]:
    """The next known SIMs by row id, and whether their limits change."""
    found: list[asyncpg.Record] = await connection.fetch(_NEXT_KNOWN, after, limit)
    return found


async def update_known(connection: Connection, after: int, last: int, now: datetime) -> None:
    """Update the known SIMs of a slice, which the caller has locked, and keep the plans they leave."""
    await connection.execute(_UPDATE, after, last, now)
    await connection.execute(_PLANS_LEFT, after, last, now)


async def new_members(connection: Connection) -> list[int]:
    """Row ids of the new SIMs that are in a pool."""
    return [row["id"] for row in await connection.fetch(_MEMBERS)]


async def with_unmatched(connection: Connection, tenant: str) -> dict[str, int]:
    """New SIMs (row id by ICCID) of which the tenant has unmatched reports. The caller holds their lock."""
    if not await connection.fetchval(_HAS_UNMATCHED, tenant):
        return {}
    await connection.execute("SET LOCAL enable_hashjoin TO DEFAULT")
    return {row["iccid"]: row["id"] for row in await connection.fetch(_WITH_UNMATCHED, tenant)}


async def next_subjects(connection: Connection, after: int, limit: int) -> list[asyncpg.Record]:
    """(row id, line) of SIMs that are new or have other limits, behind a line of the file."""
    found: list[asyncpg.Record] = await connection.fetch(_SUBJECTS, after, limit)
    return found
