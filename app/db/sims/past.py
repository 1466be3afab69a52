"""asyncpg: a SIM's row as it was known at an instant, and what was learned later of that instant (LC-12, ADR 29).

`sim_changes` keeps what each change replaced. The row at an instant is, for each column, the first value replaced after
it, or the present one; every 32nd version is whole, so that the walk ends after a few records however many there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from app.db.connection import Connection
from app.db.schema.control import SIM_DAYS, SIM_INSTANTS
from app.domain.identifiers import alternate_iccid
from app.domain.vocabulary import OPEN_STATUSES

STEP = 40
"""Records of one step of the walk: more than lie between two whole ones but for sessions, which change no version."""

_PRESENT = """
SELECT s.id, to_jsonb(s) AS row, s.created_at, (SELECT at FROM records_since) AS kept_since
  FROM sims s WHERE s.tenant = $1 AND s.iccid = $2
"""
_CHANGES = """
SELECT known_at, id, whole, before FROM sim_changes
 WHERE sim_id = $1 AND known_at > $2 AND (known_at, id) > ($3, $4) ORDER BY known_at, id LIMIT $5
"""
_LATE = """
SELECT what, before, after, known_at, took_effect_at FROM sim_history
 WHERE sim_id = $1 AND known_at > $2 AND known_at <= $3 AND took_effect_at <= $2 AND took_effect_at < known_at
 ORDER BY id
"""
# An operation that was never scheduled is open from its creation to its end, and no two are open at once: only the last
# of them before the instant can have been. The scheduled ones have an index of their own, as they are few.
_FIRST = "coalesce(history -> 0 ->> 'status', 'scheduled')"
_OPERATIONS = f"""
(SELECT id, history, settled_at FROM operations
  WHERE sim_id = $1 AND id <= $2 AND {_FIRST} <> 'scheduled' ORDER BY id DESC LIMIT 1)
UNION ALL
SELECT id, history, settled_at FROM operations
 WHERE sim_id = $1 AND id <= $2 AND {_FIRST} = 'scheduled' AND (settled_at IS NULL OR settled_at > $3)
"""  # noqa: S608 - our own text
_REBINDS = """
SELECT count(*) FROM operations
 WHERE sim_id = $1 AND kind = 'rebind' AND status = 'succeeded' AND settled_at >= $2 AND settled_at <= $3
"""
_RENEWALS = """
SELECT count(*) FROM operations
 WHERE sim_id = $1 AND kind = 'renew' AND status = 'succeeded' AND settled_at <= $2
"""
_OPERATION = """
SELECT id AS open_id, kind AS open_kind, arguments AS open_arguments, channel AS open_channel, due_at AS open_due_at,
       order_id AS open_order
  FROM operations WHERE id = $1
"""
_PACKS = "SELECT jsonb_agg(to_jsonb(a) ORDER BY a.id) FROM addons a WHERE a.tenant = $1"
_PLAN = "SELECT * FROM plans WHERE tenant = $1 AND id = $2"
_ALLOWANCE = """
SELECT coalesce((SELECT a.allowance FROM plan_allowances a
                  WHERE a.tenant = $1 AND a.plan = $2 AND a.until > $3 ORDER BY a.until LIMIT 1),
                (SELECT allowance FROM plans WHERE tenant = $1 AND id = $2))
"""
OPEN_COLUMNS = ("open_id", "open_kind", "open_arguments", "open_channel", "open_due_at", "open_order")


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentSim:
    """A SIM's row as JSON, when it was imported, and since when changes are recorded if that was later."""

    id: int
    row: Mapping[str, Any]
    created_at: datetime
    kept_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LateEntry:
    """A timeline entry that took effect before the gateway learned of it."""

    what: str
    before: str | None
    after: str | None
    known_at: datetime
    took_effect_at: datetime


