"""Reminders of expiry (RM-1): on the first day with at most a threshold of days left, once per end date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, tzinfo
from functools import partial
from typing import Any

from app.db.connection import Connection
from app.db.events.store import Event
from app.db.sims.expiring import expiring, own_thresholds, with_reminders
from app.db.usage import counters
from app.domain.usage.reminders import expiry_due, reminders_of
from app.domain.vocabulary import SimState
from app.usecases.context import Context
from app.usecases.events import EventStamp, expiry_reminder
from app.usecases.quarantine import SubjectKind, Task, handle_isolated

CHUNK = 1_000
"""SIMs reminded of in one transaction."""

PASS = 10_000
"""SIMs looked at in one query."""

MARK = "expiry:"


async def emit_expiry_reminders(ctx: Context, zone: tzinfo) -> dict[str, int]:
    """Emit `reminder.due` for SIMs that expire soon, once per threshold and end date; returns how many were emitted."""
    accounts = [code for code in ctx.accounts if str(ctx.zone(code)) == str(zone)]
    after: int | None = 0
    emitted = 0
    while accounts and after is not None:
        async with ctx.pool.acquire() as connection:
            after, found = await expiring(connection, accounts, after, PASS, ctx.now().astimezone(zone).date())
        for start in range(0, len(found), CHUNK):
            chunk = found[start : start + CHUNK]
            emitted += await handle_isolated(ctx, Task.EXPIRY_REMINDERS, chunk, partial(_remind, ctx))
    return {"emitted": emitted}


async def remind_sims(ctx: Context, kind: SubjectKind, sim_ids: Sequence[int]) -> None:
    """Emit what is due for these SIMs; one that cannot be handled is set aside."""
    await handle_isolated(ctx, Task.EXPIRY_REMINDERS, sim_ids, partial(_remind, ctx), kind=kind)


async def _remind(ctx: Context, sim_ids: Sequence[int]) -> int:
    """Emit the reminders due for SIMs in one transaction; gives how many."""
    async with ctx.work() as work:
        connection = await work.driver()
        found = await with_reminders(connection, sim_ids)
        told = await _told(connection, found)
        events = [event for row in found for event in _due(ctx, row, ctx.zone(row["account"]), told.get(row["id"], ()))]
        if not events:
            return 0
        marks = [(row["id"], _cycle(row["expires_on"]), mark) for row, mark, _ in events]
        fresh = await counters.mark(connection, marks, ctx.now())
        due = [event for row, mark, event in events if (row["id"], mark) in fresh]
        await work.events.add(due)
        await work.commit()
    return len(due)


def _cycle(expires_on: date) -> int:
    """Under which month (yyyymm) the marks of an end date are kept."""
    return expires_on.year * 100 + expires_on.month


def _mark(expires_on: date) -> str:
    return f"{MARK}{expires_on.isoformat()}:"


async def _told(connection: Connection, found: Sequence[Any]) -> dict[int, list[int]]:
    """By SIM row id, the thresholds (days) that were reminded of for its present end date."""
    if not found:
        return {}
    marked = await counters.marks_of(connection, [(row["id"], _cycle(row["expires_on"])) for row in found], MARK)
    present = {row["id"]: _mark(row["expires_on"]) for row in found}
    return {
        sim_id: [int(mark.rpartition(":")[2]) for mark in marks if mark.startswith(present[sim_id])]
        for sim_id, marks in marked.items()
    }


def _due(ctx: Context, row: Any, zone: tzinfo, told: Sequence[int]) -> list[tuple[Any, str, Event]]:
    """(row, mark, event) of each threshold that a SIM has reached. The mark makes each event unique per end date."""
    today = ctx.now().astimezone(zone).date()
    wanted = reminders_of(own_thresholds(row), row)
    levels = expiry_due(wanted, SimState(row["underlying"]), row["expires_on"], today, told)
    return [(row, f"{_mark(row['expires_on'])}{level}", _event(ctx, row, level, zone)) for level in levels]


def _event(ctx: Context, row: Any, level: int, zone: tzinfo) -> Event:
    now = ctx.now()
    today = now.astimezone(zone).date()
    return expiry_reminder(
        EventStamp(
            tenant=row["tenant"],
            known_at=now,
            took_effect_at=datetime.combine(today, time(), zone),
        ),
        row["iccid"],
        today=today,
        threshold_days=level,
        expires_on=row["expires_on"],
    )
