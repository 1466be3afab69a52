"""The sandbox on a real socket and a free port, for as long as it is needed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sandbox.options import SandboxOptions
from sandbox.serve import serve

ROOT = Path(__file__).parents[2]
DESCRIPTIONS = (
    ROOT / "carriers" / "simboss.toml",
    ROOT / "carriers" / "upiot.toml",
    ROOT / "tests" / "carriers" / "described" / "token.toml",
)
"""The carriers described as data that the sandbox of the tests plays beside the six protocols."""


@asynccontextmanager
async def serving() -> AsyncIterator[str]:
    """Its base URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    up, stop = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(
        serve(SandboxOptions(descriptions=DESCRIPTIONS), "127.0.0.1", port, ready=lambda _: up.set(), stop=stop)
    )
    waiting = asyncio.create_task(up.wait())
    await asyncio.wait([task, waiting], timeout=10, return_when=asyncio.FIRST_COMPLETED)
    assert up.is_set()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        stop.set()
        await task
