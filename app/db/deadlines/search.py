"""asyncpg: deadlines over a tenant's fleet, page by page, and counted by day."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import asyncpg

from app.db.connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlinePosition:
    """A place in the list: by day, kind, group and row. Of pools the group is 0 and the row the pool's number."""

    day: date
    kind: str
    group: int
    row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Which deadlines: of these kinds, from a day on, before another; None: no end.

    `today`: where no first day is named, today by account, and `home` of accounts that are no longer configured.
    """

    kinds: tuple[str, ...]
    first: date
    before: date | None
    today: Mapping[str, date]
    home: date


_PAGE = """
SELECT d.day, d.kind, d.rule, d.assumed, d.group_id, s.id, s.iccid
  FROM deadlines d
 CROSS JOIN LATERAL (
       SELECT s.id, s.iccid FROM sims s
        WHERE s.tenant = $1 AND s.deadline_group = d.group_id AND s.deadline_group <> 0
          AND (d.day, d.kind, d.group_id, s.id) > ($2::date, $3::text, $4::bigint, $5::bigint)
          AND d.day >= coalesce(($9::text::jsonb ->> s.account)::date, $10::date)
        ORDER BY s.id LIMIT $8) s
 WHERE (d.day, d.kind, d.group_id) >= ($2::date, $3::text, $4::bigint)
   AND d.kind = ANY($6::text[]) AND d.day < coalesce($7::date, 'infinity')
 ORDER BY d.day, d.kind, d.group_id, s.id LIMIT $8
"""
"""A nested loop from the groups in the order of the list: it ends with the page, however large the fleet is."""

_POOL_ZONES = "SELECT DISTINCT carrier, account FROM pools WHERE tenant = $1"

_POOLS = """
SELECT p.ref, p.id FROM pools p
 WHERE p.tenant = $1 AND p.ref > $2
   AND EXISTS (SELECT FROM unnest($3::text[], $4::text[]) AS z(carrier, account)
                WHERE z.carrier = p.carrier AND z.account IS NOT DISTINCT FROM p.account)
 ORDER BY p.ref LIMIT $5
"""


async def sim_deadlines(
    connection: Connection, tenant: str, span: Span, after: DeadlinePosition | None, limit: int
) -> list[asyncpg.Record]:
    """The next (day, kind, rule, assumed, group_id, id, iccid) of a tenant's SIMs after a position."""
    start = after or DeadlinePosition(day=span.first, kind="", group=-1, row=-1)
    today = json.dumps({account: day.isoformat() for account, day in span.today.items()})
    found: list[asyncpg.Record] = await connection.fetch(
        _PAGE,
        tenant,
        start.day,
        start.kind,
        start.group,
        start.row,
        list(span.kinds),
        span.before,
        limit,
        today,
        span.home,
    )
    return found


async def pool_zones(connection: Connection, tenant: str) -> list[tuple[str, str | None]]:
    """(carrier, account) of the tenant's pools, each once: with the account's zone they decide the pool's cycle."""
    return [(row["carrier"], row["account"]) for row in await connection.fetch(_POOL_ZONES, tenant)]


async def pools_in(
    connection: Connection, tenant: str, zones: Sequence[tuple[str, str | None]], after: int, limit: int
) -> list[asyncpg.Record]:
    """The next (ref, id) of pools of these carriers and accounts, by number."""
    carriers, accounts = [carrier for carrier, _ in zones], [account for _, account in zones]
    found: list[asyncpg.Record] = await connection.fetch(_POOLS, tenant, after, carriers, accounts, limit)
    return found


async def counted(
    connection: Connection, where: str, arguments: Sequence[Any], kinds: Sequence[str], first: date, before: date
) -> list[asyncpg.Record]:
    """(day, kind, count, iccid) of the SIMs that a filter matches (`app.db.sims.search`); `iccid`: of a single SIM.

    SIMs are counted once a group, and the groups then summed by day and kind.
    """
    n = len(arguments)
    found: list[asyncpg.Record] = await connection.fetch(
        f"""
        WITH days AS MATERIALIZED (
             SELECT group_id, kind, day FROM deadlines
              WHERE kind = ANY(${n + 1}::text[]) AND day >= ${n + 2} AND day < ${n + 3}),
        members AS MATERIALIZED (
             SELECT s.deadline_group, count(*) AS sims, min(s.id) AS one FROM sims s
              WHERE {where} AND s.deadline_group <> 0 AND s.deadline_group IN (SELECT group_id FROM days)
              GROUP BY s.deadline_group)
        SELECT d.day, d.kind, sum(m.sims)::bigint AS count,
               CASE WHEN sum(m.sims) = 1 THEN (SELECT o.iccid FROM sims o WHERE o.id = min(m.one)) END AS iccid
          FROM days d JOIN members m ON m.deadline_group = d.group_id
         GROUP BY d.day, d.kind ORDER BY d.day, d.kind
        """,  # noqa: S608 - the filter's own words and places
        *arguments,
        list(kinds),
        first,
        before,
    )
    return found


async def pools_counted(
    connection: Connection, where: str | None, arguments: Sequence[Any]
) -> list[tuple[str, str | None, int]]:
    """(carrier, account, count) of the pools that have a SIM which a filter matches; without one of all pools.

    `arguments`: the tenant first, then the filter's.
    """
    with_sims = "" if where is None else f" AND EXISTS (SELECT FROM sims s WHERE {where} AND s.pool = p.id)"
    rows = await connection.fetch(
        "SELECT p.carrier, p.account, count(*) AS count FROM pools p"  # noqa: S608 - the filter's own words and places
        f" WHERE p.tenant = $1{with_sims} GROUP BY 1, 2",
        *arguments,
    )
    return [(row["carrier"], row["account"], row["count"]) for row in rows]


def where_listed(tenant: str, iccids: Sequence[str]) -> tuple[str, list[Any]]:
    """The WHERE of a tenant's SIMs with these ICCIDs, in every form given, and its arguments."""
    return "s.tenant = $1 AND s.iccid = ANY($2::text[])", [tenant, list(iccids)]
