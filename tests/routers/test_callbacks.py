"""Carriers' callbacks need no key: what anybody may send is bounded for each account, and costs the carrier's budget last."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import httpx
import pytest

from app.carriers.http.slots import Urgency, urgency_of
from app.domain.operation.outcomes import MAX_POLL_INTERVAL
from app.usecases.carrier_sync.notifications import process_notifications
from tests.gateway import Gateway, SandboxWire, open_gateway

LIMIT = 3


async def test_the_callbacks_of_an_account_have_a_limit_and_those_of_another_go_on(
    clean_database: str, tmp_path: Path
) -> None:
    async with open_gateway(clean_database, tmp_path, SIMGATE_CALLBACKS_PER_S=str(LIMIT)) as gateway:
        answers = [await gateway.api.post("/v1/callbacks/cmcc-main", content=b"x" * 300_000) for _ in range(3 * LIMIT)]
        other = await gateway.api.post("/v1/callbacks/ctcc-main", content=b"<a")
        metrics = (await gateway.api.get("/metrics")).text

    assert (answers[0].headers["ratelimit-policy"], answers[0].headers["ratelimit"]) == (
        f'"callbacks";q={LIMIT};w=1',
        f'"callbacks";r={LIMIT - 1};t=1',
    )
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused, [answer.status_code for answer in answers]
    assert {answer.json()["code"] for answer in refused} == {"TOO_MANY_REQUESTS"}
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}
    assert other.status_code == 400
    assert f'simgate_callbacks_total{{account="cmcc-main",result="limited"}} {len(refused)}.0' in metrics


async def test_a_change_whose_notification_was_crowded_out_ends_by_polling_within_ten_minutes(
    clean_database: str, tmp_path: Path
) -> None:
    async with open_gateway(clean_database, tmp_path, SIMGATE_CALLBACKS_PER_S="1") as gateway:
        [iccid] = await gateway.fleet({"carrier": "ctcc", "msisdn": "1440000000000"})
        asked = await gateway.api.post(f"/v1/sims/{iccid}/suspend", json={})
        await gateway.advance(seconds=0)
        for _ in range(2):
            crowded_out = await gateway.api.post("/v1/callbacks/ctcc-main", content=b"<a")
        waiting = (await gateway.api.get(asked.headers["location"])).json()
        due = datetime.fromisoformat(waiting["next_attempt_at"])
        ended = await gateway.operation(asked)

    assert (crowded_out.status_code, waiting["status"]) == (429, "waiting_carrier")
    assert due - gateway.ctx.now() <= MAX_POLL_INTERVAL
    assert ended["status"] == "succeeded"
    took = datetime.fromisoformat(ended["settled_at"]) - datetime.fromisoformat(ended["created_at"])
    assert took <= MAX_POLL_INTERVAL


async def test_what_a_notification_makes_us_query_waits_behind_everything_else(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    [iccid] = await gateway.fleet({"carrier": "ctcc", "msisdn": "1440000000000"})
    seen: list[Urgency] = []
    inner = SandboxWire.handle_async_request

    async def noted(wire: SandboxWire, request: httpx.Request) -> httpx.Response:
        seen.append(urgency_of(changes=False))
        return await inner(wire, request)

    push = (
        "<NotifyContractRoot><TYPE>1</TYPE><GROUP_TRANSACTIONID>1</GROUP_TRANSACTIONID>"
        "<STATUSINFO>竣工</STATUSINFO><ACCNBR>1440000000000</ACCNBR><SENDDT>20261121101112</SENDDT>"
        "<ACCEPTTYPE>8</ACCEPTTYPE><ACCEPTMSG/><STATUSDT>20261121101112</STATUSDT><RESULTMSG>成功</RESULTMSG>"
        "</NotifyContractRoot>"
    )
    answer = await gateway.api.post("/v1/callbacks/ctcc-main", content=push.encode())
    monkeypatch.setattr(SandboxWire, "handle_async_request", noted)

    assert (answer.status_code, await process_notifications(gateway.ctx)) == (200, 1), iccid
    assert set(seen) == {Urgency.BACKGROUND}
