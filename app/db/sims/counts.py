"""asyncpg: how many SIMs there are, by what lists and summaries group by, without reading SIMs (`sim_counts`).

Triggers of `sims` add a row for what each statement changed; from time to time they are folded into one a group.
"""

from __future__ import annotations

from app.db.connection import Connection
from app.db.sims.search import SimFilter

COUNTED = frozenset({"state", "carrier", "account", "pool", "plan", "hold"})
"""Filters that the counts know."""

SPARE_ROWS = 1_000
"""Rows beside twice those of folded groups that are left as they are: a summary reads them in a few milliseconds."""

_MANY = f"""
SELECT count(*) > {SPARE_ROWS} + 2 * count(DISTINCT (tenant, carrier, account, plan, pool, state, holds))
  FROM sim_counts
"""  # noqa: S608 - our own text
# Of two that fold at once the second passes over what the first has. The sum of a group is the same before and after.
_FOLD = """
WITH taken AS (
    DELETE FROM sim_counts WHERE ctid = ANY(ARRAY(SELECT ctid FROM sim_counts FOR UPDATE SKIP LOCKED)) RETURNING *),
folded AS (
    INSERT INTO sim_counts (tenant, carrier, account, plan, pool, state, holds, cards)
    SELECT tenant, carrier, account, plan, pool, state, holds, sum(cards) FROM taken
     GROUP BY tenant, carrier, account, plan, pool, state, holds HAVING sum(cards) <> 0 RETURNING 1)
SELECT (SELECT count(*) FROM taken) - (SELECT count(*) FROM folded)
"""


def counted(wanted: SimFilter) -> bool:
    """Whether the counts can answer a filter."""
    given = {name for name in SimFilter.__dataclass_fields__ if getattr(wanted, name)}
    return given - {"cycles"} <= COUNTED


async def fold(connection: Connection) -> int:
    """Fold the rows of each group into one, where there are many; gives how many fewer there are."""
    if not await connection.fetchval(_MANY):
        return 0
    return int(await connection.fetchval(_FOLD))
