"""asyncpg: the deadlines of groups of SIMs, and the group of each SIM (ADR 22)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import asyncpg

from app.db.connection import Connection
from app.domain.sim.deadlines import Deadline

_ADD = """
INSERT INTO deadlines (group_id, kind, day, rule, assumed)
SELECT group_id, kind, day, rule, assumed
  FROM jsonb_to_recordset($1::text::jsonb) AS r(group_id bigint, kind text, day date, rule text, assumed text[])
 ORDER BY group_id, kind
    ON CONFLICT DO NOTHING
"""
"""In one order: of two transactions that add the same groups, one waits for the other's commit."""

_DATES = """
SELECT s.id, s.deadline_group, s.terms, s.carrier, s.underlying, s.opened_on, s.purchased_on, s.silent_since,
       s.expires_on, s.retained_until, s.test_months,
       (SELECT p.test_months FROM plans p WHERE p.tenant = s.tenant AND p.id = s.plan) AS plan_test_months
  FROM sims s
"""

_MISSING = f"{_DATES} WHERE s.deadline_group IS NULL ORDER BY s.id LIMIT $1 FOR UPDATE SKIP LOCKED"
"""Under their locks, so that a group is never older than the dates. Who holds one of them stores its group himself."""

_AFTER = f"{_DATES} WHERE s.id > $1 AND s.deadline_group IS NOT NULL ORDER BY s.id LIMIT $2"

_FORGET = "UPDATE sims SET deadline_group = NULL WHERE id = ANY($1::bigint[])"

_SET = """
UPDATE sims s SET deadline_group = n.group_id
  FROM unnest($1::bigint[], $2::bigint[]) AS n(id, group_id) WHERE s.id = n.id
"""


async def add_groups(connection: Connection, groups: Mapping[int, Sequence[Deadline]]) -> None:
    """Add groups of deadlines; those that are there already are left as they are."""
    rows = [
        {"group_id": number, "kind": one.kind, "day": one.on.isoformat(), "rule": one.rule, "assumed": one.assumed}
        for number, days in groups.items()
        for one in days
    ]
    await connection.execute(_ADD, json.dumps(rows))


async def lock_without_group(connection: Connection, limit: int) -> list[asyncpg.Record]:
    """Lock SIMs whose group is not worked out yet; gives what their deadlines follow from."""
    found: list[asyncpg.Record] = await connection.fetch(_MISSING, limit)
    return found


async def dates_after(connection: Connection, after: int, limit: int) -> list[asyncpg.Record]:
    """Of the next SIMs by row id, the group stored and what their deadlines follow from."""
    found: list[asyncpg.Record] = await connection.fetch(_AFTER, after, limit)
    return found


async def forget_groups(connection: Connection, sim_ids: Sequence[int]) -> None:
    """Have the groups of these SIMs worked out anew."""
    await connection.execute(_FORGET, sim_ids)


async def set_groups(connection: Connection, groups: Mapping[int, int]) -> None:
    """Store the groups of SIMs, by row id. The caller holds the SIMs locked."""
    await connection.execute(_SET, list(groups), list(groups.values()))
