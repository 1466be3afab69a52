"""One usage figure from two: what the carrier counted and what gateways reported since (US-3, US-5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class UsageSource(StrEnum):
    """Where `used` comes from (docs/api.md, `usage.source`)."""

    CARRIER = "carrier"
    GATEWAY_REPORT = "gateway_report"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierFigure:
    """A carrier's figure: bytes, and the end of what it covers, never the moment of asking (US-5)."""

    used: int
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedUsage:
    """Bytes used, with both parts: the carrier's figure, and the reports that count beyond it; `reported`: all."""

    used: int
    source: UsageSource
    carrier: CarrierFigure | None
    reported_since: int
    reported: int
    as_of: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFigure:
    """A carrier's figure for one day. `in_cycle_figure`: bytes of that day that the cycle's figure already holds."""

    day: date
    used: int
    as_of: datetime
    in_cycle_figure: int = 0


def latest_figure(held: CarrierFigure | None, told: CarrierFigure) -> CarrierFigure:
    """The figure that stands: an older `as_of` than the one held changes nothing; the same replaces (US-3, US-5)."""
    return told if held is None or told.as_of >= held.as_of else held


def merge_usage(
    carrier: CarrierFigure | None,
    reported_after: int,
    reported: int,
    last_report_at: datetime | None = None,
) -> MergedUsage:
    """Used = the carrier's figure as of its time + reports of traffic after it; where one is missing, the other (US-5).

    `reported_after`: bytes of reports whose `at` lies after the figure's `as_of`; `reported`: of all distinct reports.
    """
    if carrier is None:
        return MergedUsage(
            used=reported,
            source=UsageSource.GATEWAY_REPORT,
            carrier=None,
            reported_since=reported,
            reported=reported,
            as_of=last_report_at,
        )
    late = last_report_at is not None and last_report_at > carrier.as_of
    return MergedUsage(
        used=carrier.used + reported_after,
        source=UsageSource.GATEWAY if reported_after else UsageSource.CARRIER,
        carrier=carrier,
        reported_since=reported_after,
        reported=reported,
        as_of=last_report_at if late else carrier.as_of,
    )


def with_days(cycle: CarrierFigure, days: Iterable[DayFigure]) -> CarrierFigure:
    """A cycle's figure with the days that were told later: of a day and a cycle figure the later stands (US-5)."""
    later = [day for day in days if day.as_of > cycle.as_of]
    return CarrierFigure(
        used=max(0, cycle.used + sum(day.used - day.in_cycle_figure for day in later)),
        as_of=max([cycle.as_of, *(day.as_of for day in later)]),
    )


def day_usage(carrier: CarrierFigure | None, reported: int) -> int:
    """Bytes used on a day: the carrier's figure for it, else the sum of its reports (US-5)."""
    return reported if carrier is None else carrier.used
