"""Per account: paused since when, brake released when, carrier's change list read up to when."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_ALL = text("SELECT * FROM account_states")


class AccountStateRepository:
    """Account states of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def all(self) -> dict[str, dict[str, Any]]:
        """The rows by account; an account that was never paused, released or read has none."""
        rows = await self._connection.execute(_ALL)
        return {row["account"]: dict(row) for row in rows.mappings()}

    async def set(self, account: str, **columns: datetime | None) -> None:
        """Set some of `paused_at`, `brake_released_at`, `changes_seen_at` of an account."""
        names = sorted(columns)
        await self._connection.execute(
            text(
                f"INSERT INTO account_states (account, {', '.join(names)})"  # noqa: S608 - names are our own columns
                f" VALUES (:account, {', '.join(':' + n for n in names)})"
                f" ON CONFLICT (account) DO UPDATE SET {', '.join(f'{n} = excluded.{n}' for n in names)}"
            ),
            {"account": account, **columns},
        )
