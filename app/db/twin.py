"""Statements asked in one way of PostgreSQL and in another of Citus, both from one place (docs/scaling.md).

The usage plane (`usage_reports`, `usage_cycles`, `usage_days`) may be distributed over Citus workers by `sim_id`; the
control plane stays on the coordinator. Most statements serve both. A `Twin` is one that cannot, or that would cost one
of them more than it should. `tests/db/usage/test_statements.py` holds every statement to what Citus can do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

COLUMNS = {
    "usage_cycles": (
        "sim_id, cycle, pool_ref, reported, reported_since, reported_at, carrier_bytes, carrier_as_of, figures,"
        " figures_to, has_day_figures, addons, next_check_bytes, tested, tested_to"
    ),
    "usage_days": "sim_id, day, bytes, starts_at, as_of",
    "usage_reports": "sim_id, at, bytes, gateway, report_id, received_at, day_key",
}
"""What is read of each distributed table: everything but the padding, and the ICCID of reports without a SIM."""

OUTER_JOINED = "a LEFT JOIN from a table of the coordinator would fetch the whole distributed table"
BESIDE_LOCAL = "Citus joins no distributed table beside LATERAL, EXISTS or IN over tables of the coordinator"
NO_ROW_LOCKS = "Citus locks rows of several shards by UPDATE only, FOR UPDATE is refused"

_MARKED = "SELECT to_regclass('public.usage_distribution') IS NOT NULL"
_DONE = "SELECT EXISTS (SELECT 1 FROM usage_distribution WHERE done_at IS NOT NULL)"


class DistributionUnfinished(Exception):
    """`simgate migrate --distribute` was begun on this database and has not ended: nothing else may use it."""


class Asked(Protocol):
    """A connection or a pool of asyncpg."""

    async def fetchval(self, query: str, /) -> object:
        """The first value of the first row."""


class Layout:
    """Where the usage tables of this process's database are; a process serves one database."""

    distributed: ClassVar[bool] = False


async def learn_layout(connection: Asked) -> bool:
    """Find out whether the usage tables are distributed, first of all. Raises `DistributionUnfinished`."""
    Layout.distributed = bool(await connection.fetchval(_MARKED))
    if Layout.distributed and not await connection.fetchval(_DONE):
        raise DistributionUnfinished(
            "the usage tables of this database are only partly distributed: run `simgate migrate --distribute` again"
        )
    return Layout.distributed


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """One statement in two forms with the same arguments and the same columns, and why there are two."""

    plain: str
    distributed: str
    why: str

    @property
    def text(self) -> str:
        """The form for this process's database."""
        return self.distributed if Layout.distributed else self.plain


def fetched_first(plain: str, *, why: str, **of: str) -> Twin:
    """A read that joins distributed tables; on Citus, what meets a condition is fetched before anything is joined.

    `of`: the condition by table. The rows stand in a CTE of the table's name, so that the statement itself is the same.
    """
    fetched = ", ".join(
        f"{table} AS MATERIALIZED (SELECT {COLUMNS[table]} FROM {table} WHERE {condition})"  # noqa: S608 - our own text
        for table, condition in of.items()
    )
    statement = plain.lstrip()
    body = f", {statement.removeprefix('WITH ')}" if statement.startswith("WITH ") else f"\n{statement}"
    return Twin(plain=plain, distributed=f"WITH {fetched}{body}", why=why)
