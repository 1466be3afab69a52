"""Events: their types, their payloads, and which of them reports a SIM's change of state (`api.md`, Events and webhooks).

Every event is built here, by a constructor per type or family, so that a payload has one author. An id is an argument
(the domain draws no random numbers), as is the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from app.domain.sim.holds import shown_state
from app.domain.sim.model import Sim
from app.domain.sim.transitions import NOT_YET_ACTIVATED
from app.domain.vocabulary import SimState


class EventType(StrEnum):
    """Every event there is: noun, dot, past participle."""

    SIM_ACTIVATED = "sim.activated"
    SIM_SUSPENDED = "sim.suspended"
    SIM_RESUMED = "sim.resumed"
    SIM_EXPIRED = "sim.expired"
    SIM_CANCELLED = "sim.cancelled"
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


_ENDS = {SimState.EXPIRED: EventType.SIM_EXPIRED, SimState.CANCELLED: EventType.SIM_CANCELLED}


def state_event(before: Sim, after: Sim) -> EventType | None:
    """The event of a card's change of state, as its readers see it; None where nothing that has an event changed."""
    if before.underlying is not after.underlying:
        if after.underlying in _ENDS:
            return _ENDS[after.underlying]
        if before.underlying in NOT_YET_ACTIVATED and after.underlying is SimState.ACTIVE:
            return EventType.SIM_ACTIVATED
    was, now = (shown_state(card.underlying, card.holds, card.carrier) for card in (before, after))
    if was is not now and now is SimState.SUSPENDED:
        return EventType.SIM_SUSPENDED
    came_back = was in (SimState.SUSPENDED, SimState.EXPIRED) and now is SimState.ACTIVE
    return EventType.SIM_RESUMED if came_back else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event to publish: CloudEvents 1.0 attributes and payload.

    `source` is the path of the resource, `subject` the ICCID where the event is about one SIM (deliveries of one
    subject keep their order). `took_effect_at` is when it happened, `known_at` when the gateway learned of it.
    """

    event_id: UUID
    tenant: str
    type: str
    source: str
    took_effect_at: datetime
    known_at: datetime
    data: Mapping[str, Any]
    subject: str | None = None


def sim_event(
    kind: EventType,
    *,
    event_id: UUID,
    tenant: str,
    iccid: str,
    known_at: datetime,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    facts: Mapping[str, Any],
    took_effect_at: datetime | None = None,
) -> Event:
    """An event about one SIM; `facts` are the payload's members beside `known_at`, `before` and `after`."""
    return Event(
        event_id=event_id,
        tenant=tenant,
        type=kind.value,
        source=f"/v1/sims/{iccid}",
        subject=iccid,
        took_effect_at=took_effect_at or known_at,
        known_at=known_at,
        data={"known_at": known_at.isoformat(), "before": before, "after": after, **facts},
    )


def usage_adjusted(
    *, event_id: UUID, tenant: str, iccid: str, known_at: datetime, cycle: str, before: int, after: int, cause: str
) -> Event:
    """The usage of a closed cycle (`YYYY-MM`) changed from `before` to `after` bytes (US-5)."""
    return sim_event(
        EventType.USAGE_ADJUSTED,
        event_id=event_id,
        tenant=tenant,
        iccid=iccid,
        known_at=known_at,
        before={"used": before},
        after={"used": after},
        facts={"cause": cause, "rule": "US-5", "cycle": cycle},
    )


def expiry_reminder(
    *,
    event_id: UUID,
    tenant: str,
    iccid: str,
    known_at: datetime,
    took_effect_at: datetime,
    days_left: int,
    threshold_days: int,
    expires_on: str,
) -> Event:
    """A SIM has `threshold_days` days or fewer left before it expires (RM-1)."""
    return sim_event(
        EventType.REMINDER_DUE,
        event_id=event_id,
        tenant=tenant,
        iccid=iccid,
        known_at=known_at,
        took_effect_at=took_effect_at,
        before={},
        after={},
        facts={
            "rule": "RM-1",
            "reminder": "expiry",
            "days_left": days_left,
            "threshold_days": threshold_days,
            "expires_on": expires_on,
        },
    )


def pool_event(
    kind: EventType,
    *,
    event_id: UUID,
    tenant: str,
    pool: str,
    known_at: datetime,
    cycle: str,
    usage: Mapping[str, int | None],
    facts: Mapping[str, Any],
) -> Event:
    """A pool crossed a threshold or is exhausted (PL-8, RM-2); `usage`: used, total and remaining bytes of the cycle."""
    return _resource_event(
        kind.value,
        source=f"/v1/pools/{pool}",
        event_id=event_id,
        tenant=tenant,
        known_at=known_at,
        data={"rule": "PL-8", "pool": pool, "cycle": cycle, **facts, "before": {}, "after": usage},
    )


def rule_braked(
    *,
    event_id: UUID,
    tenant: str,
    account: str,
    known_at: datetime,
    hold: str,
    hold_rule: str,
    waiting: int,
    limit_per_hour: int,
) -> Event:
    """The brake holds back `waiting` suspensions of an account, beyond `limit_per_hour` (ST-25)."""
    return _resource_event(
        EventType.RULE_BRAKED.value,
        source=f"/v1/admin/accounts/{account}",
        event_id=event_id,
        tenant=tenant,
        known_at=known_at,
        data={
            "rule": "ST-25",
            "account": account,
            "hold": hold,
            "hold_rule": hold_rule,
            "waiting": waiting,
            "limit_per_hour": limit_per_hour,
            "before": {},
            "after": {"waiting": waiting},
        },
    )


def bulk_operation_completed(
    *, event_id: UUID, tenant: str, bulk_id: UUID, known_at: datetime, before: str, after: str, view: Mapping[str, Any]
) -> Event:
    """A bulk operation reached its final status; `view` is the bulk operation as the API returns it (AC-4)."""
    return _resource_event(
        EventType.BULK_OPERATION_COMPLETED.value,
        source=f"/v1/bulk-operations/{bulk_id}",
        event_id=event_id,
        tenant=tenant,
        known_at=known_at,
        data={"before": {"status": before}, "after": {"status": after}, "bulk_operation": view},
    )


WEBHOOK_TEST = "webhook.test"
"""Sent on request to one endpoint; not part of the event feed's types."""


def webhook_test(*, event_id: UUID, tenant: str, endpoint_id: UUID, known_at: datetime) -> Event:
    """The event that `POST /v1/webhooks/{id}/test` sends to one endpoint."""
    return _resource_event(
        WEBHOOK_TEST,
        source=f"/v1/webhooks/{endpoint_id}",
        event_id=event_id,
        tenant=tenant,
        known_at=known_at,
        data={"webhook": str(endpoint_id)},
    )


def _resource_event(
    name: str, *, source: str, event_id: UUID, tenant: str, known_at: datetime, data: Mapping[str, Any]
) -> Event:
    return Event(
        event_id=event_id,
        tenant=tenant,
        type=name,
        source=source,
        took_effect_at=known_at,
        known_at=known_at,
        data={"known_at": known_at.isoformat(), **data},
    )
