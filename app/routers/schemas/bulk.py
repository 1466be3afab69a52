"""Bulk operations: one request over many SIMs, its items and its results."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from app.db.bulk.repository import STATUSES
from app.domain.vocabulary import OperationKind
from app.usecases.bulk.request import MOST_ITEMS

from .actions import ARGUMENTS, Irreversible, NoArguments
from .base import AnswerModel, At, Fen, Instant, Listed, Paging, RequestModel, Word, open_words
from .operations import OPERATION_ID, KindWord, OperationError, Scalar, StatusWord
from .problems import HoldWord

REF = "#/components/schemas/"
WAYS = ("iccids", "range", "pool", "filter", "file_id", "all")
ITEM_STATUSES = ("pending", "open", "succeeded", "failed", "cancelled", "allowed", "refused")
ItemStatus = Literal["pending", "open", "succeeded", "failed", "cancelled", "allowed", "refused"]
ItemStatusWord = Annotated[ItemStatus, open_words(ITEM_STATUSES)]
Name = Annotated[str, Field(min_length=1, max_length=64)]

IccidName = Annotated[Name, Field(json_schema_extra={"pattern": "^89[0-9]{17,18}$"})]

Filter = Annotated[dict[str, Any], WithJsonSchema({"$ref": f"{REF}SimFilters"})]
"""The list's query parameters as an object; checked as they are there."""

Arguments = Annotated[
    dict[str, Any],
    WithJsonSchema({"anyOf": [{"$ref": f"{REF}{m.__name__}"} for m in (NoArguments, *ARGUMENTS.values())]}),
]
"""Those of the action of that kind; checked as they are there."""


class IccidRange(RequestModel):
    """SIMs by number, both ends included."""

    start: IccidName = Field(description="The first ICCID.", examples=["89860012345678900010"])
    end: IccidName = Field(description="The last ICCID.", examples=["89860012345678900990"])
    pool: Name | None = Field(default=None, description="Within this pool.", examples=["pool-1"])


class Selector(RequestModel):
    """Which SIMs: exactly one of the fields."""

    model_config = RequestModel.model_config | {"json_schema_extra": {"minProperties": 1, "maxProperties": 1}}

    iccids: list[Annotated[str, Field(max_length=64)]] | None = Field(
        default=None, fail_fast=True, description="These.", examples=[["89860012345678901234"]]
    )
    range: IccidRange | None = Field(default=None, description="Those of a range of numbers.")
    pool: Name | None = Field(default=None, description="The members of a pool.", examples=["pool-1"])
    filter: Filter | None = Field(
        default=None, description="Those the list would show; at least one parameter.", examples=[{"carrier": "cmcc"}]
    )
    file_id: Annotated[UUID, Word] | None = Field(
        default=None, description="Those named in an uploaded file.", examples=[OPERATION_ID]
    )
    all: Literal[True] | None = Field(default=None, description="Every SIM.", examples=[True])

    @model_validator(mode="after")
    def _one_way(self) -> Selector:
        if sum(getattr(self, way) is not None for way in WAYS) != 1:
            raise PydanticCustomError("REQUIRED", f"one of {', '.join(WAYS)}")
        return self


class BulkOptions(RequestModel):
    """How a bulk operation is done."""

    dry_run: bool = Field(default=False, description="Only say what would be allowed.", examples=[False])
    max_failures: Annotated[int, Field(ge=0, le=MOST_ITEMS)] | None = Field(
        default=None, description="Stop after so many failures.", examples=[10]
    )
    max_items: Annotated[int, Field(ge=1, le=MOST_ITEMS)] | None = Field(
        default=None, description="Refuse the request where more SIMs are selected.", examples=[1000]
    )
    execute_at: Instant | None = Field(default=None, description="Not before.", examples=["2026-12-01T00:00:00+08:00"])


