"""One answer per (tenant, Idempotency-Key), kept in the transaction of what it began."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

KEPT = timedelta(hours=24)
CLAIM = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """What stands under a key: whose request, and its answer (`status` None = not yet answered)."""

    request_hash: bytes
    status: int | None
    headers: dict[str, str] | None
    body: bytes | None


class IdempotencyRows:
    """Idempotency keys of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def claim(self, tenant: str, key: str, request_hash: bytes, now: datetime) -> StoredAnswer | None:
        """Take the key for a first request (None), or give what stands under it.

        A key whose first request died unanswered is taken over once its claim ran out; an expired one is new.
        """
        taken = await self._connection.execute(
            text(
                "INSERT INTO idempotency_keys (tenant, key, request_hash, claimed_until, created_at, expires_at)"
                " VALUES (:tenant, :key, :hash, :claimed_until, :now, :expires_at)"
                " ON CONFLICT (tenant, key) DO UPDATE SET request_hash = excluded.request_hash,"
                " claimed_until = excluded.claimed_until, created_at = excluded.created_at,"
                " expires_at = excluded.expires_at, status = NULL, headers = NULL, body = NULL, operation_id = NULL"
                " WHERE (idempotency_keys.status IS NULL AND idempotency_keys.claimed_until < :now"
                "   AND idempotency_keys.request_hash = excluded.request_hash)"
                " OR (idempotency_keys.expires_at < :now AND NOT EXISTS (SELECT FROM operations o"
                "   WHERE o.id = idempotency_keys.operation_id AND o.settled_at IS NULL))"
                " RETURNING key"
            ),
            {
                "tenant": tenant,
                "key": key,
                "hash": request_hash,
                "claimed_until": now + CLAIM,
                "now": now,
                "expires_at": now + KEPT,
            },
        )
        if taken.first() is not None:
            return None
        row = (
            await self._connection.execute(
                text(
                    "SELECT request_hash, status, headers, body FROM idempotency_keys"
                    " WHERE tenant = :tenant AND key = :key"
                ).columns(headers=JSONB),
                {"tenant": tenant, "key": key},
            )
        ).mappings().one()
        return StoredAnswer(**row)

    async def answer(  # noqa: PLR0913 - one column each
        self, tenant: str, key: str, *, status: int, headers: dict[str, Any], body: bytes, operation_id: UUID | None
    ) -> None:
        """Keep the answer of the request that claimed the key."""
        await self._connection.execute(
            text(
                "UPDATE idempotency_keys SET status = :status, headers = CAST(:headers AS jsonb), body = :body,"
                " operation_id = :operation_id WHERE tenant = :tenant AND key = :key"
            ).bindparams(tenant=tenant, key=key, status=status, body=body, operation_id=operation_id, headers=json.dumps(headers))
        )

    async def release(self, tenant: str, key: str) -> None:
        """Forget a claim whose request was refused: 4xx and 5xx are not stored."""
        await self._connection.execute(
            text("DELETE FROM idempotency_keys WHERE tenant = :tenant AND key = :key AND status IS NULL"),
            {"tenant": tenant, "key": key},
        )

    async def forget_expired(self, now: datetime) -> int:
        """Drop answers past their time whose operation has ended."""
        done = await self._connection.execute(
            text(
                "DELETE FROM idempotency_keys k WHERE k.expires_at < :now AND NOT EXISTS"
                " (SELECT FROM operations o WHERE o.id = k.operation_id AND o.settled_at IS NULL)"
            ),
            {"now": now},
        )
        return done.rowcount



