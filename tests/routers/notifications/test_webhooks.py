"""Webhooks and events over HTTP: what callers may ask, what they are told, and what they are never told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway import Gateway
from tests.receiver import Receiver


async def created(gateway: Gateway, url: str, **rest: Any) -> dict[str, Any]:
    answer = await gateway.api.post("/v1/webhooks", json={"url": url} | rest)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_an_operation_reaches_its_receiver(gateway: Gateway, receiver: Receiver) -> None:
    hook = await created(gateway, receiver.url, types=["sim.*", "operation.succeeded"])
    receiver.secrets.append(hook["secret"])
    (name,) = await gateway.fleet({})
    headers = {"X-Correlation-Id": "corr-1"}
    operation = await gateway.operation(await gateway.api.post(f"/v1/sims/{name}/suspend", headers=headers))
    await gateway.settle()
    told = {event["type"]: event for event in receiver.taken}
    assert set(told) == {"sim.suspended", "sim.hold_added", "operation.succeeded"}
    assert all(event["subject"] == name for event in receiver.taken)
    assert told["operation.succeeded"]["data"]["operation"]["id"] == operation["id"]
    assert told["sim.suspended"]["data"]["correlation_id"] == "corr-1"
    assert told["sim.suspended"]["data"]["before"] == {"state": "active"}
    log = (await gateway.api.get(f"/v1/webhooks/{hook['id']}/deliveries", params={"status": "delivered"})).json()
    assert {item["event"]["type"] for item in log["items"]} == set(told)


async def test_a_secret_is_told_once(gateway: Gateway, receiver: Receiver) -> None:
    hook = await created(gateway, receiver.url)
    assert hook["secret"].startswith("whsec_")
    rotated = (await gateway.api.post(f"/v1/webhooks/{hook['id']}/rotate")).json()
    assert rotated["secret"] not in ("", hook["secret"])
    assert (await gateway.api.post(f"/v1/webhooks/{hook['id']}/rotate")).status_code == 409
    for path in ("/v1/webhooks", f"/v1/webhooks/{hook['id']}", "/v1/events", "/v1/admin/audit"):
        text = (await gateway.api.get(path)).text
        assert hook["secret"] not in text
        assert rotated["secret"] not in text


@pytest.mark.parametrize("url", ["https://10.0.0.1/", "http://169.254.169.254/latest", "https://[fd00::1]/", "x"])
async def test_targets_in_private_networks_are_refused(gateway: Gateway, url: str) -> None:
    refused = await gateway.api.post("/v1/webhooks", json={"url": url})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["code"] == "TARGET_REFUSED"
    assert url not in refused.text


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/url"),
        ({"url": 7}, "/url"),
        ({"url": "https://8.8.8.8/", "types": ["Sim Suspended"]}, "/types/0"),
        ({"url": "https://8.8.8.8/", "types": "sim.*"}, "/types"),
        ({"url": "https://8.8.8.8/", "secret": "mine"}, "/secret"),
    ],
)
async def test_a_wrong_receiver_is_told_where(gateway: Gateway, body: dict[str, Any], pointer: str) -> None:
    refused = await gateway.api.post("/v1/webhooks", json=body)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == pointer


async def test_another_tenant_finds_nothing(gateway: Gateway, receiver: Receiver) -> None:
    hook = await created(gateway, receiver.url)
    await gateway.api.post("/v1/admin/tenants", json={"id": "other"})
    other = {"X-Tenant": "other"}
    path = f"/v1/webhooks/{hook['id']}"
    assert (await gateway.api.get("/v1/webhooks", headers=other)).json()["items"] == []
    assert (await gateway.api.get(path, headers=other)).status_code == 404
    for action in ("rotate", "test", "deliveries/1/redeliver"):
        assert (await gateway.api.post(f"{path}/{action}", headers=other)).status_code == 404
    assert (await gateway.api.delete(path, headers=other)).status_code == 404


async def test_a_receiver_is_changed_and_forgotten(gateway: Gateway, receiver: Receiver) -> None:
    hook = await created(gateway, receiver.url, description="dashboards")
    path = f"/v1/webhooks/{hook['id']}"
    changed = (await gateway.api.patch(path, json={"types": ["sim.expired"], "enabled": False})).json()
    assert (changed["types"], changed["enabled"], changed["description"]) == (["sim.expired"], False, "dashboards")
    assert (await gateway.api.patch(path, json={"url": "https://10.0.0.1/"})).status_code == 422
    assert (await gateway.api.delete(path)).status_code == 204
    assert (await gateway.api.get(path)).status_code == 404


async def test_a_replay_needs_a_period(gateway: Gateway, receiver: Receiver) -> None:
    hook = await created(gateway, receiver.url)
    path = f"/v1/webhooks/{hook['id']}/replay"
    assert (await gateway.api.post(path, json={})).status_code == 422
    backwards = {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}
    assert (await gateway.api.post(path, json=backwards)).status_code == 422
    whole = {"from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}
    assert (await gateway.api.post(path, json=whole)).json() == {"deliveries": 0}


async def test_the_feed_of_events_can_be_followed(gateway: Gateway) -> None:
    names = await gateway.fleet({}, {}, {})
    for name in names:
        await gateway.api.post(f"/v1/sims/{name}/suspend")
    await gateway.settle()
    whole = (await gateway.api.get("/v1/events", params={"limit": 500})).json()
    assert whole["next_cursor"] is None
    assert len(whole["items"]) == 9
    paged: list[str] = []
    cursor = None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await gateway.api.get("/v1/events", params=query)).json()
        paged += [event["id"] for event in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert paged == [event["id"] for event in whole["items"]]
    rest = (await gateway.api.get("/v1/events", params={"after": paged[3], "limit": 500})).json()["items"]
    assert [event["id"] for event in rest][-5:] == paged[4:]
    assert paged[3] not in [event["id"] for event in rest]
    unknown = await gateway.api.get("/v1/events", params={"after": "00000000-0000-0000-0000-000000000000"})
    assert unknown.status_code == 422


async def test_a_secret_is_neither_stored_nor_replayed_under_an_idempotency_key(
    gateway: Gateway, receiver: Receiver
) -> None:
    key, body = {"Idempotency-Key": "hook"}, {"url": receiver.url}
    first = await gateway.api.post("/v1/webhooks", json=body, headers=key)
    again = await gateway.api.post("/v1/webhooks", json=body, headers=key)
    path, key = f"/v1/webhooks/{first.json()['id']}/rotate", {"Idempotency-Key": "turn"}
    turned = await gateway.api.post(path, headers=key)
    turned_again = await gateway.api.post(path, headers=key)

    assert again.json() == first.json() | {"secret": None}
    assert turned_again.json() == turned.json() | {"secret": None}
    assert (again.headers["Idempotency-Replayed"], turned_again.headers["Cache-Control"]) == ("true", "no-store")
    async with gateway.ctx.pool.acquire() as connection:
        stored = await connection.fetch("SELECT body FROM idempotency_keys")
    assert len(stored) == 2
    assert not any(b"whsec_" in row["body"] for row in stored)