class BulkRequest(RequestModel):
    """One action on many SIMs."""

    kind: Annotated[OperationKind, Word] = Field(description="The action in snake_case.", examples=["suspend"])
    selector: Selector = Field(description="Which SIMs.")
    arguments: Arguments = Field(
        default_factory=dict, description="As the action takes them.", examples=[{"months": 12}]
    )
    options: BulkOptions = Field(default=BulkOptions(), description="How it is done.")


class BulkRetryRequest(RequestModel):
    """What is tried again."""

    only: Literal["failed"] = Field(default="failed", description="Only what failed.", examples=["failed"])


class SelectedRange(AnswerModel):
    """The selected range."""

    start: str = Field(description="The first ICCID.", examples=["89860012345678900010"])
    end: str = Field(description="The last ICCID.", examples=["89860012345678900990"])
    pool: str | None = Field(description="Within this pool.", examples=[None])


class SelectedSims(AnswerModel):
    """Which SIMs were selected; one of the fields."""

    iccids: int | None = Field(default=None, description="So many named ones.", examples=[2])
    range: SelectedRange | None = Field(default=None, description="A range.")
    pool: str | None = Field(default=None, description="The members of a pool.", examples=["pool-1"])
    filter: dict[str, Any] | None = Field(default=None, description="A filter.", examples=[{"carrier": "cmcc"}])
    file_id: UUID | None = Field(default=None, description="A file.", examples=[OPERATION_ID])
    failed_of: UUID | None = Field(
        default=None, description="What failed in another bulk operation.", examples=[OPERATION_ID]
    )
    all: bool | None = Field(default=None, description="Every SIM.", examples=[True])


class BulkOptionsView(AnswerModel):
    """How it is done."""

    dry_run: bool = Field(description="Whether it only says what would be allowed.", examples=[False])
    max_failures: int | None = Field(description="It stops after so many failures.", examples=[10])
    execute_at: At | None = Field(description="Not before.", examples=["2026-12-01T00:00:00+08:00"])


class BulkSummary(AnswerModel):
    """Items by status; `allowed` and `refused` of a dry run, else the others."""

    total: int = Field(description="Items.", examples=[100])
    pending: int = Field(description="Not begun.", examples=[10])
    open: int | None = Field(default=None, description="Begun.", examples=[5])
    succeeded: int | None = Field(default=None, description="Done.", examples=[80])
    failed: int | None = Field(default=None, description="Not done.", examples=[5])
    cancelled: int | None = Field(default=None, description="Cancelled.", examples=[0])
    allowed: int | None = Field(default=None, description="Would be allowed.", examples=[90])
    refused: int | None = Field(default=None, description="Would be refused.", examples=[0])


class BulkProgress(AnswerModel):
    """How far it is."""

    done: int = Field(description="Items that ended.", examples=[85])
    total: int = Field(description="Items.", examples=[100])


class RefusedGroup(AnswerModel):
    """Items that would be refused for one reason."""

    code: str = Field(description="The problem code.", examples=["INCOMPATIBLE_STATE"])
    rule: str | None = Field(description="The rule that refuses.", examples=["OP-6"])
    detail: str = Field(description="The same in words.", examples=["Suspending is not possible."])
    count: int = Field(description="How many.", examples=[12])
    iccids: list[str] = Field(description="The first five of them.", examples=[["89860012345678901234"]])


class BulkPrice(AnswerModel):
    """What the allowed items cost."""

    cost_fen: Fen = Field(description="The sum of the known prices.", examples=[120000])
    priced: int = Field(description="Items whose price is known.", examples=[100])
    not_priced: int = Field(description="Items that are bought at a price that is not known.", examples=[0])


class BulkBudget(AnswerModel):
    """What the allowed items take from a counted budget."""

    budget: str = Field(description="Which one.", examples=["rebinds_this_month"])
    takes: int = Field(description="Units that they take together.", examples=[100])
    exhausted: int = Field(description="SIMs that have nothing left of it afterwards.", examples=[3])


