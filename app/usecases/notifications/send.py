"""Send one delivery to its channel; no transaction is open. Gives what the answer means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from app.db.notifications.channels import ChannelRow
from app.db.notifications.deliveries import DeliveryRecord
from app.domain.notifications.channels import LIMITS, ChannelKind, Outcome, Verdict, judge_http, judge_smtp
from app.outbound.mail import MailServer, Tls
from app.outbound.robots import HEADERS, result_code, robot_request
from app.outbound.sender import SendResult
from app.outbound.signature import headers
from app.usecases.context import Context
from app.usecases.notifications.compose import Message, email_of, message_of, robot_text, sms_payload


async def send(
    ctx: Context,
    channel: ChannelRow,
    delivery: DeliveryRecord,
    events: Sequence[Mapping[str, Any]],
    language: str,
) -> Verdict:
    """One attempt. Raises what keeps a message from being made; never for anything the receiver does."""
    message = message_of(channel, delivery, events, language)
    match kind := ChannelKind(channel.kind):
        case ChannelKind.EMAIL:
            return await _email(ctx, channel, delivery, message, language)
        case ChannelKind.SMS_WEBHOOK:
            body = sms_payload(channel, delivery, events, message, language)
            stamp = int(ctx.clock.real().timestamp())
            signed = headers([channel.secrets["secret"]], str(delivery.id), stamp, body)
            sent = await ctx.webhooks.send(channel.secrets["url"], signed | {"content-type": "application/json"}, body)
            return _verdict(kind, sent, None)
        case _:
            return await _robot(ctx, kind, channel, delivery, message, language)


def server_of(settings: Mapping[str, Any], secrets: Mapping[str, str]) -> MailServer:
    """The mail server of an e-mail channel."""
    return MailServer(
        host=settings["host"],
        port=settings["port"],
        tls=Tls(settings["tls"]),
        user=settings["user"],
        password=secrets.get("password"),
    )


async def _email(
    ctx: Context, channel: ChannelRow, delivery: DeliveryRecord, message: Message, language: str
) -> Verdict:
    mail = email_of(channel, delivery, message, language, ctx.now())
    server = server_of(channel.settings, channel.secrets)
    sender = channel.settings["from"]
    sent = await ctx.mail.send(server, mail, sender=sender, recipient=delivery.recipient or sender)
    if sent.delivered:
        return Verdict(outcome=Outcome.DELIVERED)
    verdict = judge_smtp(sent.code)
    return Verdict(outcome=verdict.outcome, rest=verdict.rest, code=verdict.code or sent.error)


async def _robot(
    ctx: Context, kind: ChannelKind, channel: ChannelRow, delivery: DeliveryRecord, message: Message, language: str
) -> Verdict:
    most = LIMITS[kind].text_bytes
    if most is None:
        raise ValueError("a robot without a bound on its texts")
    content = robot_text(channel, delivery, message, language, most)
    unix_ms = int(ctx.clock.real().timestamp() * 1000)
    url, body = robot_request(kind, channel.secrets["url"], channel.secrets.get("secret"), content, unix_ms)
    sent = await ctx.webhooks.send(url, HEADERS, body)
    return _verdict(kind, sent, result_code(sent.body))


def _verdict(kind: ChannelKind, sent: SendResult, code: int | None) -> Verdict:
    verdict = judge_http(kind, sent.status, code)
    rest = max(verdict.rest, sent.retry_after or timedelta())
    return Verdict(outcome=verdict.outcome, rest=rest, code=verdict.code or sent.error)
