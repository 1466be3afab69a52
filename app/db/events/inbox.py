"""Carriers' notifications: stored before the response, once per (account, external id), then followed up by polls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.schema.carriers import inbox


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxRow:
    """One notification, authenticated as far as its protocol allows. `payload` is its body, `succeeded` its claim."""

    account: str
    external_id: str
    protocol: str
    kind: str
    payload: str
    received_at: datetime
    iccid: str | None = None
    msisdn: str | None = None
    reference: str | None = None
    succeeded: bool | None = None


class InboxRepository:
    """The inbox of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, row: InboxRow) -> bool:
        """True if the notification is new; a repeated one changes nothing."""
        # Carriers repeat a push that is answered late: of two at once the second waits for the first, then does
        # nothing.
        values = {name: getattr(row, name) for name in InboxRow.__dataclass_fields__}
        statement = insert(inbox).values(**values).on_conflict_do_nothing().returning(inbox.c.external_id)
        return (await self._connection.execute(statement)).first() is not None

    async def unhandled(self, limit: int) -> list[dict[str, Any]]:
        """Notifications that have not been followed up, oldest first, locked for this transaction."""
        rows = await self._connection.execute(
            text(
                "SELECT * FROM inbox WHERE handled_at IS NULL ORDER BY received_at LIMIT :limit FOR UPDATE SKIP LOCKED"
            ),
            {"limit": limit},
        )
        return [dict(row) for row in rows.mappings()]

    async def handled(self, keys: list[tuple[str, str]], now: datetime) -> None:
        """Mark notifications as followed up."""
        if keys:
            await self._connection.execute(
                text("UPDATE inbox SET handled_at = :now WHERE account = :account AND external_id = :external_id"),
                [{"now": now, "account": account, "external_id": external_id} for account, external_id in keys],
            )
