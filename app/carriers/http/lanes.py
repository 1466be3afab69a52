"""Connections to one host, one to a lane: a call takes a free lane, so that no call looks at another's connection.

httpcore's pool goes over all its connections, sockets included, whenever a request comes or goes. With 20 connections
that cost two thirds of a call's processor time (docs/performance.md, Carrier clients). Lanes are pools of one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable

import httpx

from app.clock import monotonic

KEPT_S = 5.0
"""How long a connection is kept for the next call, as httpx keeps it."""


class Lanes(httpx.AsyncBaseTransport):
    """As many lanes as there are calls at once, which the throttle limits; the lane used last is taken first."""

    def __init__(self, open_lane: Callable[[], httpx.AsyncBaseTransport]) -> None:
        self._open_lane = open_lane
        self._free: deque[tuple[float, httpx.AsyncBaseTransport]] = deque()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; its lane is free again when the response is closed, or when it fails."""
        lane = await self._take()
        try:
            response = await lane.handle_async_request(request)
        except BaseException:
            self._give_back(lane)
            raise
        response.stream = _Lent(response.stream, lambda: self._give_back(lane))
        return response

    async def aclose(self) -> None:
        """Close every connection that no call is using."""
        while self._free:
            await self._free.popleft()[1].aclose()

    async def _take(self) -> httpx.AsyncBaseTransport:
        expired = monotonic() - KEPT_S
        while len(self._free) > 1 and self._free[0][0] < expired:
            await self._free.popleft()[1].aclose()
        return self._free.pop()[1] if self._free else self._open_lane()

    def _give_back(self, lane: httpx.AsyncBaseTransport) -> None:
        self._free.append((monotonic(), lane))


class _Lent(httpx.AsyncByteStream):
    """The body of a response; closed, it gives the lane back once."""

    def __init__(self, body: httpx.SyncByteStream | httpx.AsyncByteStream, give_back: Callable[[], None]) -> None:
        assert isinstance(body, httpx.AsyncByteStream)  # noqa: S101 - as every transport of httpx that is awaited gives
        self._body = body
        self._give_back: Callable[[], None] | None = give_back

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._body)

    async def aclose(self) -> None:
        """Close the body, then give the lane back."""
        give_back, self._give_back = self._give_back, None
        try:
            await self._body.aclose()
        finally:
            if give_back:
                give_back()
