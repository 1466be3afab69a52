"""Service levels: promised beside measured, and the claim sheet of a month (SL-9)."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.domain.vocabulary import Carrier, OperationKind
from app.routers.schemas.base import (
    AnswerModel,
    At,
    CycleId,
    Listed,
    On,
    Paging,
    QueryModel,
    Seconds,
)
from app.routers.schemas.operations import OPERATION_ID, KindWord, StatusWord
from app.routers.schemas.sims.answers import CarrierWord, SupplierWord

Scalar = str | int | bool | None


class ServiceLevelQuery(QueryModel):
    """Which service levels."""

    carrier: Carrier | None = Field(default=None, description="Of this carrier.", examples=["cmcc"])
    kind: OperationKind | None = Field(default=None, description="Of this kind of operation.", examples=["rebind"])


class PromisedLevel(AnswerModel):
    """What a supplier's terms promise."""

    terms: SupplierWord = Field(description="Under whose terms.", examples=["flexem"])
    rule: str = Field(description="The rule.", examples=["SL-1"])
    source: str = Field(description="Where it is published, as the catalogue cites.", examples=["FM 一.3.1.2"])
    level: dict[str, Scalar] = Field(
        description="Its values as in `/v1/terms`; durations in seconds.", examples=[{"rule": "SL-3", "latest": 2}]
    )
    assumed: list[str] = Field(description="Ids of the assumptions (D rules) it rests on.", examples=[["SL-8"]])


class MeasuredLevel(AnswerModel):
    """What the tenant's own operations of the window took, from hand-in to the end."""

    count: int = Field(description="Operations that succeeded.", examples=[412])
    p50_s: Seconds | None = Field(description="Half of them took no longer.", examples=[95.5])
    p95_s: Seconds | None = Field(description="95 % of them took no longer.", examples=[86400.0])
    with_due: int = Field(description="Of them and of the open ones that are late: with a due time.", examples=[412])
    late: int = Field(description="Of those: ended, or still open, after it was due.", examples=[9])
    open_late: int = Field(description="Of those: still open.", examples=[1])
    late_share: float | None = Field(
        description="`late` of `with_due`, as a fraction; null: none had a due time.", examples=[0.021845]
    )
    enough: bool = Field(description="Whether they are enough for an expectation.", examples=[True])


class ServiceLevel(AnswerModel):
    """One kind of operation at one account."""

    carrier: CarrierWord = Field(description="The carrier.", examples=["cmcc"])
    account: str = Field(description="The carrier account.", examples=["cmcc-main"])
    kind: KindWord = Field(description="The kind of operation.", examples=["rebind"])
    promised: list[PromisedLevel] = Field(description="What is published, by terms; empty: nothing (SL-7).")
    measured: MeasuredLevel | None = Field(description="What was measured; null: no operation.")


class ServiceLevels(AnswerModel):
    """Promised beside measured."""

    from_: At = Field(
        alias="from", description="Operations that ended from here on.", examples=["2026-09-01T00:00:00Z"]
    )
    to: At = Field(description="Up to here, not included.", examples=["2026-11-30T00:00:00Z"])
    window_days: int = Field(description="The window.", examples=[90], json_schema_extra={"x-unit": "day"})
    enough: int = Field(description="Operations from which on an expectation is told.", examples=[20])
    assumed: list[str] = Field(description="Ids of the assumptions (D rules) it rests on.", examples=[["SL-9"]])
    items: list[ServiceLevel] = Field(description="By carrier, account and kind.")


class ClaimQuery(Paging):
    """Which claim sheet."""

    month: Annotated[str, Field(pattern=r"^(19[7-9][0-9]|2[0-9]{3})-(0[1-9]|1[0-2])$")] = Field(
        description="A calendar month.", examples=["2026-11"]
    )
    carrier: Carrier | None = Field(default=None, description="Of this carrier.", examples=["cmcc"])
    kind: OperationKind | None = Field(default=None, description="Of this kind of operation.", examples=["rebind"])


class ClaimTotal(AnswerModel):
    """The late operations of one account, kind and rule in a month."""

    carrier: CarrierWord = Field(description="The carrier.", examples=["cmcc"])
    account: str = Field(description="The carrier account.", examples=["cmcc-main"])
    kind: KindWord = Field(description="The kind of operation.", examples=["rebind"])
    due_rule: str | None = Field(description="The rule that was missed.", examples=["SL-1"])
    operations: int = Field(description="Late operations.", examples=[9])
    card_days: int = Field(
        description="Days late, each card's day once.", examples=[14], json_schema_extra={"x-unit": "day"}
    )


class LateOperation(AnswerModel):
    """One operation that was late on days of the month."""

    operation: UUID = Field(description="Its id.", examples=[OPERATION_ID])
    iccid: str = Field(description="The SIM.", examples=["89860012345678901234"])
    carrier: CarrierWord = Field(description="The carrier.", examples=["cmcc"])
    account: str = Field(description="The carrier account.", examples=["cmcc-main"])
    kind: KindWord = Field(description="The kind of operation.", examples=["rebind"])
    status: StatusWord = Field(description="Where it stands.", examples=["succeeded"])
    due_rule: str | None = Field(description="The rule that was missed.", examples=["SL-1"])
    due_at: At = Field(description="By when it was due.", examples=["2026-11-24T00:00:00+08:00"])
    settled_at: At | None = Field(
        description="When it ended; null: still open, counted up to now.", examples=["2026-11-25T10:00:00+08:00"]
    )
    first_day: On = Field(description="The first day of the month on which it was late.", examples=["2026-11-24"])
    last_day: On = Field(description="The last such day.", examples=["2026-11-25"])
    days: int = Field(description="Those days.", examples=[2], json_schema_extra={"x-unit": "day"})


class ClaimSheet(Listed[LateOperation]):
    """The late card-days of a month, in the zones of the accounts."""

    month: CycleId = Field(description="The calendar month.", examples=["2026-11"])
    as_of: At = Field(description="Up to when open operations are counted.", examples=["2026-11-30T00:00:00Z"])
    assumed: list[str] = Field(description="Ids of the assumptions (D rules) it rests on.", examples=[["SL-9"]])
    totals: list[ClaimTotal] = Field(description="The whole month's sums, whatever the page.")
