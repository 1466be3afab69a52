"""How a stopped SIM comes back: the cheapest and the fastest order of steps that lifts every hold (DG-2)."""

from __future__ import annotations

from pydantic import Field

from app.routers.schemas.base import AnswerModel, At, Fen, On
from app.routers.schemas.problems import ActorWord, ExpectedEnd, HoldWord, OperationWord, RemedyCondition


class RecoveryReason(AnswerModel):
    """One reason for a date."""

    code: str = Field(description="The reason, as a word.", examples=["done_by_next_desk_day"])
    day: On | None = Field(description="The day that it is about.", examples=["2026-11-24"])
    text: str = Field(description="The same in words.", examples=["Done by the end of the next desk day, 2026-11-24."])


class RecoveryStep(AnswerModel):
    """One step: an operation, work of a person at supplier or carrier, or an event that comes by itself."""

    number: int = Field(description="Its number, from 1.", examples=[1])
    action: str = Field(
        description="What is done, as a word: a remedy's `action`, or `await_operation`.", examples=["resume"]
    )
    text: str = Field(description="The same in words.", examples=["Resume the card."])
    actor: ActorWord = Field(description="Who does it.", examples=["self"])
    automatic: bool = Field(description="Whether it happens without anyone doing anything.", examples=[False])
    allowed_now: bool = Field(
        description="Whether it is its turn now and the gateway would accept it (ST-26), with these arguments and "
        "those of `choose`; false: only `after` other steps, from `not_before` on, or it comes by itself.",
        examples=[True],
    )
    after: list[int] = Field(description="The numbers of the steps that must have ended before.", examples=[[]])
    not_before: At | None = Field(
        description="When it is accepted first, where a window opens later.", examples=["2026-12-01T00:00:00+08:00"]
    )
    lifts: list[HoldWord] = Field(description="The holds that leave with it.", examples=[["manual"]])
    rule: str = Field(description="The rule it rests on.", examples=["ST-1"])
    operation: OperationWord | None = Field(
        description="The operation that carries it out, or is waited for; null: nothing that is requested for a SIM.",
        examples=["resume"],
    )
    arguments: dict[str, str | int | bool | None] = Field(
        description="The operation's arguments, complete but for `choose`.", examples=[{"months": 12}]
    )
    choose: list[str] = Field(description="Names of arguments that you add.", examples=[["province"]])
    conditions: list[RemedyCondition] = Field(description="What must be so for it to help.")
    cost_fen: Fen | None = Field(description="What it costs; 0: nothing; null: not known.", examples=[0])
    earliest: At | None = Field(description="Not done before; null: not published.", examples=[None])
    latest: At | None = Field(
        description="Done at the latest; null: not published.", examples=["2026-11-25T00:00:00+08:00"]
    )
    expected: ExpectedEnd | None = Field(
        description="If requested now, by what was measured; null: not allowed now, or too few were measured."
    )
    provisional: bool = Field(description="Whether it rests on holidays not announced yet.", examples=[False])
    because: list[RecoveryReason] = Field(description="How the dates come about.")
    assumed: list[str] = Field(description="Ids of the assumptions (D rules) it rests on.", examples=[["SL-1"]])


class RecoveryPlan(AnswerModel):
    """Steps that together lift every hold, with one date and one price."""

    steps: list[RecoveryStep] = Field(description="The steps; those without `after` begin at once, side by side.")
    earliest: At | None = Field(
        description="The SIM is back not before; from the steps whose times are published.", examples=[None]
    )
    latest: At | None = Field(
        description="The SIM is back at the latest; null: the time of a step is not published.",
        examples=["2026-11-25T00:00:00+08:00"],
    )
    provisional: bool = Field(description="Whether it rests on holidays not announced yet.", examples=[False])
    because: list[RecoveryReason] = Field(description="How the dates come about.")
    cost_fen: Fen | None = Field(
        description="What all steps cost; null: the price of those in `unpriced` is not known.", examples=[500]
    )
    unpriced: list[str] = Field(description="The actions whose price is not known here.", examples=[[]])
    assumed: list[str] = Field(description="Ids of the assumptions (D rules) it rests on.", examples=[["SL-1"]])


class NotLifted(AnswerModel):
    """A hold that nothing lifts."""

    hold: HoldWord = Field(description="The hold.", examples=["phone_misuse"])
    rule: str = Field(description="The rule.", examples=["ST-7"])
    text: str = Field(
        description="Why nothing lifts it.", examples=["It cannot be recovered; use another card, in a device."]
    )


class Recovery(AnswerModel):
    """How a stopped SIM comes back. Without plans it does not: `not_lifted` says why."""

    cheapest: RecoveryPlan | None = Field(description="The plan that costs least; of equal ones the fastest.")
    fastest: RecoveryPlan | None = Field(
        description="The plan that may be done soonest; steps of yours without a published time count as done at once, "
        "those of others as done last."
    )
    not_lifted: list[NotLifted] = Field(description="The holds that nobody can lift; empty where there are plans.")
