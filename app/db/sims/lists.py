"""asyncpg: a page of a list of SIMs, by index whatever filter is given (ADR 37).

Three ways lead to a page, each bounded. `LOOK`: the next SIMs by id, of which a common filter leaves enough for a page.
`FACETS`: a filter by carrier, account, plan or state is that of some groups of equal SIMs; of each the next by id.
`FOUND`: what the filter finds by its own index, then ordered; that is few, or the first look had found enough. By use
it is the next SIMs of each step (`app.db.sims.by_share`), more and more of them until enough match the other filters.

A page's limit stands in the text: as an argument PostgreSQL would plan every page anew, because it cannot know how few
SIMs are wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import asyncpg

from app.db.kept_connections import KeptConnections
from app.db.sims.by_share import next_of_share, of_these
from app.db.sims.search import SimFilter, share_of, where_of

LOOK_AT = 2_000
"""SIMs at which a first look is taken. A filter that leaves less than a page of so many is rare."""

_FACETS = ("carrier", "account", "plan", "state")
_NARROW = ("msisdn", "imsi", "device_serial")
"""Filters that find a few SIMs each, by an index of their own."""

_FEW = 10_000

_IN_ORDER = ("pool", "order")
"""Filters whose index has their SIMs in the order of ids."""

_OWN_INDEX = ("hold", "expires_before", "q")

Statement = tuple[str, list[Any]]


def look(tenant: str, wanted: SimFilter, after: int, limit: int) -> Statement:
    """Of the next `LOOK_AT` SIMs those that match, and the last id looked at; no id: the list ends there."""
    where, arguments = where_of(tenant, wanted)
    n = len(arguments)
    statement = (
        "WITH seen AS MATERIALIZED ("  # noqa: S608 - our own text
        f" SELECT * FROM sims WHERE tenant = $1 AND id > ${n + 1} ORDER BY id LIMIT {LOOK_AT})"
        f" SELECT (SELECT count(*) FROM seen) AS seen, ARRAY("
        f" SELECT s.id FROM seen s WHERE {where} ORDER BY s.id LIMIT {limit}) AS ids"
    )
    return statement, [*arguments, after]


def in_order(tenant: str, wanted: SimFilter, after: int, limit: int) -> Statement:
    """Those that match, in the order of an index."""
    where, arguments = where_of(tenant, wanted)
    n = len(arguments)
    return (
        f"SELECT s.id FROM sims s WHERE {where} AND s.id > ${n + 1} ORDER BY s.id LIMIT {limit}",  # noqa: S608 - ours
        [*arguments, after],
    )


def found(tenant: str, wanted: SimFilter, after: int, limit: int) -> Statement:
    """Those that match, found by the filter's own index and then ordered."""
    where, arguments = where_of(tenant, wanted)
    n = len(arguments)
    statement = (
        f"WITH found AS MATERIALIZED (SELECT s.id FROM sims s WHERE {where} AND s.id > ${n + 1})"  # noqa: S608 - ours
        f" SELECT id FROM found ORDER BY id LIMIT {limit}"
    )
    return statement, [*arguments, after]


def by_facets(tenant: str, wanted: SimFilter, after: int, limit: int) -> Statement:
    """Those that match, from each group of SIMs with the same carrier, account, plan and state the next ones by id.

    The groups are found by steps along the index, one for each group that there is.
    """
    where, arguments = where_of(tenant, wanted)
    n = len(arguments)
    columns = ", ".join(_FACETS)
    given = [(name, getattr(wanted, name)) for name in _FACETS if getattr(wanted, name) is not None]
    places = {name: f"${n + 2 + index}" for index, (name, _) in enumerate(given)}
    chosen = " AND ".join(f"g.{name} = {place}" for name, place in places.items())
    statement = (
        "WITH RECURSIVE g AS ("  # noqa: S608 - our own text
        f" (SELECT {columns} FROM sims WHERE tenant = $1 ORDER BY {columns} LIMIT 1)"
        f" UNION ALL SELECT n.* FROM g CROSS JOIN LATERAL ("
        f" SELECT {columns} FROM sims x WHERE x.tenant = $1"
        f" AND ({', '.join('x.' + name for name in _FACETS)}) > ({', '.join('g.' + name for name in _FACETS)})"
        f" ORDER BY {', '.join('x.' + name for name in _FACETS)} LIMIT 1) n)"
        " SELECT m.id FROM g CROSS JOIN LATERAL ("
        f" SELECT s.id FROM sims s WHERE {where} AND s.id > ${n + 1}"
        f" AND {' AND '.join(f's.{name} = g.{name}' for name in _FACETS)} ORDER BY s.id LIMIT {limit}) m"
        f" WHERE {chosen} ORDER BY m.id LIMIT {limit}"
    )
    return statement, [*arguments, after, *(value for _, value in given)]


