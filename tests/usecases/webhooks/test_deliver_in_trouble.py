"""Deliveries while the database goes away, a receiver is slow or closes its connections, and a worker has died."""

from __future__ import annotations

import asyncio
import ipaddress
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from app.db.connection import DATABASE_ERRORS
from app.outbound.sender import WebhookSender
from app.usecases.context import Context
from app.usecases.outgoing import LEASE
from app.usecases.webhooks.deliver import deliver_round
from tests.database_link import open_link
from tests.gateway import open_gateway
from tests.receiver import Receiver
from tests.usecases.webhooks.test_deliver import deliver_all, event, subscribe, tell

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


async def test_what_was_sent_when_the_database_went_away_is_stored_once_it_is_back_and_not_sent_again(
    clean_database: str, tmp_path: Path, receiver: Receiver
) -> None:
    async with open_link(clean_database, tmp_path) as link, open_gateway(link.url, tmp_path) as gateway:
        await subscribe(gateway.ctx, receiver)
        await tell(gateway.ctx, *(event(gateway.ctx, f"card-{n % 2}", n) for n in range(4)))

        def cut(_: dict[str, Any]) -> int:
            if not link.away:
                link.cut()
                asyncio.get_running_loop().call_later(1.5, setattr, link, "away", False)
            return 204

        receiver.answer = cut
        with pytest.raises(DATABASE_ERRORS):  # for the loop, which tells it and goes on
            await deliver_round(gateway.ctx)
        receiver.answer = lambda _: 204
        await tell(gateway.ctx, event(gateway.ctx, "card-0", 4))
        await deliver_all(gateway.ctx)

    assert (receiver.of("card-0"), receiver.of("card-1")) == ([0, 2, 4], [1, 3])


async def test_a_receiver_that_takes_longer_than_a_lease_gets_an_event_once(ctx: Context, receiver: Receiver) -> None:
    await subscribe(ctx, receiver)
    await tell(ctx, event(ctx, "card", 0))
    receiver.delay_s = LEASE.total_seconds() + 1
    slow = asyncio.create_task(deliver_round(ctx))
    while not receiver.asked:
        await asyncio.sleep(0.01)
    others = 0
    while not slow.done():
        others += await deliver_round(ctx)
        await asyncio.sleep(0.2)

    assert (await slow, others, [e["data"]["n"] for e in receiver.asked]) == (1, 0, [0])


async def test_what_waits_in_one_lane_is_claimed_at_once_and_sent_in_order(ctx: Context, receiver: Receiver) -> None:
    """Each by itself would cost two transactions while what is behind it waits."""
    await subscribe(ctx, receiver)
    await tell(ctx, *(event(ctx, "card", n) for n in range(8)))
    await deliver_all(ctx)

    claims, attempts = await ctx.pool.fetchrow("SELECT sum(claim), array_agg(attempts) FROM webhook_deliveries")
    assert (receiver.of("card"), claims, attempts) == (list(range(8)), 1, [1] * 8)


async def test_a_lane_stops_at_what_is_not_taken_and_goes_on_there(ctx: Context, receiver: Receiver) -> None:
    await subscribe(ctx, receiver)
    await tell(ctx, *(event(ctx, "card", n) for n in range(4)))
    receiver.answer = lambda e: 503 if e["data"]["n"] == 2 else 204
    await deliver_all(ctx)
    before = await ctx.pool.fetch("SELECT status, attempts, lease_until FROM webhook_deliveries ORDER BY id")
    receiver.answer = lambda _: 204
    await ctx.pool.execute("UPDATE webhook_deliveries SET next_attempt_at = created_at")
    await deliver_all(ctx)

    expected = [("delivered", 1, None), ("delivered", 1, None), ("pending", 1, None), ("pending", 0, None)]
    assert [tuple(row) for row in before] == expected
    assert [e["data"]["n"] for e in receiver.asked] == [0, 1, 2, 2, 3]


async def test_a_connection_that_the_receiver_closed_meanwhile_is_no_failed_attempt() -> None:
    """It was idle for longer than the receiver waits, and is used again in the moment in which that closes it."""
    requests: list[int] = []

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(0)
        with suppress(asyncio.IncompleteReadError), closing(writer):  # the last one ends when the sender is closed
            while await reader.readuntil(b"{}"):
                requests[-1] += 1
                if requests[-1] > 1:
                    break  # closed without an answer
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    server = await asyncio.start_server(once, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    sender = WebhookSender([LOOPBACK])
    sent = [(await sender.send(url, {"content-length": "2"}, b"{}")).status for _ in range(3)]
    await sender.close()
    server.close()

    assert (sent, requests) == ([204, 204, 204], [2, 2, 1])


async def test_a_receiver_that_closes_a_new_connection_without_an_answer_has_failed() -> None:
    connections = 0

    async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"{}")
        writer.close()

    server = await asyncio.start_server(closes, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    sender = WebhookSender([LOOPBACK])
    sent = await sender.send(url, {"content-length": "2"}, b"{}")
    await sender.close()
    server.close()

    assert (sent.status, sent.error, connections) == (None, "RemoteProtocolError", 1)
