"""A request under an idempotency key does its work once: claim, work and stored answer share one transaction.

What the answer consists of is the caller's business: here it is stored and found again.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from app.db.idempotency import StoredAnswer
from app.db.uow import UnitOfWork
from app.usecases.context import Context
from app.usecases.errors import IdempotencyMismatch, RequestInProgress


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKey:
    """A tenant's key, and the hash of the request that bears it."""

    tenant: str
    key: str
    request_hash: bytes


async def claim(ctx: Context, work: UnitOfWork, key: RequestKey) -> StoredAnswer | None:
    """Claim the key until the transaction ends; the answer stored under it, None where the work is still to be done.

    Raises `RequestInProgress` while the first request under the key has no answer yet, `IdempotencyMismatch` where the
    key belongs to another request.
    """
    if not await work.idempotency.lock(key.tenant, key.key):
        raise RequestInProgress
    stored = await work.idempotency.stored(key.tenant, key.key, ctx.now())
    if stored is not None and stored.request_hash != key.request_hash:
        raise IdempotencyMismatch("this Idempotency-Key was used for another request")
    return stored


async def complete(
    ctx: Context, work: UnitOfWork, key: RequestKey | None, answer: StoredAnswer | None, *, began: UUID | None = None
) -> None:
    """Commit the work, with the answer stored under the claimed key if there is one.

    It is stored for 24 hours, or as long as the operation or bulk operation that it `began` is open.
    """
    if key is not None and answer is not None:
        await work.idempotency.store(key.tenant, key.key, answer, operation_id=began, now=ctx.now())
    await work.commit()
