"""asyncpg: carrier rate limits shared by every replica: calls per second of an account, repeat windows of its SIMs.

One statement each and no open transaction: a call is reserved by moving the account's next free instant forwards.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

import asyncpg

from app.clock import Clock
from app.db.connection import Connection
from app.domain.operation.pace import DECREASE, RECOVERY, SLOWEST, Decrease

_RATE = "least($3::float8, coalesce(b.cut_rate + $3 * (extract(epoch FROM $2 - b.cut_at) / $5::float8), $3))"
"""The rate now, as `pace.rate_at`, in calls an hour: $2 the instant, $3 the ceiling, $5 seconds of a recovery."""

_PLACE = "greatest(b.next_call_at, b.paused_until, $2::timestamptz)"

# Two processes that reserve at once: the second waits for the row and is given the place behind the first's. Where that
# is too far ahead, WHERE leaves the row as it is, so that a caller that gives up uses no place.
_RESERVE = f"""
INSERT INTO call_budgets AS b (account, next_call_at)
VALUES ($1, $2::timestamptz + make_interval(secs => 3600 / $3::float8))
ON CONFLICT (account) DO UPDATE SET next_call_at = {_PLACE} + make_interval(secs => 3600 / {_RATE})
WHERE {_PLACE} - $2 <= make_interval(secs => $4)
RETURNING extract(epoch FROM next_call_at - $2)::float8 - 3600 / {_RATE}
"""  # noqa: S608 - our own text
_WAIT = f"SELECT extract(epoch FROM {_PLACE} - $2)::float8 FROM call_budgets b WHERE account = $1"  # noqa: S608
# Several calls in flight may be refused for one excess: those sent before the last cut ($8 <= cut_at) cut no more.
_SLOW_DOWN = f"""
INSERT INTO call_budgets AS b (account, next_call_at, cut_rate, cut_at, paused_until)
VALUES ($1, $2::timestamptz, greatest($4::float8, $3::float8 / $6::float8), $2, $2 + make_interval(secs => $7))
ON CONFLICT (account) DO UPDATE SET
    cut_rate = CASE WHEN $8::timestamptz <= b.cut_at THEN b.cut_rate ELSE greatest($4, {_RATE} / $6) END,
    cut_at = CASE WHEN $8 <= b.cut_at THEN b.cut_at ELSE $2 END,
    paused_until = greatest(b.paused_until, excluded.paused_until)
"""  # noqa: S608 - our own text
_RECOVERY_S = RECOVERY.total_seconds()


async def last_decrease(connection: Connection, account: str) -> Decrease | None:
    """The last decrease of an account's rate; None: there was none. `account`: `<account>/<protocol>`."""
    row = await connection.fetchrow(
        "SELECT cut_rate, cut_at FROM call_budgets WHERE account = $1 AND cut_at IS NOT NULL", account
    )
    return None if row is None else Decrease(rate=int(row["cut_rate"]), at=row["cut_at"])


class SharedBudget:
    """`CallBudget` in PostgreSQL, in the gateway's clock."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def acquire(self, account: str, per_hour: int, max_wait: float) -> float:
        """Reserve a call; gives the seconds to wait before it. If more than `max_wait`, nothing was reserved."""
        now, ceiling = self._clock.now(), float(per_hour)
        async with self._pool.acquire() as connection:
            wait = await connection.fetchval(_RESERVE, account, now, ceiling, max_wait, _RECOVERY_S)
            if wait is None:
                wait = await connection.fetchval(_WAIT, account, now)
        return max(0.0, float(wait))

    async def slow_down(self, account: str, per_hour: int, *, sent_at: datetime, pause_s: float) -> None:
        """As `CallBudget.slow_down`."""
        values = (account, self._clock.now(), float(per_hour), SLOWEST, _RECOVERY_S, DECREASE, float(pause_s), sent_at)
        async with self._pool.acquire() as connection:
            await connection.execute(_SLOW_DOWN, *values)


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
