"""A receiver as a customer would write it: the `standardwebhooks` package verifies every delivery."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from standardwebhooks import Webhook, WebhookVerificationError

Answer = Callable[[dict[str, Any]], int]


def always(status: int) -> Answer:
    return lambda _event: status


@dataclass
class Receiver:
    """Keeps what it verified, in the order of arrival; answers what the test says."""

    url: str = ""
    secrets: list[str] = field(default_factory=list)
    answer: Answer = field(default_factory=lambda: always(204))
    taken: list[dict[str, Any]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    signatures: list[int] = field(default_factory=list)
    unverified: int = 0
    delay_s: float = 0
    traces: list[str] = field(default_factory=list)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":  # the sender stood still or died in the middle of it
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.traces += [headers["traceparent"]] if "traceparent" in headers else []
        status = await self._status_for(headers, body)
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def _status_for(self, headers: dict[str, str], body: bytes) -> int:
        for secret in self.secrets:
            try:
                Webhook(secret).verify(body, headers)
                break
            except WebhookVerificationError:
                continue
        else:
            self.unverified += 1
            return 401
        event = json.loads(body)
        assert event["id"] == headers["webhook-id"]
        self.asked.append(event)
        self.signatures.append(len(headers["webhook-signature"].split()))
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        status = self.answer(event)
        if 200 <= status < 300:
            self.taken.append(event)
        return status

    def of(self, subject: str) -> list[int]:
        """The numbers of the events of one card, in order of arrival."""
        return [event["data"]["n"] for event in self.taken if event.get("subject") == subject]


class _Server(uvicorn.Server):
    def capture_signals(self) -> Any:
        return nullcontext()


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on a free port of loopback."""
    app = Receiver()
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        app.url = f"http://127.0.0.1:{bound.getsockname()[1]}/hook"
        config = uvicorn.Config(app, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1)
        server = _Server(config)
        task = asyncio.create_task(server.serve(sockets=[bound]))
        while not server.started:
            await asyncio.sleep(0.005)
        try:
            yield app
        finally:
            server.should_exit = True
            await task
