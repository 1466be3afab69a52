"""Back-test: what an automation would have done over a past period, by the history that is kept, without any effect.

The condition is judged by the functions and the statements of the live evaluation. What the history cannot tell: a
figure of usage that a carrier corrected downwards later, and deadlines as they were before a renewal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from app.db.automation.automations import AutomationRecord
from app.db.automation.facts import events_between, scope_ids, scope_of, scope_size
from app.domain.automation.conditions import Condition, DeadlineNear, Fact, Span, UsageReached
from app.domain.automation.firing import Firing, firings_of, looks_back
from app.domain.calendar.cycles import oldest_cycle, start_instant
from app.domain.calendar.days import HOME_ZONE, ONE_DAY, local, start_of_day
from app.domain.retention import Record
from app.usecases.automations.facts import EVENT_TYPES, fact_of, facts_of_sims
from app.usecases.automations.forms import condition_of, filter_of
from app.usecases.automations.manage import find
from app.usecases.context import Context
from app.usecases.errors import Fault, InvalidArgument
from app.usecases.event_positions import number_events

CHUNK = 2_000
MOST_DAYS = 400
MOST_SIMS = 100_000
"""SIMs that a back-test on usage or deadlines looks at: each is read from the database."""

MOST_EVENTS = 500_000
SHOWN = 500
"""Firings that the answer lists; it counts all."""

"""The zone in which the period's days begin for conditions on events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Days, both included, none of them after today."""

    first: date
    last: date

    def days(self, _: ZoneInfo) -> tuple[date, date]:
        """The days to look at, whatever the zone."""
        return self.first, self.last

    def instants(self, now: datetime) -> tuple[datetime, datetime]:
        """The period as [start, end), which does not reach beyond now."""
        return start_of_day(self.first, HOME_ZONE), min(start_of_day(self.last + ONE_DAY, HOME_ZONE), now)


Found = list[tuple[str, Firing]]
"""(ICCID, firing) of every firing."""


async def backtest(ctx: Context, tenant: str, automation_id: UUID, first: date, last: date) -> dict[str, Any]:
    """What would have fired from one day through another, and the note that this version was back-tested.

    Raises `NotFound`; `InvalidArgument` for a period that is empty, too long or ahead, and for too large a scope.
    """
    period = _period(ctx, first, last)
    async with ctx.work() as work:
        automation = await find(work, tenant, automation_id)
    condition = condition_of(automation.condition)
    types = EVENT_TYPES.get(type(condition))
    if types is None:
        found = await _of_sims(ctx, automation, condition, period)
    else:
        found = await _of_events(ctx, automation, condition, types, period)
    async with ctx.work() as work:
        await work.automations.change(automation.id, backtested_version=automation.version)
        await work.commit()
    return _view(automation, period, found, _kept_from(ctx, condition))


def _kept_from(ctx: Context, condition: Condition) -> datetime | None:
    """Since when what the condition is judged by is kept whole; None: nothing of it was deleted because of its age."""
    now, since = ctx.now(), ctx.retention.before
    if isinstance(condition, DeadlineNear):
        return None
    if not isinstance(condition, UsageReached):
        events = since(Record.EVENTS, now)
        return events + looks_back(condition) if events else None
    if condition.per is Span.CYCLE:
        return since(Record.COUNTERS, now)
    reports = max(
        start_instant(oldest_cycle(account.carrier, now, ctx.zone(code), ctx.retention.report_cycles), ctx.zone(code))
        for code, account in ctx.accounts.items()
    )
    return max(reports, since(Record.DAY_FIGURES, now) or reports)


def _period(ctx: Context, first: date, last: date) -> Period:
    today = local(ctx.now(), HOME_ZONE).date()
    if first > last or first > today:
        raise InvalidArgument([Fault(pointer="query:from", code="OUT_OF_RANGE", detail="a day before `to` and today")])
    if last - first >= timedelta(days=MOST_DAYS):
        raise InvalidArgument([Fault(pointer="query:from", code="OUT_OF_RANGE", detail=f"at most {MOST_DAYS} days")])
    return Period(first=first, last=min(last, today))


