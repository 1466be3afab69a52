"""Automations: a condition, what is done where it is met, and on which SIMs; their firings and back-tests."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from app.domain.automation.actions import NEVER_AUTOMATED, AutomationStatus, FiringStatus
from app.domain.automation.conditions import Span
from app.domain.sim.deadlines import OF_SIMS, DeadlineKind
from app.domain.vocabulary import OperationKind
from app.routers.schemas.base import (
    Amount,
    AnswerModel,
    At,
    Day,
    Listed,
    On,
    Paging,
    QueryModel,
    RequestModel,
    Text,
    Word,
    open_words,
)
from app.routers.schemas.bulk import Arguments, Filter
from app.routers.schemas.operations import OPERATION_ID

DEADLINES = (*OF_SIMS, DeadlineKind.CYCLE_END)
AUTOMATED = tuple(kind for kind in OperationKind if kind not in NEVER_AUTOMATED)
MAX_PERCENT = 100_000


class UsageCondition(RequestModel):
    """Used reaches an amount: `bytes`, or `percent` of the cycle's allowance with its add-ons; one of both."""

    kind: Literal["usage"] = Field(description="`usage`.", examples=["usage"])
    per: Annotated[Span, Word] = Field(description="Over a billing cycle or a day.", examples=["cycle"])
    bytes: Annotated[Amount, Field(ge=1)] | None = Field(default=None, description="Bytes.", examples=[83886080])
    percent: Annotated[int, Field(ge=1, le=MAX_PERCENT, json_schema_extra={"x-unit": "%"})] | None = Field(
        default=None, description="Percent of the allowance.", examples=[80]
    )

    @model_validator(mode="after")
    def _one_amount(self) -> Self:
        if (self.bytes is None) == (self.percent is None):
            raise PydanticCustomError("REQUIRED", "one of bytes and percent")
        return self


class StateCondition(RequestModel):
    """The SIM comes to show a state; with `longer_than` it has shown it for longer."""

    kind: Literal["state"] = Field(description="`state`.", examples=["state"])
    state: Literal["active", "suspended", "expired", "cancelled"] = Field(
        description="The state.", examples=["suspended"]
    )
    longer_than: Annotated[str, Field(max_length=100)] | None = Field(
        default=None, description="A duration: `30d`, `12h`, or ISO 8601; absent: as soon as.", examples=["30d"]
    )


class DeviceCondition(RequestModel):
    """The carrier sees the SIM in another device than before (DV-6)."""

    kind: Literal["device"] = Field(description="`device`.", examples=["device"])


class RegionCondition(RequestModel):
    """The SIM comes to be bound to one of these provinces (RG-1)."""

    kind: Literal["region"] = Field(description="`region`.", examples=["region"])
    provinces: Annotated[list[Text], Field(min_length=1, max_length=50)] = Field(
        description="Provinces, in Chinese or pinyin.", examples=[["新疆", "西藏"]]
    )


class DeadlineCondition(RequestModel):
    """At most so many days are left to a deadline."""

    kind: Literal["deadline"] = Field(description="`deadline`.", examples=["deadline"])
    deadline: Annotated[DeadlineKind, Word] = Field(
        description="Which, as in `GET /v1/deadlines`, or `cycle_end`.",
        examples=["expiry"],
        json_schema_extra={"enum": [kind.value for kind in DEADLINES]},
    )
    days: Annotated[int, Field(ge=0, le=400, json_schema_extra={"x-unit": "d"})] = Field(
        description="Days left, 0: on the day itself.", examples=[30]
    )

    @model_validator(mode="after")
    def _of_a_sim(self) -> Self:
        if self.deadline not in DEADLINES:
            raise PydanticCustomError("UNKNOWN_WORD", "a deadline of SIMs, or cycle_end")
        return self


When = Annotated[
    UsageCondition | StateCondition | DeviceCondition | RegionCondition | DeadlineCondition,
    Field(discriminator="kind"),
]


class OperationAction(RequestModel):
    """Request an operation on the SIM; the rules decide on it as for any caller."""

    kind: Literal["operation"] = Field(description="`operation`.", examples=["operation"])
    operation: Annotated[OperationKind, Word] = Field(
        description="The action in snake_case; never `terminate`.", examples=["suspend"]
    )
    arguments: Arguments = Field(default_factory=dict, description="As the action takes them.", examples=[{}])


