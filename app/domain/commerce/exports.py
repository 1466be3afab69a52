"""Exports: which months, at most how many SIMs, how soon again (EX-2)."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from app.domain.calendar.days import add_to_month
from app.domain.operation.refusal import Refusal, RefusalCode

MONTHS = 6
"""Months of usage that an export may contain (EX-2, GSL 9.7)."""

MAX_CARDS = 500_000
"""The most SIMs of one export (EX-2, GSL 9.7)."""

PAUSE = timedelta(minutes=5)
"""The least time between two exports of one tenant (EX-2, D)."""


def export_months(on: date) -> tuple[str, ...]:
    """The months (`YYYY-MM`) whose usage may be exported, oldest first: on 2022-11-02 June to November (EX-2)."""
    months = (add_to_month(on, back - MONTHS + 1) for back in range(MONTHS))
    return tuple(f"{month.year:04d}-{month.month:02d}" for month in months)


def export_refusal(cards: int, last_export_at: datetime | None, now: datetime, most: int = MAX_CARDS) -> Refusal | None:
    """Why an export of so many SIMs is refused: too many, or too soon, with the earliest time; else None (EX-2)."""
    if cards > most:
        return Refusal(code=RefusalCode.RULE_VIOLATION, rule="EX-2", detail="export_too_many")
    if last_export_at is None or now >= last_export_at + PAUSE:
        return None
    return Refusal(
        code=RefusalCode.RULE_VIOLATION,
        rule="EX-2",
        detail="export_too_soon",
        earliest_retry_at=last_export_at + PAUSE,
        assumed=("EX-2",),
    )