async def _of_sims(ctx: Context, automation: AutomationRecord, condition: Condition, period: Period) -> Found:
    """Of conditions that are judged by looking at each SIM: over whole cycles or days that the period touches."""
    wanted, found, after = filter_of(ctx, automation.sim_filter), [], 0
    since, until = period.instants(ctx.now())
    async with ctx.work() as work:
        if await scope_size(await work.driver(), automation.tenant, wanted) > MOST_SIMS:
            raise InvalidArgument([Fault(code="TOO_MANY_ITEMS", detail=f"at most {MOST_SIMS} SIMs are looked at")])
    while True:
        async with ctx.work() as work:  # a chunk each: no transaction is open for long
            ids = await scope_ids(await work.driver(), automation.tenant, wanted, after, CHUNK)
            facts = await facts_of_sims(ctx, work, condition, ids, period.days)
            names = await work.sims.identities(ids)
        for sim_id, of_sim in facts.items():
            met = firings_of(condition, of_sim, since=since, until=until)
            found += [(names[sim_id][0], firing) for firing in met]
        if len(ids) < CHUNK:
            return found
        after = ids[-1]


async def _of_events(
    ctx: Context, automation: AutomationRecord, condition: Condition, types: tuple[str, ...], period: Period
) -> Found:
    """Of conditions on events: those of the period, and those before it that may still wait."""
    await number_events(ctx)
    since, until = period.instants(ctx.now())
    facts: dict[str, list[Fact]] = {}
    after = read = 0
    while True:
        async with ctx.pool.acquire() as connection:
            span = (since - looks_back(condition), until)
            rows = await events_between(connection, automation.tenant, types, span, after, CHUNK)
        for row in rows:
            facts.setdefault(row["subject"], []).append(fact_of(row))
        read += len(rows)
        if read > MOST_EVENTS:
            detail = f"more than {MOST_EVENTS} events: a shorter period"
            raise InvalidArgument([Fault(pointer="query:from", code="TOO_MANY_ITEMS", detail=detail)])
        if len(rows) < CHUNK:
            break
        after = rows[-1]["position"]
    inside = await _inside(ctx, automation, sorted(facts))
    return [
        (iccid, firing)
        for iccid, of_sim in facts.items()
        if iccid in inside
        for firing in firings_of(condition, of_sim, since=since, until=until)
    ]


async def _inside(ctx: Context, automation: AutomationRecord, iccids: list[str]) -> set[str]:
    """Those of these SIMs that the scope has now."""
    wanted, inside = filter_of(ctx, automation.sim_filter), set[str]()
    async with ctx.work() as work:
        connection = await work.driver()
        for start in range(0, len(iccids), CHUNK):
            inside |= set(await scope_of(connection, automation.tenant, wanted, iccids[start : start + CHUNK]))
    return inside


def _view(automation: AutomationRecord, period: Period, found: Found, kept_from: datetime | None) -> dict[str, Any]:
    ordered = sorted(found, key=lambda one: (one[1].at.isoformat() if one[1].at else one[1].occasion, one[0]))
    return {
        "automation": str(automation.id),
        "version": automation.version,
        "from": period.first.isoformat(),
        "to": period.last.isoformat(),
        "fired": len(found),
        "cards": len({iccid for iccid, _ in found}),
        "items": [
            {"iccid": iccid, "occasion": one.occasion, "at": one.at.isoformat() if one.at else None}
            for iccid, one in ordered[:SHOWN]
        ],
        "more": len(found) > SHOWN,
        "kept_from": kept_from.isoformat() if kept_from else None,
        "complete": kept_from is None or kept_from <= start_of_day(period.first, HOME_ZONE),
    }
