"""Build events: one constructor per type or family, one author per payload (`docs/api.md`, Events and webhooks)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from app.db.events.store import Event
from app.domain.events import EventType
from app.usecases.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStamp:
    """What every event carries: its tenant, when the gateway learned of it and when it took effect."""

    tenant: str
    known_at: datetime
    took_effect_at: datetime | None = None
    """None: at `known_at`."""


def sim_source(iccid: str) -> str:
    """The `source` of an event about a SIM."""
    return f"/v1/sims/{iccid}"


def sim_event(
    kind: EventType,
    stamp: EventStamp,
    iccid: str,
    *,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> Event:
    """An event about one SIM; `facts` are the payload's members beside `known_at`, `before` and `after`."""
    return _event(kind, stamp, sim_source(iccid), {"before": before, "after": after, **facts}, subject=iccid)


def usage_adjusted(stamp: EventStamp, iccid: str, *, cycle: str, before: int, after: int, cause: str) -> Event:
    """The usage of a closed cycle (`YYYY-MM`) changed from `before` to `after` bytes (US-5)."""
    facts = {"cause": cause, "rule": "US-5", "cycle": cycle}
    return sim_event(
        EventType.USAGE_ADJUSTED, stamp, iccid, before={"used": before}, after={"used": after}, facts=facts
    )


def expiry_reminder(stamp: EventStamp, iccid: str, *, today: date, threshold_days: int, expires_on: date) -> Event:
    """A SIM has `threshold_days` days or fewer left before it expires (RM-1); `late`: the day for it had passed."""
    due_on = expires_on - timedelta(days=threshold_days)
    facts = {
        "rule": "RM-1",
        "reminder": "expiry",
        "days_left": (expires_on - today).days,
        "threshold_days": threshold_days,
        "expires_on": expires_on.isoformat(),
        "due_on": due_on.isoformat(),
        "late": today > due_on,
    }
    return sim_event(EventType.REMINDER_DUE, stamp, iccid, before={}, after={}, facts=facts)


def pool_event(
    kind: EventType,
    stamp: EventStamp,
    pool: str,
    *,
    cycle: str,
    usage: Mapping[str, int | None],
    facts: Mapping[str, Any],
) -> Event:
    """A pool crossed a threshold or is exhausted (PL-8, RM-2); `usage`: used, total and remaining bytes."""
    data = {"rule": "PL-8", "pool": pool, "cycle": cycle, **facts, "before": {}, "after": usage}
    return _event(kind, stamp, f"/v1/pools/{pool}", data)


def renewal_declined(stamp: EventStamp, iccid: str, *, expires_on: date, reason: str) -> Event:
    """A SIM was not renewed by itself: `balance` (it does not suffice), or `refused` by a rule (OR-1)."""
    facts = {"rule": "OR-1", "reason": reason, "expires_on": expires_on.isoformat()}
    return sim_event(EventType.RENEWAL_DECLINED, stamp, iccid, before={}, after={}, facts=facts)


def account_event(kind: EventType, stamp: EventStamp, *, before: int, after: int) -> Event:
    """A buyer's balance has become empty, or positive again, in fen (ST-14)."""
    data = {"rule": "ST-14", "before": {"balance_fen": before}, "after": {"balance_fen": after}}
    return _event(kind, stamp, "/v1/account", data)


def rule_braked(
    stamp: EventStamp, account: str, *, hold: str, hold_rule: str, waiting: int, limit_per_hour: int
) -> Event:
    """The brake delays `waiting` suspensions of an account that exceed `limit_per_hour` (ST-25)."""
    data = {
        "rule": "ST-25",
        "account": account,
        "hold": hold,
        "hold_rule": hold_rule,
        "waiting": waiting,
        "limit_per_hour": limit_per_hour,
        "before": {},
        "after": {"waiting": waiting},
    }
    return _event(EventType.RULE_BRAKED, stamp, f"/v1/admin/accounts/{account}", data)


def bulk_operation_completed(
    stamp: EventStamp, bulk_id: UUID, *, before: str, after: str, view: Mapping[str, Any]
) -> Event:
    """A bulk operation reached its final status; `view` is the bulk operation as the API returns it (AC-4)."""
    data = {"before": {"status": before}, "after": {"status": after}, "bulk_operation": view}
    return _event(EventType.BULK_OPERATION_COMPLETED, stamp, f"/v1/bulk-operations/{bulk_id}", data)


def approval_event(
    kind: EventType, stamp: EventStamp, approval_id: UUID, *, before: Mapping[str, Any], view: Mapping[str, Any]
) -> Event:
    """An approval is waited for, or was decided; `view` is the approval as the API returns it."""
    data = {"before": dict(before), "after": {"status": view["status"]}, "approval": view}
    return _event(kind, stamp, f"/v1/approvals/{approval_id}", data)


def automation_fired(
    stamp: EventStamp, automation_id: UUID, name: str, iccid: str, *, occasion: str, action: Mapping[str, Any]
) -> Event:
    """An automation has acted on a SIM on an occasion; `action` as the API has it."""
    facts = {"automation": str(automation_id), "name": name, "occasion": occasion, "then": action}
    return sim_event(EventType.AUTOMATION_FIRED, stamp, iccid, before={}, after={}, facts=facts)


def order_event(
    kind: EventType, stamp: EventStamp, order_id: UUID, *, before: str, after: str, view: Mapping[str, Any]
) -> Event:
    """An order was paid, is done or has failed (OR-1); `view` is the order as the API returns it."""
    data = {"before": {"status": before}, "after": {"status": after}, "order": view}
    return _event(kind, stamp, f"/v1/orders/{order_id}", data)


WEBHOOK_TEST = "webhook.test"
"""Sent on request to one endpoint: no `EventType`, because nothing happened."""


def webhook_test(stamp: EventStamp, endpoint_id: UUID) -> Event:
    """The event that `POST /v1/webhooks/{id}/test` sends to one endpoint."""
    return _event(WEBHOOK_TEST, stamp, f"/v1/webhooks/{endpoint_id}", {"webhook": str(endpoint_id)})


def _event(kind: str, stamp: EventStamp, source: str, data: Mapping[str, Any], *, subject: str | None = None) -> Event:
    return Event(
        event_id=new_id(stamp.known_at),
        tenant=stamp.tenant,
        type=str(kind),
        source=source,
        subject=subject,
        took_effect_at=stamp.took_effect_at or stamp.known_at,
        known_at=stamp.known_at,
        data={"known_at": stamp.known_at.isoformat(), **data},
    )
