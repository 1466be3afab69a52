"""When a condition fires for one SIM. The same functions judge live and in a back-test, fact by fact in their order.

A firing has an occasion, and an automation fires once for each SIM and occasion. What an automation did to a SIM opens
no occasion, so that two automations cannot drive each other in a circle (D); it ends a wait like any other change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.automation.conditions import (
    Condition,
    DeadlineAhead,
    DeadlineNear,
    DeviceChange,
    DeviceChanged,
    Fact,
    RegionChange,
    RegionEntered,
    StateChange,
    StateEntered,
    Usage,
    UsageReached,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """One occasion on which a condition is met; `at` None: within the span that the occasion names."""

    occasion: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A SIM shows the state of a condition since its occasion; it fires at `due_at` unless it is left until then."""

    occasion: str
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What one fact leads to: firings, and what waits afterwards."""

    fired: tuple[Firing, ...] = ()
    waiting: Waiting | None = None


def judge(condition: Condition, fact: Fact, waiting: Waiting | None = None) -> Judged:
    """What a fact leads to, where `waiting` is what the facts before it left waiting."""
    if isinstance(condition, StateEntered) and isinstance(fact, StateChange):
        return _state_changed(condition, fact, waiting)
    fired = _occasion(condition, fact)
    return Judged(fired=(fired,) if fired is not None else (), waiting=waiting)


def _state_changed(condition: StateEntered, change: StateChange, waiting: Waiting | None) -> Judged:
    """The state that waited is left, or was until now; another wait may begin."""
    over = waiting is not None and waiting.due_at < change.at
    fired = (Firing(occasion=waiting.occasion, at=waiting.due_at),) if over and waiting is not None else ()
    if change.state is not condition.state or change.by_automation:
        return Judged(fired=fired)
    if condition.longer_than is None:
        return Judged(fired=(*fired, Firing(occasion=change.id, at=change.at)))
    return Judged(fired=fired, waiting=Waiting(occasion=change.id, due_at=change.at + condition.longer_than))


def _occasion(condition: Condition, fact: Fact) -> Firing | None:
    match condition, fact:
        case UsageReached(), Usage():
            return Firing(occasion=fact.occasion) if _reached(condition, fact) else None
        case DeviceChanged(), DeviceChange():
            return Firing(occasion=fact.id, at=fact.at)
        case RegionEntered(), RegionChange():
            return Firing(occasion=fact.id, at=fact.at) if fact.province in condition.provinces else None
        case DeadlineNear(), DeadlineAhead():
            return _near(condition, fact)
        case _:
            return None


def _reached(condition: UsageReached, usage: Usage) -> bool:
    if condition.bytes is not None:
        return usage.used >= condition.bytes
    if condition.percent is None or not usage.allowance:
        return False
    return usage.used * 100 >= condition.percent * usage.allowance


def _near(condition: DeadlineNear, ahead: DeadlineAhead) -> Firing | None:
    opens = ahead.on - timedelta(days=condition.days)
    met = ahead.kind is condition.deadline and max(opens, ahead.first) <= min(ahead.on, ahead.last)
    return Firing(occasion=f"{ahead.kind.value}:{ahead.on.isoformat()}") if met else None


def firings_of(condition: Condition, facts: Iterable[Fact], *, since: datetime, until: datetime) -> tuple[Firing, ...]:
    """What fires for one SIM in [since, until), given its facts in order, also those before `since` that may wait.

    A firing within a span (usage, deadlines) belongs to the spans that the caller gives.
    """
    found: list[Firing] = []
    waiting: Waiting | None = None
    for fact in facts:
        judged = judge(condition, fact, waiting)
        found += judged.fired
        waiting = judged.waiting
    if waiting is not None:
        found.append(Firing(occasion=waiting.occasion, at=waiting.due_at))
    return tuple(one for one in found if one.at is None or since <= one.at < until)


def looks_back(condition: Condition) -> timedelta:
    """How long before it is armed a fact may lie that a condition still waits on."""
    waits = isinstance(condition, StateEntered) and condition.longer_than
    return waits or timedelta()
