"""asyncpg: whether the usage tables are distributed as they must be, and what waits for an answer in two phases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncpg

from app.db.connection import Connection
from app.db.usage.distributed.distribute import ASIDE, DISTRIBUTED

_TABLES = """
SELECT p.logicalrelid::text AS name, column_to_column_name(p.logicalrelid, p.partkey) AS by, p.colocationid AS beside,
       (SELECT count(*) FROM pg_dist_shard s WHERE s.logicalrelid = p.logicalrelid) AS shards,
       citus_total_relation_size(p.logicalrelid, fail_on_error => false) + coalesce((
           SELECT sum(citus_total_relation_size(i.inhrelid, fail_on_error => false))
             FROM pg_inherits i WHERE i.inhparent = p.logicalrelid), 0) AS bytes
  FROM pg_dist_partition p WHERE p.logicalrelid::text = ANY($1::text[]) ORDER BY 1
"""
_NODES = """
SELECT nodename, nodeport, isactive, shouldhaveshards FROM pg_dist_node WHERE noderole = 'primary' ORDER BY groupid
"""
_ALONE = """
SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
 WHERE i.inhparent = 'usage_reports'::regclass
   AND NOT EXISTS (SELECT 1 FROM pg_inherits j JOIN pg_class d ON d.oid = j.inhrelid
                    WHERE j.inhparent = 'usage_identities'::regclass
                      AND d.relname = replace(c.relname, 'reports_', 'identities_'))
 ORDER BY 1
"""
_ASIDE = "SELECT tablename FROM pg_tables WHERE schemaname = 'usage_parts' AND starts_with(tablename, $1) ORDER BY 1"
_STATE = "SELECT shards, done_at IS NOT NULL AS done FROM usage_distribution"
# A worker keeps what it has prepared until the coordinator says how it ended; the daemon of Citus asks each minute.
_PREPARED = """
SELECT nodename || ':' || nodeport AS node, success, result FROM run_command_on_workers($$
    SELECT count(*) FROM pg_prepared_xacts
     WHERE database = current_database() AND prepared < now() - interval '5 minutes' $$)
  JOIN pg_dist_node USING (nodename, nodeport)
"""


@dataclass(slots=True)
class Distribution:
    """What was found: lines that say how the tables lie, and faults, each with what to do."""

    lines: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


async def check_distribution(connection: Connection) -> Distribution:
    """Look at the tables, the nodes and the transactions that wait."""
    found = Distribution()
    if await connection.fetchval("SELECT to_regclass('public.usage_distribution')") is None:
        found.lines.append("The usage tables are not distributed: this is a plain database.")
        return found
    state = await connection.fetchrow(_STATE)
    if state is None or not state["done"]:
        found.faults.append("the distribution has not ended: run `simgate migrate --distribute` again")
    _check_tables(found, await connection.fetch(_TABLES, list(DISTRIBUTED)))
    for part in await connection.fetch(_ASIDE, ASIDE):
        found.faults.append(f"usage_parts.{part['tablename']} waits to be moved: run `simgate migrate --distribute`")
    for part in await connection.fetch(_ALONE):
        found.faults.append(f"the partition {part['name']} has no identities beside it")
    _check_nodes(found, await connection.fetch(_NODES))
    for node in await connection.fetch(_PREPARED):
        if not node["success"]:
            found.faults.append(f"{node['node']} does not answer: {node['result']}")
        elif int(node["result"]):
            found.faults.append(
                f"{node['node']} holds {node['result']} transactions prepared more than five minutes ago:"
                " SELECT recover_prepared_transactions() on the coordinator"
            )
    return found


def _check_tables(found: Distribution, tables: Sequence[asyncpg.Record]) -> None:
    by_name = {table["name"]: table for table in tables}
    for name, (column, beside) in DISTRIBUTED.items():
        table = by_name.get(name)
        if table is None:
            found.faults.append(f"{name} is not distributed: run `simgate migrate --distribute`")
            continue
        size = "size unknown" if table["bytes"] is None else f"{table['bytes'] / 1_048_576:,.0f} MB"
        found.lines.append(f"{name}: by {table['by']}, {table['shards']} shards, {size}")
        if table["by"] != column:
            found.faults.append(f"{name} is distributed by {table['by']}, not by {column}")
        if beside != "none" and beside in by_name and table["beside"] != by_name[beside]["beside"]:
            found.faults.append(f"{name} does not share its shards' places with {beside}")


def _check_nodes(found: Distribution, nodes: Sequence[asyncpg.Record]) -> None:
    for node in nodes:
        name = f"{node['nodename']}:{node['nodeport']}"
        found.lines.append(f"node {name}: {'holds shards' if node['shouldhaveshards'] else 'holds none'}")
        if not node["isactive"]:
            found.faults.append(f"{name} is not active: SELECT citus_activate_node(host, port)")
