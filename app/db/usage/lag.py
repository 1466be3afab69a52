"""asyncpg: how old the carrier figures are, by account, read in ranges of SIMs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.db.connection import Connection
from app.db.twin import BESIDE_LOCAL, Twin, fetched_first

_OLDEST = """
SELECT s.account, min(greatest(coalesce(c.carrier_as_of, k.opens), s.carrier_changed_at)) AS oldest
  FROM sims s
  JOIN unnest($3::text[], $4::int[], $5::int[], $6::timestamptz[]) k(account, cycle, before, opens)
    ON k.account = s.account
  LEFT JOIN usage_cycles c ON c.sim_id = s.id AND c.cycle = k.cycle AND c.sim_id > $1 AND c.sim_id <= $2{joined}
 WHERE s.id > $1 AND s.id <= $2 AND s.underlying = 'active'
   AND NOT (coalesce(s.carrier_state = ANY($7::text[]), false)
            AND coalesce(s.carrier_as_of > coalesce(s.carrier_changed_at, '-infinity'), false))
   AND (c.carrier_as_of IS NOT NULL
        OR {had_one})
 GROUP BY s.account
"""
# Of the rows fetched first the cycle before is joined: an EXISTS would go through all of them for each SIM.
_AGES = Twin(
    plain=_OLDEST.format(
        joined="",
        had_one="""EXISTS (SELECT FROM usage_cycles p
                    WHERE p.sim_id = s.id AND p.cycle = k.before AND p.carrier_as_of IS NOT NULL)""",
    ),
    distributed=fetched_first(
        _OLDEST.format(
            joined="\n  LEFT JOIN usage_cycles p ON p.sim_id = s.id AND p.cycle = k.before",
            had_one="p.carrier_as_of IS NOT NULL",
        ),
        why=BESIDE_LOCAL,
        usage_cycles="sim_id > $1 AND sim_id <= $2 AND (cycle = ANY($4::int[]) OR cycle = ANY($5::int[]))",
    ).distributed,
    why=BESIDE_LOCAL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """An account's running cycle and the one before (yyyymm), and the instant at which the running one opened."""

    account: str
    cycle: int
    before: int
    opens: datetime


async def oldest_figures(
    connection: Connection, accounts: Sequence[Running], stopped: Sequence[str], *, after: int, through: int
) -> dict[str, datetime]:
    """Per account, the oldest `as_of` among its SIMs with a row id in (after, through].

    Only active SIMs that are not stopped by the carrier's snapshot. One that had a figure in the cycle before and has
    none yet counts from the cycle's opening; one that never had any is left out. A SIM counts at most from our last
    change at the carrier, since it has not been queried before it.
    """
    rows = await connection.fetch(
        _AGES.text,
        after,
        through,
        [one.account for one in accounts],
        [one.cycle for one in accounts],
        [one.before for one in accounts],
        [one.opens for one in accounts],
        stopped,
    )
    return {row["account"]: row["oldest"] for row in rows}
