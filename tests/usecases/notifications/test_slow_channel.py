"""A channel that takes longer over a message than a lease lasts gets it once: the lease is renewed meanwhile."""

from __future__ import annotations

import asyncio

from app.usecases.notifications.deliver import notify_round
from app.usecases.outgoing import LEASE
from tests.gateway import Gateway
from tests.usecases.notifications.channelling import deliveries, sms
from tests.usecases.notifications.servers import Robot


async def test_a_channel_that_takes_longer_than_a_lease_gets_a_message_once(gateway: Gateway, group: Robot) -> None:
    made = await sms(gateway, group)
    await gateway.api.post(f"/v1/notification-channels/{made['id']}/test")
    group.hold = asyncio.Event()
    slow = asyncio.create_task(notify_round(gateway.ctx))
    asyncio.get_running_loop().call_later(LEASE.total_seconds() + 1, group.hold.set)
    while not group.asked:
        await asyncio.sleep(0.01)
    while not slow.done():
        await notify_round(gateway.ctx)
        await asyncio.sleep(0.2)
    await slow

    assert len(group.asked) == 1
    assert [(one["status"], one["attempts"]) for one in await deliveries(gateway, made)] == [("delivered", 1)]
