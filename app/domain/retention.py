"""How long what is no longer worked on is kept, by kind of record: defaults, and what other answers need of each.

Days are whole days of 24 hours before an instant. What is not here is kept for good (orders, payments, balances)
or has a fixed window of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from app.domain.calendar.cycles import CYCLES_KEPT

MOST_DAYS = 36_500
LAST_MONTH = timedelta(days=32)
"""A past state counts the rebinds of the calendar month before it (DV-3)."""


class Record(StrEnum):
    """A kind of record that may be deleted once it is old."""

    OPERATIONS = "operations"
    EVENTS = "events"
    DELIVERIES = "deliveries"
    NOTIFICATIONS = "notifications"
    AUDIT = "audit"
    NOTICES = "notices"
    FINDINGS = "findings"
    JOB_RUNS = "job_runs"
    TIMELINE = "timeline"
    CHANGES = "changes"
    COUNTERS = "counters"
    DAY_FIGURES = "day_figures"
    FIRINGS = "firings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Days that a kind is kept by default (None: for good), and the fewest that may be set; `why` those."""

    days: int | None
    least: int
    why: str


WINDOWS: Mapping[Record, Window] = MappingProxyType(
    {
        Record.OPERATIONS: Window(days=800, least=100, why="service levels of the last three months (SL-9)"),
        Record.EVENTS: Window(
            days=400, least=60, why="deliveries are tried for three days, reminders kept for a month"
        ),
        Record.DELIVERIES: Window(days=30, least=7, why="a delivery is tried for three days"),
        Record.NOTIFICATIONS: Window(days=30, least=7, why="a reminder is tried for three days"),
        Record.AUDIT: Window(
            days=1100, least=183, why="network logs are kept for half a year by law (CSL, article 21)"
        ),
        Record.NOTICES: Window(days=90, least=30, why="a carrier's notification that comes again is known by its row"),
        Record.FINDINGS: Window(days=90, least=7, why="a finding that ended can be read for a week"),
        Record.JOB_RUNS: Window(days=90, least=35, why="a month's jobs can be read"),
        Record.TIMELINE: Window(days=None, least=230, why="past states of SIMs, and of pools over six cycles (LC-12)"),
        Record.CHANGES: Window(days=800, least=230, why="past states of SIMs, and of pools over six cycles (LC-12)"),
        Record.COUNTERS: Window(days=800, least=400, why="a year's cycles, disputes and forecasts"),
        Record.DAY_FIGURES: Window(days=400, least=230, why="the six cycles whose reports may still be counted (US-5)"),
        Record.FIRINGS: Window(
            days=800, least=430, why="by them automations fire once, and a deadline may be 400 days ahead"
        ),
    }
)

NEEDED_BY: Mapping[Record, tuple[Record, ...]] = MappingProxyType(
    {Record.EVENTS: (Record.DELIVERIES, Record.NOTIFICATIONS)}
)
"""A kind that is kept at least as long as others, which show it."""


def _defaults() -> Mapping[Record, int | None]:
    return MappingProxyType({record: window.days for record, window in WINDOWS.items()})


LEAST_REPORT_CYCLES = 2
"""The running cycle and the one before it, whose final figure and late reports still change it (ST-21)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Days that each kind is kept; None: for good. `report_cycles`: of how many cycles reports are taken and kept."""

    days: Mapping[Record, int | None] = field(default_factory=_defaults)
    report_cycles: int = CYCLES_KEPT

    def before(self, record: Record, now: datetime) -> datetime | None:
        """What is older than this instant is not kept any more; None: everything is kept."""
        days = self.days[record]
        return None if days is None else now - timedelta(days=days)

    def past_states_since(self, now: datetime) -> datetime:
        """The first instant of which a SIM's past state can be rebuilt from what is kept."""
        margins = {Record.CHANGES: timedelta(), Record.TIMELINE: timedelta(), Record.OPERATIONS: LAST_MONTH}
        bounds = [(self.before(record, now), margin) for record, margin in margins.items()]
        return max(
            (bound + margin for bound, margin in bounds if bound is not None),
            default=now.min.replace(tzinfo=now.tzinfo),
        )

    def faults(self) -> Iterator[tuple[Record, str]]:
        """The kinds that are kept too short, and why that is too short."""
        for record, window in WINDOWS.items():
            days = self.days[record]
            if days is not None and not window.least <= days <= MOST_DAYS:
                yield record, f"{window.least} to {MOST_DAYS}, or forever: {window.why}"
            for shown in NEEDED_BY.get(record, ()):
                if _longer(self.days[shown], days):
                    yield record, f"no fewer than {shown.value}, which show them"


def _longer(one: int | None, other: int | None) -> bool:
    return other is not None and (one is None or one > other)
