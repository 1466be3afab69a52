"""Notification channels: where reminders go, and what was sent there."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from app.domain.notifications.reminders import REMINDERS, TYPES
from app.routers.schemas.base import AnswerModel, At, Listed, RequestModel, Text, open_words
from app.routers.schemas.operations import OPERATION_ID

from .reminders import ClockTime, ClockTimeAnswer, Language, LanguageWord
from .webhooks import Url

KINDS = ("email", "sms_webhook", "feishu", "dingtalk", "wecom")
Kind = Literal["email", "sms_webhook", "feishu", "dingtalk", "wecom"]
TLS = ("implicit", "starttls", "none")
TlsMode = Literal["implicit", "starttls", "none"]
SHOWN = ("full", "masked")
Shown = Literal["full", "masked"]
STATUSES = ("pending", "delivered", "failed")
ORIGINS = ("reminders", "test")
TypeWord = Literal[
    "usage.threshold_crossed",
    "reminder.due",
    "pool.threshold_crossed",
    "pool.exhausted",
    "sim.suspended",
    "operation.overdue",
    "order.failed",
]
if set(TypeWord.__args__) != set(TYPES):  # type: ignore[attr-defined]
    raise TypeError("the schema and the domain disagree on the types of reminders")

Address = Annotated[
    str, Field(max_length=254, pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$")
]
Host = Annotated[str, Field(max_length=253, pattern=r"^([a-z0-9._-]+|[0-9a-f:.]+)$")]
Phone = Annotated[str, Field(pattern=r"^\+?[0-9]{5,20}$")]
Secret = Annotated[str, Field(min_length=1, max_length=1_000, json_schema_extra={"writeOnly": True})]
UserName = Annotated[str, Field(min_length=1, max_length=320)]
SecretUrl = Annotated[Url, Field(json_schema_extra={"writeOnly": True})]
Types = Annotated[list[TypeWord], Field(max_length=len(TYPES))]
Recipients = Annotated[list[Address], Field(min_length=1, max_length=20)]
Phones = Annotated[list[Phone], Field(min_length=1, max_length=100)]

HOST, ROBOT, CHOSEN = "mail.example.org", "https://open.feishu.cn/open-apis/bot/v2/hook/…", list(REMINDERS)
TO, PHONES, FROM = ["ops@example.org"], ["13800000000"], "simgate@example.org"


class NotificationChannelCreate(RequestModel):
    """A place where reminders go. Which fields belong to which kind: `docs/api.md`, Notification channels."""

    kind: Kind = Field(description="E-mail over SMTP, a webhook that sends SMS, or a chat robot.", examples=["email"])
    name: Text = Field(description="Its name, for people.", examples=["Operations"])
    types: Types | None = Field(
        default=None, description="Which events; absent or empty: those of reminders.", examples=[CHOSEN]
    )
    language: Language | None = Field(default=None, description="Null: the tenant's.", examples=["zh"])
    iccids: Shown | None = Field(
        default=None,
        description="Whole, or the last four digits; null: whole in e-mail and SMS, masked in chats.",
        examples=["masked"],
    )
    digest_at: ClockTime | None = Field(
        default=None, description="`email`: when the day's digest is sent, in the cards' zone.", examples=["08:00"]
    )
    host: Host | None = Field(default=None, description="`email`: the SMTP server.", examples=[HOST])
    port: Annotated[int, Field(ge=1, le=65_535)] | None = Field(
        default=None, description="`email`: its port.", examples=[587]
    )
    tls: TlsMode | None = Field(
        default=None, description="`email`: TLS from the start, by STARTTLS, or none.", examples=["starttls"]
    )
    user: UserName | None = Field(default=None, description="`email`: who logs in; null: nobody.", examples=["simgate"])
    password: Secret | None = Field(default=None, description="`email`: never shown again.", examples=["…"])
    sender: Address | None = Field(default=None, alias="from", description="`email`: the sender.", examples=[FROM])
    to: Recipients | None = Field(default=None, description="`email`: the recipients, one mail each.", examples=[TO])
    url: SecretUrl | None = Field(
        default=None, description="All but `email`: what is called; never shown again.", examples=[ROBOT]
    )
    secret: Secret | None = Field(
        default=None,
        description="Signs; never shown again. `sms_webhook`: `whsec_…`, made where it is absent; robots: theirs.",
        examples=["…"],
    )
    phones: Phones | None = Field(default=None, description="`sms_webhook`: the numbers.", examples=[PHONES])


class NotificationChannelPatch(RequestModel):
    """What changes of a channel; what is absent stays. A secret is replaced, never read."""

    name: Text | None = Field(default=None, description="Its name.", examples=["Operations"])
    types: Types | None = Field(default=None, description="Which events; empty: reminders.", examples=[CHOSEN])
    language: Language | None = Field(default=None, description="Null: the tenant's.", examples=["zh"])
    iccids: Shown | None = Field(default=None, description="Whole or masked.", examples=["masked"])
    digest_at: ClockTime | None = Field(default=None, description="When the digest is sent.", examples=["08:00"])
    host: Host | None = Field(default=None, description="The SMTP server.", examples=[HOST])
    port: Annotated[int, Field(ge=1, le=65_535)] | None = Field(default=None, description="Its port.", examples=[587])
    tls: TlsMode | None = Field(default=None, description="How it is secured.", examples=["starttls"])
    user: UserName | None = Field(default=None, description="Who logs in; null: nobody.", examples=["simgate"])
    password: Secret | None = Field(default=None, description="Another password; null removes it.", examples=["…"])
    sender: Address | None = Field(default=None, alias="from", description="The sender.", examples=[FROM])
    to: Recipients | None = Field(default=None, description="The recipients.", examples=[TO])
    url: SecretUrl | None = Field(default=None, description="What is called.", examples=[ROBOT])
    secret: Secret | None = Field(default=None, description="Another secret; null removes a robot's.", examples=["…"])
    phones: Phones | None = Field(default=None, description="The numbers.", examples=[PHONES])
    enabled: bool | None = Field(default=None, description="Whether reminders are sent.", examples=[True])


class NotificationChannel(AnswerModel):
    """A place where reminders go, without its secrets; null where its kind has no such field."""

    id: UUID = Field(description="Its id.", examples=[OPERATION_ID])
    kind: Annotated[Kind, open_words(KINDS)] = Field(description="What it is.", examples=["email"])
    name: str = Field(description="Its name.", examples=["Operations"])
    types: list[Annotated[str, open_words(TYPES)]] = Field(description="Which events.", examples=[CHOSEN])
    language: LanguageWord | None = Field(description="Null: the tenant's.", examples=["zh"])
    iccids: Annotated[Shown, open_words(SHOWN)] = Field(description="Whole or masked.", examples=["full"])
    digest_at: ClockTimeAnswer | None = Field(description="When the day's digest is sent.", examples=["08:00"])
    host: str | None = Field(description="The SMTP server.", examples=[HOST])
    port: int | None = Field(description="Its port.", examples=[587])
    tls: Annotated[TlsMode, open_words(TLS)] | None = Field(description="How it is secured.", examples=["starttls"])
    user: str | None = Field(description="Who logs in.", examples=["simgate"])
    sender: str | None = Field(alias="from", description="The sender.", examples=[FROM])
    to: list[str] | None = Field(description="The recipients.", examples=[TO])
    phones: list[str] | None = Field(description="The numbers.", examples=[PHONES])
    target: str = Field(description="The server that is called, without path.", examples=["https://open.feishu.cn"])
    has_password: bool = Field(description="Whether a password is kept.", examples=[True])
    has_secret: bool = Field(description="Whether a signing secret is kept.", examples=[False])
    enabled: bool = Field(description="Whether reminders are sent.", examples=[True])
    disabled_because: str | None = Field(description="Why not.", examples=["by a caller"])
    failing_since: At | None = Field(
        description="Since when nothing was taken; null: it works.", examples=["2026-11-21T10:00:00+00:00"]
    )
    last_error: str | None = Field(description="What failed last: the receiver's code.", examples=["19021"])
    last_delivered_at: At | None = Field(description="The last success.", examples=["2026-11-21T08:00:01+00:00"])
    created_at: At = Field(description="When it was made.", examples=["2026-11-21T10:00:00+00:00"])


class NotificationChannelCreated(NotificationChannel):
    """A new channel, with the secret that was made for it, shown this once."""

    secret: str | None = Field(
        description="`sms_webhook`: the secret made here; null where the caller gave one, or has none.",
        examples=["whsec_…"],
    )


class NotificationChannelPage(Listed[NotificationChannel]):
    """A page of channels."""


class NotificationTestBegun(AnswerModel):
    """The deliveries that were queued, one for each recipient."""

    deliveries: list[UUID] = Field(description="Their ids.", examples=[[OPERATION_ID]])


class NotificationDelivery(AnswerModel):
    """One sending to a channel."""

    id: UUID = Field(description="Its id; of an e-mail also in its Message-ID.", examples=[OPERATION_ID])
    origin: Annotated[str, open_words(ORIGINS)] = Field(description="Reminders, or a test.", examples=["reminders"])
    recipient: str | None = Field(description="The address of an e-mail.", examples=["ops@example.org"])
    reminders: int = Field(description="How many reminders it has.", examples=[12])
    status: Annotated[str, open_words(STATUSES)] = Field(description="Where it stands.", examples=["delivered"])
    attempts: int = Field(description="Attempts so far.", examples=[1])
    error: str | None = Field(description="What failed at the last attempt.", examples=["SMTP 451"])
    next_attempt_at: At | None = Field(description="When it is tried next.", examples=["2026-11-21T10:01:00+00:00"])
    created_at: At = Field(description="When it was put together.", examples=["2026-11-21T10:00:00+00:00"])
    attempted_at: At | None = Field(description="The last attempt.", examples=["2026-11-21T10:00:01+00:00"])
    settled_at: At | None = Field(description="When it ended.", examples=["2026-11-21T10:00:01+00:00"])


class NotificationDeliveryPage(Listed[NotificationDelivery]):
    """A page of deliveries, newest first."""
