"""Load the facts by which conditions are judged; live and in a back-test from the same rows, by the same functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from app.db.automation import facts as rows
from app.db.uow import UnitOfWork
from app.domain.automation.conditions import (
    Condition,
    DeadlineAhead,
    DeadlineNear,
    DeviceChange,
    DeviceChanged,
    Fact,
    RegionChange,
    RegionEntered,
    Span,
    StateChange,
    StateEntered,
    Usage,
    UsageReached,
)
from app.domain.calendar.cycles import cycle_number, cycle_on, end_instant, following
from app.domain.calendar.days import ONE_DAY, start_of_day
from app.domain.events import EventType
from app.domain.regions.names import province_named
from app.domain.sim.deadlines import DeadlineKind, deadlines
from app.domain.vocabulary import Carrier, SimState
from app.usecases.context import Context

STATES = (
    EventType.SIM_ACTIVATED,
    EventType.SIM_SUSPENDED,
    EventType.SIM_RESUMED,
    EventType.SIM_EXPIRED,
    EventType.SIM_CANCELLED,
)

EVENT_TYPES: Mapping[type[Condition], tuple[EventType, ...]] = MappingProxyType(
    {
        StateEntered: STATES,
        DeviceChanged: (EventType.SIM_DEVICE_CHANGED,),
        RegionEntered: (EventType.SIM_REGION_CHANGED,),
    }
)
"""The events that tell what a condition is about; conditions that are missing are judged by looking at each SIM."""

ACTOR_PREFIX = "automation:"
"""How the actor of an automation's operations begins."""

Days = Callable[[ZoneInfo], tuple[date, date]]
"""The days to look at in a zone, both included."""


def fact_of(row: Mapping[str, Any]) -> Fact:
    """The fact that an event of `EVENT_TYPES` tells. It counts from when it became known: then it can be acted on."""
    data, occasion = row["data"], str(row["event_id"])
    at = datetime.fromisoformat(data["known_at"])
    if row["type"] == EventType.SIM_DEVICE_CHANGED:
        return DeviceChange(id=occasion, at=at)
    if row["type"] == EventType.SIM_REGION_CHANGED:
        province = data["after"]["province"] or ""
        return RegionChange(id=occasion, at=at, province=province_named(province) or province)
    ours = str(data.get("actor") or "").startswith(ACTOR_PREFIX)
    return StateChange(id=occasion, at=at, state=SimState(data["after"]["state"]), by_automation=ours)


async def facts_of_sims(
    ctx: Context, work: UnitOfWork, condition: Condition, sim_ids: Sequence[int], days: Days
) -> dict[int, list[Fact]]:
    """By SIM row id, the facts of a condition that is judged by looking at each SIM, over these days."""
    if isinstance(condition, UsageReached):
        load = _cycles if condition.per is Span.CYCLE else _days
        return await load(ctx, work, sim_ids, days)
    if isinstance(condition, DeadlineNear):
        return await _deadlines(ctx, work, condition, sim_ids, days)
    return {}


async def _cycles(ctx: Context, work: UnitOfWork, sim_ids: Sequence[int], days: Days) -> dict[int, list[Fact]]:
    """Usage of the cycles that these days touch."""
    connection = await work.driver()
    accounts = {
        (account, Carrier(carrier)) for account, carrier in (await rows.accounts_of(connection, sim_ids)).values()
    }
    ends: dict[tuple[str, int], datetime] = {}
    for account, carrier in sorted(accounts):
        zone = ctx.zone(account)
        first, last = days(zone)
        cycle = cycle_on(carrier, first)
        while cycle.start <= last:
            ends[account, cycle_number(cycle)] = end_instant(cycle, zone)
            cycle = following(carrier, cycle)
    found: dict[int, list[Fact]] = {}
    for row in await rows.cycle_usage(connection, sim_ids, ends):
        name = f"{row['cycle'] // 100:04d}-{row['cycle'] % 100:02d}"
        fact = Usage(occasion=name, used=row["used"], allowance=row["allowance"])
        found.setdefault(row["sim_id"], []).append(fact)
    return found


async def _days(ctx: Context, work: UnitOfWork, sim_ids: Sequence[int], days: Days) -> dict[int, list[Fact]]:
    """Usage of these days, each in the zone of the SIM's account."""
    connection = await work.driver()
    by_zone: dict[ZoneInfo, list[int]] = {}
    for sim_id, (account, _) in (await rows.accounts_of(connection, sim_ids)).items():
        by_zone.setdefault(ctx.zone(account), []).append(sim_id)
    found: dict[int, list[Fact]] = {}
    for zone, ids in by_zone.items():
        first, last = days(zone)
        instants = start_of_day(first, zone), start_of_day(last + ONE_DAY, zone)
        for row in await rows.day_usage(connection, ids, str(zone), (first, last), instants):
            fact = Usage(occasion=row["day"].isoformat(), used=row["used"], allowance=row["allowance"])
            found.setdefault(row["sim_id"], []).append(fact)
    return found


async def _deadlines(
    ctx: Context, work: UnitOfWork, condition: DeadlineNear, sim_ids: Sequence[int], days: Days
) -> dict[int, list[Fact]]:
    """The SIMs' deadlines of that kind as they are known now."""
    found: dict[int, list[Fact]] = {}
    for sim_id, record in (await work.sims.by_ids(sim_ids)).items():
        first, last = days(ctx.zone(record.account))
        ahead = [one.on for one in deadlines(record.sim) if one.kind is condition.deadline]
        if condition.deadline is DeadlineKind.CYCLE_END and record.sim.underlying is not SimState.CANCELLED:
            ahead = _cycle_ends(record.sim.carrier, first, last)
        found[sim_id] = [DeadlineAhead(kind=condition.deadline, on=on, first=first, last=last) for on in ahead]
    return found


def _cycle_ends(carrier: Carrier, first: date, last: date) -> list[date]:
    """The last days of the cycles that the days touch."""
    cycle, ends = cycle_on(carrier, first), []
    while cycle.start <= last:
        ends.append(cycle.last_day)
        cycle = following(carrier, cycle)
    return ends
