"""Approvals: what waits for a second person, and the decision."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from app.domain.automation.approval import ApprovalStatus, ApprovalSubject
from app.routers.schemas.base import AnswerModel, At, Listed, Paging, RequestModel, open_words
from app.routers.schemas.operations import OPERATION_ID

ApprovalWord = Annotated[ApprovalStatus, open_words(ApprovalStatus)]


class ApprovalQuery(Paging):
    """Which approvals, and which page of them."""

    status: ApprovalStatus | None = Field(default=None, description="Where they stand.", examples=["waiting"])


class ApprovalDecision(RequestModel):
    """A decision."""

    note: Annotated[str, Field(max_length=2000)] | None = Field(
        default=None, description="Why, in words.", examples=["compared with the work order"]
    )


class ApprovedSubject(AnswerModel):
    """What is to be done, as it was frozen when the approval was asked for."""

    kind: Annotated[ApprovalSubject, open_words(ApprovalSubject)] = Field(
        description="What it is.", examples=["bulk_operation"]
    )
    id: UUID = Field(description="Its id.", examples=[OPERATION_ID])
    path: str = Field(description="Where it is read.", examples=[f"/v1/bulk-operations/{OPERATION_ID}"])
    summary: dict[str, Any] = Field(
        description="Kind, arguments and selection of a bulk operation; name, condition and action of an automation.",
        examples=[{"kind": "suspend", "arguments": {}, "selector": {"all": True}}],
    )


class Approval(AnswerModel):
    """Work on many SIMs that waits for a second person."""

    id: UUID = Field(description="Its id.", examples=[OPERATION_ID])
    status: ApprovalWord = Field(description="Where it stands.", examples=["waiting"])
    subject: ApprovedSubject = Field(description="What is to be approved.")
    cards: int = Field(description="How many SIMs it is about.", examples=[1832])
    above: int = Field(description="The tenant's size when it was asked for.", examples=[500])
    requested_by: str = Field(description="The key that asked for it.", examples=[f"key:{OPERATION_ID}"])
    reason: str | None = Field(description="Why: the request's `X-Reason`.", examples=["season is over"])
    requested_at: At = Field(description="When.", examples=["2026-11-21T10:00:00+00:00"])
    expires_at: At = Field(description="Until when it is waited for.", examples=["2026-11-24T10:00:00+00:00"])
    decided_by: str | None = Field(description="Who ended it.", examples=[f"key:{OPERATION_ID}"])
    decided_at: At | None = Field(description="When it was ended.", examples=["2026-11-21T11:00:00+00:00"])
    note: str | None = Field(description="Why, in words.", examples=["compared with the work order"])


class ApprovalPage(Listed[Approval]):
    """A page of approvals, newest first."""
