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
from typing import Any

from app.carriers.http.transport_errors import LeaseOver

_send_by: ContextVar[float | None] = ContextVar("send_by", default=None)

_FIRST_BYTES = "send_request_headers.started"
"""The trace event of httpcore before it writes a request, for HTTP/1.1 and HTTP/2 alike."""


@contextmanager
def sending_until(instant: float) -> Iterator[None]:
    """Changes sent in here, also by tasks started in here, must leave before `instant` of the running loop's clock."""
    token = _send_by.set(instant)
    try:
        yield
    finally:
        _send_by.reset(token)


def refuse_if_late() -> None:
    """Raises `LeaseOver` where the instant of `sending_until` has passed."""
    send_by = _send_by.get()
    if send_by is not None and asyncio.get_running_loop().time() >= send_by:
        raise LeaseOver("the lease ended before the change could be sent; nothing was sent")


async def before_first_byte(event: str, _: Mapping[str, Any]) -> None:
    """httpcore's `trace` extension: `refuse_if_late` once a connection is there and nothing has been written to it."""
    if event.endswith(_FIRST_BYTES):
        refuse_if_late()
