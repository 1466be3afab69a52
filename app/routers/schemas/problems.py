"""Problems (RFC 9457): what every error answers with, and the refusals and remedies in it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.domain.operation.refusal import RefusalCode
from app.domain.vocabulary import Actor, HoldCode, OperationKind

from .base import AnswerModel, At, Fen, open_words

HoldWord = Annotated[HoldCode, open_words(HoldCode)]
ActorWord = Annotated[Actor, open_words(Actor)]
OperationWord = Annotated[OperationKind, open_words(OperationKind)]
RefusalWord = Annotated[RefusalCode, open_words(RefusalCode)]


class ProblemFault(AnswerModel):
    """One thing wrong with a request: where, which code, and why. The value itself is never repeated."""

    code: str = Field(description="What is wrong, SCREAMING_SNAKE.", examples=["REQUIRED"])
    detail: str = Field(description="The same in words, in the caller's language.", examples=["required"])
    pointer: str | None = Field(
        default=None,
        description="Where: an RFC 6901 pointer into the body, or `query:<name>`, `path:<name>`.",
        examples=["/months"],
    )
    line: int | None = Field(default=None, description="Line of a file, the header being 1.", examples=[2])
    column: str | None = Field(default=None, description="Column of a file, by its name.", examples=["iccid"])


class NamedHold(AnswerModel):
    """A hold in the way of an operation."""

    code: HoldWord = Field(description="The hold (ST).", examples=["policy_cutoff"])
    text: str = Field(description="The hold in words, in the caller's language.", examples=["Cut off by policy"])


class ExpectedEnd(AnswerModel):
    """When an open operation ends if it takes as long as the last ones of its account and kind (SL-9)."""

    typical_at: At = Field(description="Half of them were done by then.", examples=["2026-11-21T10:02:00+00:00"])
    slow_at: At = Field(description="95 % of them were done by then.", examples=["2026-11-21T18:00:00+00:00"])
    samples: int = Field(description="How many were measured.", examples=[200])
    assumed: list[str] = Field(description="Ids of the assumptions (D rules) it rests on.", examples=[["SL-9"]])


class RemedyEta(AnswerModel):
    """By when a remedy takes effect; null where nothing is published (SL-7)."""

    earliest: At | None = Field(description="Not before.", examples=["2026-11-23T00:00:00+08:00"])
    latest: At | None = Field(description="Not after.", examples=["2026-11-24T00:00:00+08:00"])
    provisional: bool = Field(description="Whether it rests on holidays not announced yet.", examples=[False])
    because: list[str] = Field(description="Why it is so, as text keys.", examples=[["next_workday"]])
    expected: ExpectedEnd | None = Field(
        description="If requested now, by what was measured; only in an explanation. Null: not allowed now, or too few."
    )


class RemedyCondition(AnswerModel):
    """What must be so for a remedy to help."""

    code: str = Field(description="The condition, as a word.", examples=["paid"])
    text: str = Field(description="The same in words.", examples=["The arrears are paid; state it as paid."])


class Remedy(AnswerModel):
    """One way out of a hold or a refusal."""

    action: str = Field(description="What is to be done, as a word.", examples=["renew"])
    text: str = Field(description="The same in words, in the caller's language.", examples=["Renew the plan"])
    actor: ActorWord = Field(description="Who can do it.", examples=["self"])
    automatic: bool = Field(description="Whether it happens without anyone doing anything.", examples=[False])
    allowed_now: bool = Field(description="Whether it would be accepted now (ST-26).", examples=[True])
    rule: str = Field(description="The rule it rests on.", examples=["ST-20"])
    hold: HoldWord | None = Field(description="The hold it lifts.", examples=["plan_expired"])
    operation: OperationWord | None = Field(
        description="The operation that carries it out; null: nothing that is requested here.", examples=["renew"]
    )
    arguments: dict[str, str | int | bool | None] = Field(
        description="What that operation must state; what you choose is not here.", examples=[{"months": 12}]
    )
    conditions: list[RemedyCondition] = Field(description="What must be so for it to help.")
    cost_fen: Fen | None = Field(description="What it costs; null: not known.", examples=[1200])
    eta: RemedyEta = Field(description="By when it takes effect.")
    assumed: list[str] = Field(description="Ids of the assumptions (D rules) it rests on.", examples=[["D-2"]])


class Refusal(AnswerModel):
    """Why a rule does not allow an operation."""

    code: RefusalWord = Field(description="The problem code it would be refused with.", examples=["RULE_VIOLATION"])
    detail: str = Field(description="The refusal in words.", examples=["The SIM is suspended"])
    rule: str = Field(description="The rule that refuses.", examples=["OP-6"])
    holds: list[NamedHold] = Field(description="The holds in the way.")
    remedies: list[Remedy] = Field(description="What can be done about it.")
    earliest_retry_at: At | None = Field(description="Not before.", examples=["2026-12-01T00:00:00+08:00"])
    assumed: list[str] = Field(description="Ids of the assumptions (D rules) it rests on.", examples=[[]])


class Problem(AnswerModel):
    """Why a request was not done (RFC 9457). `code` is stable; `title` and `detail` follow `Accept-Language`."""

    type: str = Field(
        description="`https://simgate.invalid/problems/` and the code in kebab-case.",
        examples=["https://simgate.invalid/problems/invalid-argument"],
    )
    title: str = Field(description="The status in words.", examples=["Not acceptable"])
    status: int = Field(description="The HTTP status.", examples=[422])
    detail: str = Field(description="What happened, in words.", examples=["some values are not acceptable"])
    instance: str = Field(description="The path of the request.", examples=["/v1/sims/89860012345678901234/renew"])
    code: str = Field(description="What happened, SCREAMING_SNAKE.", examples=["INVALID_ARGUMENT"])
    correlation_id: str | None = Field(
        description="Joins this answer with events and logs.", examples=["3f0c6d0f5b1e4d3c9a7b8e2f1a0d4c5b"]
    )
    errors: list[ProblemFault] | None = Field(
        default=None,
        description="Every fault of the request.",
        examples=[[{"pointer": "/months", "code": "REQUIRED", "detail": "required"}]],
    )
    rule: str | None = Field(default=None, description="The rule that refuses.", examples=["ST-20"])
    holds: list[NamedHold] | None = Field(default=None, description="The holds in the way.")
    remedies: list[Remedy] | None = Field(default=None, description="What can be done about it.")
    earliest_retry_at: At | None = Field(
        default=None, description="Not before.", examples=["2026-12-01T00:00:00+08:00"]
    )
    assumed: list[str] | None = Field(
        default=None, description="Ids of the assumptions (D rules) it rests on.", examples=[["D-2"]]
    )
    carrier_code: str | None = Field(default=None, description="The carrier's own code.", examples=["10000012"])
    scope: str | None = Field(default=None, description="The scope the key lacks (403).", examples=["sims:write"])
    version: int | None = Field(default=None, description="The version there is (412).", examples=[8])
    status_now: str | None = Field(
        default=None, description="The status there is, where it forbids the request (409).", examples=["completed"]
    )
    count: int | None = Field(default=None, description="How many SIMs are in the way (AC-2).", examples=[3])
    operation: str | None = Field(
        default=None,
        description="The open operation in the way (409 `OPERATION_IN_PROGRESS`).",
        examples=["019ab3f0-7c11-7d60-9c55-0d2f5a1b2c3d"],
    )
    order: str | None = Field(
        default=None,
        description="The order that the cart has become (409).",
        examples=["019ab3f0-7c11-7d60-9c55-0d2f5a1b2c3d"],
    )
    since: At | None = Field(
        default=None,
        description="Since when there are records (422 `BEFORE_RECORDS`).",
        examples=["2026-11-21T10:00:00+00:00"],
    )
    amount_due_fen: Fen | None = Field(
        default=None, description="The order's amount (422 `AMOUNT_MISMATCH`).", examples=[2400]
    )
    due_at: At | None = Field(
        default=None, description="When that operation is due.", examples=["2026-12-01T00:00:00+08:00"]
    )
