"""`usage.adjusted`: a closed cycle's used moved, by a late report, a correction or a card that arrived (US-5)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.db.events.store import EventRow
from app.usecases.ids import new_id

Counters = Mapping[tuple[int, int], Mapping[str, Any]]


def adjusted(before: Counters, after: Counters, now: datetime, *, cause: str) -> list[EventRow]:
    """An event for every closed cycle whose used is another than before."""
    events = []
    for pair, row in after.items():
        was = before[pair]["used"] if pair in before else 0
        if row["used"] == was:
            continue
        cycle = f"{row['cycle'] // 100:04d}-{row['cycle'] % 100:02d}"
        events.append(
            EventRow(
                event_id=new_id(now),
                tenant=row["tenant"],
                type="usage.adjusted",
                source=f"/v1/sims/{row['iccid']}",
                subject=row["iccid"],
                took_effect_at=now,
                known_at=now,
                data={
                    "known_at": now.isoformat(),
                    "cause": cause,
                    "rule": "US-5",
                    "cycle": cycle,
                    "before": {"used": was},
                    "after": {"used": row["used"]},
                },
            )
        )
    return events
