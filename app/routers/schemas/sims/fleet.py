"""Why the SIMs of a fleet are stopped: by cause and remedy, with the bulk operation that helps each group."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from app.routers.schemas.base import AnswerModel, Fen, RequestModel
from app.routers.schemas.bulk import Selector
from app.routers.schemas.operations import KindWord
from app.routers.schemas.problems import HoldWord, RefusalWord
from app.routers.schemas.sims.recovery import NotLifted, RecoveryPlan


class FleetExplanationRequest(RequestModel):
    """Which SIMs are explained."""

    selector: Selector = Field(description="Which SIMs, as for a bulk operation; those that run are left out.")


class Cause(AnswerModel):
    """One cause of a stop."""

    code: str = Field(
        description="A hold, or `lagging`, `overdue` or `pool_refilled` where its reason is gone.",
        examples=["over_quota"],
    )
    text: str = Field(description="The same in words.", examples=["The plan's allowance of this cycle is used up"])


class GroupSelector(AnswerModel):
    """The SIMs of a group by name."""

    iccids: list[str] = Field(description="Their ICCIDs.", examples=[["89860012345678901234"]])


class GroupBulkRequest(AnswerModel):
    """A body of `POST /v1/bulk-operations`."""

    kind: KindWord = Field(description="The action in snake_case.", examples=["resume"])
    selector: GroupSelector = Field(description="The SIMs of the group, up to 10,000.")
    arguments: dict[str, Any] = Field(
        description="The action's arguments; add those named in `choose`.", examples=[{"addon": "pack-1g"}]
    )


class GroupRefusals(AnswerModel):
    """SIMs of a group for which the bulk operation would be refused now, for one reason."""

    count: int = Field(description="How many.", examples=[12])
    code: RefusalWord = Field(description="The problem code.", examples=["OPERATION_IN_PROGRESS"])
    rule: str = Field(description="The rule that refuses.", examples=["OP-4"])
    text: str = Field(
        description="Why, in words.", examples=["Another operation on this card is still open; resuming must wait."]
    )


class GroupOperation(AnswerModel):
    """The operation that helps a group first, and what it would come to."""

    request: GroupBulkRequest = Field(description="The body to send.")
    choose: list[str] = Field(description="Names of arguments that you add.", examples=[[]])
    covers: int = Field(
        description="How many SIMs of the group the body names; ask again for the others once it is done.",
        examples=[812],
    )
    accepted: int = Field(description="For how many of the group it would be accepted now.", examples=[800])
    cost_fen: Fen | None = Field(
        description="What it costs for those together; 0: nothing; null: a price is not known.", examples=[400000]
    )
    refused: list[GroupRefusals] = Field(description="For how many it would be refused now, and why.")


class ExplainedGroup(AnswerModel):
    """Stopped SIMs of the same causes that come back by the same steps."""

    causes: list[Cause] = Field(description="Why they are stopped.")
    holds: list[HoldWord] = Field(description="Their holds.", examples=[["over_quota"]])
    count: int = Field(description="How many SIMs.", examples=[812])
    samples: list[str] = Field(description="Some of them, at most five.", examples=[["89860012345678901234"]])
    fastest: RecoveryPlan | None = Field(description="The fastest plan, as worked out for the first of `samples`.")
    cheapest: RecoveryPlan | None = Field(description="The cheapest plan, likewise.")
    not_lifted: list[NotLifted] = Field(description="The holds that nobody can lift; empty where there are plans.")
    bulk_operation: GroupOperation | None = Field(
        description="The first operation of the fastest plan; null: no operation on these SIMs helps now."
    )


class FleetExplanation(AnswerModel):
    """The stopped SIMs of a selection, the largest group first."""

    selected: int = Field(description="SIMs that the selector finds, running or stopped.", examples=[100000])
    stopped: int = Field(description="Those that are stopped and were looked at.", examples=[1832])
    complete: bool = Field(
        description="Whether all were looked at; false: the time of one request was up. Narrow the selector.",
        examples=[True],
    )
    groups: list[ExplainedGroup] = Field(description="At most 200.")
    other_groups: int = Field(description="How many SIMs are in smaller groups that are not shown.", examples=[0])
    unreadable: int = Field(
        description="How many of the stopped ones cannot be read, and are in no group; the log names them.",
        examples=[0],
    )
