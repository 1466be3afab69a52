"""asyncpg: whether the workers that a restored coordinator speaks with are restored too, and how open commits ended.

The addresses of the workers are rows of the coordinator: brought back beside the former nodes, it reads and writes the
former workers until `citus_update_node` has told it otherwise. A node that is at a moment was started after it.
"""

from __future__ import annotations

from datetime import datetime

from app.db.connection import Connection

_IS_DISTRIBUTED = "SELECT to_regclass('public.usage_distribution') IS NOT NULL"
_RUNNING = """
SELECT nodename || ':' || nodeport AS node, success, result FROM run_command_on_workers($$
    SELECT extract(epoch FROM pg_postmaster_start_time()) $$)
  JOIN pg_dist_node USING (nodename, nodeport) ORDER BY 1
"""
# What a worker had prepared by the restore point: committed where the coordinator has its record, else rolled back.
_END_PREPARED = "SELECT recover_prepared_transactions()"


class WorkersNotRestored(Exception):
    """A worker cannot be at the moment of the restore; the message says which, and what to do."""


async def settle_workers(connection: Connection, backed_up_at: datetime) -> None:
    """End the commits that the restore point cut in two. Raises `WorkersNotRestored` before it changes anything.

    Does nothing on a plain database.
    """
    if not await connection.fetchval(_IS_DISTRIBUTED):
        return
    for node in await connection.fetch(_RUNNING):
        if not node["success"]:
            raise WorkersNotRestored(f"{node['node']} does not answer: {node['result']}")
        if float(node["result"]) <= backed_up_at.timestamp():
            raise WorkersNotRestored(
                f"{node['node']} has been running since before {backed_up_at.isoformat()}: it is not restored, or"
                " pg_dist_node names the former worker. SELECT citus_update_node(nodeid, host, port) on the"
                " coordinator for each node, then run this again"
            )
    await connection.fetchval(_END_PREPARED)
