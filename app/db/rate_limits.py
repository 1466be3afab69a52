"""asyncpg: carrier rate limits shared by every replica: calls per second of an account, repeat windows of its SIMs.

One statement each and no open transaction: a call is reserved by moving the account's next free instant forwards.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import asyncpg

from app.clock import Clock

_RESERVE = """
INSERT INTO call_budgets AS b (account, next_call_at) VALUES ($1, $2::timestamptz + $3::interval)
ON CONFLICT (account) DO UPDATE SET next_call_at = greatest(b.next_call_at, $2) + $3
WHERE greatest(b.next_call_at, $2) - $2 <= $4::interval
RETURNING next_call_at - $3 - $2
"""
_WAIT = "SELECT greatest(next_call_at - $2::timestamptz, interval '0') FROM call_budgets WHERE account = $1"


class SharedBudget:
    """`CallBudget` in PostgreSQL, in the gateway's clock."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def acquire(self, account: str, per_second: int, patience: float) -> float:
        """Reserve a call; gives the seconds to wait before it. If more than `patience`, nothing was reserved."""
        now = self._clock.now()
        step = timedelta(seconds=1) / per_second
        async with self._pool.acquire() as connection:
            wait = await connection.fetchval(_RESERVE, account, now, step, timedelta(seconds=patience))
            if wait is None:
                wait = await connection.fetchval(_WAIT, account, now)
        return float(wait.total_seconds())


class SharedRepeatWindows:
    """`RepeatWindows` in PostgreSQL."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def until(self, account: str, api: str, iccids: Collection[str]) -> Mapping[str, datetime]:
        """Per SIM still inside its window: the instant at which the window ends."""
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(
                "SELECT iccid, free_at FROM repeat_windows"
                " WHERE account = $1 AND operation = $2 AND iccid = ANY($3::text[]) AND free_at > $4",
                account,
                api,
                list(iccids),
                self._clock.now(),
            )
        return {row["iccid"]: row["free_at"] for row in rows}

    async def note(self, account: str, api: str, iccids: Collection[str], until: datetime) -> None:
        """Store that these SIMs have a window until then; a later end that is stored stays."""
        async with self._pool.acquire() as connection:
            await connection.execute(
                "INSERT INTO repeat_windows (account, iccid, operation, free_at)"
                " SELECT $1, iccid, $2, $4 FROM unnest($3::text[]) AS iccid"
                " ON CONFLICT (account, iccid, operation) DO UPDATE"
                " SET free_at = greatest(repeat_windows.free_at, excluded.free_at)",
                account,
                api,
                sorted(iccids),
                until,
            )
