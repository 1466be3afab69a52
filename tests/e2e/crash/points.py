"""Points at which a process can be killed: every commit, and every request to a carrier, in the order they come.

They are counted from outside: by a unit of work that commits as ours does, and by the network that the container is
given. The product has no hook for it.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.uow import UnitOfWork

SIDES = {"commit": ("before", "after"), "change": ("before", "left", "answered"), "query": ("answered",)}
"""Where to kill at a point: `left`: the request has left and is not answered; `answered`: the answer is there, unread.
A query changes nothing, however far it came."""

NOT_OF_THE_COURSE = frozenset({"find_caller"})
"""Commits that come by the clock: when a key was last used is written once a minute."""


class Points:
    """Writes down each point as it comes, before anything happens there; kills its process at one side of one of them."""

    def __init__(self, report: Path, kill_at: tuple[int, str] | None) -> None:
        self._report = os.open(report, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._kill_at = kill_at
        self._number = -1

    def come(self, name: str) -> None:
        """The next point: `commit`, `change` or `query`, and which."""
        self._number += 1
        self.write(name)
        self.side("before")

    def side(self, side: str) -> None:
        """One side of the present point: the end of this process, if that was asked for."""
        if self._kill_at == (self._number, side):
            os.kill(os.getpid(), signal.SIGKILL)

    def write(self, line: str) -> None:
        """One line of the report; it outlives a kill."""
        os.write(self._report, f"{line}\n".encode())


class CountedWork(UnitOfWork):
    """A unit of work whose commit is a point, named after the function that commits."""

    def __init__(self, engine: AsyncEngine, points: Points) -> None:
        super().__init__(engine)
        self._points = points

    async def commit(self) -> None:
        """Commit, between two sides."""
        caller = sys._getframe(1).f_code.co_name
        if caller in NOT_OF_THE_COURSE:
            await super().commit()
            return
        self._points.come(f"commit {caller}")
        await super().commit()
        self._points.side("after")


class CountedWire(httpx.AsyncHTTPTransport):
    """The network, on which each request is a point, named after the last part of its path."""

    def __init__(self, points: Points) -> None:
        super().__init__(verify=False)  # the sandbox speaks http; certificates cost a fork a fifth of its life
        self._points = points

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it, between three sides."""
        looked_at = request.extensions.get("trace")  # a change looks at its deadline once more
        what = "query" if looked_at is None else "change"
        self._points.come(f"{what} {request.method} {request.url.path}")

        async def trace(event: str, facts: dict[str, Any]) -> None:
            if looked_at is not None:
                await looked_at(event, facts)
            if event.endswith("send_request_body.complete"):
                self._points.side("left")

        request.extensions = {**request.extensions, "trace": trace}
        response = await super().handle_async_request(request)
        self._points.side("answered")
        return response
