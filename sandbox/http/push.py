"""Messages from the carriers to the customer. Each is journalled until it was delivered or given up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

import httpx

from sandbox.fleet.store import Store
from sandbox.http.server import ProtocolServer

log = logging.getLogger(__name__)
_TIMEOUT = 5.0
_ATTEMPTS = 3
_PAUSE = 1.0


class Pusher:
    """Delivers what is in the outbox, in order, one attempt each; what nobody takes is tried twice more.

    No document has a retry policy (B1.6), so a push is a hint that may be lost.
    """

    def __init__(self, store: Store, servers: Mapping[str, ProtocolServer]) -> None:
        self.store = store
        self._servers = servers
        self._client: httpx.AsyncClient | None = None
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Deliver in the background, if there is something and nothing is on its way."""
        if self.store.pushes and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self.deliver())

    async def deliver(self) -> None:
        """Deliver everything there is now."""
        async with self._lock:
            for number in list(self.store.pushes):
                await self._send(number)

    async def _send(self, number: int) -> None:
        push = self.store.pushes.get(number)
        if push is None:
            return
        body, kind = self._servers[push["protocol"]].push_body(push)
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False)
        for attempt in range(_ATTEMPTS):
            try:
                await self._client.post(push["url"], content=body, headers={"content-type": kind})
                break
            except httpx.HTTPError as error:
                log.info("sandbox push of %s not taken: %s", push["protocol"], type(error).__name__)
                if attempt + 1 < _ATTEMPTS:
                    await asyncio.sleep(_PAUSE)
        self.store.pushes.pop(number, None)
        self.store.touch("pushes", number)
        self.store.flush()

    def use(self, client: httpx.AsyncClient) -> None:
        """Send by this client from now on (the caller's to configure; closed with the sandbox)."""
        self._client = client

    async def close(self) -> None:
        """Stop, and close the connections."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()
