"""JSON responses, encoded once by one msgspec encoder; and work that ends when nobody waits for its response."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import msgspec
from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

T = TypeVar("T")

_encoder = msgspec.json.Encoder()
JSON = "application/json"
_JSON_TYPE = (b"content-type", JSON.encode())


def encoded(value: Any) -> bytes:
    """The JSON text of a value."""
    return _encoder.encode(value)


class JsonResponse(Response):
    """A JSON body that is encoded already; its headers are written as they go out, without Starlette's look at each."""

    def __init__(self, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.status_code = status
        self.background = None
        self.body = body
        self.raw_headers = [_JSON_TYPE, (b"content-length", b"%d" % len(body))]
        if headers:
            self.raw_headers += [(name.lower().encode("latin-1"), v.encode("latin-1")) for name, v in headers.items()]


def json_response(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A response with a JSON body."""
    return JsonResponse(_encoder.encode(value), status=status, headers=headers)


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. Raises `ClientDisconnect` once the caller has gone; the work is cancelled before that.

    Only for requests without a body, or whose body has been read.
    """
    working, leaving = asyncio.create_task(work), asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return await working
    finally:
        leaving.cancel()
        working.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
