"""What a message says: lines in a language, an e-mail, a robot's text, the payload of an SMS webhook."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from app.db.notifications.channels import ChannelRow
from app.db.notifications.deliveries import DeliveryRecord
from app.domain.notifications.reminders import said_by
from app.logs import mask_iccids
from app.texts.catalogue import text
from app.usecases.webhooks.feed import cloud_event

MARKUP = str.maketrans({"<": "‹", ">": "›", "@": "＠", "&": "＆"})
"""Robots read `<at …>` and `@all` in a text as a call to everybody; an alias must not be able to say that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one sending says: its title, its lines, and below them how many are left out and why it was sent."""

    title: str
    lines: tuple[str, ...]
    rest: str | None
    why: str

    @property
    def plain(self) -> str:
        """The whole as plain text."""
        return "\n".join([self.title, "", *self.lines, *([self.rest] if self.rest else []), "", self.why, ""])


def message_of(
    channel: ChannelRow, delivery: DeliveryRecord, events: Sequence[Mapping[str, Any]], language: str
) -> Message:
    """The message of a delivery: of a test where it has no batch. `events`: its first reminders."""
    why = text("notification.why", language, name=channel.name)
    if delivery.batch is None:
        return Message(title=text("notification.test", language), lines=(), rest=None, why=why)
    lines = tuple(line_of(event, language, full=channel.iccids == "full") for event in events)
    return Message(
        title=text("notification.subject", language, count=delivery.reminders),
        lines=lines,
        rest=_rest(channel, delivery.reminders - len(lines), language),
        why=why,
    )


def _rest(channel: ChannelRow, count: int, language: str) -> str | None:
    if count <= 0:
        return None
    return text("notification.more", language, count=count, types=",".join(channel.types))


def line_of(event: Mapping[str, Any], language: str, *, full: bool) -> str:
    """One reminder as one line; a card by its ICCID, or by its last four digits, and by what its owner calls it."""
    said = said_by(event["type"], event["data"], event["source"])
    facts = {name: _one_line(str(fact)) for name, fact in said.facts.items()}
    return text(f"notification.{said.key}", language, card=_card(event, full=full), **facts)


def _card(event: Mapping[str, Any], *, full: bool) -> str:
    iccid = event["subject"] or ""
    names = [_one_line(name) for name in (event["alias"], event["device_serial"]) if name]
    shown = iccid if full else mask_iccids(iccid)
    return f"{shown} ({', '.join(names)})" if names else shown


def _one_line(name: str) -> str:
    """A text of a caller's without line breaks and control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in name).split())


def email_of(
    channel: ChannelRow, delivery: DeliveryRecord, message: Message, language: str, at: datetime
) -> EmailMessage:
    """The message as an e-mail, plain and HTML. Its Message-ID is the delivery's: one sent twice is recognised."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = message.title
    mail["From"] = channel.settings["from"]
    mail["To"] = delivery.recipient
    mail["Date"] = at
    mail["Message-ID"] = f"<{delivery.id}@{channel.settings['from'].rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.plain)
    mail.add_alternative(_html(message, language), subtype="html")
    mail["Content-Language"] = language  # last: a header of content would go into the first part
    return mail


def _html(message: Message, language: str) -> str:
    items = "".join(f"<li>{html.escape(line)}</li>" for line in message.lines)
    rest = f"<p>{html.escape(message.rest)}</p>" if message.rest else ""
    title = html.escape(message.title)
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{title}</title></head>'
        f"<body><h1>{title}</h1><ul>{items}</ul>{rest}<p><small>{html.escape(message.why)}</small></p></body></html>\n"
    )


def robot_text(channel: ChannelRow, delivery: DeliveryRecord, message: Message, language: str, most: int) -> str:
    """The message as text of at most `most` bytes: as many lines as fit, and how many do not."""
    lines = [line.translate(MARKUP) for line in message.lines]
    while True:
        left_out = delivery.reminders - len(lines)
        rest = _rest(channel, left_out, language) if delivery.batch is not None else None
        whole = "\n".join([message.title, *lines, *([rest] if rest else [])])
        if len(whole.encode()) <= most or not lines:
            return whole
        lines.pop()


def sms_payload(
    channel: ChannelRow, delivery: DeliveryRecord, events: Sequence[Mapping[str, Any]], message: Message, language: str
) -> bytes:
    """What an SMS webhook gets: the numbers, and for each reminder a text to send and the event behind it.

    A channel with masked ICCIDs gets no events: they have the whole ICCID.
    """
    full = channel.iccids == "full"
    messages: list[dict[str, Any]] = [
        {"text": line, "event": cloud_event(event) if full else None}
        for line, event in zip(message.lines, events, strict=True)
    ] or [{"text": message.title, "event": None}]
    payload = {
        "id": str(delivery.id),
        "type": "simgate.reminders" if delivery.batch is not None else "simgate.test",
        "phones": channel.settings["phones"],
        "language": language,
        "messages": messages,
    }
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
