"""Findings: what is wrong with SIMs without anyone having asked."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.domain.findings.table import FindingCode, FindingKind
from app.routers.schemas.base import AnswerModel, At, Fen, Listed, Paging, QueryIccid, open_words
from app.routers.schemas.problems import OperationWord, Refusal
from app.routers.schemas.sims.answers import CarrierWord

KindWord = Annotated[FindingKind, open_words(FindingKind)]
CodeWord = Annotated[FindingCode, open_words(FindingCode)]
Kind = Literal["waste", "risk", "compliance"]
Code = Literal[
    "no_traffic",
    "plan_too_large",
    "plan_too_small",
    "near_limit",
    "high_risk_region",
    "border_region",
    "device_changes",
    "unusual_usage",
    "general_without_real_name",
    "cards_per_person",
]


class FindingQuery(Paging):
    """Which findings, and which page of them."""

    kind: Kind | None = Field(default=None, description="Of this kind alone.", examples=["waste"])
    code: Code | None = Field(default=None, description="Of this code alone.", examples=["no_traffic"])
    sim: QueryIccid | None = Field(default=None, description="Of this SIM alone.", examples=["89860012345678901234"])
    state: Literal["open", "ended"] = Field(
        default="open", description="Those that last, or those of the last 90 days that ended.", examples=["open"]
    )


class FindingSubject(AnswerModel):
    """What it is about: a SIM, or all of the tenant's SIMs of a carrier."""

    iccid: str | None = Field(description="The SIM; null: not one alone.", examples=["89860012345678901234"])
    carrier: CarrierWord | None = Field(
        description="The carrier whose SIMs it is about; null: one SIM.", examples=[None]
    )


class FindingSuggestion(AnswerModel):
    """What to do about it."""

    text: str = Field(description="In words.", examples=["Suspend it, or let it expire."])
    action: OperationWord | None = Field(
        description="The operation that carries it out and would be accepted now; null: none that is requested here,"
        " or it would be refused.",
        examples=["suspend"],
    )
    arguments: dict[str, str | int | bool | None] = Field(
        description="What that operation must state.", examples=[{"plan": "cmcc-30m"}]
    )
    refusal: Refusal | None = Field(
        description="Why the operation would be refused; null: it is not, or there is none."
    )


class Finding(AnswerModel):
    """One finding."""

    id: int = Field(description="Its number.", examples=[42])
    kind: KindWord = Field(description="What is at stake.", examples=["waste"])
    code: CodeWord = Field(description="What was found.", examples=["no_traffic"])
    text: str = Field(description="The same in words.", examples=["Active, but without traffic for 2 whole cycles."])
    rule: str = Field(description="The rule it rests on.", examples=["US-1"])
    source: str = Field(description="Where its threshold comes from; `D`: a decision of ours.", examples=["D"])
    subject: FindingSubject = Field(description="What it is about.")
    since: At = Field(description="When it was first found.", examples=["2026-11-21T06:00:00+08:00"])
    as_of: At = Field(description="When it was last looked at.", examples=["2026-11-21T06:00:00+08:00"])
    ended_at: At | None = Field(description="When it was found no more; null: it lasts.", examples=[None])
    evidence: dict[str, str | int | bool | None] = Field(
        description="What it rests on; amounts are bytes, or fen where the name says so.",
        examples=[{"whole_cycles": 2}],
    )
    suggestion: FindingSuggestion = Field(description="What to do about it.")
    saves_fen: Fen | None = Field(
        description="What that saves a month; of `no_traffic`, the next renewal. Null: not known, or nothing.",
        examples=[1200],
    )


class FindingPage(Listed[Finding]):
    """A page of findings, in the order in which they were found."""
