"""SQLAlchemy Core: SIMs with what they have used of their running cycle, one statement for a batch (US-7)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import FromClause, Select, Text, any_, bindparam, literal_column, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.mapping import SimRecord, sim_from
from app.db.schema.control import sims
from app.db.schema.usage.reports import usage_cycles
from app.db.sims.statements import JOINED
from app.db.twin import Layout
from app.db.used import USED

_IN_SHARDS = usage_cycles.alias("c")
_RUNNING = text(
    "c.sim_id = sims.id AND c.cycle = (CAST(:cycles AS jsonb) ->> (sims.carrier || ':' || sims.account))::int"
)
# No limit of a SIM's own lies below its allowance with add-ons or its threshold (QT-1, QT-2, QT-4).
_NEAR = text(
    f"(sims.holds <> '[]'::jsonb OR {USED} * 100 >= :percent * least(plans.allowance + coalesce(c.addons, 0),"
    " sims.threshold))"
)
_WANTED = (
    sims.c.tenant == bindparam("tenant"),
    sims.c.iccid == any_(bindparam("iccids", type_=ARRAY(Text))),
)
# As `app.db.twin.fetched_first` does it: on Citus a LEFT JOIN would fetch the whole table.
_FETCHED_FIRST = (
    select(usage_cycles)
    .where(usage_cycles.c.sim_id.in_(select(sims.c.id).where(*_WANTED)))
    .cte("c")
    .prefix_with("MATERIALIZED")
)


def statement_over(counters: FromClause) -> Select[Any]:
    """The SIMs wanted that are held or near a limit, beside these counters, named `c`."""
    return (
        JOINED.outerjoin(counters, _RUNNING)
        .add_columns(
            literal_column(f"CASE WHEN c.sim_id IS NULL THEN 0 ELSE {USED} END").label("used"),
            literal_column("coalesce(c.addons, 0)").label("addons"),
        )
        .where(*_WANTED, _NEAR)
    )


PLAIN, DISTRIBUTED = statement_over(_IN_SHARDS), statement_over(_FETCHED_FIRST)


class SimUse(NamedTuple):
    """A SIM with its bytes used and its add-ons' bytes of the running cycle."""

    record: SimRecord
    used: int
    addons: int


async def held_or_near(
    connection: AsyncConnection, tenant: str, iccids: Sequence[str], cycles: Mapping[str, int], percent: int
) -> list[SimUse]:
    """The tenant's SIMs of these ICCIDs that are held or may have used `percent` of a limit.

    `cycles`: the number of the running cycle by `carrier:account`.
    """
    given = {"tenant": tenant, "iccids": list(iccids), "cycles": json.dumps(cycles), "percent": percent}
    statement = DISTRIBUTED if Layout.distributed else PLAIN
    rows = (await connection.execute(statement, given)).mappings()
    return [SimUse(sim_from(row), int(row["used"]), int(row["addons"])) for row in rows]
