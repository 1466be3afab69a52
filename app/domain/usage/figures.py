"""Merges two usage figures: what the carrier counted, and what gateways reported since (US-3, US-5).

The product runs this rule as SQL; these functions are what a property test compares that SQL with.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple


class UsageSource(StrEnum):
    """The origin of `used` (docs/api.md, `usage.source`)."""

    CARRIER = "carrier"
    GATEWAY_REPORT = "gateway_report"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierFigure:
    """A carrier's figure in bytes; `as_of`: the end of what it covers, never the time of the query (US-5)."""

    used: int
    as_of: datetime


class MergedUsage(NamedTuple):
    """Bytes used, with both parts: the carrier's figure, and the reports after it; `reported`: all reports.

    A tuple, as every SIM of a list has one, and a dataclass costs four times as much to make.
    """

    used: int
    source: UsageSource
    carrier: CarrierFigure | None
    reported_since: int
    reported: int
    as_of: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFigure:
    """A carrier's figure of one day, in bytes; `in_cycle_figure`: the part that the cycle's figure already includes."""

    day: date
    used: int
    as_of: datetime
    in_cycle_figure: int = 0


def latest_figure(held: CarrierFigure | None, incoming: CarrierFigure) -> CarrierFigure:
    """The figure to keep: an incoming one with an older `as_of` changes nothing, with the same it replaces (US-5)."""
    return incoming if held is None or incoming.as_of >= held.as_of else held


def merge_usage(
    carrier: CarrierFigure | None,
    reported_after: int,
    reported: int,
    last_report_at: datetime | None = None,
    *,
    before_activation: int = 0,
) -> MergedUsage:
    """Used = the carrier's figure + reports of traffic after its `as_of`; without a figure, all reports (US-5).

    `reported_after`: bytes of reports whose `at` is after the figure's `as_of`; `reported`: of all distinct reports;
    `before_activation`: bytes of these parts from before the SIM's activation, which are not used (QT-9).
    """
    if carrier is None:
        return MergedUsage(
            used=max(0, reported - before_activation),
            source=UsageSource.GATEWAY_REPORT,
            carrier=None,
            reported_since=reported,
            reported=reported,
            as_of=last_report_at,
        )
    late = last_report_at is not None and last_report_at > carrier.as_of
    return MergedUsage(
        used=max(0, carrier.used + reported_after - before_activation),
        source=UsageSource.GATEWAY if reported_after else UsageSource.CARRIER,
        carrier=carrier,
        reported_since=reported_after,
        reported=reported,
        as_of=last_report_at if late else carrier.as_of,
    )


def with_days(cycle: CarrierFigure, days: Iterable[DayFigure]) -> CarrierFigure:
    """The cycle's figure with days counted later: of a day and a cycle figure the later `as_of` counts (US-5)."""
    later = [day for day in days if day.as_of > cycle.as_of]
    return CarrierFigure(
        used=max(0, cycle.used + sum(day.used - day.in_cycle_figure for day in later)),
        as_of=max([cycle.as_of, *(day.as_of for day in later)]),
    )


def day_usage(carrier: CarrierFigure | None, reported: int) -> int:
    """Bytes used on a day: the carrier's figure, else the sum of the day's reports (US-5)."""
    return reported if carrier is None else carrier.used
