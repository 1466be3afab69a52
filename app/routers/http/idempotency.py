"""The `Idempotency-Key` of a POST: its dependency, the stored response of an earlier request, and storing one.

A route claims the key in its unit of work and answers again what is stored (`stored_response`), or does the work and
commits it with its response (`commit_response`): claim, work and stored response are one transaction. An exception
rolls all of it back.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from starlette.responses import Response

from app.db.idempotency import StoredAnswer
from app.db.uow import UnitOfWork
from app.usecases.access import Caller
from app.usecases.context import Context
from app.usecases.idempotency import RequestKey, claim, complete

from .errors.problems import Unreadable
from .responses import JSON
from .spools import Spool

MAX_KEY_LENGTH = 255
STORED_HEADERS = ("Location", "Cache-Control")


class IdempotencyHeader:
    """A dependency: the Idempotency-Key with the hash over method, path and body; None without the header.

    It stands behind the caller and the body in a route's parameters: both are read by then.
    """

    def __call__(self, request: Request) -> RequestKey | None:
        """The key of a request. Raises `Unreadable`."""
        key = request.headers.get("idempotency-key")
        if key is None:
            return None
        if not key or len(key) > MAX_KEY_LENGTH or not all("!" <= c <= "~" for c in key):
            raise Unreadable(f"an Idempotency-Key has 1 to {MAX_KEY_LENGTH} visible ASCII characters")
        caller: Caller = request.state.caller
        path = request.url.path + ("?" + request.url.query if request.url.query else "")
        digest = hashlib.sha256(b"\n".join((request.method.encode(), path.encode(), b"")))
        body: bytes | Spool = request.state.body
        for piece in body.pieces() if isinstance(body, Spool) else (body,):
            digest.update(piece)
        return RequestKey(tenant=caller.tenant, key=key, request_hash=digest.digest())


Idempotent = Annotated[RequestKey | None, Depends(IdempotencyHeader())]


async def stored_response(ctx: Context, work: UnitOfWork | None, key: RequestKey | None) -> Response | None:
    """Claim the key until the transaction ends; the response stored under it, if there is one.

    Raises `RequestInProgress`, `IdempotencyMismatch`.
    """
    if work is None or key is None:
        return None
    stored = await claim(ctx, work, key)
    if stored is None:
        return None
    headers = {**stored.headers, "Idempotency-Replayed": "true"}
    return Response(stored.body, status_code=stored.status, headers=headers, media_type=JSON)


async def commit_response(
    ctx: Context,
    work: UnitOfWork | None,
    key: RequestKey | None,
    response: Response,
    *,
    began: UUID | None = None,
    body: bytes | None = None,
) -> None:
    """Commit the work together with the response to it, stored under the key if there is one.

    `began`: the operation or bulk operation it began. `body`: stored in place of a body that holds a secret, which is
    shown once and never stored.
    """
    if work is None:
        return
    answer = None
    if key is not None:
        headers = {name: response.headers[name] for name in STORED_HEADERS if name in response.headers}
        content = bytes(response.body) if body is None else body
        answer = StoredAnswer(request_hash=key.request_hash, status=response.status_code, headers=headers, body=content)
    await complete(ctx, work, key, answer, began=began)


@asynccontextmanager
async def held(ctx: Context, key: RequestKey | None) -> AsyncIterator[UnitOfWork | None]:
    """A unit of work that only holds the key, for work that commits by itself; None without a key.

    The response is stored right after the work; a second request meanwhile is 409.
    """
    if key is None:
        yield None
        return
    async with ctx.work() as work:
        yield work
