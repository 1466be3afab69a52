"""Calls in flight of one protocol of one account, in this process: the most urgent waiting call gets the next slot."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import IntEnum

CHANGE_RETURNS_S = 3.0
"""Seconds for which other calls leave a slot free for a change that waited for one in vain, and is tried again."""


class Urgency(IntEnum):
    """Which calls go first.

    `CHANGE`: its sender holds a lease; `QUERY`: the worker follows up a change or a notification; `ON_REQUEST`: a
    caller of the API waits for the answer; `BACKGROUND`: pulls, which wait as long as it takes.
    """

    CHANGE = 0
    QUERY = 1
    ON_REQUEST = 2
    BACKGROUND = 3


_urgency: ContextVar[Urgency] = ContextVar("urgency", default=Urgency.QUERY)


def urgency_of(*, changes: bool) -> Urgency:
    """The urgency of a call made here."""
    return Urgency.CHANGE if changes else _urgency.get()


@contextmanager
def in_background() -> Iterator[None]:
    """Queries made in here, also by tasks started in here, wait for the call budget as long as it takes."""
    with _queries_are(Urgency.BACKGROUND):
        yield


@contextmanager
def on_request() -> Iterator[None]:
    """Queries made in here, also by tasks started in here, are for a caller of the API: they fail rather than wait."""
    with _queries_are(Urgency.ON_REQUEST):
        yield


@contextmanager
def _queries_are(urgency: Urgency) -> Iterator[None]:
    token = _urgency.set(urgency)
    try:
        yield
    finally:
        _urgency.reset(token)


class Slots:
    """At most `total` calls in flight, and at most half of them for callers of the API.

    So a carrier that answers slowly cannot have all slots filled with reads on request.
    """

    def __init__(self, total: int) -> None:
        self._free = total
        self._on_request_free = max(1, total // 2)
        self._reserved_until = 0.0
        self._waiting: dict[Urgency, deque[asyncio.Future[None]]] = {urgency: deque() for urgency in Urgency}

    async def acquire(self, urgency: Urgency) -> None:
        """Wait for a slot; a cancelled wait holds none."""
        if self._fits(urgency):
            self._take(urgency)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[urgency].append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            # Cancelled in the moment in which `_wake` gave it the slot: it goes to the next one.
            if turn.done() and not turn.cancelled():
                self.release(urgency)
            raise

    def release(self, urgency: Urgency) -> None:
        """Give a slot back."""
        self._free += 1
        if urgency is Urgency.ON_REQUEST:
            self._on_request_free += 1
        self._wake()

    def reserve_for_change(self) -> None:
        """A change waited in vain: for a moment, the next free slot is kept for it."""
        loop = asyncio.get_running_loop()
        self._reserved_until = loop.time() + CHANGE_RETURNS_S
        loop.call_later(CHANGE_RETURNS_S, self._wake)

    def _wake(self) -> None:
        for urgency, queue in self._waiting.items():
            while queue and (queue[0].done() or self._fits(urgency)):
                turn = queue.popleft()
                if not turn.done():
                    self._take(urgency)
                    turn.set_result(None)

    def _fits(self, urgency: Urgency) -> bool:
        if urgency is Urgency.CHANGE:
            return self._free > 0
        reserved = self._reserved_until > asyncio.get_running_loop().time()
        has_share = urgency is not Urgency.ON_REQUEST or self._on_request_free > 0
        return self._free > 0 and has_share and not reserved

    def _take(self, urgency: Urgency) -> None:
        self._free -= 1
        if urgency is Urgency.ON_REQUEST:
            self._on_request_free -= 1
        if urgency is Urgency.CHANGE:
            self._reserved_until = 0.0
