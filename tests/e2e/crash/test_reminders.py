"""kill -9 while reminders are sent: none is lost, and what is sent again is the same message under its id (RM-1).

The worker dies with a request in the air, or between the answer and what it would have stored.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter, defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.db.access import AuditRow
from app.domain.notifications.channels import ChannelKind
from app.usecases.notifications.channels import create, new_channel
from app.usecases.sims.expiry_reminders import emit_expiry_reminders
from tests.e2e.crash.drive import TENANT, Drive
from tests.e2e.crash.stage import open_stage
from tests.usecases.notifications.servers import Robot, answered, robot

SEED = int(os.environ.get("SIMGATE_CRASH_SEED", "20261123"))
HOME = ZoneInfo("Asia/Shanghai")
EXPIRED_LEASES = "UPDATE notification_deliveries SET lease_until = clock_timestamp() WHERE status = 'pending'"
"""A minute and a half later: what a dead worker had in hand may be taken up."""


async def reminded(drive: Drive, group: Robot) -> int:
    """A channel for SMS, and a fleet of which every card has two reminders due; gives how many reminders."""
    ctx = drive.ctx
    given = {"name": "Ops", "url": f"{group.base}/sms", "phones": ["13800000000"]}
    channel = new_channel(ctx, TENANT, ChannelKind.SMS_WEBHOOK, given)
    async with ctx.work() as work:
        audit = AuditRow(tenant=TENANT, at=ctx.now(), actor="test", action="made", subject=str(channel.id))
        await create(ctx, work, channel, actor=audit)
        await work.commit()
    await ctx.pool.execute(
        "UPDATE sims SET expires_on = $1, reminders = '{\"expiry_days\": [30, 15]}'",
        ctx.now().date() + timedelta(days=5),
    )
    return (await emit_expiry_reminders(ctx, HOME))["emitted"]


async def kill_while_sending(drive: Drive, group: Robot) -> None:
    """Start a worker, wait until a request of its is in the air, and kill it before or after the answer."""
    workers, sent = drive.stage.workers, len(group.asked)
    group.hold = asyncio.Event()
    await workers.start()
    for _ in range(1_000):
        if len(group.asked) > sent:
            break
        await asyncio.sleep(0.02)
    assert len(group.asked) > sent, "nothing is sent any more"
    if drive.random.random() < 0.5:
        group.hold.set()  # answered: it dies while it stores the result, or with the next request
        await asyncio.sleep(drive.random.uniform(0, 0.02))
    workers.killall()
    group.hold.set()
    await drive.ctx.pool.execute(EXPIRED_LEASES)


async def run(url: str, folder: Path, *, kills: int, cards: int) -> None:
    async with open_stage(url, folder) as stage, robot() as group:
        group.answer = answered(200)
        drive = Drive(stage, SEED, cards=cards)
        await drive.put_fleet()
        due = await reminded(drive, group)
        assert due == 2 * sum(map(len, drive.fleet.values()))
        for _ in range(kills):
            await kill_while_sending(drive, group)
        await stage.workers.start()
        for _ in range(240):
            left = "SELECT count(*) FROM notification_deliveries WHERE status = 'pending'"
            if sum(told(group).values()) == due and not await drive.ctx.pool.fetchval(left):
                break
            await asyncio.sleep(0.25)
        assert set(told(group).values()) == {1}, "a reminder stands in two messages"
        assert len(told(group)) == due
        statuses = await drive.ctx.pool.fetch("SELECT status, count(*) FROM notification_deliveries GROUP BY 1")
        assert [row["status"] for row in statuses] == ["delivered"]
        assert len(group.asked) > len(messages(group)), "no kill hit a sending"


def messages(group: Robot) -> dict[str, Any]:
    """What arrived, by the id of the message, under which it always says the same. Raises AssertionError."""
    found: dict[str, list[Any]] = defaultdict(list)
    for asked in group.asked:
        found[asked.headers["webhook-id"]].append(asked.json)
    assert all(one == same[0] for same in found.values() for one in same)
    return {message_id: same[0] for message_id, same in found.items()}


def told(group: Robot) -> Counter[str]:
    """How many messages each reminder stands in."""
    return Counter(each["event"]["id"] for one in messages(group).values() for each in one["messages"])


@pytest.mark.timeout(120)
async def test_a_worker_killed_while_it_sends_loses_no_reminder_and_tells_none_twice(
    clean_database: str, tmp_path: Path
) -> None:
    """The short form, part of every run."""
    await run(clean_database, tmp_path, kills=3, cards=40)


@pytest.mark.crash
@pytest.mark.timeout(600)
async def test_workers_killed_again_and_again_while_they_send(clean_database: str, tmp_path: Path) -> None:
    await run(clean_database, tmp_path, kills=25, cards=250)
