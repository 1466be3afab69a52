"""Carriers' notifications: stored before the response, once per (account, external id), then followed up by polls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.quarantine import not_resting
from app.db.schema.carriers import inbox

_KEY = "account || '/' || external_id"
_NOT_RESTING = not_resting("inbox", "notification", _KEY)


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

    async def unhandled(self, now: datetime, limit: int) -> list[str]:
        """Keys, `account/external id`, of notifications to follow up, oldest first; those set aside are left out."""
        rows = await self._connection.execute(
            text(
                f"SELECT {_KEY} FROM inbox WHERE handled_at IS NULL AND {_NOT_RESTING}"  # noqa: S608 - ours
                " ORDER BY received_at LIMIT :limit"
            ),
            {"now": now, "limit": limit},
        )
        return list(rows.scalars())

    async def lock(self, keys: Sequence[str]) -> list[dict[str, Any]]:
        """Those of these notifications that nobody has followed up or has locked, locked for this transaction."""
        rows = await self._connection.execute(
            text(
                f"SELECT * FROM inbox WHERE handled_at IS NULL AND {_KEY} = ANY(:keys)"  # noqa: S608 - ours
                " ORDER BY received_at FOR UPDATE SKIP LOCKED"
            ),
            {"keys": list(keys)},
        )
        return [dict(row) for row in rows.mappings()]

    async def handled(self, keys: list[tuple[str, str]], now: datetime) -> None:
        """Mark notifications as followed up."""
        if keys:
            await self._connection.execute(
                text("UPDATE inbox SET handled_at = :now WHERE account = :account AND external_id = :external_id"),
                [{"now": now, "account": account, "external_id": external_id} for account, external_id in keys],
            )
