"""Actions on one SIM: the arguments of each kind, the body of each path, and the answer of a dry run."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from app.domain.vocabulary import Channel, OperationKind

from .base import Amount, AnswerModel, At, Fen, Instant, QueryFlag, QueryModel, RequestModel, Text, open_words
from .problems import Refusal

ChannelWord = Annotated[Channel, open_words(Channel)]
Months = Annotated[int, Field(ge=1, le=120, json_schema_extra={"x-unit": "month"})]


class DryRunQuery(QueryModel):
    """Whether to do it."""

    dry_run: QueryFlag = Field(default=False, description="Answer what would happen, and do nothing.", examples=[True])


class ActionRequest(RequestModel):
    """When an action is done. What an action without arguments takes."""

    execute_at: Instant | None = Field(
        default=None, description="Not before; checked again then.", examples=["2026-12-01T00:00:00+08:00"]
    )
    wait: bool = Field(default=False, description="Behind the open operation, if there is one.", examples=[False])


class NoArguments(RequestModel):
    """No arguments."""


class ResumeArguments(RequestModel):
    """What the caller states of a SIM that is resumed."""

    paid: bool | None = Field(
        default=None, description="That the arrears are paid (ST-20); kept in the audit trail.", examples=[True]
    )


class RebindArguments(RequestModel):
    """To which device a SIM is bound."""

    imei: Annotated[Text, Field(json_schema_extra={"pattern": "^[0-9]{15}$"})] | None = Field(
        default=None, description="The IMEI; absent: whichever comes next.", examples=["860000000000001"]
    )


class ChangeRegionArguments(RequestModel):
    """To which region a SIM is moved."""

    province: Text = Field(description="The province.", examples=["湖北"])
    city: Text | None = Field(default=None, description="The city.", examples=["武汉"])


class SetThresholdArguments(RequestModel):
    """At which usage per cycle a SIM stops."""

    bytes: Amount | None = Field(description="Bytes a cycle; null removes the threshold.", examples=[104857600])


class OrderAddonArguments(RequestModel):
    """Which add-on pack is ordered: by its name or its size."""

    addon: Text | None = Field(default=None, description="The pack.", examples=["cmcc-1g"])
    bytes: Amount | None = Field(default=None, description="Its size.", examples=[1073741824])
    product_code: Text | None = Field(default=None, description="The carrier's code of the pack.", examples=["P100"])

    @model_validator(mode="after")
    def _names_a_pack(self) -> Self:
        if not self.addon and not self.bytes:
            raise PydanticCustomError("REQUIRED", "addon or bytes")
        return self


class RenewArguments(RequestModel):
    """For how long a plan is renewed."""

    months: Months = Field(description="By how many months.", examples=[12])


class ChangePlanArguments(RequestModel):
    """To which plan a SIM changes."""

    plan: Text = Field(description="The plan, of the SIM's carrier.", examples=["cmcc-1g"])


class JoinPoolArguments(RequestModel):
    """Which pool a SIM joins."""

    pool: Text = Field(description="The pool, of the SIM's plan.", examples=["pool-1"])


class TerminateArguments(RequestModel):
    """The confirmation of a cancellation for good."""

    confirm: Text = Field(
        description="The ICCID, again; in a bulk operation the number of SIMs.", examples=["89860012345678901234"]
    )


class ResumeRequest(ResumeArguments, ActionRequest):
    """Resume a SIM."""


class RebindRequest(RebindArguments, ActionRequest):
    """Bind a SIM to a device."""


class ChangeRegionRequest(ChangeRegionArguments, ActionRequest):
    """Move a SIM to a region."""


class SetThresholdRequest(SetThresholdArguments, ActionRequest):
    """Stop a SIM at a usage per cycle."""


class OrderAddonRequest(OrderAddonArguments, ActionRequest):
    """Order an add-on pack."""


class RenewRequest(RenewArguments, ActionRequest):
    """Renew a plan."""


class ChangePlanRequest(ChangePlanArguments, ActionRequest):
    """Change to another plan."""


class JoinPoolRequest(JoinPoolArguments, ActionRequest):
    """Join a pool."""


class TerminateRequest(TerminateArguments, ActionRequest):
    """Cancel a SIM for good."""


ARGUMENTS: Mapping[OperationKind, type[RequestModel]] = MappingProxyType(
    {
        OperationKind.RESUME: ResumeArguments,
        OperationKind.REBIND: RebindArguments,
        OperationKind.CHANGE_REGION: ChangeRegionArguments,
        OperationKind.SET_THRESHOLD: SetThresholdArguments,
        OperationKind.ORDER_ADDON: OrderAddonArguments,
        OperationKind.RENEW: RenewArguments,
        OperationKind.CHANGE_PLAN: ChangePlanArguments,
        OperationKind.JOIN_POOL: JoinPoolArguments,
        OperationKind.TERMINATE: TerminateArguments,
    }
)
"""The arguments of each kind; a kind that is not here has none."""


class Irreversible(AnswerModel):
    """One thing that no other operation takes back."""

    what: str = Field(description="Which, as a word.", examples=["rebind_counts"])
    text: str = Field(description="The same in words.", examples=["It counts towards the rebinds of this month."])
    rule: str = Field(description="The rule that says so.", examples=["DV-3"])
    source: str = Field(description="Where the source says it.", examples=["GSL 9.3"])
    assumed: bool = Field(description="Whether it is a decision of ours.", examples=[False])


class BudgetUse(AnswerModel):
    """What is taken from a counted budget."""

    budget: str = Field(description="Which one.", examples=["rebinds_this_month"])
    takes: int = Field(description="Units that it takes.", examples=[1])
    used: int = Field(description="Units used before.", examples=[1])
    limit: int | None = Field(description="Units allowed; null: not limited.", examples=[2])
    left: int | None = Field(description="Units left afterwards; null: not limited.", examples=[0])


class DryRun(AnswerModel):
    """What an action would do; nothing was done."""

    allowed: bool = Field(description="Whether the rules allow it.", examples=[True])
    refusal: Refusal | None = Field(description="Why not.")
    due_at: At | None = Field(description="By when it would be done.", examples=["2026-11-24T00:00:00+08:00"])
    cost_fen: Fen | None = Field(description="What it would cost; null: not known.", examples=[1200])
    consumes: dict[str, int] | None = Field(
        description="Units it would take, by budget.", examples=[{"rebinds_this_month": 1}]
    )
    budgets: list[BudgetUse] = Field(default=[], description="The same budgets with what is left of them.")
    irreversible: list[Irreversible] = Field(description="What no other operation takes back.")
    due_rule: str | None = Field(default=None, description="The rule `due_at` rests on.", examples=["SL-2"])
    channel: ChannelWord | None = Field(default=None, description="How it would be done.", examples=["api"])
    assumed: list[str] = Field(default=[], description="Ids of the assumptions it rests on.", examples=[["D-2"]])
    notes: list[str] = Field(default=[], description="What else to know, in words.", examples=[["Takes a restart"]])
