"""Reads through the API at a slow carrier: a deadline, no work for a caller who has gone, changes first."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from app.usecases.execution.worker import worker_round
from tests.gateway import KEY, Gateway, iccid

CALLERS = 40
SLOW_S = 8.0
DEADLINE_S = 10.0


def _unicom(number: int) -> dict[str, Any]:
    return {"carrier": "cucc", "iccid": iccid(number, "898601")}


async def _timed(gateway: Gateway, sim: str) -> tuple[httpx.Response, float]:
    began = asyncio.get_running_loop().time()
    answer = await gateway.api.get(f"/v1/sims/{sim}/session")
    return answer, asyncio.get_running_loop().time() - began


async def test_forty_callers_at_a_carrier_that_takes_eight_seconds_wait_no_longer_than_the_deadline_and_changes_go_first(
    gateway: Gateway,
) -> None:
    sims = await gateway.fleet(*(_unicom(number) for number in range(CALLERS + 1)))
    await gateway.fault("slow", operation="status", count=None, seconds=SLOW_S, when="before")
    reads = [asyncio.create_task(_timed(gateway, sim)) for sim in sims[:CALLERS]]
    await asyncio.sleep(0.5)
    accepted = await gateway.api.post(f"/v1/sims/{sims[-1]}/suspend")
    assert accepted.status_code == 202
    assert await worker_round(gateway.ctx) == 1
    effects = (await gateway.carrier(sims[-1]))["effects"]
    none_answered_yet = not any(read.done() and read.result()[0].is_success for read in reads)
    ends = await asyncio.gather(*reads)

    assert effects == {"suspend": 1}
    assert none_answered_yet
    assert max(seconds for _, seconds in ends) < DEADLINE_S + 1
    refused = [answer for answer, _ in ends if answer.status_code != 200]
    assert refused
    assert {answer.status_code for answer in refused} <= {429, 503}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)


async def test_a_read_whose_caller_has_gone_is_dropped_and_frees_its_place(gateway: Gateway) -> None:
    (sim,) = await gateway.fleet(_unicom(1))
    await gateway.fault("slow", operation="status", count=1, seconds=SLOW_S, when="before")
    began = asyncio.get_running_loop().time()
    sent = await _hang_up(gateway, f"/v1/sims/{sim}/session", after_s=0.3)
    took = asyncio.get_running_loop().time() - began

    assert sent == []
    assert took < SLOW_S / 2
    labels = {"method": "GET", "route": "/v1/sims/{iccid}/session", "status": "499"}
    registry = gateway.ctx.telemetry.registry
    assert registry.get_sample_value("simgate_http_requests_total", labels) == 1
    answer, seconds = await _timed(gateway, sim)
    assert answer.status_code == 200
    assert seconds < SLOW_S / 2


async def _hang_up(gateway: Gateway, path: str, *, after_s: float) -> list[Any]:
    """Call the application itself as a server does whose client closes the connection; gives what it sent."""
    app: Any = gateway.api._transport.app
    sent: list[Any] = []
    messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await asyncio.sleep(after_s)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {KEY}".encode())],
        "client": ("127.0.0.1", 1),
        "server": ("gateway", 80),
    }
    await app(scope, receive, send)
    return sent
