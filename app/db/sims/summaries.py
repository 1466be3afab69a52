"""asyncpg: how many SIMs a filter matches, and by what; from the counts where they know the filter (ADR 37)."""

from __future__ import annotations

from typing import Any

import asyncpg

from app.db.sims.counts import counted
from app.db.sims.search import SUMMARIES, SimFilter, where_of


def count_statement(tenant: str, wanted: SimFilter) -> tuple[str, list[Any]]:
    """The statement that counts what a filter matches."""
    where, arguments = where_of(tenant, wanted)
    if counted(wanted):
        return f"SELECT coalesce(sum(s.cards), 0) FROM sim_counts s WHERE {where}", arguments  # noqa: S608 - ours
    return f"SELECT count(*) FROM sims s WHERE {where}", arguments  # noqa: S608 - ours


def summary_statement(tenant: str, wanted: SimFilter, by: list[str]) -> tuple[str, list[Any]]:
    """The statement that counts by these columns; by hold, a SIM counts once for each of its holds."""
    where, arguments = where_of(tenant, wanted)
    columns = ", ".join(f"{SUMMARIES[name]} AS {name}" for name in by)
    table, counting = ("sim_counts", "sum(s.cards)::bigint") if counted(wanted) else ("sims", "count(*)")
    holds = (
        " LEFT JOIN LATERAL (SELECT e ->> 'code' AS hold FROM jsonb_array_elements(s.holds) e) h ON true"
        if "hold" in by
        else ""
    )
    positions = ", ".join(str(index + 1) for index in range(len(by)))
    statement = (
        f"SELECT {columns}, {counting} AS count FROM {table} s{holds} WHERE {where}"  # noqa: S608 - names are ours
        f" GROUP BY {positions} HAVING {counting} > 0 ORDER BY {positions}"
    )
    return statement, arguments


async def count(pool: asyncpg.Pool[asyncpg.Record], tenant: str, wanted: SimFilter) -> int:
    """Number of SIMs that a filter matches."""
    statement, arguments = count_statement(tenant, wanted)
    return int(await pool.fetchval(statement, *arguments))


async def summary(
    pool: asyncpg.Pool[asyncpg.Record], tenant: str, wanted: SimFilter, by: list[str]
) -> list[dict[str, Any]]:
    """Numbers of SIMs grouped by these columns."""
    statement, arguments = summary_statement(tenant, wanted, by)
    return [dict(row) for row in await pool.fetch(statement, *arguments)]
