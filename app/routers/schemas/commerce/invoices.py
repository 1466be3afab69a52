"""Invoices of orders and the titles they are made out to (IV-1)."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from app.routers.schemas.base import AnswerModel, At, Fen, Listed, RequestModel, Text, Word, open_words
from app.routers.schemas.operations import OPERATION_ID

Short = Annotated[str, Field(min_length=1, max_length=60)]
STATUSES = ("requested", "issued", "refused")
OrderName = Annotated[UUID, Word]
MAX_ORDERS = 500


class InvoiceTitleRequest(RequestModel):
    """To whom an invoice is made out; every field is needed (IV-1)."""

    title: Text = Field(description="The company (抬头).", examples=["杭州水务有限公司"])
    tax_id: Short = Field(description="Its tax id (税号).", examples=["91330100MA27XXXXXX"])
    address: Text = Field(description="Its address.", examples=["杭州市西湖区"])
    phone: Short = Field(description="Its phone.", examples=["0571-88880000"])
    bank: Text = Field(description="Its bank.", examples=["工商银行杭州分行"])
    account: Short = Field(description="Its account there.", examples=["1202020209900000000"])


class TitleDetails(AnswerModel):
    """To whom an invoice is made out."""

    title: str = Field(description="The company (抬头).", examples=["杭州水务有限公司"])
    tax_id: str = Field(description="Its tax id (税号).", examples=["91330100MA27XXXXXX"])
    address: str = Field(description="Its address.", examples=["杭州市西湖区"])
    phone: str = Field(description="Its phone.", examples=["0571-88880000"])
    bank: str = Field(description="Its bank.", examples=["工商银行杭州分行"])
    account: str = Field(description="Its account there.", examples=["1202020209900000000"])


class InvoiceTitle(TitleDetails):
    """A title that was used or stored, offered again."""

    id: UUID = Field(description="Its id, for an invoice's `title`.", examples=[OPERATION_ID])
    created_at: At = Field(description="When it was stored.", examples=["2026-11-21T10:00:00+00:00"])


class InvoiceTitlePage(Listed[InvoiceTitle]):
    """A page of titles, newest first."""


class InvoiceRequest(RequestModel):
    """Which orders stand on an invoice, and to whom it is made out."""

    orders: Annotated[list[OrderName], Field(min_length=1, max_length=MAX_ORDERS)] = Field(
        description="Completed orders, each at most three months after its payment, over 10,000 fen together.",
        examples=[[OPERATION_ID]],
    )
    title: OrderName | InvoiceTitleRequest = Field(
        description="The id of an earlier title, or a new one with every field.", examples=[OPERATION_ID]
    )


class InvoiceResultRequest(RequestModel):
    """What became of an invoice."""

    status: Literal["issued", "refused"] = Field(description="Issued, or refused for good.", examples=["issued"])
    number: Short | None = Field(default=None, description="Its own; needed if issued.", examples=["24332000"])
    reason: Text | None = Field(default=None, description="Why; needed if refused.", examples=["the tax id is wrong"])


class Invoice(AnswerModel):
    """An electronic invoice (电子普通发票)."""

    id: UUID = Field(description="Its id here.", examples=[OPERATION_ID])
    status: Annotated[str, open_words(STATUSES)] = Field(description="Where it stands.", examples=["issued"])
    title: TitleDetails = Field(description="To whom it is made out, as it was when requested.")
    orders: list[UUID] = Field(description="The orders on it.", examples=[[OPERATION_ID]])
    amount_fen: Fen = Field(description="Their sum.", examples=[240000])
    number: str | None = Field(description="The invoice's own number, once issued.", examples=["24332000"])
    reason: str | None = Field(description="Why it was refused.", examples=[None])
    created_at: At = Field(description="When it was requested.", examples=["2026-11-21T10:00:00+00:00"])
    ended_at: At | None = Field(description="When its result was told.", examples=["2026-11-23T10:00:00+00:00"])


class InvoicePage(Listed[Invoice]):
    """A page of invoices, newest first."""
