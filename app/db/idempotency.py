"""One answer per (tenant, Idempotency-Key), kept in the transaction of what it began."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.schema.access import idempotency_keys

KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """The response stored under a key, and the hash of the request that got it."""

    request_hash: bytes
    status: int
    headers: dict[str, Any]
    body: bytes


_STILL_STANDS = text(
    "(expires_at >= :now OR EXISTS (SELECT FROM operations o WHERE o.id = operation_id AND o.settled_at IS NULL)"
    " OR EXISTS (SELECT FROM bulk_operations b WHERE b.id = operation_id AND b.finished_at IS NULL))"
)


class IdempotencyRepository:
    """Idempotency keys of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def lock(self, tenant: str, key: str) -> bool:
        """Lock the key until this transaction ends; False if another request with this key is in progress.

        An advisory lock, as there is no row to lock before the first response is stored.
        """
        # Of two requests at once the second is refused: a wait would hold a connection as long as the first one works.
        # Whoever gets the lock reads `stored` after it, and so sees what an earlier holder has committed.
        found = await self._connection.execute(
            text("SELECT pg_try_advisory_xact_lock(hashtextextended(:tenant || chr(10) || :key, 7446283))"),
            {"tenant": tenant, "key": key},
        )
        return bool(found.scalar_one())

    async def stored(self, tenant: str, key: str, now: datetime) -> StoredAnswer | None:
        """The stored response; it is kept for 24 hours, or until the operation it began has ended if that is later."""
        c = idempotency_keys.c
        statement = select(c.request_hash, c.status, c.headers, c.body).where(
            c.tenant == tenant, c.key == key, _STILL_STANDS.bindparams(now=now)
        )
        row = (await self._connection.execute(statement)).mappings().first()
        return StoredAnswer(**row) if row else None

    async def store(
        self, tenant: str, key: str, answer: StoredAnswer, *, operation_id: UUID | None, now: datetime
    ) -> None:
        """Store the response of a request; an expired one with the same key is replaced."""
        values = {
            "request_hash": answer.request_hash,
            "status": answer.status,
            "headers": answer.headers,
            "body": answer.body,
            "operation_id": operation_id,
            "created_at": now,
            "expires_at": now + KEPT,
        }
        statement = insert(idempotency_keys).values(tenant=tenant, key=key, **values)
        await self._connection.execute(statement.on_conflict_do_update(index_elements=["tenant", "key"], set_=values))

    async def delete_expired(self, now: datetime) -> int:
        """Delete expired responses whose operation has ended; gives how many."""
        done = await self._connection.execute(
            text(f"DELETE FROM idempotency_keys WHERE NOT {_STILL_STANDS.text}"),  # noqa: S608 - ours
            {"now": now},
        )
        return done.rowcount
