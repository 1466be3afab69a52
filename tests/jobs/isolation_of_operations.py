"""Scenes of operations, bulk operations, webhooks and notification channels."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from app.jobs.loops import drain
from tests.gateway import Gateway
from tests.jobs.isolation import Handled, Prepare, Scene, second, sql, unreadable_sim
from tests.receiver import Receiver
from tests.usecases.webhooks.test_deliver import event, subscribe, tell


# --------------------------------------------------------------------------------------------------------- operations
async def _suspends(gateway: Gateway, **body: Any) -> tuple[list[str], list[str]]:
    """Three SIMs with a suspend requested each; gives ICCIDs and operation ids."""
    cards = await gateway.fleet({}, {}, {})
    answers = [await gateway.api.post(f"/v1/sims/{card}/suspend", json=body or None) for card in cards]
    return cards, [answer.json()["id"] for answer in answers]


async def _work(gateway: Gateway) -> None:
    for _ in range(5):
        await gateway.advance(seconds=2)


def _suspended_once(gateway: Gateway) -> Handled:
    async def handled(card: str) -> bool:
        read = await gateway.api.get(f"/v1/sims/{card}")
        return read.json()["state"] == "suspended" and (await gateway.carrier(card))["effects"] == {"suspend": 1}

    return handled


async def operation_that_cannot_be_read(gateway: Gateway, _: Receiver) -> Scene:
    cards, ids = await _suspends(gateway)
    write = "UPDATE operations SET source = $2 WHERE id = $1::text::uuid"
    await sql(gateway, write, ids[1], "nobody")
    return second(
        "operations",
        "operation",
        cards,
        lambda: _work(gateway),
        _suspended_once(gateway),
        lambda: sql(gateway, write, ids[1], "api"),
        listed=ids[1],
    )


async def operation_of_which_no_call_can_be_made(gateway: Gateway, _: Receiver) -> Scene:
    cards, ids = await _suspends(gateway)
    write = "UPDATE operations SET step = $2 WHERE id = $1::text::uuid"
    await sql(gateway, write, ids[1], 7)
    return second(
        "operations",
        "operation",
        cards,
        lambda: _work(gateway),
        _suspended_once(gateway),
        lambda: sql(gateway, write, ids[1], 0),
        listed=ids[1],
    )


async def operation_that_cannot_be_settled(gateway: Gateway, _: Receiver) -> Scene:
    cards, ids = await _suspends(gateway)
    scene = await unreadable_sim(gateway, "operations", cards, lambda: _work(gateway), _suspended_once(gateway))
    return second("operations", "operation", cards, scene.run, scene.handled, scene.heal, listed=ids[1])


async def operation_scheduled_for_later(gateway: Gateway, _: Receiver) -> Scene:
    later = (gateway.ctx.now() + timedelta(hours=1)).isoformat()
    cards, _ids = await _suspends(gateway, execute_at=later)

    async def run() -> None:
        await gateway.advance(hours=1)
        await _work(gateway)

    return await unreadable_sim(gateway, "schedule", cards, run, _suspended_once(gateway))


async def operation_past_its_time(gateway: Gateway, _: Receiver) -> Scene:
    cards, ids = await _suspends(gateway)
    await sql(
        gateway,
        "UPDATE operations SET channel = 'desk', status = 'waiting_carrier', due_at = $1",
        gateway.ctx.now() - timedelta(hours=1),
    )
    write = "UPDATE operations SET source = $2 WHERE id = $1::text::uuid"
    await sql(gateway, write, ids[1], "nobody")

    async def handled(card: str) -> bool:
        return bool(await sql(gateway, "SELECT overdue FROM operations WHERE iccid = $1", card))

    return second(
        "overdue",
        "operation",
        cards,
        lambda: drain(gateway.ctx),
        handled,
        lambda: sql(gateway, write, ids[1], "api"),
        listed=ids[1],
    )


async def item_of_a_bulk_operation(gateway: Gateway, _: Receiver) -> Scene:
    cards = await gateway.fleet({}, {}, {})
    body = {"kind": "suspend", "selector": {"iccids": cards}}
    assert (await gateway.api.post("/v1/bulk-operations", json=body)).status_code == 202
    return await unreadable_sim(gateway, "bulk", cards, lambda: _work(gateway), _suspended_once(gateway))


async def whole_bulk_operation(gateway: Gateway, _: Receiver) -> Scene:
    cards = await gateway.fleet({}, {}, {})
    ids = []
    for card in cards:
        body = {"kind": "suspend", "selector": {"iccids": [card]}}
        ids.append((await gateway.api.post("/v1/bulk-operations", json=body)).json()["id"])
    write = "UPDATE bulk_operations SET kind = $2 WHERE id = $1::text::uuid"
    await sql(gateway, write, ids[1], "no_such_kind")
    return second(
        "bulk",
        "bulk_operation",
        cards,
        lambda: _work(gateway),
        _suspended_once(gateway),
        lambda: sql(gateway, write, ids[1], "suspend"),
        listed=ids[1],
    )


async def webhook_without_a_secret(gateway: Gateway, receiver: Receiver) -> Scene:
    endpoints = [await subscribe(gateway.ctx, receiver) for _ in range(3)]
    ids = [str(endpoint.id) for endpoint in endpoints]
    write = "UPDATE webhook_endpoints SET secret = $2 WHERE id = $1::text::uuid"
    await sql(gateway, write, ids[1], "whsec_x")

    async def run() -> None:
        await tell(gateway.ctx, event(gateway.ctx, "one", 1))
        await drain(gateway.ctx)

    async def handled(endpoint: str) -> bool:
        done = "SELECT status FROM webhook_deliveries WHERE endpoint_id = $1::text::uuid"
        return bool(await sql(gateway, done, endpoint) == "delivered")

    return second("webhooks", "webhook", ids, run, handled, lambda: sql(gateway, write, ids[1], endpoints[1].secret))


async def channel_without_a_target(gateway: Gateway, receiver: Receiver) -> Scene:
    url = receiver.url
    body = {"kind": "sms_webhook", "name": "SMS", "url": url, "phones": ["13800000000"]}
    made = [await gateway.api.post("/v1/notification-channels", json=body) for _ in range(3)]
    ids = [answer.json()["id"] for answer in made]
    receiver.secrets += [answer.json()["secret"] for answer in made]
    read = "SELECT secrets::text FROM notification_channels WHERE id = $1::text::uuid"
    write = "UPDATE notification_channels SET secrets = $2::text::jsonb WHERE id = $1::text::uuid"
    before = await sql(gateway, read, ids[1])
    await sql(gateway, write, ids[1], "{}")

    async def run() -> None:
        for one in ids:
            assert (await gateway.api.post(f"/v1/notification-channels/{one}/test")).is_success
        await drain(gateway.ctx)

    async def handled(channel: str) -> bool:
        done = "SELECT status FROM notification_deliveries WHERE channel_id = $1::text::uuid"
        return bool(await sql(gateway, done, channel) == "delivered")

    return second(
        "notifications", "notification_channel", ids, run, handled, lambda: sql(gateway, write, ids[1], before)
    )


SCENES: tuple[Prepare, ...] = (
    operation_that_cannot_be_read,
    operation_of_which_no_call_can_be_made,
    operation_that_cannot_be_settled,
    operation_scheduled_for_later,
    operation_past_its_time,
    item_of_a_bulk_operation,
    whole_bulk_operation,
    webhook_without_a_secret,
    channel_without_a_target,
)