class NotifyAction(RequestModel):
    """Say so: the event `automation.fired` carries the message."""

    kind: Literal["notify"] = Field(description="`notify`.", examples=["notify"])
    message: Text = Field(description="What it says.", examples=["pump stopped"])


class TagAction(RequestModel):
    """Set one tag of the SIM."""

    kind: Literal["tag"] = Field(description="`tag`.", examples=["tag"])
    key: Text = Field(description="The tag's key.", examples=["heavy"])
    value: Text = Field(description="The tag's value.", examples=["yes"])


Then = Annotated[OperationAction | NotifyAction | TagAction, Field(discriminator="kind")]

KINDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "when": frozenset({"usage", "state", "device", "region", "deadline"}),
        "then": frozenset({"operation", "notify", "tag"}),
    }
)


class ScopeSelector(RequestModel):
    """On which SIMs: exactly one of the fields. It is applied anew at each evaluation."""

    model_config = RequestModel.model_config | {"json_schema_extra": {"minProperties": 1, "maxProperties": 1}}

    filter: Filter | None = Field(
        default=None, description="Those the list would show; at least one parameter.", examples=[{"carrier": "cmcc"}]
    )
    all: Literal[True] | None = Field(default=None, description="Every SIM.", examples=[True])

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.filter is None) == (self.all is None):
            raise PydanticCustomError("REQUIRED", "one of filter, all")
        return self


class AutomationCreate(RequestModel):
    """A new automation; it is disarmed."""

    TAGGED: ClassVar[Mapping[str, frozenset[str]]] = KINDS

    name: Text = Field(description="Its name.", examples=["stop at 80 %"])
    when: When = Field(description="The condition.", examples=[{"kind": "usage", "per": "cycle", "percent": 80}])
    then: Then = Field(description="What is done.", examples=[{"kind": "operation", "operation": "suspend"}])
    scope: ScopeSelector = Field(description="On which SIMs.", examples=[{"all": True}])


class AutomationPatch(RequestModel):
    """What is changed; what is absent stays. All but the name only while it is disarmed."""

    TAGGED: ClassVar[Mapping[str, frozenset[str]]] = KINDS

    name: Text | None = Field(default=None, description="Its name.", examples=["stop at 90 %"])
    when: When | None = Field(
        default=None, description="The condition.", examples=[{"kind": "usage", "per": "cycle", "percent": 90}]
    )
    then: Then | None = Field(
        default=None, description="What is done.", examples=[{"kind": "operation", "operation": "suspend"}]
    )
    scope: ScopeSelector | None = Field(default=None, description="On which SIMs.", examples=[{"all": True}])


class ArmRequest(RequestModel):
    """How it is armed."""

    force: bool = Field(default=False, description="Without a back-test of this version.", examples=[False])


class BacktestQuery(QueryModel):
    """Over which days."""

    from_: Day = Field(alias="from", description="The first day.", examples=["2026-10-01"])
    to: Day = Field(description="The last day, included; today at the latest.", examples=["2026-10-31"])


class FiringQuery(Paging):
    """Which firings, and which page of them."""

    status: FiringStatus | None = Field(default=None, description="What became of them.", examples=["fired"])


class FiringCounts(AnswerModel):
    """Firings by status."""

    waiting: int = Field(description="For a state to last.", examples=[0])
    braked: int = Field(description="Behind the brake (ST-25).", examples=[0])
    fired: int = Field(description="Carried out.", examples=[37])
    refused: int = Field(description="Refused by a rule.", examples=[1])
    lapsed: int = Field(description="What they waited for did not come.", examples=[2])


