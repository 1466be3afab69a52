"""Webhooks, their deliveries, and the events they carry (CloudEvents 1.0)."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from app.domain.events import EventType
from app.routers.schemas.base import AnswerModel, At, Instant, Listed, Paging, RequestModel, open_words
from app.routers.schemas.operations import OPERATION_ID

DELIVERY_STATUSES = ("pending", "delivered", "failed")
DeliveryStatus = Literal["pending", "delivered", "failed"]
Url = Annotated[str, Field(max_length=2000, json_schema_extra={"pattern": "^https?://"})]
TypePattern = Annotated[
    str, Field(max_length=200, json_schema_extra={"pattern": r"^_*[a-z][a-z_]*\.(_*[a-z][a-z_]*|\*)$"})
]
Description = Annotated[str, Field(max_length=500)]
EventTypeWord = Annotated[str, open_words((*EventType, "webhook.test"))]
URL, NOTE = "https://example.org/hooks/simgate", "ERP"
TYPES = ["sim.*", "operation.failed"]


class WebhookCreate(RequestModel):
    """A receiver of events."""

    url: Url = Field(description="Where events are sent.", examples=[URL])
    types: list[TypePattern] | None = Field(
        default=None, description="Types of events, or `noun.*`; absent or empty: all.", examples=[TYPES]
    )
    description: Description | None = Field(default=None, description="A note of yours.", examples=[NOTE])


class WebhookPatch(RequestModel):
    """What changes of a receiver; what is absent stays."""

    url: Url | None = Field(default=None, description="Where events are sent.", examples=[URL])
    types: list[TypePattern] | None = Field(default=None, description="Types of events; empty: all.", examples=[TYPES])
    description: Description | None = Field(default=None, description="A note of yours.", examples=[NOTE])
    enabled: bool | None = Field(default=None, description="Whether events are sent.", examples=[True])


class Webhook(AnswerModel):
    """A receiver of events."""

    id: UUID = Field(description="Its id.", examples=[OPERATION_ID])
    url: str = Field(description="Where events are sent.", examples=[URL])
    types: list[str] = Field(description="Types of events; empty: all.", examples=[TYPES])
    description: str | None = Field(description="A note of yours.", examples=[NOTE])
    enabled: bool = Field(description="Whether events are sent.", examples=[True])
    disabled_because: str | None = Field(description="Why not.", examples=["410 Gone"])
    old_secret_until: At | None = Field(
        description="Until when the secret before this one signs as well.", examples=["2026-11-22T10:00:00+00:00"]
    )
    created_at: At = Field(description="When it was made.", examples=["2026-11-21T10:00:00+00:00"])


class WebhookWithSecret(Webhook):
    """A receiver with its new secret, shown this once."""

    secret: str | None = Field(
        description="The secret that signs; null where the request is replayed under its Idempotency-Key.",
        examples=["whsec_…"],
    )


class WebhookPage(Listed[Webhook]):
    """A page of receivers."""


class ReplayRequest(RequestModel):
    """A period, by when the gateway learned of the events."""

    start: Instant = Field(alias="from", description="Included.", examples=["2026-11-20T00:00:00+08:00"])
    end: Instant = Field(alias="to", description="Not included.", examples=["2026-11-21T00:00:00+08:00"])


class Replayed(AnswerModel):
    """How many events are sent again."""

    deliveries: int = Field(description="Deliveries.", examples=[12])


class DeliveryBegun(AnswerModel):
    """The delivery that was queued."""

    delivery: str = Field(description="Its id.", examples=["4711"])


class DeliveredEvent(AnswerModel):
    """The event of a delivery; null once it is deleted."""

    id: UUID | None = Field(description="Its id.", examples=[OPERATION_ID])
    type: EventTypeWord | None = Field(description="Its type.", examples=["sim.suspended"])
    subject: str | None = Field(description="The SIM it is about.", examples=["89860012345678901234"])


class Delivery(AnswerModel):
    """One event on its way to a receiver."""

    id: str = Field(description="Its id.", examples=["4711"])
    event: DeliveredEvent = Field(description="The event.")
    origin: str = Field(description="Why it is sent: as it happened, or again.", examples=["event"])
    status: Annotated[DeliveryStatus, open_words(DELIVERY_STATUSES)] = Field(
        description="Where it stands.", examples=["delivered"]
    )
    attempts: int = Field(description="Attempts so far.", examples=[1])
    response_status: int | None = Field(description="The receiver's last HTTP status.", examples=[204])
    error: str | None = Field(description="What failed at the last attempt.", examples=["timed out"])
    next_attempt_at: At | None = Field(description="When it is tried next.", examples=["2026-11-21T10:01:00+00:00"])
    created_at: At = Field(description="When it was queued.", examples=["2026-11-21T10:00:00+00:00"])
    attempted_at: At | None = Field(description="The last attempt.", examples=["2026-11-21T10:00:01+00:00"])
    settled_at: At | None = Field(description="When it ended.", examples=["2026-11-21T10:00:01+00:00"])


class DeliveryPage(Listed[Delivery]):
    """A page of deliveries, newest first."""


class DeliveryQuery(Paging):
    """Which deliveries, and which page of them."""

    status: DeliveryStatus | None = Field(default=None, description="Status.", examples=["failed"])


class EventListQuery(Paging):
    """Which events, after which one."""

    after: UUID | None = Field(default=None, description="The last event already read.", examples=[OPERATION_ID])
    type: str | None = Field(
        default=None, description="Types, joined by commas; at most 20.", examples=["sim.suspended,sim.resumed"]
    )


class EventData(AnswerModel):
    """What happened. Further fields depend on the type."""

    model_config = AnswerModel.model_config | {"extra": "allow"}

    known_at: At = Field(description="When the gateway learned of it.", examples=["2026-11-21T10:00:01+00:00"])
    before: dict[str, Any] | None = Field(default=None, description="As it was.", examples=[{"state": "active"}])
    after: dict[str, Any] | None = Field(default=None, description="As it is.", examples=[{"state": "suspended"}])
    cause: str | None = Field(default=None, description="Why, as a word.", examples=["operation"])
    rule: str | None = Field(default=None, description="The rule behind it.", examples=["ST-1"])
    actor: str | None = Field(default=None, description="Who did it.", examples=["key:019ab3f0"])
    operation_id: UUID | None = Field(default=None, description="The operation behind it.", examples=[OPERATION_ID])
    correlation_id: str | None = Field(
        default=None, description="Joins request, events and logs.", examples=["3f0c6d0f5b1e4d3c"]
    )


class Event(AnswerModel):
    """An event as a CloudEvent 1.0: what a webhook receives and the feed shows."""

    specversion: Literal["1.0"] = Field(description="The version of CloudEvents.", examples=["1.0"])
    id: UUID = Field(description="Its id: the same in every delivery.", examples=[OPERATION_ID])
    source: str = Field(description="What it is about.", examples=["/v1/sims/89860012345678901234"])
    type: EventTypeWord = Field(description="What happened.", examples=["sim.suspended"])
    subject: str | None = Field(default=None, description="The SIM it is about.", examples=["89860012345678901234"])
    time: At = Field(description="When it took effect.", examples=["2026-11-21T10:00:00+00:00"])
    datacontenttype: Literal["application/json"] = Field(
        description="The form of `data`.", examples=["application/json"]
    )
    data: EventData = Field(description="The facts.")


class EventPage(Listed[Event]):
    """A page of events in order."""