def has_own_index(wanted: SimFilter) -> bool:
    """Whether a filter beside carrier, account, plan and state has an index that does not know the order of ids."""
    return bool(wanted.tags) or any(getattr(wanted, name) is not None for name in _OWN_INDEX)


def statements(tenant: str, wanted: SimFilter, after: int, limit: int) -> Sequence[Statement]:
    """The statements of a page, each asked where the one before has not found enough (`look` alone may)."""
    arguments = (tenant, wanted, after, limit)
    if any(getattr(wanted, name) is not None for name in _NARROW):
        return [found(*arguments)]
    if any(getattr(wanted, name) is not None for name in _IN_ORDER):
        return [in_order(*arguments)]
    if has_own_index(wanted):
        return [look(*arguments), found(*arguments)]
    if any(getattr(wanted, name) is not None for name in _FACETS):
        return [look(*arguments), by_facets(*arguments)]
    return [in_order(*arguments)]


async def page_ids(reads: KeptConnections, tenant: str, wanted: SimFilter, *, after: int, limit: int) -> list[int]:
    """Row ids of a page of SIMs after an id (keyset pagination)."""
    if wanted.usage_pct_gte:
        return await _by_use(reads, tenant, wanted, after, limit)
    *first, (last, arguments) = statements(tenant, wanted, after, limit)
    for statement, given in first:
        if (ids := enough(await reads.fetchrow(statement, *given), limit)) is not None:
            return ids
    return [row["id"] for row in await reads.fetch(last, *arguments)]


def among(tenant: str, wanted: SimFilter, ids: Sequence[int], limit: int) -> Statement:
    """Those of these SIMs that match, by id."""
    where, arguments = where_of(tenant, wanted)
    n = len(arguments)
    return (
        f"SELECT s.id FROM sims s WHERE {where} AND s.id = ANY(${n + 1}) ORDER BY s.id LIMIT {limit}",  # noqa: S608
        [*arguments, ids],
    )


async def _by_use(reads: KeptConnections, tenant: str, wanted: SimFilter, after: int, limit: int) -> list[int]:
    """A page of SIMs that have used so much; where another filter finds a few, of these."""
    if any(getattr(wanted, name) is not None for name in _NARROW):
        given, arguments = found(tenant, replace(wanted, usage_pct_gte=None), after, _FEW)
        few = [row["id"] for row in await reads.fetch(given, *arguments)]
        return (await of_these(reads, tenant, share_of(wanted), few))[:limit]
    return await by_steps(reads, tenant, wanted, after, limit)


async def by_steps(reads: KeptConnections, tenant: str, wanted: SimFilter, after: int, limit: int) -> list[int]:
    """A page of SIMs that have used so much.

    Where few of the next ones match whatever else is asked for, more and more of them are looked at.
    """
    others = replace(wanted, usage_pct_gte=None)
    alone = others == SimFilter(cycles=wanted.cycles, plan=wanted.plan, carrier=wanted.carrier)
    page: list[int] = []
    through: int | None = after
    count = limit
    while through is not None and len(page) < limit:
        ids, through = await next_of_share(reads, tenant, share_of(wanted), through, count)
        if ids and not alone:
            statement, arguments = among(tenant, others, ids, limit - len(page))
            ids = [row["id"] for row in await reads.fetch(statement, *arguments)]
        page += ids[: limit - len(page)]
        count *= 64
    return page


def enough(looked: asyncpg.Record | None, limit: int) -> list[int] | None:
    """The page that a first look has found; None where there may be more than it has seen."""
    if looked is None or (len(looked["ids"]) < limit and looked["seen"] == LOOK_AT):
        return None
    ids: list[int] = looked["ids"]
    return ids
