"""Deliveries: verified by a foreign library, in order for each card, at least once, tried for three days."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.db.events.store import Event
from app.db.events.webhooks import EndpointRow
from app.usecases.access import create_tenant
from app.usecases.context import Context
from app.usecases.event_positions import number_events
from app.usecases.ids import new_id
from app.usecases.rounds import TENANT_SHARE
from app.usecases.webhooks import deliveries as log
from app.usecases.webhooks import endpoints
from app.usecases.webhooks.deliver import deliver_round
from tests.receiver import Receiver, always

TENANT = "default"


async def subscribe(ctx: Context, receiver: Receiver, *types: str) -> EndpointRow:
    wanted = endpoints.EndpointRequest(url=receiver.url, types=types)
    await endpoints.permit(ctx, wanted)
    async with ctx.work() as work:
        endpoint, secret = await endpoints.create(ctx, work, TENANT, wanted, actor="test")
        await work.commit()
    receiver.secrets.append(secret)
    return endpoint


def event(ctx: Context, subject: str, n: int, event_type: str = "sim.suspended") -> Event:
    now = ctx.now()
    return Event(
        event_id=new_id(now),
        tenant=TENANT,
        type=event_type,
        source=f"/v1/sims/{subject}",
        subject=subject,
        took_effect_at=now,
        known_at=now,
        data={"n": n, "省": "湖北"},
    )


async def tell(ctx: Context, *events: Event) -> None:
    async with ctx.work() as work:
        await work.events.add(events)
        await work.commit()


async def deliver_all(ctx: Context) -> None:
    """Deliver whatever is due."""
    while await deliver_round(ctx):
        pass


async def deliveries(ctx: Context, endpoint: EndpointRow, status: str | None = None) -> list[dict[str, Any]]:
    rows = await log.deliveries(ctx, TENANT, endpoint.id, status=status, before=None, limit=500)
    return [log.delivery_view(row) for row in rows]


def move(ctx: Context, **by: float) -> None:
    ctx.clock.adopt(ctx.clock.offset + timedelta(**by))


async def test_every_event_arrives_once_verified_and_in_order_for_each_card(ctx: Context, receiver: Receiver) -> None:
    await subscribe(ctx, receiver)
    await tell(ctx, *(event(ctx, f"card-{n % 7}", n) for n in range(210)))
    await deliver_all(ctx)
    assert receiver.unverified == 0
    assert len(receiver.taken) == len({e["id"] for e in receiver.taken}) == 210
    for card in range(7):
        assert receiver.of(f"card-{card}") == list(range(card, 210, 7))


async def test_a_delivery_is_a_cloud_event(ctx: Context, receiver: Receiver) -> None:
    await subscribe(ctx, receiver)
    row = event(ctx, "8986040000000000001", 1)
    await tell(ctx, row)
    await deliver_all(ctx)
    assert receiver.taken == [
        {
            "specversion": "1.0",
            "id": str(row.event_id),
            "source": "/v1/sims/8986040000000000001",
            "type": "sim.suspended",
            "subject": "8986040000000000001",
            "time": row.took_effect_at.isoformat(),
            "datacontenttype": "application/json",
            "data": {"n": 1, "省": "湖北"},
        }
    ]


async def test_only_wanted_types_are_delivered(ctx: Context, receiver: Receiver) -> None:
    await subscribe(ctx, receiver, "operation.*", "sim.expired")
    told = ["sim.suspended", "sim.expired", "operation.failed", "operation.succeeded", "operations.failed"]
    await tell(ctx, *(event(ctx, "card", n, name) for n, name in enumerate(told)))
    await deliver_all(ctx)
    assert [e["type"] for e in receiver.taken] == ["sim.expired", "operation.failed", "operation.succeeded"]


async def test_events_of_another_tenant_and_from_before_are_not_delivered(ctx: Context, receiver: Receiver) -> None:
    await tell(ctx, event(ctx, "card", 1))
    await subscribe(ctx, receiver)
    foreign = event(ctx, "card", 2)
    await tell(ctx, replace(foreign, tenant="other"))
    await deliver_all(ctx)
    assert receiver.taken == []


async def test_a_transaction_that_commits_late_is_not_skipped_and_holds_up_no_other(
    ctx: Context, receiver: Receiver
) -> None:
    await subscribe(ctx, receiver)
    async with ctx.work() as slow:
        await slow.events.add([event(ctx, "slow", 1)])
        await tell(ctx, event(ctx, "fast", 2))
        await deliver_all(ctx)
        assert [e["data"]["n"] for e in receiver.taken] == [2]
        await slow.commit()
    await deliver_all(ctx)
    assert [e["data"]["n"] for e in receiver.taken] == [2, 1]


async def test_order_holds_for_a_card_while_the_others_go_on(ctx: Context, receiver: Receiver) -> None:
    await subscribe(ctx, receiver)
    receiver.answer = lambda e: 503 if e["subject"] == "bad" else 204
    await tell(ctx, *(event(ctx, card, n) for n in range(5) for card in ("bad", "good")))
    await deliver_all(ctx)
    assert receiver.of("good") == [0, 1, 2, 3, 4]
    assert [e["data"]["n"] for e in receiver.asked if e["subject"] == "bad"] == [0], "only the first one was tried"
    receiver.answer = always(204)
    move(ctx, seconds=8)
    await deliver_all(ctx)
    assert receiver.of("bad") == [0, 1, 2, 3, 4]


async def test_a_receiver_that_fails_for_an_hour_gets_everything_in_order(ctx: Context, receiver: Receiver) -> None:
    endpoint = await subscribe(ctx, receiver)
    receiver.answer = always(500)
    began = ctx.now()
    n = 0
    while ctx.now() - began < timedelta(hours=1):
        await tell(ctx, *(event(ctx, f"card-{c}", n) for c in range(5)))
        n += 1
        await deliver_all(ctx)
        move(ctx, minutes=5)
    assert receiver.taken == []
    receiver.answer = always(204)
    for _ in range(20):
        await deliver_all(ctx)
        move(ctx, minutes=30)
    for card in range(5):
        assert receiver.of(f"card-{card}") == list(range(n))
    assert await deliveries(ctx, endpoint, "pending") == []


async def test_after_three_days_a_delivery_is_given_up_and_the_next_one_has_its_turn(
    ctx: Context, receiver: Receiver
) -> None:
    endpoint = await subscribe(ctx, receiver)
    receiver.answer = lambda e: 500 if e["data"]["n"] == 0 else 204
    await tell(ctx, event(ctx, "card", 0), event(ctx, "card", 1))
    hours = 0
    while not receiver.taken:
        await deliver_all(ctx)
        move(ctx, hours=1)
        hours += 1
        assert hours < 100
    assert 60 <= hours <= 73
    (failed,) = await deliveries(ctx, endpoint, "failed")
    assert failed["attempts"] > 10
    assert failed["response_status"] == 500
    assert receiver.of("card") == [1]


async def test_gone_disables_the_endpoint_and_enabling_it_begins_anew(ctx: Context, receiver: Receiver) -> None:
    endpoint = await subscribe(ctx, receiver)
    receiver.answer = always(410)
    await tell(ctx, event(ctx, "card", 1))
    await deliver_all(ctx)
    await tell(ctx, event(ctx, "card", 2))
    move(ctx, hours=1)
    await deliver_all(ctx)
    assert len(receiver.asked) == 1
    async with ctx.work() as work:
        assert (await endpoints.find(work, TENANT, endpoint.id)).enabled is False
    await endpoints.change(ctx, TENANT, endpoint.id, {"enabled": True}, actor="test")
    receiver.answer = always(204)
    await tell(ctx, event(ctx, "card", 3))
    await deliver_all(ctx)
    assert receiver.of("card") == [3]


async def test_rotation_signs_with_both_secrets_for_a_day(ctx: Context, receiver: Receiver) -> None:
    endpoint = await subscribe(ctx, receiver)
    old = receiver.secrets[0]
    async with ctx.work() as work:
        _, new = await endpoints.rotate(ctx, work, TENANT, endpoint.id, actor="test")
        await work.commit()
    for n, known in enumerate((old, new)):
        receiver.secrets = [known]
        await tell(ctx, event(ctx, "card", n))
        await deliver_all(ctx)
    move(ctx, hours=25)
    await tell(ctx, event(ctx, "card", 2))
    await deliver_all(ctx)
    assert receiver.of("card") == [0, 1, 2]
    assert receiver.signatures == [2, 2, 1]
    assert receiver.unverified == 0


async def test_an_event_can_be_delivered_again_and_a_period_replayed(ctx: Context, receiver: Receiver) -> None:
    endpoint = await subscribe(ctx, receiver)
    await tell(ctx, event(ctx, "card", 0))
    move(ctx, hours=1)
    middle = ctx.now()
    await tell(ctx, event(ctx, "card", 1))
    await deliver_all(ctx)
    first = (await deliveries(ctx, endpoint))[-1]
    async with ctx.work() as work:
        await log.redeliver(ctx, work, TENANT, endpoint.id, int(first["id"]))
        assert await log.replay(ctx, work, TENANT, endpoint.id, middle, ctx.now() + timedelta(seconds=1)) == 1
        await work.commit()
    await deliver_all(ctx)
    assert receiver.of("card") == [0, 1, 0, 1]
    assert receiver.taken[0]["id"] == receiver.taken[2]["id"], "the receiver knows it by its id"
    assert [d["origin"] for d in await deliveries(ctx, endpoint)] == ["replay", "redelivery", "event", "event"]


async def test_a_test_event_reaches_its_endpoint_alone(ctx: Context, receiver: Receiver) -> None:
    first = await subscribe(ctx, receiver, "sim.expired")
    second = await subscribe(ctx, receiver)
    async with ctx.work() as work:
        await endpoints.test(ctx, work, TENANT, first.id)
        await work.commit()
    await deliver_all(ctx)
    assert [e["type"] for e in receiver.taken] == ["webhook.test"]
    assert await deliveries(ctx, second) == []


async def test_two_relays_deliver_each_event_once_and_in_order(ctx: Context, receiver: Receiver) -> None:
    await subscribe(ctx, receiver)
    await tell(ctx, *(event(ctx, f"card-{n % 3}", n) for n in range(90)))
    receiver.delay_s = 0.002
    await asyncio.gather(*(deliver_all(ctx) for _ in range(4)))
    await deliver_all(ctx)
    assert len(receiver.taken) == 90
    for card in range(3):
        assert receiver.of(f"card-{card}") == list(range(card, 90, 3))


async def test_a_slow_endpoint_does_not_hold_up_another(ctx: Context, receiver: Receiver) -> None:
    await subscribe(ctx, receiver)
    slow = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await slow.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    wanted = endpoints.EndpointRequest(url=f"http://127.0.0.1:{port}/")
    async with ctx.work() as work:
        await endpoints.create(ctx, work, TENANT, wanted, actor="test")
        await work.commit()
    await tell(ctx, event(ctx, "card", 0))
    relay = asyncio.create_task(deliver_round(ctx))
    while len(receiver.taken) < 1:
        await asyncio.sleep(0.01)
    await tell(ctx, event(ctx, "card", 1))
    while len(receiver.taken) < 2:
        await deliver_round(ctx)
    assert not relay.done(), "the slow one is still waited for"
    slow.set()
    await relay
    server.close()
    assert receiver.of("card") == [0, 1]


async def test_a_relay_that_died_while_sending_leaves_nothing_behind(ctx: Context, receiver: Receiver) -> None:
    endpoint = await subscribe(ctx, receiver)
    await tell(ctx, event(ctx, "card", 0), event(ctx, "card", 1))
    await number_events(ctx)
    async with ctx.work() as work:
        await work.webhooks.fan_out(endpoint.id, ctx.now(), 100)
        claimed = await work.webhooks.claim(endpoint.id, now=ctx.now(), lease=timedelta(minutes=5), lanes=10, behind=0)
        await work.commit()
    assert [UUID(str(c["event_id"])) for [c] in claimed], "the first one is in the dead relay's hands"
    await deliver_all(ctx)
    assert receiver.taken == []
    await ctx.pool.execute("UPDATE webhook_deliveries SET lease_until = clock_timestamp() - interval '1 second'")
    await deliver_all(ctx)
    assert receiver.of("card") == [0, 1]


async def store(ctx: Context, url: str, *, tenant: str = TENANT) -> tuple[EndpointRow, str]:
    """An endpoint as an earlier version may have stored it: its URL is not checked."""
    async with ctx.work() as work:
        stored = await endpoints.create(ctx, work, tenant, endpoints.EndpointRequest(url=url), actor="test")
        await work.commit()
    return stored


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/钩子", "http://钩子.example/", "http://127.0.0.1:1/"])
async def test_an_attempt_that_cannot_even_be_made_fails_alone(ctx: Context, receiver: Receiver, url: str) -> None:
    poisoned, _ = await store(ctx, url)
    if url.isascii():
        async with ctx.work() as work:
            await work.webhooks.change_endpoint(poisoned.id, secret="whsec_no base64")
            await work.commit()
    await subscribe(ctx, receiver)
    await tell(ctx, event(ctx, "card", 1))
    await deliver_all(ctx)
    assert receiver.of("card") == [1]
    (failed,) = await deliveries(ctx, poisoned, "pending")
    assert (failed["attempts"], failed["response_status"]) == (1, None)
    assert failed["error"]


async def test_many_endpoints_of_one_tenant_leave_room_for_another_tenant(ctx: Context, receiver: Receiver) -> None:
    connections, hanging = 0, asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await hanging.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for number in range(TENANT_SHARE * 3):
        await store(ctx, f"http://127.0.0.1:{port}/{number}")
    async with ctx.work() as work:
        await create_tenant(ctx, work, "other", actor="test")
        await work.commit()
    _, secret = await store(ctx, receiver.url, tenant="other")
    receiver.secrets.append(secret)
    await tell(ctx, event(ctx, "card", 0), replace(event(ctx, "foreign", 1), tenant="other"))
    relay = asyncio.create_task(deliver_round(ctx))
    while connections < TENANT_SHARE or not receiver.taken:
        await asyncio.sleep(0.01)
    await tell(ctx, replace(event(ctx, "foreign", 2), tenant="other"))
    while len(receiver.taken) < 2:
        await asyncio.sleep(0.01)
    assert connections == TENANT_SHARE
    hanging.set()
    await relay
    server.close()
