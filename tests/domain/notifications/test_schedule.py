"""When a reminder is sent: both sides of quiet hours and of a digest, in any zone, over a change of clocks."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.notifications.channels import CODES, LIMITS, Batching, ChannelKind, Outcome, judge_http, judge_smtp
from app.domain.notifications.schedule import QuietHours, after_quiet_hours, due_at, next_digest

HOME, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
NIGHT = QuietHours(start=time(22), end=time(8))
SIESTA = QuietHours(start=time(13), end=time(15, 30))
EIGHT = time(8)


def home(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+08:00")


@pytest.mark.parametrize(
    ("at", "quiet", "sent"),
    [
        ("2026-12-15T21:59:59", NIGHT, "2026-12-15T21:59:59"),
        ("2026-12-15T22:00:00", NIGHT, "2026-12-16T08:00:00"),
        ("2026-12-15T23:59:59", NIGHT, "2026-12-16T08:00:00"),
        ("2026-12-16T00:00:00", NIGHT, "2026-12-16T08:00:00"),
        ("2026-12-16T07:59:59", NIGHT, "2026-12-16T08:00:00"),
        ("2026-12-16T08:00:00", NIGHT, "2026-12-16T08:00:00"),
        ("2026-12-16T12:59:59", SIESTA, "2026-12-16T12:59:59"),
        ("2026-12-16T13:00:00", SIESTA, "2026-12-16T15:30:00"),
        ("2026-12-16T15:30:00", SIESTA, "2026-12-16T15:30:00"),
        ("2026-12-16T03:00:00", None, "2026-12-16T03:00:00"),
    ],
)
def test_nothing_is_sent_within_quiet_hours_and_it_is_right_after_them(
    at: str, quiet: QuietHours | None, sent: str
) -> None:
    assert after_quiet_hours(home(at), HOME, quiet) == home(sent)


def test_quiet_hours_are_those_of_the_cards_zone() -> None:
    """10:00 in Shanghai is 03:00 in Berlin."""
    assert after_quiet_hours(home("2026-12-16T10:00:00"), BERLIN, NIGHT) == home("2026-12-16T15:00:00")
    assert after_quiet_hours(home("2026-12-16T23:00:00"), BERLIN, NIGHT) == home("2026-12-16T23:00:00")


@given(
    at=st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2027, 12, 31)),
    start=st.times(),
    end=st.times(),
    zone=st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Pacific/Auckland", "Asia/Kathmandu"]),
)
def test_the_end_of_quiet_hours_is_never_before_and_never_more_than_a_day_and_an_hour_off(
    at: datetime, start: time, end: time, zone: str
) -> None:
    instant, there = at.replace(tzinfo=UTC), ZoneInfo(zone)
    quiet = QuietHours(start=start, end=end)
    sent = after_quiet_hours(instant, there, quiet)
    assert instant <= sent <= instant + timedelta(hours=25)
    digest = next_digest(instant, there, EIGHT, None)
    assert instant <= digest <= instant + timedelta(hours=25)


@pytest.mark.parametrize(
    ("at", "quiet", "sent"),
    [
        ("2026-12-16T07:59:59", None, "2026-12-16T08:00:00"),
        ("2026-12-16T08:00:00", None, "2026-12-16T08:00:00"),
        ("2026-12-16T08:00:01", None, "2026-12-17T08:00:00"),
        ("2026-12-16T07:00:00", QuietHours(start=time(22), end=time(9)), "2026-12-16T09:00:00"),
    ],
)
def test_a_digest_takes_what_is_due_until_it_is_sent(at: str, quiet: QuietHours | None, sent: str) -> None:
    assert next_digest(home(at), HOME, EIGHT, quiet) == home(sent)


def test_robots_get_a_minutes_reminders_together_and_sms_are_sent_at_once() -> None:
    at = home("2026-12-16T12:00:30")
    assert due_at(Batching.MINUTE, at, HOME, EIGHT, None) == home("2026-12-16T12:01:00")
    assert due_at(Batching.NONE, at, HOME, EIGHT, None) == at
    assert due_at(Batching.MINUTE, home("2026-12-16T21:59:30"), HOME, EIGHT, NIGHT) == home("2026-12-17T08:00:00")


def test_the_limits_are_never_reached_at_their_interval() -> None:
    """Feishu 100 a minute and 5 a second, DingTalk and WeCom 20 a minute."""
    published = {ChannelKind.FEISHU: (100, 5), ChannelKind.DINGTALK: (20, None), ChannelKind.WECOM: (20, None)}
    for kind, (per_minute, per_second) in published.items():
        interval = LIMITS[kind].interval
        assert interval is not None
        assert interval * per_minute >= timedelta(minutes=1)
        assert per_second is None or interval * per_second >= timedelta(seconds=1)


@pytest.mark.parametrize(
    ("kind", "status", "code", "outcome", "rest_s"),
    [
        ("feishu", 200, 0, "delivered", 0),
        ("feishu", 200, 19021, "refused", 0),
        ("feishu", 200, 19024, "refused", 0),
        ("feishu", 200, 11232, "retry", 60),
        ("feishu", 400, 19001, "gone", 0),
        ("feishu", 200, 77777, "retry", 0),
        ("feishu", 200, None, "retry", 0),
        ("feishu", 429, None, "retry", 60),
        ("dingtalk", 200, 130101, "retry", 600),
        ("dingtalk", 200, 310000, "refused", 0),
        ("dingtalk", 200, 300001, "gone", 0),
        ("wecom", 200, 45009, "retry", 60),
        ("wecom", 200, 93000, "gone", 0),
        ("wecom", 502, None, "retry", 0),
        ("sms_webhook", 204, None, "delivered", 0),
        ("sms_webhook", 199, None, "retry", 0),
        ("sms_webhook", 300, None, "retry", 0),
        ("sms_webhook", 400, None, "retry", 0),
        ("sms_webhook", 410, None, "gone", 0),
        ("sms_webhook", None, None, "retry", 0),
    ],
)
def test_what_an_answer_means(kind: str, status: int | None, code: int | None, outcome: str, rest_s: int) -> None:
    verdict = judge_http(ChannelKind(kind), status, code)
    assert (verdict.outcome, verdict.rest) == (outcome, timedelta(seconds=rest_s))


def test_every_robot_says_success_with_zero_and_nothing_else() -> None:
    for kind, table in CODES.items():
        assert [code for code, (outcome, _) in table.items() if outcome is Outcome.DELIVERED] == [0], kind


@pytest.mark.parametrize(
    ("code", "outcome"), [(421, "retry"), (451, "retry"), (499, "retry"), (500, "refused"), (535, "refused"), (550, "refused"), (599, "refused"), (None, "retry")]
)  # fmt: skip
def test_what_a_mail_servers_reply_means(code: int | None, outcome: str) -> None:
    assert judge_smtp(code).outcome == outcome
