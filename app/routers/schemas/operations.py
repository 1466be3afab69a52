"""Operations: one change of one SIM, from request to end."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from app.domain.vocabulary import Channel, OperationKind, OperationSource, OperationStatus

from .actions import ChannelWord
from .base import (
    MAX_AMOUNT,
    AnswerModel,
    At,
    Counted,
    Paging,
    Quantity,
    QueryFlag,
    QueryIccid,
    QueryInstant,
    RequestModel,
    open_words,
)
from .problems import ExpectedEnd
from .sims.requests import Including

KindWord = Annotated[OperationKind, open_words(OperationKind)]
StatusWord = Annotated[OperationStatus, open_words(OperationStatus)]
SourceWord = Annotated[OperationSource, open_words(OperationSource)]
Scalar = str | int | float | bool | None
OPERATION_ID = "019ab3f0-7c11-7d60-9c55-0d2f5a1b2c3d"


class OperationError(AnswerModel):
    """Why an operation failed, or is not done yet."""

    code: str = Field(description="A problem code.", examples=["CARRIER_REJECTED"])
    detail: str | None = Field(description="The same in words.", examples=["the carrier refused"])
    carrier_code: str | None = Field(default=None, description="The carrier's own code.", examples=["10000012"])


class HistoryLine(AnswerModel):
    """One step of an operation."""

    at: At = Field(description="When.", examples=["2026-11-21T10:00:00+00:00"])
    status: StatusWord = Field(description="The status from then on.", examples=["queued"])
    note: str = Field(description="Why, in words.", examples=[""])


class Operation(AnswerModel):
    """One change of one SIM. Accepted is not done: `status` says where it stands."""

    id: UUID = Field(description="Its id.", examples=[OPERATION_ID])
    kind: KindWord = Field(description="The action in snake_case.", examples=["suspend"])
    sim: str = Field(description="The ICCID.", examples=["89860012345678901234"])
    status: StatusWord = Field(description="Where it stands.", examples=["queued"])
    channel: ChannelWord = Field(description="How it is done: API, desk or the gateway alone.", examples=["api"])
    source: SourceWord = Field(description="Who asked for it.", examples=["api"])
    arguments: dict[str, Scalar] = Field(description="Its arguments as sent to the carrier.", examples=[{"months": 12}])
    result: dict[str, Scalar] | None = Field(description="What it brought.", examples=[{"url": "https://example.org"}])
    due_at: At | None = Field(description="By when it is due.", examples=["2026-11-24T00:00:00+08:00"])
    due_rule: str | None = Field(description="The rule `due_at` rests on.", examples=["SL-2"])
    overdue: bool = Field(description="Whether it is open after that.", examples=[False])
    attempts: int = Field(description="Requests sent to the carrier.", examples=[1])
    sent_at: At | None = Field(description="When the last one was sent.", examples=["2026-11-21T10:00:01+00:00"])
    execute_at: At | None = Field(description="Not before.", examples=["2026-12-01T00:00:00+08:00"])
    next_attempt_at: At | None = Field(
        description="Not before then it is sent, or the carrier asked, next; null: nothing is attempted by itself.",
        examples=["2026-11-21T10:00:31+00:00"],
    )
    carrier_reference: str | None = Field(description="The carrier's own id of it.", examples=["20261121100001"])
    error: OperationError | None = Field(description="Why it failed, or waits.")
    bulk_operation: UUID | None = Field(description="The bulk operation it belongs to.", examples=[OPERATION_ID])
    order: UUID | None = Field(description="The order that bought it.", examples=[OPERATION_ID])
    correlation_id: str | None = Field(description="Joins request, events and logs.", examples=["3f0c6d0f5b1e4d3c"])
    created_at: At = Field(description="When it was accepted.", examples=["2026-11-21T10:00:00+00:00"])
    settled_at: At | None = Field(description="When it ended.", examples=["2026-11-21T10:00:03+00:00"])
    history: list[HistoryLine] = Field(description="Its steps in order.")
    expected: ExpectedEnd | None = Field(
        default=None,
        description="Beside `due_at`, what was measured; only in a read of one operation. Null: ended, or too few.",
    )


class OperationPage(Counted[Operation]):
    """A page of operations, newest first."""


class OperationListQuery(Including, Paging):
    """Which operations, and which page of them."""

    sim: QueryIccid | None = Field(default=None, description="ICCID.", examples=["89860012345678901234"])
    kind: OperationKind | None = Field(default=None, description="Kind.", examples=["suspend"])
    status: OperationStatus | None = Field(default=None, description="Status.", examples=["waiting_carrier"])
    channel: Channel | None = Field(default=None, description="Channel.", examples=["desk"])
    overdue: QueryFlag | None = Field(default=None, description="Whether it is overdue.", examples=[True])
    bulk_operation: UUID | None = Field(default=None, description="Bulk operation.", examples=[OPERATION_ID])
    account: str | None = Field(default=None, max_length=200, description="Carrier account.", examples=["cmcc-main"])
    correlation_id: str | None = Field(
        default=None, max_length=200, description="Correlation id of the request.", examples=["2f1c6d2e"]
    )
    created_before: QueryInstant | None = Field(
        default=None,
        description="Requested before this instant; with a `status` this finds what has been waiting for long.",
        examples=["2026-11-21T09:00:00+08:00"],
    )
    created_from: QueryInstant | None = Field(
        default=None, description="Requested at this instant or later.", examples=["2026-11-20T09:00:00+08:00"]
    )


class OperationOutcome(RequestModel):
    """How desk work, or an operation under verification, ended."""

    outcome: Literal["succeeded", "failed"] = Field(description="How it ended.", examples=["succeeded"])
    note: str = Field(default="", max_length=2000, description="In words.", examples=["done at the counter"])
    bytes: Annotated[Quantity, Field(ge=1, le=MAX_AMOUNT, json_schema_extra={"x-unit": "byte"})] | None = Field(
        default=None, description="`order_addon`: the size of the pack.", examples=[1073741824]
    )
