"""The sender of webhooks with a span for each attempt; there only where traces are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from app.outbound.guard import Network
from app.outbound.sender import SendResult, WebhookSender
from app.tracing import Tracing


class TracedWebhookSender(WebhookSender):
    """Tells the receiver the trace, too. Of a URL only the host is told: its path may be a secret."""

    def __init__(self, allowed: Sequence[Network], tracing: Tracing) -> None:
        super().__init__(allowed)
        self._tracing = tracing

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> SendResult:
        """One attempt. Never raises for anything the target does."""
        about = {"server.address": urlsplit(url).hostname, "simgate.event.id": headers.get("webhook-id")}
        with self._tracing.span("webhook", about, kind="client") as span:
            result = await super().send(url, {**headers, **self._tracing.headers()}, body)
            span.set("http.response.status_code", result.status)
            if not result.delivered:
                span.fail(str(result.status or "not_sent"))
        return result
