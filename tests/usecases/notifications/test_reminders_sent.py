"""Reminders on their way to people: digests, quiet hours, downtime, types, a lost result (RM-1, RM-2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from app.jobs.cycle_rollover import roll_over_day
from app.jobs.housekeeping import run_housekeeping
from app.jobs.loops import drain
from app.usecases.notifications import deliver
from app.usecases.notifications.send import send
from tests.gateway import Gateway, open_with
from tests.usecases.limits.limiting import MB, set_clock, use
from tests.usecases.notifications.channelling import (
    BOSS,
    FROM,
    HOME,
    LARGE,
    OPS,
    at,
    channel,
    defaults,
    deliveries,
    email,
    read,
    send_test,
    sms,
)
from tests.usecases.notifications.servers import Mailbox, Robot, answered

NOON = datetime.fromisoformat("2026-12-15T12:00:00+08:00")
ABROAD = """
[accounts.home]
carrier = "cmcc"
zone = "Asia/Shanghai"
[[accounts.home.protocols]]
protocol = "desk"
base_url = "sandbox"

[accounts.berlin]
carrier = "overseas"
zone = "Europe/Berlin"
[[accounts.berlin.protocols]]
protocol = "desk"
base_url = "sandbox"
"""


@pytest.fixture
async def noon(gateway: Gateway) -> Gateway:
    """A gateway at noon of the fifteenth."""
    set_clock(gateway, NOON)
    return gateway


@pytest.fixture
async def abroad(clean_database: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway at home and in Berlin."""
    async with open_with(clean_database, tmp_path, ABROAD, at=NOON) as opened:
        yield opened


async def test_an_address_gets_one_digest_a_day_plain_and_html(noon: Gateway, box: Mailbox) -> None:
    """RM-1: of use and expiry; what comes after the digest is in the next day's."""
    ending = {"activated_on": "2026-01-05", "expires_on": "2027-01-14", "alias": "pump <7> & co"}
    one, two, other = await noon.fleet(ending, LARGE, LARGE)
    await email(noon, box, to=[OPS, BOSS])
    await defaults(noon, usage_mb=[80, 0], expiry_days=[30, 0])

    await roll_over_day(noon.ctx, HOME)
    await use(noon, two, 85 * MB)
    counts = [len(box.mails)]
    for instant in ("2026-12-16T07:59:00", "2026-12-16T08:00:00"):
        await at(noon, instant)
        counts.append(len(box.mails))
    await use(noon, other, 90 * MB)
    for instant in ("2026-12-16T23:00:00", "2026-12-17T08:00:00", "2026-12-18T08:00:00"):
        await at(noon, instant)
        counts.append(len(box.mails))

    assert counts == [0, 0, 2, 2, 4, 4]
    assert sorted(box.recipients[:2]) == sorted(box.recipients[2:]) == [BOSS, OPS]
    mail, plain = box.mails[0], box.text(0)
    assert (mail["Subject"], mail["From"], mail["Auto-Submitted"]) == ("SimGate reminders: 2", FROM, "auto-generated")
    assert f"Card {one} (pump <7> & co): 30 days left, last valid day 2027-01-14." in plain
    assert f"Card {two}: 85 MB used in cycle 2026-12, at or above 80 MB." in plain
    assert f"<li>Card {one} (pump &lt;7&gt; &amp; co): 30 days left" in box.html(0)
    assert [line for line in box.text(2).splitlines() if line.startswith("Card")] == [
        f"Card {other}: 90 MB used in cycle 2026-12, at or above 80 MB."
    ]
    assert len({str(mail["Message-ID"]) for mail in box.mails}) == 4


async def test_a_digest_speaks_chinese_masks_what_it_is_told_to_and_counts_what_it_leaves_out(
    noon: Gateway, box: Mailbox
) -> None:
    ending = {"activated_on": "2026-01-05", "expires_on": "2027-01-14"}
    cards = await noon.fleet(*(ending for _ in range(103)))
    await email(noon, box, iccids="masked")
    await defaults(noon, expiry_days=[30, 0], language="zh")
    await roll_over_day(noon.ctx, HOME)
    await at(noon, "2026-12-16T08:00:00")

    [mail] = box.mails
    lines = [line for line in box.text().splitlines() if line.startswith("卡 ")]
    assert (mail["Subject"], mail["Content-Language"], len(lines)) == ("SimGate 提醒：103 条", "zh", 100)
    assert lines[0] == f"卡 …{cards[0][-4:]}：剩余 30 天到期，最后有效日 2027-01-14。"
    assert "……另有 3 条；全部见 GET /v1/events?type=usage.threshold_crossed,reminder.due" in box.text()
    assert not any(card in box.text() or card in box.html() for card in cards)


