"""Events: their names, and what each tells of a card that changed (api.md, Events and webhooks; LC-12)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from types import MappingProxyType

from app.domain.days import start_of_day
from app.domain.holds import shown_state
from app.domain.sim import Sim
from app.domain.transitions import NOT_YET_ACTIVATED, Change, Transition
from app.domain.vocabulary import SimState


class EventType(StrEnum):
    """Every event there is: noun, dot, past participle."""

    SIM_ACTIVATED = "sim.activated"
    SIM_SUSPENDED = "sim.suspended"
    SIM_RESUMED = "sim.resumed"
    SIM_EXPIRED = "sim.expired"
    SIM_CANCELLED = "sim.cancelled"
    SIM_RENEWED = "sim.renewed"
    SIM_STATE_CHANGED = "sim.state_changed"
    SIM_HOLD_ADDED = "sim.hold_added"
    SIM_HOLD_LIFTED = "sim.hold_lifted"
    OPERATION_SUCCEEDED = "operation.succeeded"
    OPERATION_FAILED = "operation.failed"
    OPERATION_OVERDUE = "operation.overdue"
    POOL_THRESHOLD_CROSSED = "pool.threshold_crossed"
    POOL_EXHAUSTED = "pool.exhausted"
    USAGE_THRESHOLD_CROSSED = "usage.threshold_crossed"
    USAGE_ADJUSTED = "usage.adjusted"
    REMINDER_DUE = "reminder.due"
    ORDER_PAID = "order.paid"
    ORDER_DONE = "order.done"
    BULK_OPERATION_COMPLETED = "bulk_operation.completed"
    RULE_BRAKED = "rule.braked"
    CARRIER_DRIFT_DETECTED = "carrier.drift_detected"


Scalar = str | int | bool | None
Data = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One fact: `time` is when it took effect; `data` holds `known_at`, `before`, `after` and the facts of its type."""

    type: EventType
    subject: str
    time: datetime
    data: Data


def source_of(iccid: str) -> str:
    """The CloudEvents `source` of a card's events."""
    return f"/v1/sims/{iccid}"


def _state(sim: Sim) -> Data:
    """A card before or after, as its readers see it."""
    return MappingProxyType(
        {
            "state": str(shown_state(sim.underlying, sim.holds, sim.carrier)),
            "holds": [str(hold.code) for hold in sim.holds],
            "activated_on": None if sim.activated_on is None else sim.activated_on.isoformat(),
            "expires_on": None if sim.expires_on is None else sim.expires_on.isoformat(),
        },
    )


def payload(known_at: datetime, before: Data | None, after: Data | None, **facts: object) -> Data:
    """The data of any event: both times are told, `known_at` here and when it took effect in `time` (LC-12)."""
    return MappingProxyType({"known_at": known_at.isoformat(), "before": before, "after": after, **facts})


def _type_of(change: Transition) -> EventType:
    """The name of a move of the underlying state."""
    if change.to_state is SimState.ACTIVE:
        return EventType.SIM_ACTIVATED if change.from_state in NOT_YET_ACTIVATED else EventType.SIM_RENEWED
    named = {SimState.EXPIRED: EventType.SIM_EXPIRED, SimState.CANCELLED: EventType.SIM_CANCELLED}
    return named.get(change.to_state, EventType.SIM_STATE_CHANGED)


def events_of(
    before: Sim,
    after: Sim,
    changes: Iterable[Change],
    *,
    at: datetime,
    known_at: datetime,
    zone: tzinfo,
) -> tuple[Event, ...]:
    """The events of one step of a card's life: its moves, its holds, and `suspended` or `resumed` where that shows.

    `at`: when a hold took effect; a move took effect at 00:00 of its day in the carrier's zone, `at` where it is that
    very day.
    """
    was, now = _state(before), _state(after)
    told = [_event_of(change, after.iccid, was, now, at=at, known_at=known_at, zone=zone) for change in changes]
    shown = (was["state"], now["state"])
    if shown[0] != shown[1] and SimState.SUSPENDED in shown and SimState.CANCELLED not in shown:
        stopped = shown[1] == SimState.SUSPENDED
        kind = EventType.SIM_SUSPENDED if stopped else EventType.SIM_RESUMED
        if stopped or shown[1] == SimState.ACTIVE:
            told.append(Event(type=kind, subject=after.iccid, time=at, data=payload(known_at, was, now)))
    return tuple(told)


def _event_of(
    change: Change,
    iccid: str,
    was: Data,
    now: Data,
    *,
    at: datetime,
    known_at: datetime,
    zone: tzinfo,
) -> Event:
    """The event of one move or one hold."""
    if isinstance(change, Transition):
        midnight = start_of_day(change.effective_on, zone)
        same_day = at.astimezone(zone).date() == change.effective_on
        facts = {"cause": str(change.cause), "rule": change.rule, "effective_on": change.effective_on.isoformat()}
        data = payload(known_at, {**was, "state": str(change.from_state)}, now, **facts)
        return Event(type=_type_of(change), subject=iccid, time=at if same_day else midnight, data=data)
    kind = EventType.SIM_HOLD_ADDED if change.on else EventType.SIM_HOLD_LIFTED
    facts = {"hold": str(change.code), "rule": change.rule, "source": str(change.source)}
    return Event(type=kind, subject=iccid, time=at, data=payload(known_at, was, now, **facts))
