"""Reminders while the one clock is advanced: each is sent at its own time, as if the days had passed."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from functools import partial

from app.jobs.advance import Advancer
from app.jobs.cycle_rollover import roll_over_day
from app.jobs.schedule import JobSpec, daily
from tests.gateway import Gateway
from tests.jobs.test_slots import Carriers
from tests.jobs.timetable import EVENING, slots
from tests.usecases.limits.limiting import set_clock
from tests.usecases.notifications.channelling import HOME, email
from tests.usecases.notifications.servers import Mailbox


async def test_an_advance_of_weeks_sends_each_digest_at_its_time_outside_quiet_hours(
    gateway: Gateway, box: Mailbox
) -> None:
    """RM-1: 30 days left on 12-02, 15 on 12-17; the digest of 08:00 waits until 09:00."""
    set_clock(gateway, EVENING)
    [card] = await gateway.fleet({"terms": "gsl", "activated_on": "2040-01-02", "expires_on": "2041-01-01"})
    await email(gateway, box)
    settings = {"expiry_days": [30, 15], "quiet_hours": {"from": "22:00", "to": "09:00"}}
    assert (await gateway.api.put("/v1/reminders", json=settings)).status_code == 200
    job = JobSpec(name="cycle_rollover", trigger=daily(0, 1), run=partial(roll_over_day, zone=HOME))
    advancer = Advancer(
        ctx=gateway.ctx,
        slots=slots(job),
        jobs=(job,),
        sandbox=Carriers(gateway),
        busy=asyncio.Lock(),
        moving=asyncio.Lock(),
    )

    await advancer.advance_to(EVENING + timedelta(days=35))

    sent = [datetime.strptime(str(mail["Date"]), "%a, %d %b %Y %H:%M:%S %z").astimezone(HOME) for mail in box.mails]
    assert [f"{at:%m-%d %H}" for at in sent] == ["12-02 09", "12-17 09"]
    assert [line for n in range(2) for line in box.text(n).splitlines() if line.startswith("Card")] == [
        f"Card {card}: {left} days left, last valid day 2041-01-01." for left in (30, 15)
    ]
