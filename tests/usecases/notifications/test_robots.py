"""Chat robots: signatures as the platforms check them, their limits, what their answers lead to (RM-1)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from app.jobs.cycle_rollover import roll_over_day
from app.jobs.gauges import count
from tests.gateway import Gateway
from tests.usecases.limits.limiting import MB, set_clock, use
from tests.usecases.notifications.channelling import HOME, LARGE, at, channel, defaults, deliveries, read, send_test
from tests.usecases.notifications.servers import Robot, answered, dingtalk, feishu, wecom

SECRET = "SEC0123456789abcdef"


@pytest.fixture(autouse=True)
async def at_noon(gateway: Gateway) -> None:
    """Noon of the fifteenth."""
    set_clock(gateway, datetime.fromisoformat("2026-12-15T12:00:00+08:00"))


async def test_feishu_takes_the_signature_and_a_minutes_reminders_come_together(gateway: Gateway, group: Robot) -> None:
    """RM-1. An alias cannot call everybody: `<at user_id="all">` arrives as text."""
    group.answer = feishu(SECRET)
    evil, two, three = await gateway.fleet(LARGE | {"alias": '<at user_id="all">@all</at>'}, LARGE, LARGE)
    made = await channel(gateway, "feishu", url=f"{group.base}/open-apis/bot/v2/hook/abc", secret=SECRET)
    await defaults(gateway, usage_mb=[10, 0])

    await at(gateway, "2026-12-15T12:01:01")
    for card in (evil, two):
        await use(gateway, card, 20 * MB)
    within = len(group.asked)
    await at(gateway, "2026-12-15T12:02:00")
    await use(gateway, three, 20 * MB)
    await at(gateway, "2026-12-15T12:03:00")

    assert within == 0
    assert [text.splitlines()[0] for text in group.texts] == ["SimGate reminders: 2", "SimGate reminders: 1"]
    assert f'Card …{evil[-4:]} (‹at user_id="all"›＠all‹/at›): 20 MB used' in group.texts[0]
    assert not any(card in text for text in group.texts for card in (evil, two, three))
    assert [one["status"] for one in await deliveries(gateway, made)] == ["delivered"] * 2


async def test_a_wrong_signature_fails_for_good_and_another_secret_mends_it(gateway: Gateway, group: Robot) -> None:
    group.answer = feishu(SECRET)
    made = await channel(gateway, "feishu", url=f"{group.base}/hook/abc", secret="another")
    await send_test(gateway, made)
    [failed] = await deliveries(gateway, made)
    broken = await read(gateway, made)
    await count(gateway.ctx)
    value = gateway.ctx.telemetry.registry.get_sample_value
    failing = value("simgate_notification_channels_failing", {"kind": "feishu"})
    patched = await gateway.api.patch(f"/v1/notification-channels/{made['id']}", json={"secret": SECRET})
    await gateway.advance(seconds=1)
    await send_test(gateway, made)
    mended = await read(gateway, made)
    await count(gateway.ctx)

    assert (failed["status"], failed["attempts"], failed["error"]) == ("failed", 1, "19021")
    assert (broken["enabled"], broken["last_error"], broken["failing_since"] is None) == (True, "19021", False)
    assert patched.status_code == 200
    assert (mended["failing_since"], mended["last_error"]) == (None, None)
    assert (failing, value("simgate_notification_channels_failing", {"kind": "feishu"})) == (1, 0)
    counted = {"kind": "feishu", "outcome": "failed"}
    assert value("simgate_notification_deliveries_total", counted) == 1


async def test_feishus_rest_is_kept(gateway: Gateway, group: Robot) -> None:
    group.answer = answered(code=11232, msg="frequency limited")
    made = await channel(gateway, "feishu", url=f"{group.base}/hook/abc")
    await send_test(gateway, made)
    group.answer = answered(code=0)
    asked = []
    for seconds in (30, 28, 4):
        await gateway.advance(seconds=seconds)
        asked.append(len(group.asked))
    assert asked == [1, 1, 2]
    assert [one["status"] for one in await deliveries(gateway, made)] == ["delivered"]


async def test_dingtalk_takes_the_signature_at_twenty_a_minute_and_no_more(gateway: Gateway, group: Robot) -> None:
    group.answer = dingtalk(SECRET, "tok+en/=")
    url = f"{group.base}/robot/send?access_token=tok%2Ben%2F%3D"
    made = await channel(gateway, "dingtalk", url=url, secret=SECRET)
    for _ in range(22):
        assert (await gateway.api.post(f"/v1/notification-channels/{made['id']}/test")).status_code == 202
    began, sent = gateway.ctx.now(), []
    for _ in range(50):
        before = len(group.asked)
        await gateway.advance(seconds=1.6)
        sent += [(gateway.ctx.now() - began).total_seconds()] * (len(group.asked) - before)

    assert len(sent) == 22
    assert max(sum(start <= one < start + 60 for one in sent) for start in sent) <= 20
    assert {one["status"] for one in await deliveries(gateway, made)} == {"delivered"}


async def test_a_blocked_dingtalk_robot_is_left_alone_for_ten_minutes(gateway: Gateway, group: Robot) -> None:
    group.answer = answered(errcode=130101, errmsg="send too fast, exceed 20 times per minute")
    made = await channel(gateway, "dingtalk", url=f"{group.base}/robot/send?access_token=t")
    for _ in range(2):
        await send_test(gateway, made)
    group.answer = answered(errcode=0)
    asked = []
    for minutes in (5, 4.9, 0.2, 0.1):
        await gateway.advance(minutes=minutes)
        asked.append(len(group.asked))
    assert asked == [1, 1, 2, 3]


async def test_wecom_gets_at_most_its_bytes_and_is_told_how_many_are_left_out(gateway: Gateway, group: Robot) -> None:
    """RM-1: 60 reminders of aliases in Chinese; a text has at most 2,048 bytes."""
    group.answer = wecom("k1")
    rows = ({"activated_on": "2026-01-05", "expires_on": "2027-01-14", "alias": "水泵" * 20} for _ in range(60))
    await gateway.fleet(*rows)
    url = f"{group.base}/cgi-bin/webhook/send?key=k1"
    made = await channel(gateway, "wecom", url=url, language="zh")
    await defaults(gateway, expiry_days=[30, 0])
    await roll_over_day(gateway.ctx, HOME)
    await gateway.advance(minutes=2)

    [text] = group.texts
    lines = [line for line in text.splitlines() if line.startswith("卡 ")]
    assert 1500 < len(text.encode()) <= 2048
    assert f"另有 {60 - len(lines)} 条" in text
    assert text.startswith("SimGate 提醒：60 条")
    assert [one["status"] for one in await deliveries(gateway, made)] == ["delivered"]


async def test_a_robot_that_was_removed_is_disabled_and_takes_only_later_reminders_again(
    gateway: Gateway, group: Robot
) -> None:
    group.answer = wecom("other")
    one, two = await gateway.fleet(LARGE, LARGE)
    made = await channel(gateway, "wecom", url=f"{group.base}/cgi-bin/webhook/send?key=k1")
    await defaults(gateway, usage_mb=[10, 0])
    await send_test(gateway, made)
    gone = await read(gateway, made)
    refused = await gateway.api.post(f"/v1/notification-channels/{made['id']}/test")
    await use(gateway, one, 20 * MB)
    await gateway.advance(minutes=2)
    asked = len(group.asked)
    changes = {"url": f"{group.base}/cgi-bin/webhook/send?key=other", "enabled": True}
    back = await gateway.api.patch(f"/v1/notification-channels/{made['id']}", json=changes)
    await use(gateway, two, 20 * MB)
    await gateway.advance(minutes=2)

    assert (gone["enabled"], gone["disabled_because"]) == (False, "the receiver is gone (93000)")
    assert (refused.status_code, refused.json()["code"]) == (409, "INCOMPATIBLE_STATE")
    assert (asked, back.json()["enabled"], back.json()["disabled_because"]) == (1, True, None)
    [text] = group.texts[1:]
    assert f"…{two[-4:]}" in text
    assert f"…{one[-4:]}" not in text


async def test_a_robot_that_is_down_is_tried_for_three_days_and_then_no_more(gateway: Gateway, group: Robot) -> None:
    group.answer = answered(502)
    made = await channel(gateway, "wecom", url=f"{group.base}/send?key=k")
    await send_test(gateway, made)
    attempts = []
    for _ in range(20):
        await gateway.advance(hours=6)
        attempts.append(len(group.asked))
    [one] = await deliveries(gateway, made)

    assert one["status"] == "failed"
    assert 5 < attempts[-1] < 30
    assert attempts[-1] == attempts[-6]
    assert datetime.fromisoformat(one["settled_at"]) - datetime.fromisoformat(one["created_at"]) > timedelta(days=2)
    assert (await read(gateway, made))["enabled"] is True
