"""The types of events, and which of them reports a SIM's change of state (`docs/api.md`, Events and webhooks)."""

from __future__ import annotations

from enum import StrEnum

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
    SIM_DEVICE_CHANGED = "sim.device_changed"
    SIM_REGION_CHANGED = "sim.region_changed"
    SIM_HOLD_ADDED = "sim.hold_added"
    SIM_HOLD_LIFTED = "sim.hold_lifted"
    OPERATION_SUCCEEDED = "operation.succeeded"
    OPERATION_FAILED = "operation.failed"
    OPERATION_OVERDUE = "operation.overdue"
    POOL_THRESHOLD_CROSSED = "pool.threshold_crossed"
    POOL_EXHAUSTED = "pool.exhausted"
    USAGE_THRESHOLD_CROSSED = "usage.threshold_crossed"
    USAGE_ADJUSTED = "usage.adjusted"
    USAGE_METERS_DISAGREE = "usage.meters_disagree"
    REMINDER_DUE = "reminder.due"
    ORDER_PAID = "order.paid"
    ORDER_DONE = "order.done"
    RENEWAL_DECLINED = "renewal.declined"
    ACCOUNT_EMPTIED = "account.emptied"
    ACCOUNT_REPLENISHED = "account.replenished"
    ORDER_FAILED = "order.failed"
    BULK_OPERATION_COMPLETED = "bulk_operation.completed"
    APPROVAL_REQUESTED = "approval.requested"
    APPROVAL_DECIDED = "approval.decided"
    AUTOMATION_FIRED = "automation.fired"
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
