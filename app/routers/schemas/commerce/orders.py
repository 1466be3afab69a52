"""Orders: placed, paid, fulfilled; their items and their payment."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from app.domain.commerce.orders import MOST_FEN, OrderKind, OrderState
from app.domain.vocabulary import AfterSalesRequest
from app.routers.schemas.base import (
    AnswerModel,
    At,
    Bytes,
    Fen,
    Instant,
    Listed,
    On,
    Paging,
    Quantity,
    RequestModel,
    Text,
    Word,
    open_words,
)
from app.routers.schemas.commerce.carts import ICCID, ItemKindWord, Items
from app.routers.schemas.operations import OPERATION_ID, StatusWord
from app.routers.schemas.sims.answers import SupplierWord

OrderKindWord = Annotated[OrderKind, open_words(OrderKind)]
OrderStateWord = Annotated[OrderState, open_words(OrderState)]
RequestWord = Annotated[AfterSalesRequest, open_words(AfterSalesRequest)]
ItemStatus = Literal["pending", "open", "succeeded", "failed", "cancelled"]
ItemStatusWord = Annotated[ItemStatus, open_words(("pending", "open", "succeeded", "failed", "cancelled"))]


class OrderRequest(RequestModel):
    """A new order: of a cart, or of what would be put into one."""

    cart: Annotated[UUID, Word] | None = Field(default=None, description="The cart.", examples=[OPERATION_ID])
    items: Items | None = Field(default=None, description="In place of a cart: what is bought.")
    auto_renew: bool = Field(default=False, description="Kept with it: renew its SIMs by themselves.", examples=[False])
    leave_out_refused: bool = Field(
        default=False, description="Order the rest where some of it is refused.", examples=[False]
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> OrderRequest:
        if (self.cart is None) == (self.items is None):
            raise PydanticCustomError("REQUIRED", "one of cart, items")
        return self


class OrderPaymentRequest(RequestModel):
    """A payment that the backend confirms."""

    amount_fen: Annotated[Quantity, Field(ge=0, le=MOST_FEN, json_schema_extra={"x-unit": "fen (1/100 CNY)"})] = Field(
        description="What was paid: the amount of the order.", examples=[2400]
    )
    reference: Text = Field(
        description="The payment's own id, under which it counts once.", examples=["PAY-20261121-1"]
    )
    paid_at: Instant = Field(
        description="When it was paid: renewal windows are judged at this instant (RN-1).",
        examples=["2026-11-21T18:00:00+08:00"],
    )


class OrderStatusRequest(RequestModel):
    """What the supplier states of an order; what is left out stays."""

    status: Literal["reviewing", "reviewed", "shipped", "done", "failed"] = Field(
        description="Its new status, or the one it has.", examples=["reviewing"]
    )
    failure_reason: Text | None = Field(default=None, description="Why it failed.", examples=["out of stock"])
    batch: Text | None = Field(default=None, description="The supplier's batch number.", examples=["B-2026-11"])
    courier: Text | None = Field(default=None, description="Who delivers it.", examples=["SF Express"])
    tracking_number: Text | None = Field(default=None, description="The courier's number.", examples=["SF1234567890"])
    note: Annotated[str, Field(max_length=2000)] = Field(default="", description="In words.", examples=["in stock"])


class OrderHistoryLine(AnswerModel):
    """One step of an order."""

    at: At = Field(description="When.", examples=["2026-11-21T10:00:00+00:00"])
    status: OrderStateWord = Field(description="The status from then on.", examples=["placed"])
    note: str = Field(description="Why, in words.", examples=[""])


class OrderSummary(AnswerModel):
    """Items by status."""

    pending: int = Field(description="Not begun: not paid, or waiting for their turn.", examples=[1])
    open: int = Field(description="Begun: their operations have not ended.", examples=[0])
    succeeded: int = Field(description="Done.", examples=[0])
    failed: int = Field(description="Not done.", examples=[0])
    cancelled: int = Field(description="Cancelled with their order.", examples=[0])


class OrderPayment(AnswerModel):
    """The payment of an order."""

    amount_fen: Fen = Field(description="What was paid.", examples=[2400])
    reference: str = Field(description="The payment's own id.", examples=["PAY-20261121-1"])
    paid_from: Literal["outside", "balance"] = Field(
        description="Confirmed by the backend, or charged to the balance.", examples=["outside"]
    )
    paid_at: At = Field(description="When it was paid.", examples=["2026-11-21T10:00:00+00:00"])
    received_at: At = Field(description="When the gateway was told.", examples=["2026-11-21T10:00:02+00:00"])


class OrderDelivery(AnswerModel):
    """When new SIMs are delivered, counted from the payment (SL-6)."""

    earliest: At | None = Field(description="Not before.", examples=[None])
    due_at: At = Field(description="By when.", examples=["2026-12-05T00:00:00+08:00"])
    rule: str = Field(description="The rule it rests on.", examples=["SL-6"])


class OrderCard(AnswerModel):
    """A SIM that came with an order (OR-1)."""

    iccid: str = Field(description="The SIM.", examples=[ICCID])
    carrier_as_of: At | None = Field(
        description="When the carrier last told of it; null: its data are not in yet.", examples=[None]
    )


class OrderCardPage(Listed[OrderCard]):
    """A page of SIMs; none before the order is done."""


class AfterSales(AnswerModel):
    """What the supplier does not do after the purchase (OR-2)."""

    request: RequestWord = Field(description="What.", examples=["refund"])
    rule: str = Field(description="The rule that refuses.", examples=["OR-2"])
    detail: str = Field(description="The same in words.", examples=["Physical cards are not refunded unless faulty."])


class Order(AnswerModel):
    """One order. Placed is not paid, paid is not done: `status` says where it stands."""

    id: UUID = Field(description="Its id.", examples=[OPERATION_ID])
    type: OrderKindWord = Field(description="What is ordered.", examples=["renewal"])
    status: OrderStateWord = Field(description="Where it stands (OR-1).", examples=["placed"])
    terms: SupplierWord | None = Field(description="At which supplier.", examples=["flexem"])
    amount_fen: Fen = Field(description="What it costs.", examples=[2400])
    items: int = Field(description="Items.", examples=[1])
    cards: int = Field(description="SIMs ordered, or ordered for.", examples=[1])
    summary: OrderSummary = Field(description="Items by status.")
    pooled: bool = Field(description="Whether any of it is for a pool or its SIMs.", examples=[False])
    months: int | None = Field(
        description="Duration bought for each SIM; null: none, or not the same for all.",
        examples=[12],
        json_schema_extra={"x-unit": "month"},
    )
    auto_renew: bool = Field(description="Whether its SIMs are to be renewed by themselves.", examples=[False])
    batch: str | None = Field(description="The supplier's batch number.", examples=["B-2026-11"])
    courier: str | None = Field(description="Who delivers it; shown once shipped or done.", examples=[None])
    tracking_number: str | None = Field(description="The courier's number; shown likewise.", examples=[None])
    failure_reason: str | None = Field(description="Why it failed.", examples=[None])
    opened_cards: int | None = Field(
        description="`new`: SIMs that name this order; shown once it is done.", examples=[None]
    )
    conditions: list[str] = Field(
        description="`new`: on what conditions, `freight_collect` or `via_account_manager` (OR-3).", examples=[[]]
    )
    delivery: OrderDelivery | None = Field(description="`new`: when it is delivered, told with the payment (SL-6).")
    payment: OrderPayment | None = Field(description="Its payment.")
    after_sales: list[AfterSales] = Field(description="What its supplier does not do after the purchase (OR-2).")
    history: list[OrderHistoryLine] = Field(description="Its steps in order.")
    correlation_id: str | None = Field(description="Joins request, events and logs.", examples=["3f0c6d0f5b1e4d3c"])
    created_at: At = Field(description="When it was placed.", examples=["2026-11-21T10:00:00+00:00"])
    finished_at: At | None = Field(description="When it ended.", examples=[None])


class OrderPage(Listed[Order]):
    """A page of orders, newest first."""


class OrderListQuery(Paging):
    """Which orders, and which page of them."""

    status: OrderState | None = Field(default=None, description="Status.", examples=["placed"])
    type: OrderKind | None = Field(default=None, description="What is ordered.", examples=["renewal"])


class OrderItemError(AnswerModel):
    """Why an item has failed."""

    code: str = Field(description="A problem code.", examples=["RULE_VIOLATION"])
    detail: str | None = Field(description="The same in words.", examples=["The renewal window of this card is over."])
    carrier_code: str | None = Field(description="The carrier's own code.", examples=[None])
    rule: str | None = Field(description="The rule that refuses.", examples=["RN-1"])
    earliest_retry_at: At | None = Field(description="Not before.", examples=["2026-12-01T00:00:00+08:00"])


class OrderItem(AnswerModel):
    """One item of an order; both end dates of a SIM are shown until the new one counts (RN-8)."""

    number: int = Field(description="Its place in the order, from 1.", examples=[1])
    kind: ItemKindWord = Field(description="What is bought.", examples=["renew"])
    iccid: str | None = Field(description="The SIM.", examples=[ICCID])
    pool: str | None = Field(description="The pool.", examples=[None])
    months: int | None = Field(description="By how many months.", examples=[12], json_schema_extra={"x-unit": "month"})
    addon: str | None = Field(description="The add-on pack.", examples=[None])
    bytes: Bytes | None = Field(description="Its size as it was ordered (QT-7).", examples=[None])
    plan: str | None = Field(description="The plan.", examples=[None])
    quantity: int | None = Field(description="How many new SIMs.", examples=[None])
    price_fen: Fen = Field(description="What it costs.", examples=[2400])
    status: ItemStatusWord = Field(description="What became of it.", examples=["open"])
    expires_on: On | None = Field(description="`renew`: the last valid day before.", examples=["2026-12-31"])
    renews_to: On | None = Field(description="`renew`: the last valid day after.", examples=["2027-12-31"])
    operation: UUID | None = Field(description="Its operation.", examples=[OPERATION_ID])
    operation_status: StatusWord | None = Field(description="Where that stands.", examples=["waiting_carrier"])
    due_at: At | None = Field(
        description="By when that is due; of an expired SIM: by when it is back (SL-4).",
        examples=["2026-11-24T00:00:00+08:00"],
    )
    due_rule: str | None = Field(description="The rule `due_at` rests on.", examples=["SL-1"])
    error: OrderItemError | None = Field(description="Why it has failed.")
    retries: int = Field(description="How often it was tried again.", examples=[0])
    ended_at: At | None = Field(description="When it ended.", examples=[None])


class OrderItemPage(Listed[OrderItem]):
    """A page of items in order."""


class OrderItemQuery(Paging):
    """Which items, and which page of them."""

    status: ItemStatus | None = Field(default=None, description="Status.", examples=["failed"])
