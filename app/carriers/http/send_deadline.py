"""Until when a change may still leave this process: as long as its sender surely holds the lease (OP-3).

A process that is frozen between taking the lease and writing the request (SIGSTOP, swapping, a stalled commit) wakes up
after another worker has verified that nothing was applied and has sent the change itself. So the last look at the clock
is taken right before the request's first byte is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import httpx

from app.carriers.http.transport_errors import LeaseOver

CONNECT_S = 3.0


@dataclass(slots=True)
class SendWindow:
    """`send_by`: by the running loop's clock; `left`: whether a change has left since it was opened."""

    send_by: float
    left: bool = False


_window: ContextVar[SendWindow | None] = ContextVar("send_window", default=None)

_FIRST_BYTES = "send_request_headers.started"
"""The trace event of httpcore before it writes a request, for HTTP/1.1 and HTTP/2 alike."""


@contextmanager
def sending_in(window: SendWindow) -> Iterator[None]:
    """Changes sent in here, also by tasks started in here, must leave before the end of the window."""
    token = _window.set(window)
    try:
        yield
    finally:
        _window.reset(token)


def refuse_if_late() -> None:
    """Raises `LeaseOver` where the instant of `sending_in` has passed."""
    window = _window.get()
    if window is not None and asyncio.get_running_loop().time() >= window.send_by:
        raise LeaseOver("the lease ended before the change could be sent; nothing was sent")


async def before_first_byte(event: str, _: Mapping[str, Any]) -> None:
    """httpcore's `trace` extension: `refuse_if_late` once a connection is there and nothing has been written to it."""
    if event.endswith(_FIRST_BYTES):
        refuse_if_late()
        if (window := _window.get()) is not None:
            window.left = True


@lru_cache(maxsize=64)
def extensions_of(limit_s: float, *, changes: bool) -> dict[str, Any]:
    """httpx's extensions of a request that may take so many seconds; a change looks at its deadline once more."""
    timeout = {"timeout": httpx.Timeout(limit_s, connect=CONNECT_S).as_dict()}
    return {**timeout, "trace": before_first_byte} if changes else timeout
