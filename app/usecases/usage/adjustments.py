"""`usage.adjusted`: the usage of a closed cycle changed, by a late report, a correction or an added SIM (US-5)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.db.events.store import Event
from app.usecases.events import EventStamp, usage_adjusted

Counters = Mapping[tuple[int, int], Mapping[str, Any]]


def changed_pairs(before: Counters, after: Counters) -> list[tuple[int, int]]:
    """The (SIM, cycle) whose used bytes changed; what was not there had used nothing."""
    return [pair for pair, row in after.items() if row["used"] != (before[pair]["used"] if pair in before else 0)]


def adjusted(before: Counters, after: Counters, now: datetime, *, cause: str) -> list[Event]:
    """An event for every closed cycle whose used bytes changed; `cause`: late_report, correction, carrier_figure."""
    events = []
    for pair, row in after.items():
        was = before[pair]["used"] if pair in before else 0
        if row["used"] == was:
            continue
        cycle = f"{row['cycle'] // 100:04d}-{row['cycle'] % 100:02d}"
        events.append(
            usage_adjusted(
                EventStamp(tenant=row["tenant"], known_at=now),
                row["iccid"],
                cycle=cycle,
                before=was,
                after=row["used"],
                cause=cause,
            )
        )
    return events