class AccountCalls(AnswerModel):
    """Calls to a carrier that the allowed items need."""

    account: str = Field(description="The carrier account.", examples=["cmcc-main"])
    at_least: int = Field(description="One call an item at the least.", examples=[100])
    per_hour: int | None = Field(description="Calls its budget allows an hour; null: not limited.", examples=[3600])


class BulkPreflight(AnswerModel):
    """What the items evaluated so far would meet; nothing was done."""

    allowed: int = Field(description="Items that the rules allow.", examples=[90])
    refused: list[RefusedGroup] = Field(description="Those that would be refused, by reason, the most first.")
    price: BulkPrice = Field(description="What the allowed items cost.")
    consumes: dict[str, int] = Field(description="Units they take, by budget.", examples=[{"rebinds_this_month": 90}])
    budgets: list[BulkBudget] = Field(description="The same budgets, with what is left of them.")
    calls: list[AccountCalls] = Field(description="Calls to carriers, by account.")
    desk: int = Field(description="Items that a person at a desk would do.", examples=[0])
    irreversible: list[Irreversible] = Field(description="What no other operation takes back.")


class BulkOperation(AnswerModel):
    """One action on many SIMs."""

    id: UUID = Field(description="Its id.", examples=[OPERATION_ID])
    kind: KindWord = Field(description="The action in snake_case.", examples=["suspend"])
    status: Annotated[str, open_words(STATUSES)] = Field(description="Where it stands.", examples=["running"])
    selector: SelectedSims = Field(description="Which SIMs.")
    arguments: dict[str, Scalar] = Field(description="The action's arguments.", examples=[{"months": 12}])
    options: BulkOptionsView = Field(description="How it is done.")
    summary: BulkSummary = Field(description="Items by status.")
    progress: BulkProgress = Field(description="How far it is.")
    eta: At | None = Field(description="When it ends if it goes on so.", examples=["2026-11-21T10:05:00+00:00"])
    preflight: BulkPreflight | None = Field(description="What a dry run would meet; null: no dry run.")
    approval: UUID | None = Field(
        description="The approval it waits for while `awaiting_approval`, or waited for.", examples=[OPERATION_ID]
    )
    retry_of: UUID | None = Field(description="The bulk operation it retries.", examples=[OPERATION_ID])
    correlation_id: str | None = Field(description="Joins request, events and logs.", examples=["3f0c6d0f5b1e4d3c"])
    created_at: At = Field(description="When it was accepted.", examples=["2026-11-21T10:00:00+00:00"])
    started_at: At | None = Field(description="When its first item began.", examples=["2026-11-21T10:00:01+00:00"])
    finished_at: At | None = Field(description="When its last item ended.", examples=["2026-11-21T10:05:00+00:00"])


class BulkOperationPage(Listed[BulkOperation]):
    """A page of bulk operations, newest first."""


class BulkItemError(OperationError):
    """Why an item was refused or failed."""

    rule: str | None = Field(default=None, description="The rule that refuses.", examples=["OP-6"])
    holds: list[HoldWord] | None = Field(default=None, description="The holds in the way.", examples=[["manual"]])


class BulkItem(AnswerModel):
    """One SIM of a bulk operation."""

    position: int = Field(description="Its place, from 1.", examples=[1])
    iccid: str = Field(description="The SIM.", examples=["89860012345678901234"])
    status: ItemStatusWord = Field(description="What became of it.", examples=["succeeded"])
    operation: UUID | None = Field(description="Its operation.", examples=[OPERATION_ID])
    operation_status: StatusWord | None = Field(description="Where that stands.", examples=["succeeded"])
    due_at: At | None = Field(description="By when it is due.", examples=["2026-11-24T00:00:00+08:00"])
    settled_at: At | None = Field(description="When it ended.", examples=["2026-11-21T10:00:03+00:00"])
    error: BulkItemError | None = Field(description="Why it was refused or failed.")


class BulkItemPage(Listed[BulkItem]):
    """A page of items in order."""


class BulkItemQuery(Paging):
    """Which items, and which page of them."""

    status: ItemStatus | None = Field(default=None, description="Status.", examples=["failed"])