class Automation(AnswerModel):
    """A condition, and what is done to each SIM of its scope that meets it."""

    id: UUID = Field(description="Its id.", examples=[OPERATION_ID])
    name: str = Field(description="Its name.", examples=["stop at 80 %"])
    status: Annotated[AutomationStatus, open_words(AutomationStatus)] = Field(
        description="Where it stands; only an armed one acts.", examples=["armed"]
    )
    when: dict[str, Any] = Field(
        description="The condition, as it was given.", examples=[{"kind": "usage", "per": "cycle", "percent": 80}]
    )
    then: dict[str, Any] = Field(
        description="What is done, as it was given.", examples=[{"kind": "operation", "operation": "suspend"}]
    )
    scope: dict[str, Any] = Field(description="On which SIMs, as it was given.", examples=[{"all": True}])
    version: int = Field(description="Grows with each change of what it does.", examples=[3])
    backtested: bool = Field(description="Whether this version was back-tested.", examples=[True])
    approval: UUID | None = Field(description="The approval it waits or waited for.", examples=[OPERATION_ID])
    firings: FiringCounts = Field(description="Its firings by status.")
    created_by: str = Field(description="Who created it.", examples=[f"key:{OPERATION_ID}"])
    created_at: At = Field(description="When.", examples=["2026-11-21T10:00:00+00:00"])
    updated_at: At = Field(description="When it was last changed.", examples=["2026-11-21T10:00:00+00:00"])
    armed_by: str | None = Field(description="Who armed it last.", examples=[f"key:{OPERATION_ID}"])
    armed_at: At | None = Field(description="Since when it is armed.", examples=["2026-11-21T11:00:00+00:00"])
    evaluated_at: At | None = Field(description="When it was last evaluated.", examples=["2026-11-21T12:00:00+00:00"])


class AutomationPage(Listed[Automation]):
    """A page of automations, newest first."""


class FiringError(AnswerModel):
    """Why a rule refused."""

    code: str = Field(description="The problem code.", examples=["INCOMPATIBLE_STATE"])
    detail: str = Field(description="The same in words.", examples=["Suspending is not possible."])
    rule: str | None = Field(description="The rule that refuses.", examples=["OP-6"])


class AutomationFiring(AnswerModel):
    """One occasion on which an automation acted on a SIM; there is one for each SIM and occasion."""

    id: int = Field(description="Its number; grows.", examples=[4711])
    iccid: str = Field(description="The SIM.", examples=["89860012345678901234"])
    occasion: str = Field(description="A cycle, a day, a deadline, or the id of an event.", examples=["2026-11"])
    status: Annotated[FiringStatus, open_words(FiringStatus)] = Field(
        description="What became of it.", examples=["fired"]
    )
    version: int = Field(description="The automation's version.", examples=[3])
    at: At = Field(description="When the condition was met.", examples=["2026-11-21T12:00:00+00:00"])
    due_at: At | None = Field(description="Until when the state must last.", examples=["2026-11-21T12:00:00+00:00"])
    done_at: At | None = Field(description="When it was carried out.", examples=["2026-11-21T12:00:01+00:00"])
    operation: UUID | None = Field(description="The operation it began.", examples=[OPERATION_ID])
    error: FiringError | None = Field(description="Why a rule refused.")


class AutomationFiringPage(Listed[AutomationFiring]):
    """A page of firings, newest first."""


class BacktestFiring(AnswerModel):
    """One occasion on which the automation would have acted."""

    iccid: str = Field(description="The SIM.", examples=["89860012345678901234"])
    occasion: str = Field(description="A cycle, a day, a deadline, or the id of an event.", examples=["2026-10"])
    at: At | None = Field(
        description="When; null: within the span that the occasion names.", examples=["2026-10-21T12:00:00+00:00"]
    )


class Backtest(AnswerModel):
    """What an automation would have done; nothing was done."""

    automation: UUID = Field(description="The automation.", examples=[OPERATION_ID])
    version: int = Field(description="Its version.", examples=[3])
    from_: On = Field(alias="from", description="The first day.", examples=["2026-10-01"])
    to: On = Field(description="The last day, today at the latest.", examples=["2026-10-31"])
    fired: int = Field(description="How often it would have fired.", examples=[37])
    cards: int = Field(description="On how many SIMs.", examples=[35])
    items: list[BacktestFiring] = Field(description="The first 500.")
    more: bool = Field(description="Whether there are more.", examples=[False])
    kept_from: At | None = Field(
        description="What the condition is judged by is kept from this instant on; what was before may be missing. "
        "Null: no age limits it.",
        examples=["2025-10-27T12:00:00+00:00"],
    )
    complete: bool = Field(
        description="Whether all of the period is kept; false: `fired` and `cards` are of a shorter one.",
        examples=[True],
    )