async def present_sim(connection: Connection, tenant: str, iccid: str) -> PresentSim | None:
    """The SIM of a tenant by either form of its ICCID (DV-5); None if there is none."""
    row = await connection.fetchrow(_PRESENT, tenant, iccid)
    if row is None and (alternate := alternate_iccid(iccid)) is not None:
        row = await connection.fetchrow(_PRESENT, tenant, alternate)
    return PresentSim(**dict(row)) if row else None


async def row_known_at(connection: Connection, present: PresentSim, at: datetime) -> dict[str, Any]:
    """The columns of `sims` as they were known at an instant, as Python values.

    `present` must have been read before: a change in between is then found among the records.
    """
    found: dict[str, Any] = {}
    place: tuple[datetime, int] = (at, 0)
    while True:
        changes = await connection.fetch(_CHANGES, present.id, at, *place, STEP)
        for change in changes:
            for name, value in change["before"].items():
                found.setdefault(name, value)
            if change["whole"]:
                return _values({**present.row, **found})
        if len(changes) < STEP:
            return _values({**present.row, **found})
        place = (changes[-1]["known_at"], changes[-1]["id"])


async def late_entries(connection: Connection, sim_id: int, at: datetime, known_at: datetime) -> list[LateEntry]:
    """What took effect up to an instant and was learned after it, up to `known_at`, as it was recorded."""
    return [LateEntry(**dict(row)) for row in await connection.fetch(_LATE, sim_id, at, known_at)]


async def open_operation_at(connection: Connection, sim_id: int, at: datetime) -> UUID | None:
    """The operation that was open at an instant (OP-4), by the statuses in its history."""
    last = UUID(int=(int(at.timestamp() * 1000) << 80) | ((1 << 80) - 1))  # no id of that millisecond is greater
    for row in await connection.fetch(_OPERATIONS, sim_id, last, at):
        statuses = [line["status"] for line in row["history"] if datetime.fromisoformat(line["at"]) <= at]
        if statuses and statuses[-1] in OPEN_STATUSES:
            found: UUID = row["id"]
            return found
    return None


async def rebinds_between(connection: Connection, sim_id: int, since: datetime, until: datetime) -> int:
    """Successful rebinds of a SIM, both instants included (DV-3)."""
    count: int = await connection.fetchval(_REBINDS, sim_id, since, until)
    return count


async def renewals_until(connection: Connection, sim_id: int, until: datetime) -> int:
    """Successful renewals of a SIM up to an instant (RN-6)."""
    count: int = await connection.fetchval(_RENEWALS, sim_id, until)
    return count


async def open_columns_at(connection: Connection, sim_id: int, at: datetime) -> dict[str, Any]:
    """The operation that was open at an instant, as the columns `open_…` of an explanation's row; all None: none."""
    found = await open_operation_at(connection, sim_id, at)
    row = None if found is None else await connection.fetchrow(_OPERATION, found)
    return dict(row) if row else dict.fromkeys(OPEN_COLUMNS)


async def packs_of(connection: Connection, tenant: str) -> list[dict[str, Any]] | None:
    """The tenant's add-on packs as they are now, as an explanation's row has them."""
    packs: list[dict[str, Any]] | None = await connection.fetchval(_PACKS, tenant)
    return packs


async def plan_columns(connection: Connection, tenant: str, plan: str) -> dict[str, Any]:
    """A plan as it is now, as the columns `plan_…` that a SIM's row is joined with."""
    row = await connection.fetchrow(_PLAN, tenant, plan)
    return {f"plan_{name}": value for name, value in row.items()} if row else {}


async def allowance_at(connection: Connection, tenant: str, plan: str, at: datetime) -> int | None:
    """A plan's allowance in bytes at an instant; None where there is no such plan any more."""
    allowance: int | None = await connection.fetchval(_ALLOWANCE, tenant, plan, at)
    return allowance


def _values(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with its days and instants, which JSON has as texts."""
    values = dict(row)
    for name in SIM_DAYS:
        if (value := values.get(name)) is not None:
            values[name] = date.fromisoformat(value)
    for name in SIM_INSTANTS:
        if (value := values.get(name)) is not None:
            values[name] = datetime.fromisoformat(value).astimezone(UTC)
    return values
