"""Deadlines over a fleet."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from app.domain.sim.deadlines import OF_FLEET

from .base import AnswerModel, At, Listed, On, Paging, RequestModel, open_words
from .bulk import SelectedSims, Selector
from .calendar import QueryDay
from .operations import OPERATION_ID

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


Language = Literal["en", "zh"]


class FeedRequest(RequestModel):
    """A calendar feed to add."""

    kinds: list[FleetKind] = Field(
        default=[], max_length=len(OF_FLEET), description="Which kinds; none named: all.", examples=[["expiry"]]
    )
    selector: Selector = Field(
        default=Selector(all=True),
        description="Which SIMs, as they are when the feed is read; neither a range nor a file is taken.",
    )
    language: Language = Field(default="en", description="The language of its texts.", examples=["zh"])


class Feed(AnswerModel):
    """A calendar feed."""

    id: UUID = Field(description="Its id.", examples=[OPERATION_ID])
    kinds: list[KindWord] = Field(description="Its kinds.", examples=[["expiry"]])
    selector: SelectedSims = Field(description="Which SIMs.")
    language: Annotated[Language, open_words(("en", "zh"))] = Field(
        description="The language of its texts.", examples=["zh"]
    )
    created_at: At = Field(description="When it was added.", examples=["2026-11-21T10:00:00+00:00"])
    changed_at: At = Field(
        description="Since when it shows what it showed when it was last read.", examples=["2026-11-21T10:00:00+00:00"]
    )


class FeedWithAddress(Feed):
    """A calendar feed with its address, which is shown once."""

    url: str | None = Field(
        description="Its address, for a calendar program; whoever has it can read it. Null in a replayed answer.",
        examples=["https://simgate.example/v1/deadlines/feeds/….ics"],
    )


class FeedPage(Listed[Feed]):
    """A page of feeds, newest first."""
