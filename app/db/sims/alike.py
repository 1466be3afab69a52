"""asyncpg: SIMs that are alike in all that the rules of their dates read: locked, changed and recorded together.

SIMs that were bought and activated together fall due together, and the rules do the same to each. So the rules are
applied to one of them, and what that changes is written for all by one statement a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.db.connection import Connection
from app.db.mapping import SimRecord, sim_columns
from app.db.schema.control import sims
from app.db.set_based import copies_of, update_copies_of
from app.domain.sim.transitions import NOT_YET_ACTIVATED

DERIVED = frozenset({"state", "next_due_on", "deadline_group"})
"""The columns that follow from a SIM's state and dates, written in any case."""

_ALWAYS = (
    *("tenant", "account", "carrier", "terms", "plan", "underlying", "holds", "expires_on", "retained_until"),
    *("stopped_by_us", "carrier_state", "carrier_as_of > carrier_changed_at"),
    *("carrier_as_of IS NULL", "carrier_changed_at IS NULL"),
)
"""What the rules read of any SIM: its dates (LC), and the carrier's view as far as it decides on a suspend (ST-24)."""

_BEFORE_ACTIVATION = ("opened_on", "purchased_on", "silent_since", "test_months", "real_name", "region_limited")
"""What they read beside that of a SIM not yet activated (LC-1 to LC-5)."""

_UNUSED = ", ".join(f"'{state.value}'" for state in sorted(NOT_YET_ACTIVATED))
_READ = (*_ALWAYS, *(f"CASE WHEN underlying IN ({_UNUSED}) THEN {name} END" for name in _BEFORE_ACTIVATION))

_LOCK_ALIKE = f"""
WITH locked AS MATERIALIZED (
    SELECT id, iccid, {", ".join(f"{read} AS read_{at}" for at, read in enumerate(_READ))}
      FROM sims WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE)
SELECT array_agg(id ORDER BY id) AS ids, array_agg(iccid ORDER BY id) AS iccids
  FROM locked GROUP BY {", ".join(f"read_{at}" for at in range(len(_READ)))} ORDER BY min(id)
"""  # noqa: S608 - ours


_BOUGHT_BY = (
    *("account", "carrier", "terms", "plan", "pool", "underlying", "holds", "real_name", "province", "region_limited"),
    *("opened_on", "purchased_on", "activated_on", "silent_since", "test_months", "auto_stop"),
    *("expires_on", "expires_forecast_on", "retained_until", "threshold", "threshold_off_until", "imei IS NULL"),
)
"""What decides what a SIM may buy: all that the rules see of it, but for its numbers and the devices it was in."""

_ALIKE = f"""
SELECT array_agg(id ORDER BY id) AS ids FROM sims WHERE id = ANY($1::bigint[])
 GROUP BY {", ".join(_BOUGHT_BY)} ORDER BY min(id)
"""  # noqa: S608 - ours


@dataclass(frozen=True, slots=True)
class Card:
    """One of several SIMs that are alike: its row id and its ICCID."""

    id: int
    iccid: str


async def lock_alike(connection: Connection, sim_ids: Sequence[int]) -> list[list[Card]]:
    """Lock these SIMs in id order; gives them in groups of SIMs that the rules of dates cannot tell apart."""
    rows = await connection.fetch(_LOCK_ALIKE, sorted(set(sim_ids)))
    return [list(map(Card, row["ids"], row["iccids"])) for row in rows]


async def alike_buyers(connection: Connection, sim_ids: Sequence[int]) -> list[list[int]]:
    """The row ids of these SIMs in groups of SIMs that may buy the same at the same price; their budgets aside."""
    return [row["ids"] for row in await connection.fetch(_ALIKE, sorted(set(sim_ids)))]


async def save_alike(
    connection: Connection, changed: Sequence[tuple[SimRecord, SimRecord, Sequence[int]]], now: datetime
) -> None:
    """Give SIMs, by row id, what the rules made of one of them, before and after: the columns that they changed."""
    by_columns: dict[tuple[str, ...], list[tuple[dict[str, Any], Sequence[int]]]] = {}
    for before, after, ids in changed:
        was, columns = sim_columns(before.sim), sim_columns(after.sim)
        written = {name: value for name, value in columns.items() if name in DERIVED or was[name] != value}
        by_columns.setdefault(tuple(written), []).append((written | {"updated_at": now}, ids))
    for names, rows in by_columns.items():
        copies = [(number, sim_id) for number, (_, ids) in enumerate(rows) for sim_id in ids]
        statement = update_copies_of(sims, (*names, "updated_at"), "version = s.version + 1")
        await connection.execute(statement, *copies_of([template for template, _ in rows], copies))