async def test_an_sms_webhook_gets_signed_lists_and_its_secret_is_shown_once(noon: Gateway, group: Robot) -> None:
    """RM-1: by SMS; verified by the `standardwebhooks` package."""
    one, two = await noon.fleet(LARGE, LARGE)
    made = await sms(noon, group, phones=["13800000000", "+8613900000000"], language="zh")
    await defaults(noon, usage_mb=[40, 80])

    await use(noon, one, 85 * MB, settle=False)
    await use(noon, two, 45 * MB)

    got = [message for asked in group.asked for message in asked.json["messages"]]
    for asked in group.asked:
        verified: Any = Webhook(made["secret"]).verify(asked.body, asked.headers)
        assert verified["id"] == asked.headers["webhook-id"]
        assert verified["phones"] == ["13800000000", "+8613900000000"]
    assert sorted((m["event"]["subject"], m["event"]["data"]["threshold_mb"]) for m in got) == [
        (one, 40),
        (one, 80),
        (two, 40),
    ]
    assert got[0]["text"].startswith("卡 ")
    assert (await read(noon, made))["has_secret"] is True


async def test_nothing_is_sent_within_quiet_hours_and_it_is_right_after_them(noon: Gateway, group: Robot) -> None:
    """RM-1: over midnight; a retry keeps them as well, a test does not."""
    one, two, three = await noon.fleet(LARGE, LARGE, LARGE)
    made = await sms(noon, group)
    await defaults(noon, usage_mb=[10, 0], quiet_hours={"from": "22:00", "to": "08:00"})

    sent = []
    group.answer = answered(500)
    await at(noon, "2026-12-15T21:50:00")
    await use(noon, one, 20 * MB)
    sent.append(len(group.asked))
    group.answer = answered()
    await at(noon, "2026-12-15T22:01:00")
    await use(noon, two, 20 * MB)
    for instant in ("2026-12-15T23:59:00", "2026-12-16T00:01:00", "2026-12-16T07:59:00"):
        await at(noon, instant)
        sent.append(len(group.asked))
    await send_test(noon, made)
    sent.append(len(group.asked))
    await at(noon, "2026-12-16T08:00:00")
    sent.append(len(group.asked))
    await use(noon, three, 20 * MB)
    sent.append(len(group.asked))

    assert sent == [1, 1, 1, 1, 2, 4, 5]
    told = [
        message["event"]["subject"] for asked in group.asked for message in asked.json["messages"] if message["event"]
    ]
    assert told[0] == one
    assert sorted(told[1:3]) == sorted([one, two])


async def test_quiet_hours_are_those_of_the_cards_zone(abroad: Gateway, group: Robot) -> None:
    """RM-1: noon in Shanghai is 05:00 in Berlin."""
    for plan, carrier in (("cmcc-1g", "cmcc"), ("world", "overseas")):
        body = {"id": plan, "carrier": carrier, "allowance": 1 << 30, "months": 12}
        assert (await abroad.api.post("/v1/plans", json=body)).is_success
    rows = (
        "89860000000010000017,cmcc,home,gsl,cmcc-1g,active,2026-05-01,2026-06-10\n"
        "8985200000000001234,overseas,berlin,gsl,world,active,2026-05-01,2026-06-10\n"
    )
    text = f"iccid,carrier,account,terms,plan,state,opened_on,activated_on\n{rows}"
    done = await abroad.api.post("/v1/sims/import", content=text, headers={"Content-Type": "text/csv"})
    assert done.status_code == 200, done.text
    cards = [row.partition(",")[0] for row in rows.splitlines()]
    await sms(abroad, group)
    await defaults(abroad, usage_mb=[10, 0], quiet_hours={"from": "22:00", "to": "08:00"})

    told = []
    for card in cards:
        await use(abroad, card, 20 * MB)
    for instant in ("2026-12-15T12:01:00", "2026-12-15T14:59:00", "2026-12-15T15:00:00"):
        await at(abroad, instant)
        told.append([m["event"]["subject"] for asked in group.asked for m in asked.json["messages"]])

    assert told == [cards[:1], cards[:1], cards]


