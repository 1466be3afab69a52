"""asyncpg: how the carrier accounts stand: what waits for each, what its brake holds back, until when it is paused."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.db.connection import Connection
from app.domain.vocabulary import OPEN_STATUSES

_OPEN = ", ".join(f"'{status}'" for status in sorted(OPEN_STATUSES))
_WAITING = f"""
SELECT account, count(*) AS operations, min(created_at) AS oldest_at,
       (array_agg(error::text ORDER BY run_after DESC) FILTER (WHERE error IS NOT NULL))[1] AS error
  FROM operations WHERE status IN ({_OPEN}) AND channel <> 'desk' GROUP BY account
"""  # noqa: S608 - the statuses are our own enumeration
_HELD = """
SELECT account, count(DISTINCT sim_id) AS cards FROM rule_stops
 WHERE account = ANY($1::text[]) AND stopped_at IS NULL GROUP BY account
"""
_PAUSES = "SELECT account, paused_until FROM call_budgets WHERE paused_until > $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The open operations of an account that no person completes, the oldest, and the error of the latest attempt."""

    operations: int
    oldest_at: datetime | None
    error: Mapping[str, Any] | None


async def waiting_by_account(connection: Connection) -> dict[str, Waiting]:
    """What waits, by account; an account for which nothing waits is absent."""
    return {
        row["account"]: Waiting(
            operations=row["operations"],
            oldest_at=row["oldest_at"],
            error=json.loads(row["error"]) if row["error"] else None,
        )
        for row in await connection.fetch(_WAITING)
    }


async def held_by_brake(connection: Connection, accounts: Sequence[str]) -> dict[str, int]:
    """How many cards wait behind the brake of each account (ST-25)."""
    return {row["account"]: row["cards"] for row in await connection.fetch(_HELD, list(accounts))}


async def pauses(connection: Connection, now: datetime) -> dict[str, datetime]:
    """Until when carriers asked for a pause, by `<account>/<protocol>`."""
    return {row["account"]: row["paused_until"] for row in await connection.fetch(_PAUSES, now)}
