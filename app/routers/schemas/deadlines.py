"""Deadlines over a fleet."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.domain.sim.deadlines import OF_FLEET

from .base import AnswerModel, Listed, On, Paging, open_words
from .calendar import QueryDay

FleetKind = Literal[
    "test_end",
    "silent_end",
    "forced_activation",
    "expiry",
    "last_safe_renewal_day",
    "last_renewal_day",
    "cancellation",
    "number_retention_end",
    "pool_cycle_end",
]
KindWord = Annotated[FleetKind, open_words(OF_FLEET)]


class DeadlineQuery(Paging):
    """Which deadlines, and which page of them."""

    kind: FleetKind | None = Field(default=None, description="Of this kind alone.", examples=["expiry"])
    first: QueryDay | None = Field(
        default=None, alias="from", description="From this day on; without it from today on.", examples=["2027-01-01"]
    )
    before: QueryDay | None = Field(default=None, description="Before this day.", examples=["2027-02-01"])


class FleetDeadline(AnswerModel):
    """A day of a SIM or of a pool, in its carrier's zone."""

    kind: KindWord = Field(
        description="What the day is: the last of a period, or of `forced_activation` and `cancellation` the first.",
        examples=["expiry"],
    )
    on: On = Field(description="The day.", examples=["2027-01-31"])
    iccid: str | None = Field(description="The SIM; null for a pool.", examples=["89860012345678901234"])
    pool: str | None = Field(description="The pool; null for a SIM.", examples=[None])
    rule: str = Field(description="The rule.", examples=["LC-8"])
    assumed: list[str] = Field(description="Ids of the assumptions it rests on.", examples=[[]])


class FleetDeadlinePage(Listed[FleetDeadline]):
    """A page of deadlines, by day."""
