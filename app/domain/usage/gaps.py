"""Gaps between our sum and a carrier's figure: which are worth naming, and what is known of each (US-6).

Our sum is that of the reports which the figure covers; the gap is what the figure has more than it (negative: less).
What explains one: `app.domain.usage.gap_causes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import NamedTuple


class GapCause(StrEnum):
    """Why our sum and the carrier's figure differ (docs/api.md, reconciliation)."""

    NO_REPORTS = "no_reports"
    HEADERS = "headers"
    LAG = "lag"
    ZONE = "zone"
    CYCLE_EDGE = "cycle_edge"
    CORRECTION = "correction"
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Differences not worth naming: up to so many bytes, or so many percent of the carrier's figure (US-6)."""

    bytes: int
    percent: int

    def holds(self, ours: int, theirs: int) -> bool:
        """Whether two sums in bytes differ by no more than the larger of the two."""
        return abs(ours - theirs) <= max(self.bytes, theirs * self.percent // 100)


DEFAULT_BAND = Band(bytes=1024, percent=1)
"""The unit to which carriers round, and the least that headers add (D)."""


class Window(NamedTuple):
    """A half-open span of instants."""

    opens: datetime
    closes: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Our sum and the carrier's figure of one cycle, in bytes, both up to `as_of`; days are those of `zone`."""

    ours: int
    theirs: int
    opens: datetime
    closes: datetime
    as_of: datetime
    zone: tzinfo

    @property
    def missing(self) -> int:
        """The bytes that the carrier counted and we did not; negative where we counted more."""
        return self.theirs - self.ours

    @property
    def covered_to(self) -> datetime:
        """The first instant that the figure does not cover: a report at `as_of` is covered."""
        return min(self.as_of + timedelta.resolution, self.closes)

    @property
    def is_whole(self) -> bool:
        """Whether the figure covers the cycle to its end."""
        return self.covered_to == self.closes


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPair:
    """A day's bytes on both sides."""

    day: date
    ours: int
    theirs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """A figure in force that a person submitted (US-3): `former`, the one it replaced, None where there was none.

    `of`: the day that it is of; None: of the cycle.
    """

    at: datetime
    used: int
    former: int | None
    of: Window | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GapEvidence:
    """What a gap is judged by. `reported`: bytes of the reports in each of `windows(gap)`.

    `days`: days with a figure of their own; `before`: (ours, theirs) of the cycle before, where both are known.
    """

    gap: Gap
    now: datetime
    reported: Mapping[Window, int] = field(default_factory=dict)
    days: Sequence[DayPair] = ()
    before: tuple[int, int] | None = None
    replaced: Sequence[Replaced] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A cause with its evidence: the bytes it accounts for, the hours whose traffic these are, a share in permille."""

    cause: GapCause
    accounts_for: int = 0
    windows: tuple[Window, ...] = ()
    share_permille: int | None = None
    corrected_at: datetime | None = None
