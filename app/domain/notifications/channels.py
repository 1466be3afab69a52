"""Kinds of notification channels: what each takes at most, and what its answers mean. Data, each with its source.

Feishu: https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot (自定义机器人使用指南)
DingTalk: https://open.dingtalk.com/document/orgapp/custom-robot-access (自定义机器人接入)
WeCom: https://developer.work.weixin.qq.com/document/path/91770 (群机器人配置说明) and /path/90313 (全局错误码)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType


class ChannelKind(StrEnum):
    """Where a reminder can go."""

    EMAIL = "email"
    SMS_WEBHOOK = "sms_webhook"
    FEISHU = "feishu"
    DINGTALK = "dingtalk"
    WECOM = "wecom"


class Batching(StrEnum):
    """What is sent together: a day's, a minute's, or whatever is due."""

    DAY = "day"
    MINUTE = "minute"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelLimits:
    """What a kind takes.

    `interval`: the least time between two messages of one channel, so that neither limit is ever reached; None: no
    limit is published. `text_bytes`: of one message, in UTF-8; `lines`: reminders that it lists, the rest is counted;
    `items`: reminders of one message, None: all that are due.
    """

    batching: Batching
    source: str
    interval: timedelta | None = None
    text_bytes: int | None = None
    lines: int = 20
    items: int | None = None


LIMITS: Mapping[ChannelKind, ChannelLimits] = MappingProxyType(
    {
        ChannelKind.EMAIL: ChannelLimits(batching=Batching.DAY, lines=100, source="D: a page that is read at a glance"),
        ChannelKind.SMS_WEBHOOK: ChannelLimits(
            batching=Batching.NONE, lines=100, items=100, source="D: one request stays below 64 KiB"
        ),
        ChannelKind.FEISHU: ChannelLimits(
            batching=Batching.MINUTE,
            interval=timedelta(milliseconds=600),
            text_bytes=18_000,
            source="Feishu 注意事项: 100 次/分钟, 5 次/秒 a bot; the body at most 20 KB",
        ),
        ChannelKind.DINGTALK: ChannelLimits(
            batching=Batching.MINUTE,
            interval=timedelta(seconds=3),
            text_bytes=18_000,
            source="DingTalk 调用频率限制: 20 messages a minute, beyond it blocked for 10 minutes; 20,000 bytes",
        ),
        ChannelKind.WECOM: ChannelLimits(
            batching=Batching.MINUTE,
            interval=timedelta(seconds=3),
            text_bytes=2_048,
            source="WeCom 消息发送频率限制: 20 messages a minute; text at most 2,048 bytes, Markdown 4,096",
        ),
    }
)


class Outcome(StrEnum):
    """What became of one sending."""

    DELIVERED = "delivered"
    RETRY = "retry"
    REFUSED = "refused"
    """This message never: wrong signature, words or address. Only a person can change that."""

    GONE = "gone"
    """Nothing will ever be taken there again: the robot was removed, the webhook says 410."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an answer means; `rest`: not before, `code`: the platform's own."""

    outcome: Outcome
    rest: timedelta = timedelta()
    code: str | None = None


_RESTING = timedelta(minutes=1)
_BLOCKED = timedelta(minutes=10)

CODES: Mapping[ChannelKind, Mapping[int, tuple[Outcome, timedelta]]] = MappingProxyType(
    {
        ChannelKind.FEISHU: {
            0: (Outcome.DELIVERED, timedelta()),
            9499: (Outcome.REFUSED, timedelta()),  # the body is not as it should be
            11232: (Outcome.RETRY, _RESTING),  # too many at full and half hours
            19001: (Outcome.GONE, timedelta()),  # the webhook's token is invalid
            19021: (Outcome.REFUSED, timedelta()),  # signature, or a clock off by an hour
            19022: (Outcome.REFUSED, timedelta()),  # address not allowed
            19024: (Outcome.REFUSED, timedelta()),  # none of the keywords
        },
        ChannelKind.DINGTALK: {
            0: (Outcome.DELIVERED, timedelta()),
            -1: (Outcome.RETRY, timedelta()),
            40035: (Outcome.REFUSED, timedelta()),  # a parameter is missing
            43004: (Outcome.REFUSED, timedelta()),  # content type
            130101: (Outcome.RETRY, _BLOCKED),  # more than 20 in a minute
            300001: (Outcome.GONE, timedelta()),  # no such token
            310000: (Outcome.REFUSED, timedelta()),  # signature, keywords or address
            400013: (Outcome.GONE, timedelta()),  # the group was dissolved
            400101: (Outcome.GONE, timedelta()),  # no such token
            400102: (Outcome.GONE, timedelta()),  # the robot was stopped
            400105: (Outcome.REFUSED, timedelta()),  # kind of message
            400106: (Outcome.GONE, timedelta()),  # no such robot
            410100: (Outcome.RETRY, _BLOCKED),  # too fast
            430101: (Outcome.REFUSED, timedelta()),  # 430101 to 430104: the content
            430102: (Outcome.REFUSED, timedelta()),
            430103: (Outcome.REFUSED, timedelta()),
            430104: (Outcome.REFUSED, timedelta()),
        },
        ChannelKind.WECOM: {
            0: (Outcome.DELIVERED, timedelta()),
            -1: (Outcome.RETRY, timedelta()),
            40008: (Outcome.REFUSED, timedelta()),  # kind of message
            40058: (Outcome.REFUSED, timedelta()),  # a parameter
            44004: (Outcome.REFUSED, timedelta()),  # empty
            45002: (Outcome.REFUSED, timedelta()),  # too long
            45009: (Outcome.RETRY, _RESTING),  # too many calls
            45033: (Outcome.RETRY, _RESTING),  # too many at once
            93000: (Outcome.GONE, timedelta()),  # the key is invalid, or the robot was removed
            93004: (Outcome.GONE, timedelta()),  # the robot was stopped
            93008: (Outcome.REFUSED, timedelta()),  # address not allowed
        },
    }
)
"""The robots' result codes; one that is not listed is tried again like no answer at all."""

GONE_STATUS, TOO_MANY_STATUS, FIRST_ERROR_STATUS = 410, 429, 300
PERMANENT_SMTP = range(500, 600)


def judge_http(kind: ChannelKind, status: int | None, code: int | None) -> Verdict:
    """What an HTTP answer means; `code`: `code` or `errcode` of its body, None: none could be read.

    A robot says in its body whether it took the message: a success without a code is none.
    """
    shown = f"HTTP {status}" if code is None and status is not None else str(code) if code is not None else None
    if status == GONE_STATUS:
        return Verdict(outcome=Outcome.GONE, code=shown)
    table = CODES.get(kind)
    if table is not None:
        unlisted = (Outcome.RETRY, timedelta())
        outcome, rest = unlisted if code is None else table.get(code, unlisted)
        return Verdict(outcome=outcome, rest=_RESTING if status == TOO_MANY_STATUS else rest, code=shown)
    taken = status is not None and FIRST_ERROR_STATUS - 100 <= status < FIRST_ERROR_STATUS
    return Verdict(outcome=Outcome.DELIVERED if taken else Outcome.RETRY, code=shown)


def judge_smtp(code: int | None) -> Verdict:
    """What a mail server's last reply means: 5yz is permanent (RFC 5321, 4.2.1); None: it gave none."""
    if code is None:
        return Verdict(outcome=Outcome.RETRY)
    outcome = Outcome.REFUSED if code in PERMANENT_SMTP else Outcome.RETRY
    return Verdict(outcome=outcome, code=f"SMTP {code}")
