"""asyncpg: how much waits and since when, over all tenants, for the gauges; each statement reads by partial index."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.db.connection import Connection
from app.db.schema.control import OPEN
from app.db.twin import Twin

# One scan of the open operations. What was scheduled for later waits from then on.
_OPERATIONS = f"""
WITH open AS (
    SELECT account, overdue, status, channel, sent_at, greatest(created_at, execute_at) AS since
      FROM operations WHERE {OPEN}
)
SELECT account, 'queued' AS waiting, count(*) AS how_many, min(since) AS since
  FROM open WHERE status = 'queued' GROUP BY account
 UNION ALL
SELECT account, 'verifying', count(*), min(coalesce(sent_at, since)) FROM open
 WHERE status = 'verifying' GROUP BY account
 UNION ALL
SELECT account, 'desk', count(*), min(since) FROM open
 WHERE status = 'waiting_carrier' AND channel = 'desk' GROUP BY account
 UNION ALL
SELECT account, 'overdue', count(*), min(since) FROM open WHERE overdue GROUP BY account
 UNION ALL
SELECT account, 'brake', count(*), min(asked_at) FROM rule_stops
 WHERE account = ANY($1::text[]) AND stopped_at IS NULL GROUP BY account
"""  # noqa: S608 - the fragment is ours
_PAUSED = "SELECT account, paused_at FROM account_states WHERE paused_at IS NOT NULL"
# Deliveries that are made already, and the oldest event that is not yet one: known from each endpoint's window.
_WEBHOOKS = """
SELECT (SELECT count(*) FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id
         WHERE d.status = 'pending' AND e.enabled) AS how_many,
       least((SELECT min(d.created_at) FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id
               WHERE d.status = 'pending' AND e.enabled AND d.origin <> 'replay'),
             (SELECT min(v.known_at) FROM webhook_endpoints e JOIN LATERAL (
                 SELECT known_at FROM events v WHERE v.tenant = e.tenant AND v.xact >= e.window_to
                  ORDER BY v.xact LIMIT 1) v ON true WHERE e.enabled)) AS since,
       (SELECT count(*) FROM webhook_endpoints WHERE NOT enabled AND disabled_because IS NOT NULL) AS disabled
"""
_LIMIT_CHECKS = "SELECT count(*) FROM usage_checks"
# Whosever it is. A node of Citus keeps what it has prepared until the coordinator says how it ended. Of a node that
# does not answer, nothing is known.
_PREPARED_HERE = """
SELECT coalesce(max(extract(epoch FROM now() - prepared)), 0)::float8 AS seconds
  FROM pg_prepared_xacts WHERE database = current_database()
"""
_PREPARED = Twin(
    plain=_PREPARED_HERE,
    distributed=f"""
SELECT greatest(({_PREPARED_HERE}), (SELECT max(result::float8)
  FROM run_command_on_workers($node$ {_PREPARED_HERE} $node$) WHERE success)) AS seconds
""",  # noqa: S608 - ours
    why="each node keeps its own",
)
_INBOX = "SELECT count(*) AS how_many, min(received_at) AS since FROM inbox WHERE handled_at IS NULL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How many wait, and since when the oldest does; None: nothing waits."""

    how_many: int = 0
    since: datetime | None = None


async def operations_waiting(connection: Connection, accounts: list[str]) -> dict[tuple[str, str], Backlog]:
    """By (account, what): `queued`, `verifying`, `desk`, `overdue`; `brake`: SIMs that the brake holds back (ST-25)."""
    rows = await connection.fetch(_OPERATIONS, accounts)
    return {(row["account"], row["waiting"]): Backlog(how_many=row["how_many"], since=row["since"]) for row in rows}


async def paused_since(connection: Connection) -> dict[str, datetime]:
    """Since when each paused account is paused."""
    return {row["account"]: row["paused_at"] for row in await connection.fetch(_PAUSED)}


async def webhooks_waiting(connection: Connection) -> tuple[Backlog, int]:
    """What enabled endpoints have not got yet; and how many endpoints we disabled, as their receiver is gone."""
    row = await connection.fetchrow(_WEBHOOKS)
    return Backlog(how_many=row["how_many"], since=row["since"]), row["disabled"]


async def limit_checks_waiting(connection: Connection) -> int:
    """How many limit checks are queued; a subject may be queued several times."""
    return int(await connection.fetchval(_LIMIT_CHECKS))


async def notices_waiting(connection: Connection) -> Backlog:
    """Carriers' notifications that were stored and not handled yet."""
    row = await connection.fetchrow(_INBOX)
    return Backlog(how_many=row["how_many"], since=row["since"])


async def oldest_prepared_s(connection: Connection) -> float:
    """Seconds since the oldest transaction was prepared that nobody has ended, on any node; 0: there is none."""
    return float(await connection.fetchval(_PREPARED.text))
