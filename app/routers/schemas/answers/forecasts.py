"""Forecasts of SIMs and pools: where the running cycle ends, why, and what can be done about it at what cost."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.domain.usage.forecast.options import Action, EffectCode
from app.domain.usage.forecast.reasons import Because
from app.routers.schemas.base import AnswerModel, At, Bytes, Fen, On, open_words
from app.routers.schemas.problems import HoldWord, Refusal
from app.routers.schemas.sims.answers import Cycle

ActionWord = Annotated[Action, open_words(Action)]
EffectWord = Annotated[EffectCode, open_words(EffectCode)]
BecauseWord = Annotated[Because, open_words(Because)]


class UsedByEnd(AnswerModel):
    """Bytes used at the end of the cycle; eight cycles of ten end between `low` and `high`."""

    low: Bytes = Field(description="The lower end of the band.", examples=[96468992])
    expected: Bytes = Field(description="What is expected.", examples=[104857600])
    high: Bytes = Field(description="The upper end of the band.", examples=[113246208])


class ForecastStop(AnswerModel):
    """The first limit that the expected usage reaches (QT-8)."""

    hold: HoldWord = Field(description="The hold it sets.", examples=["policy_cutoff"])
    rule: str = Field(description="Its rule.", examples=["QT-1"])
    at: Bytes = Field(description="The bytes at which it is.", examples=[3221225472])
    on: On = Field(description="The day on which it is reached.", examples=["2026-11-28"])


class ForecastReason(AnswerModel):
    """One thing that a forecast rests on."""

    code: BecauseWord = Field(description="What it is, as a word.", examples=["weekdays"])
    text: str = Field(description="The same in words.", examples=["Its weekdays differ."])
    facts: dict[str, str | int] = Field(description="The values it names.", examples=[{"days": 56}])


class ForecastEffect(AnswerModel):
    """What the cycle becomes under an option."""

    code: EffectWord = Field(description="What happens, as a word.", examples=["enough"])
    text: str = Field(description="The same in words.", examples=["The expected traffic fits the quota."])
    quota: Bytes | None = Field(
        description="Allowance and add-ons then, of a pool its total; null: none of its own.", examples=[1073741824]
    )
    enough: bool = Field(description="Whether the expected usage fits the quota.", examples=[True])
    overrun_mb: int = Field(
        description="Begun megabytes beyond the quota.", examples=[0], json_schema_extra={"x-unit": "MB"}
    )
    charged_fen: Fen | None = Field(
        description="What of them is still to be charged until the cycle's end (QT-3); null: not known.", examples=[0]
    )
    stop: ForecastStop | None = Field(description="The limit that stops it then; null: none in this cycle.")


class ForecastOption(AnswerModel):
    """One thing to do: as a dry run of its action would decide it now."""

    action: ActionWord = Field(
        description="`none`, an operation of the SIM, or of a pool `pool_addon` (`POST /v1/pools/{pool}/addons`) or"
        " `activate_members`.",
        examples=["order_addon"],
    )
    arguments: dict[str, str | int | bool | None] = Field(
        description="What the action must state.", examples=[{"addon": "cmcc-1g"}]
    )
    times: int = Field(description="How often the same action is needed.", examples=[1])
    allowed: bool = Field(description="Whether it would be accepted now.", examples=[True])
    refusal: Refusal | None = Field(description="Why not.")
    cost_fen: Fen | None = Field(
        description="Its cost until the cycle's end, overrun that is still charged included; null: not known.",
        examples=[1500],
    )
    monthly_fen: Fen | None = Field(
        description="By how much each month is dearer from then on, negative: cheaper; null: not known.", examples=[0]
    )
    effect: ForecastEffect = Field(description="What the cycle becomes.")


class Forecast(AnswerModel):
    """Where the running cycle ends if the days go on as the last eight weeks suggest."""

    cycle: Cycle = Field(description="The running cycle.")
    as_of: At | None = Field(description="How recent `used` is.", examples=["2026-11-21T10:00:00+08:00"])
    used: Bytes = Field(description="Used so far.", examples=[73400320])
    used_by_end: UsedByEnd = Field(description="Used at the end of the cycle.")
    exhausted_on: On | None = Field(
        description="The day on which the quota is used up, past or to come; null: not in this cycle, or no quota.",
        examples=["2026-11-28"],
    )
    stop: ForecastStop | None = Field(description="The limit that stops it; null: none in this cycle.")
    because: list[ForecastReason] = Field(description="What the forecast rests on.")
    options: list[ForecastOption] = Field(
        description="What can be done, the best first: what suffices, then what is cheaper; refused ones last."
    )


class SimForecast(Forecast):
    """Where a SIM's running cycle ends."""

    iccid: str = Field(description="The SIM.", examples=["89860012345678901234"])
    plan: str = Field(description="Its plan.", examples=["cmcc-100m"])
    pool: str | None = Field(description="Its pool, whose allowance it shares.", examples=[None])
    quota: Bytes | None = Field(
        description="Its allowance and add-ons; null: it has none of its own.", examples=[104857600]
    )


class PoolForecast(Forecast):
    """Where a pool's running cycle ends: its members' days together."""

    pool: str = Field(description="The pool.", examples=["pool-1"])
    total: Bytes | None = Field(
        description="Traffic of the cycle; null: no ceiling (postpaid).", examples=[96636764160]
    )
