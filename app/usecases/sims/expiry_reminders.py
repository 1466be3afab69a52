"""Reminders of expiry (RM-1): on the first day with at most a threshold of days left, once per end date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, tzinfo
from functools import partial
from typing import Any

from app.db.events.store import Event
from app.db.sims.expiring import expiring, expiry_days, with_reminders
from app.db.usage import counters
from app.domain.usage.reminders import Reminders, expiry_due
from app.domain.vocabulary import SimState
from app.usecases.context import Context
from app.usecases.events import EventStamp, expiry_reminder
from app.usecases.quarantine import SubjectKind, Task, handle_isolated

CHUNK = 1_000


async def emit_expiry_reminders(ctx: Context, zone: tzinfo) -> dict[str, int]:
    """Emit `reminder.due` for SIMs that expire soon, once per threshold and end date; returns how many were emitted."""
    accounts = [code for code in ctx.accounts if str(ctx.zone(code)) == str(zone)]
    after = emitted = 0
    while accounts:
        async with ctx.pool.acquire() as connection:
            page = await expiring(connection, accounts, after, CHUNK)
        emitted += await handle_isolated(ctx, Task.EXPIRY_REMINDERS, page, partial(_remind, ctx))
        if len(page) < CHUNK:
            break
        after = page[-1]
    return {"emitted": emitted}


async def remind_sims(ctx: Context, kind: SubjectKind, sim_ids: Sequence[int]) -> None:
    """Emit what is due for these SIMs; one that cannot be handled is set aside."""
    await handle_isolated(ctx, Task.EXPIRY_REMINDERS, sim_ids, partial(_remind, ctx), kind=kind)


async def _remind(ctx: Context, sim_ids: Sequence[int]) -> int:
    """Emit the reminders due for SIMs in one transaction; gives how many."""
    async with ctx.work() as work:
        connection = await work.driver()
        found = await with_reminders(connection, sim_ids)
        events = [event for row in found for event in _due(ctx, row, ctx.zone(row["account"]))]
        if not events:
            return 0
        marks = [(row["id"], row["expires_on"].year * 100 + row["expires_on"].month, mark) for row, mark, _ in events]
        fresh = await counters.mark(connection, marks, ctx.now())
        due = [event for row, mark, event in events if (row["id"], mark) in fresh]
        await work.events.add(due)
        await work.commit()
    return len(due)


def _due(ctx: Context, row: Any, zone: tzinfo) -> list[tuple[Any, str, Event]]:
    """(row, mark, event) of each threshold that a SIM has reached. The mark makes each event unique per end date."""
    now = ctx.now()
    today = now.astimezone(zone).date()
    days = (*expiry_days(row), 0, 0)
    wanted = Reminders(usage_mb=(0, 0), expiry_days=(days[0], days[1]))
    levels = expiry_due(wanted, SimState(row["underlying"]), row["expires_on"], today)
    return [(row, f"expiry:{row['expires_on'].isoformat()}:{level}", _event(ctx, row, level, zone)) for level in levels]


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
        days_left=(row["expires_on"] - today).days,
        threshold_days=level,
        expires_on=row["expires_on"],
    )
