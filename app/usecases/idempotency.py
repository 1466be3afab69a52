"""A POST under an Idempotency-Key does its work once: claim, work and answer share one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from app.db.idempotency import StoredAnswer
from app.db.uow import UnitOfWork
from app.usecases.context import Context
from app.usecases.errors import IdempotencyMismatch, RequestInProgress


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a caller gets: status, headers of ours, body; `replayed` where it is an earlier request's."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    operation_id: UUID | None = None
    """The operation, or bulk operation, it began."""
    replayed: bool = False
    kept: bytes | None = None
    """What is kept in place of the body where that holds a secret, which is shown once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnceKey:
    """Whose key, which one, and the hash over method, path and body of the request that bears it."""

    tenant: str
    key: str
    request_hash: bytes


async def once(ctx: Context, key: OnceKey | None, act: Callable[[UnitOfWork], Awaitable[Answer]]) -> Answer:
    """Do `act` and commit, or give again what it answered under this key.

    A refusal (an exception) rolls everything back and is not stored. Raises `RequestInProgress` while the first
    request under the key is not yet answered, `IdempotencyMismatch` where the key belongs to another request.
    """
    async with ctx.work() as work:
        if key is not None:
            if not await work.idempotency.lock(key.tenant, key.key):
                raise RequestInProgress
            earlier = await work.idempotency.stored(key.tenant, key.key, ctx.now())
            if earlier is not None:
                return _replayed(earlier, key)
        answer = await act(work)
        if key is not None:
            await work.idempotency.store(
                key.tenant, key.key, _stored(answer, key), operation_id=answer.operation_id, now=ctx.now()
            )
        await work.commit()
    return answer


async def once_apart(ctx: Context, key: OnceKey | None, act: Callable[[], Awaitable[Answer]]) -> Answer:
    """`once` for work that commits by itself: the key is held meanwhile, the answer kept right after the work."""
    if key is None:
        return await act()

    async def within(_work: UnitOfWork) -> Answer:
        return await act()

    return await once(ctx, key, within)


def _replayed(earlier: StoredAnswer, key: OnceKey) -> Answer:
    if earlier.request_hash != key.request_hash:
        raise IdempotencyMismatch("this Idempotency-Key was used for another request")
    return Answer(status=earlier.status, body=earlier.body, headers=earlier.headers, replayed=True)


def _stored(answer: Answer, key: OnceKey) -> StoredAnswer:
    kept = answer.body if answer.kept is None else answer.kept
    return StoredAnswer(request_hash=key.request_hash, status=answer.status, headers=dict(answer.headers), body=kept)
