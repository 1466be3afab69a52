"""What surrounds a request, where the request itself comes to nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.routers.health import create_health_app
from app.routers.http.middleware import RequestMiddleware
from app.telemetry import Telemetry
from tests.gateway import KEY, Gateway, open_gateway


async def _loses_its_connection(_scope: Scope, _receive: Receive, _send: Send) -> None:
    lost = asyncio.get_running_loop().create_future()
    lost.cancel()
    await lost


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_a_process_without_the_api_answers_head_as_get(gateway: Gateway, path: str) -> None:
    async def answers() -> bool:
        return True

    app = create_health_app(gateway.container, sandbox_answers=answers)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://worker") as caller:
        asked = await caller.get(path, headers={"Authorization": f"Bearer {KEY}"})
        headed = await caller.head(path, headers={"Authorization": f"Bearer {KEY}"})

    assert (headed.status_code, headed.content) == (asked.status_code, b"")


async def test_one_role_alone_in_sandbox_mode_waits_for_no_demo_fleet(gateway: Gateway) -> None:
    async def answers() -> bool:
        return True

    app = create_health_app(gateway.container, sandbox_answers=answers)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://worker") as caller:
        assert (await caller.get("/readyz")).status_code == 200


async def test_metrics_take_a_key_that_can_do_nothing_else(clean_database: str, tmp_path: Path) -> None:
    async with open_gateway(clean_database, tmp_path, SIMGATE_METRICS_OPEN=False) as gateway:
        made = await gateway.api.post("/v1/admin/keys", json={"scopes": ["metrics"]})
        scraper = {"Authorization": f"Bearer {made.json()['key']}"}
        answers = [
            (await gateway.api.get(path, headers=headers)).status_code
            for path, headers in (
                ("/metrics", scraper),
                ("/v1/sims", scraper),
                ("/v1/admin/accounts", scraper),
                ("/metrics", {"Authorization": ""}),
            )
        ]

    assert answers == [200, 403, 403, 401]


class _Waits:
    """Begins a request and never answers it."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    async def __call__(self, _scope: Scope, _receive: Receive, _send: Send) -> None:
        self.begun.set()
        await asyncio.Event().wait()


def _caller(served: ASGIApp) -> httpx.AsyncClient:
    app = RequestMiddleware(served, telemetry=Telemetry())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway")


async def test_a_cancellation_nobody_asked_for_is_an_answer_to_come_back_to() -> None:
    async with _caller(_loses_its_connection) as caller:
        answer = await caller.get("/v1/sims", headers={"X-Correlation-Id": "lost"})

    assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")
    assert (answer.headers["retry-after"], answer.headers["x-correlation-id"]) == ("1", "lost")


async def test_a_request_told_to_stop_stops() -> None:
    endless = _Waits()
    async with _caller(endless) as caller:
        asking = asyncio.create_task(caller.get("/v1/sims"))
        await endless.begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking


async def test_a_caller_who_hangs_up_while_sending_is_no_error_of_the_server() -> None:
    telemetry = Telemetry()
    sent: list[Message] = []
    parts = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Message:
        return next(parts)

    async def send(message: Message) -> None:
        sent.append(message)

    async def reads(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()

    scope = {"type": "http", "method": "POST", "path": "/v1/usage/reports", "headers": []}
    await RequestMiddleware(reads, telemetry=telemetry)(scope, receive, send)

    labels = {"method": "POST", "route": "unmatched", "status": "499"}
    assert (sent, telemetry.registry.get_sample_value("simgate_http_requests_total", labels)) == ([], 1)
