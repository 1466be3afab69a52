"""A tenant as a buyer: its profile, its balance, the entries of it (RN-9, QT-3, ADR 21)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from app.domain.commerce.balance import EntryKind
from app.domain.operation.prices import MAX_FEN
from app.routers.schemas.base import (
    AnswerModel,
    At,
    CycleId,
    Fen,
    Listed,
    Quantity,
    RequestModel,
    Text,
    open_words,
)

EntryKindWord = Annotated[EntryKind, open_words(EntryKind)]
FEN = {"x-unit": "fen (1/100 CNY)"}
Phone = Annotated[str, Field(min_length=1, max_length=40)]
Email = Annotated[str, Field(min_length=3, max_length=200, pattern=r"^[^\s@]+@[^\s@]+$")]
Reference = Annotated[str, Field(min_length=1, max_length=100)]
"""The name of a payment at the bank or the backend."""


class AccountPatch(RequestModel):
    """Which fields of the profile change; null clears one."""

    company: Text | None = Field(default=None, description="The buyer's company.", examples=["杭州水务"])
    contact: Text | None = Field(default=None, description="The person to ask.", examples=["王工"])
    phone: Phone | None = Field(default=None, description="Its phone.", examples=["0571-88880000"])
    email: Email | None = Field(default=None, description="Its e-mail address.", examples=["wang@example.com"])

    def changes(self) -> dict[str, Any]:
        """The fields that were given."""
        return self.model_dump(exclude_unset=True)


class Account(AnswerModel):
    """A tenant as a buyer: profile and balance."""

    company: str | None = Field(description="The buyer's company.", examples=["杭州水务"])
    contact: str | None = Field(description="The person to ask.", examples=["王工"])
    phone: str | None = Field(description="Its phone.", examples=["0571-88880000"])
    email: str | None = Field(description="Its e-mail address.", examples=["wang@example.com"])
    complete: bool = Field(description="Whether the profile suffices for orders (RN-9).", examples=[True])
    missing: list[str] = Field(description="The fields it lacks.", examples=[["phone"]])
    balance_fen: Fen = Field(description="The sum of all entries; below zero: owed.", examples=[125000])
    empty: bool = Field(description="Whether it is zero or less: overrun makes arrears (ST-14).", examples=[False])
    updated_at: At | None = Field(description="When the profile last changed.", examples=["2026-11-21T10:00:00+00:00"])
    version: int = Field(description="For `If-Match`; rises with each change of the profile.", examples=[2])


class BalanceEntry(AnswerModel):
    """One entry of a balance; never changed, never deleted."""

    number: int = Field(description="Its number, from 1 on without gaps.", examples=[7])
    kind: EntryKindWord = Field(description="What moved the balance.", examples=["overrun"])
    reference: str = Field(description="Its name, once per kind.", examples=["89860012345678901234:202611:1"])
    amount_fen: Fen = Field(description="Money in; below zero: a charge.", examples=[-300])
    before_fen: Fen = Field(description="The balance before it.", examples=[125300])
    after_fen: Fen = Field(description="The balance after it.", examples=[125000])
    iccid: str | None = Field(description="The SIM it is for.", examples=["89860012345678901234"])
    cycle: CycleId | None = Field(description="The billing cycle it is for.", examples=["2026-11"])
    order: str | None = Field(description="The order it is for.", examples=[None])
    at: At = Field(description="When it was added.", examples=["2026-11-21T10:00:00+00:00"])


class BalanceEntryPage(Listed[BalanceEntry]):
    """A page of entries, newest first."""


class AccountPaymentRequest(RequestModel):
    """A payment that the backend confirms."""

    amount_fen: Annotated[Quantity, Field(ge=1, le=MAX_FEN, json_schema_extra=FEN)] = Field(
        description="What was paid.", examples=[100000]
    )
    reference: Reference = Field(description="Its name: the same counts once.", examples=["bank-20261121-001"])