async def test_days_of_downtime_are_caught_up_in_one_digest_that_says_so(noon: Gateway, box: Mailbox) -> None:
    """RM-1: down from the 15th to the 20th over five digests; the expiry reminder was due on the 16th."""
    ending = {"activated_on": "2026-01-05", "expires_on": "2027-01-15"}
    await noon.fleet(ending)
    await email(noon, box)
    await defaults(noon, expiry_days=[30, 0])
    set_clock(noon, datetime.fromisoformat("2026-12-20T07:00:00+08:00"))
    await roll_over_day(noon.ctx, HOME)
    await drain(noon.ctx)
    set_clock(noon, datetime.fromisoformat("2026-12-23T07:00:00+08:00"))
    await roll_over_day(noon.ctx, HOME)
    await drain(noon.ctx)
    for instant in ("2026-12-23T08:00:00", "2026-12-24T08:00:00"):
        await at(noon, instant)

    [mail] = box.mails
    assert mail["Subject"] == "SimGate reminders: 1"
    assert "26 days left, last valid day 2027-01-15 (late: was due on 2026-12-16)." in box.text()


async def test_a_digest_time_passed_while_down_is_made_up_for_outside_quiet_hours(noon: Gateway, box: Mailbox) -> None:
    """RM-1: the digest of the 16th falls into the downtime; back at 23:00 it waits for the morning."""
    [card] = await noon.fleet(LARGE)
    await email(noon, box)
    await defaults(noon, usage_mb=[10, 0], quiet_hours={"from": "22:00", "to": "07:00"})
    await use(noon, card, 20 * MB)

    counts = []
    for instant in ("2026-12-16T23:00:00", "2026-12-17T06:59:00", "2026-12-17T07:00:00", "2026-12-17T08:00:00"):
        await at(noon, instant)
        counts.append(len(box.mails))

    assert counts == [0, 0, 1, 1]


async def test_a_channel_takes_the_types_it_names_and_a_stop_only_where_a_rule_made_it(
    noon: Gateway, group: Robot
) -> None:
    small, asked_for, late = await noon.fleet({"terms": "gsl", "plan": "cmcc-30m"}, {}, {"terms": "standard"})
    await sms(noon, group, types=["sim.suspended", "operation.overdue"])
    await defaults(noon, usage_mb=[10, 0])

    await noon.operation(await noon.api.post(f"/v1/sims/{asked_for}/suspend"))
    await use(noon, small, 31 * MB)
    await noon.fault("drop_after", operation="refresh", count=None)
    begun = await noon.api.post(f"/v1/sims/{late}/order-addon", json={"bytes": MB})
    assert begun.status_code == 202, begun.text
    async with noon.ctx.pool.acquire() as connection:
        past = noon.ctx.now() - timedelta(days=1)
        await connection.execute("UPDATE operations SET due_at = $1 WHERE iccid = $2", past, late)
    await noon.advance(minutes=1)

    got = [m["event"] for asked in group.asked for m in asked.json["messages"]]
    assert [(event["type"], event["subject"]) for event in got] == [
        ("sim.suspended", small),
        ("operation.overdue", late),
    ]
    assert [m["text"] for asked in group.asked for m in asked.json["messages"]] == [
        f"Card {small}: suspended by rule ST-2.",
        f"Card {late}: ordering an add-on is past its due time.",
    ]


