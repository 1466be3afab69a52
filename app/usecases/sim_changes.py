"""Record what one transaction changes on SIMs: their rows, their timeline (LC-12) and their events.

A use-case passes the SIM as it was and as the rules made it; transitions and hold changes are their difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from app.db.events.store import Event, HistoryRow
from app.db.mapping import SimRecord
from app.db.pools.rows import refs_of
from app.db.uow import UnitOfWork
from app.db.usage.activations import Activation, set_activated
from app.db.usage.limit_checks import queue_checks
from app.domain.calendar.cycles import cycle_at, cycle_number
from app.domain.events import EventType, state_event
from app.domain.identifiers import same_device
from app.domain.sim.holds import HOLDS, shown_state
from app.domain.sim.lifecycle import allowed_test_bytes
from app.domain.sim.model import Hold, Sim
from app.domain.sim.snapshot import Drift
from app.domain.sim.transitions import NOT_YET_ACTIVATED, Cause
from app.domain.vocabulary import HoldCode, SimState
from app.usecases.events import EventStamp, sim_event


async def queue_limit_checks(work: UnitOfWork, sim_ids: Iterable[int]) -> None:
    """Queue these SIMs and their pools for evaluation of their limits, because their allowance has changed."""
    sims = sorted(set(sim_ids))
    connection = await work.driver()
    await queue_checks(connection, sims, await refs_of(connection, sims))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeReason:
    """Why a SIM changed: cause, rule, actor, when it took effect, and the operation that did it, if any.

    `activated_at`: since when the SIM is active, if earlier than `effective_at`.
    """

    cause: Cause | Drift
    actor: str
    effective_at: datetime
    rule: str | None = None
    operation_id: UUID | None = None
    correlation_id: str | None = None
    activated_at: datetime | None = None


@dataclass
class SimChangeRecorder:
    """Collects the changes of one transaction; `write` stores them all at once."""

    now: datetime
    zone_of: Callable[[str], ZoneInfo]
    """The time zone of an account."""
    records: dict[int, SimRecord] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    history: list[HistoryRow] = field(default_factory=list)
    plans_left: dict[int, str] = field(default_factory=dict)
    activity_changed: set[int] = field(default_factory=set)
    """SIMs that entered or left `active`: their usage counts against limits only while active (US-4)."""
    activations: dict[int, Activation] = field(default_factory=dict)
    """By row id: the SIMs activated, before which traffic is no part of the plan's (QT-9)."""

    def change(self, record: SimRecord, sim: Sim, reason: ChangeReason) -> SimRecord:
        """Record that the SIM became `sim`: row, timeline and events. Returns the new record."""
        before, after = record.sim, sim
        changed = replace(record, sim=sim)
        if before == after:
            return changed
        self.records[record.id] = changed
        if before.plan.id != after.plan.id:
            self.plans_left.setdefault(record.id, before.plan.id)
        if before.underlying is not after.underlying:
            self._record_transition(record, after, reason)
        if before.expires_forecast_on != after.expires_forecast_on and before.expires_on and after.expires_on:
            days = before.expires_on.isoformat(), after.expires_on.isoformat()
            self._add_history(record, "expires_on", *days, replace(reason, rule="VD-6"))
        self._add_state_event(record, before, after, reason)
        self.note_device(record, after, reason)
        if before.province != after.province:
            places = {"before": {"province": before.province}, "after": {"province": after.province}}
            self.add_event(record, EventType.SIM_REGION_CHANGED, reason, places)
        self._record_holds(record, before.holds, after.holds, reason)
        return changed

    def save(self, record: SimRecord) -> None:
        """Store this row although no rule changed the SIM: what is known of it at the carrier is newer."""
        self.records[record.id] = record

    def add_event(self, record: SimRecord, kind: EventType, reason: ChangeReason, data: Mapping[str, Any]) -> None:
        """Add one event about a SIM. `data` holds `before` and `after`, and facts of its own."""
        facts = {name: value for name, value in data.items() if name not in ("before", "after")}
        event = sim_event(
            kind,
            EventStamp(
                tenant=record.tenant,
                known_at=self.now,
                took_effect_at=reason.effective_at,
            ),
            record.sim.iccid,
            before=data["before"],
            after=data["after"],
            facts=_reason_facts(reason) | facts,
        )
        self.events.append(event)

    def note_device(self, record: SimRecord, sim: Sim, reason: ChangeReason) -> None:
        """Add the event that the SIM, as `sim`, is seen in another device than it was in `record` (DV-6)."""
        was, now = record.sim.seen, sim.seen
        if was is not None and now is not None and not same_device(was.imei, now.imei):
            imeis = {"before": {"imei": was.imei}, "after": {"imei": now.imei}}
            self.add_event(record, EventType.SIM_DEVICE_CHANGED, reason, imeis)

    async def write(self, work: UnitOfWork) -> None:
        """Store everything in this transaction and queue the limit checks that follow from it."""
        await work.sims.save(list(self.records.values()), self.now)
        await work.plans.add_history(self.plans_left, self.now)
        if self.activity_changed:
            await queue_limit_checks(work, self.activity_changed)
        if self.activations:
            await set_activated(await work.driver(), list(self.activations.values()))
        await work.events.add_history(self.history)
        await work.events.add(self.events)

    def _record_transition(self, record: SimRecord, after: Sim, reason: ChangeReason) -> None:
        before = record.sim
        if SimState.ACTIVE in (before.underlying, after.underlying):
            self.activity_changed.add(record.id)
        if before.underlying in NOT_YET_ACTIVATED and after.underlying is SimState.ACTIVE:
            self.activations[record.id] = self._activation(record, reason)
        self._add_history(record, "state", before.underlying.value, after.underlying.value, reason)

    def _activation(self, record: SimRecord, reason: ChangeReason) -> Activation:
        """The activation of a SIM; traffic that used its test up is the plan's beyond the test's bytes (LC-1)."""
        at = reason.activated_at or reason.effective_at
        cycle = cycle_number(cycle_at(record.sim.carrier, at, self.zone_of(record.account)))
        allowed = allowed_test_bytes(record.sim) if reason.cause == Cause.TEST_USED_UP else None
        return Activation(sim_id=record.id, cycle=cycle, at=at, allowed=allowed)

    def _add_state_event(self, record: SimRecord, before: Sim, after: Sim, reason: ChangeReason) -> None:
        old, new = (shown_state(s.underlying, s.holds, s.carrier) for s in (before, after))
        kind = state_event(before, after)
        if kind is not None:
            self.add_event(record, kind, reason, {"before": {"state": old.value}, "after": {"state": new.value}})

    def _record_holds(
        self, record: SimRecord, before: tuple[Hold, ...], after: tuple[Hold, ...], reason: ChangeReason
    ) -> None:
        old, new = {h.code: h for h in before}, {h.code: h for h in after}
        codes = {"before": {"holds": sorted(old)}, "after": {"holds": sorted(new)}}
        for code in (c for c in HoldCode if (c in new) != (c in old)):
            added = code in new
            hold, rule = (new if added else old)[code], HOLDS[code].rule
            kind = EventType.SIM_HOLD_ADDED if added else EventType.SIM_HOLD_LIFTED
            facts = {"hold": code.value, "hold_rule": rule, "source": hold.source.value}
            self.add_event(record, kind, reason, codes | facts)
            lifted, set_ = (None, code.value) if added else (code.value, None)
            self._add_history(record, "hold", lifted, set_, reason, rule)

    def _add_history(
        self,
        record: SimRecord,
        what: str,
        before: str | None,
        after: str | None,
        reason: ChangeReason,
        rule: str | None = None,
    ) -> None:
        self.history.append(
            HistoryRow(
                sim_id=record.id,
                what=what,
                before=before,
                after=after,
                cause=reason.cause,
                rule=reason.rule or rule,
                actor=reason.actor,
                took_effect_at=reason.effective_at,
                known_at=self.now,
                operation_id=reason.operation_id,
            )
        )


def _reason_facts(reason: ChangeReason) -> dict[str, Any]:
    return {
        "cause": reason.cause,
        "rule": reason.rule,
        "actor": reason.actor,
        "operation_id": str(reason.operation_id) if reason.operation_id else None,
        "correlation_id": reason.correlation_id,
    }
