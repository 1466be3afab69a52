"""The conditions of an automation, as a small typed union, and the facts about one SIM that they are judged by.

There is no expression language: a condition is one of five shapes, each with an occasion on which it fires once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from app.domain.sim.deadlines import DeadlineKind
from app.domain.vocabulary import SimState


class Span(StrEnum):
    """Over what usage is summed: the SIM's billing cycle (BC), or a day in its carrier's zone."""

    CYCLE = "cycle"
    DAY = "day"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReached:
    """Used reaches (>=) a number of bytes, or a percentage of the cycle's allowance with its add-ons; one of the two.

    Occasion: the cycle or the day. A percentage of no known allowance, or of none at all, is never reached.
    """

    per: Span
    bytes: int | None = None
    percent: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateEntered:
    """The SIM comes to show a state; with `longer_than` it has shown it for longer than that. Occasion: the change."""

    state: SimState
    longer_than: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceChanged:
    """The carrier sees the SIM in another device than before (DV-6). Occasion: the change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionEntered:
    """The SIM comes to be bound to one of these provinces (RG-1), by their names of `app.domain.regions.names`.

    Occasion: the change.
    """

    provinces: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineNear:
    """At most `days` days are left to a deadline, and it has not passed. Occasion: the deadline and its day."""

    deadline: DeadlineKind
    days: int


Condition = UsageReached | StateEntered | DeviceChanged | RegionEntered | DeadlineNear


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Bytes used over one span of an activated SIM, named `YYYY-MM` or `YYYY-MM-DD`; `allowance` None: not known."""

    occasion: str
    used: int
    allowance: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    """The SIM came to show a state; `id`: the event that says so. `by_automation`: an automation's operation did it."""

    id: str
    at: datetime
    state: SimState
    by_automation: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceChange:
    """The SIM was seen in another device; `id`: the event that says so."""

    id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionChange:
    """The SIM came to be bound to a province, by its name of `app.domain.regions.names`, else as it is stored."""

    id: str
    at: datetime
    province: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineAhead:
    """A deadline of the SIM, looked at on every day from `first` through `last`."""

    kind: DeadlineKind
    on: date
    first: date
    last: date


Fact = Usage | StateChange | DeviceChange | RegionChange | DeadlineAhead
