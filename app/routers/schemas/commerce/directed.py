"""Directed lists of orders (DR)."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from app.routers.schemas.base import AnswerModel, At, Listed, RequestModel, open_words
from app.routers.schemas.capabilities import DirectedStateWord
from app.routers.schemas.operations import OPERATION_ID

Kind = Literal["ip", "domain"]
Outcome = Literal["succeeded", "failed"]


class DirectedEntryRequest(RequestModel):
    """An address that the order's SIMs are to reach."""

    kind: Kind = Field(description="What the value is.", examples=["domain"])
    value: Annotated[str, Field(min_length=1, max_length=253)] = Field(
        description="An IP address, a network, or a domain.", examples=["mqtt.example.com"]
    )
    protocol: Annotated[str, Field(min_length=1, max_length=32, pattern="^[A-Za-z0-9._+-]+$")] | None = Field(
        default=None, description="By which protocol; null: any that the terms know.", examples=["mqtt"]
    )


class DirectedCompletion(RequestModel):
    """How the desk's work on an entry ended."""

    outcome: Outcome = Field(description="Whether it was done.", examples=["succeeded"])
    in_force: bool = Field(
        default=True, description="Of an addition: false where it is accepted and not in force yet.", examples=[True]
    )
    note: Annotated[str, Field(max_length=500)] | None = Field(
        default=None, description="A word about it.", examples=["effective at once"]
    )


class DirectedEntry(AnswerModel):
    """An entry of a directed list."""

    id: UUID = Field(description="Its id.", examples=[OPERATION_ID])
    order: str = Field(description="The order.", examples=["O-2026-17"])
    kind: Annotated[Kind, open_words(("ip", "domain"))] = Field(description="What the value is.", examples=["domain"])
    value: str = Field(description="The address, in its normal form.", examples=["mqtt.example.com"])
    protocol: str | None = Field(description="By which protocol; null: any.", examples=["mqtt"])
    status: DirectedStateWord = Field(description="Where it stands (DR-2).", examples=["submitted"])
    open: bool = Field(description="Whether the desk has it in hand.", examples=[True])
    deleting: bool = Field(description="Whether its deletion is in hand.", examples=[False])
    note: str | None = Field(description="What the desk said.", examples=[None])
    created_at: At = Field(description="When it was asked for.", examples=["2026-11-21T10:00:00+00:00"])
    changed_at: At = Field(description="When its status last changed.", examples=["2026-11-21T10:00:00+00:00"])


class DirectedEntryPage(Listed[DirectedEntry]):
    """Entries, oldest first."""