async def test_a_pools_reminders_are_sent(noon: Gateway, group: Robot) -> None:
    """RM-2."""
    await noon.fleet()
    plan = {"id": "pp", "carrier": "cmcc", "allowance": 10 * MB, "months": 12, "kind": "pool_forward"}
    assert (await noon.api.post("/v1/plans", json=plan)).is_success
    pool = {"id": "p1", "name": "Meters", "kind": "forward", "carrier": "cmcc", "plan": "pp"}
    assert (await noon.api.post("/v1/pools", json=pool)).status_code == 201
    [card] = await noon.fleet({"terms": "gsl", "plan": "pp", "pool": "p1"})
    assert (await noon.api.put("/v1/pools/p1/rules", json={"remaining": [MB], "levels_pct": [90]})).is_success
    await sms(noon, group)

    await use(noon, card, 9 * MB)
    await use(noon, card, MB)

    assert [m["text"] for asked in group.asked for m in asked.json["messages"]] == [
        "Pool «p1»: 90 % of the total used in cycle 2026-12 (9 MB).",
        "Pool «p1»: 1 MB left in cycle 2026-12.",
        "Pool «p1»: nothing left in cycle 2026-12; its cards are stopped.",
    ]


async def test_what_was_sent_but_not_stored_is_sent_again_once_under_the_same_id(noon: Gateway, group: Robot) -> None:
    """A process dies between sending and storing: the lease expires, and another sends the same message once more."""
    [card] = await noon.fleet(LARGE)
    made = await sms(noon, group)
    await defaults(noon, usage_mb=[10, 0])
    group.answer = answered(500)
    await use(noon, card, 20 * MB)
    group.answer = answered()
    noon.ctx.clock.adopt(noon.ctx.clock.offset + timedelta(seconds=10))
    [pending] = await deliveries(noon, made)
    from uuid import UUID

    prepared = await deliver._prepare(noon.ctx, UUID(made["id"]))
    assert prepared is not None
    assert prepared.delivery is not None
    await send(noon.ctx, prepared.channel, prepared.delivery, prepared.events, prepared.language)
    await drain(noon.ctx)
    while_leased = len(group.asked)
    async with noon.ctx.pool.acquire() as connection:
        await connection.execute("UPDATE notification_deliveries SET lease_until = now() - interval '1 second'")
    for _ in range(3):
        await drain(noon.ctx)

    assert (while_leased, len(group.asked)) == (2, 3)
    assert {asked.headers["webhook-id"] for asked in group.asked} == {pending["id"]}
    assert len({asked.body for asked in group.asked}) == 1
    [done] = await deliveries(noon, made)
    assert (done["status"], done["attempts"]) == ("delivered", 3)


async def test_a_channel_that_does_not_answer_delays_no_other(noon: Gateway, group: Robot, box: Mailbox) -> None:
    slow = await channel(noon, "feishu", url=f"{group.base}/hook/slow")
    quick = await email(noon, box)
    group.hold = asyncio.Event()
    await noon.api.post(f"/v1/notification-channels/{slow['id']}/test")
    turn = asyncio.create_task(deliver.notify_round(noon.ctx))
    while not group.asked:
        await asyncio.sleep(0.01)
    await noon.api.post(f"/v1/notification-channels/{quick['id']}/test")
    while not box.mails:
        await asyncio.sleep(0.01)
    hanging = not turn.done()
    group.hold.set()
    await turn

    assert hanging
    assert "this channel works" in str(box.mails[0]["Subject"])
    assert [one["status"] for one in await deliveries(noon, slow)] == ["delivered"]


async def test_two_workers_at_one_channel_send_each_message_once(noon: Gateway, group: Robot) -> None:
    made = await sms(noon, group)
    for _ in range(6):
        await noon.api.post(f"/v1/notification-channels/{made['id']}/test")
    await asyncio.gather(*(deliver.notify_round(noon.ctx) for _ in range(4)))
    await drain(noon.ctx)

    assert len(group.asked) == len({asked.headers["webhook-id"] for asked in group.asked}) == 6


async def test_what_was_sent_is_deleted_after_a_month(noon: Gateway, group: Robot) -> None:
    [card] = await noon.fleet(LARGE)
    made = await sms(noon, group)
    await defaults(noon, usage_mb=[10, 0])
    await use(noon, card, 20 * MB)
    kept = (await run_housekeeping(noon.ctx))["notifications"]
    set_clock(noon, NOON + timedelta(days=31))
    gone = (await run_housekeeping(noon.ctx))["notifications"]

    assert (len(group.asked), kept, gone) == (1, 0, 2)
    assert await deliveries(noon, made) == []
