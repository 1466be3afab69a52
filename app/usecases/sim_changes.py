"""What changed on cards in one transaction, told once: new rows, their timeline (LC-12) and their events.

A use-case hands in the card as it was and as the rules made it; what happened is the difference.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db.events.store import EventRow, HistoryRow
from app.db.mapping import SimRecord
from app.db.pools import cycles as pool_cycles
from app.db.pools.rows import refs_of
from app.db.uow import UnitOfWork
from app.db.usage.counters import queue_checks
from app.domain.events import state_event
from app.domain.sim.holds import HOLDS, shown_state
from app.domain.sim.lifecycle import allowed_test_bytes
from app.domain.sim.model import Hold, Sim
from app.domain.vocabulary import HoldCode, SimState
from app.usecases.ids import new_id


async def queue_limit_checks(work: UnitOfWork, sim_ids: Iterable[int]) -> None:
    """Have the limits of these cards and of their pools looked at: what they may use has changed."""
    cards = sorted(set(sim_ids))
    connection = await work.driver()
    await queue_checks(connection, cards, await refs_of(connection, cards))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeReason:
    """Why a card changed: a cause in words, the rule, who did it, when it took effect, and by which operation."""

    cause: str
    actor: str
    effective_at: datetime
    rule: str | None = None
    operation_id: UUID | None = None
    correlation_id: str | None = None


@dataclass
class SimChangeRecorder:
    """Collects the changes of one transaction; `write` puts them down."""

    now: datetime
    records: dict[int, SimRecord] = field(default_factory=dict)
    events: list[EventRow] = field(default_factory=list)
    history: list[HistoryRow] = field(default_factory=list)
    plans_left: dict[int, str] = field(default_factory=dict)
    activity_changed: set[int] = field(default_factory=set)
    """Cards that became or ceased to be active: from then on use counts against limits, or no more (US-4)."""
    ended_tests: dict[int, int] = field(default_factory=dict)
    """Cards whose test ended, and how many bytes of test traffic each had."""

    def change(self, record: SimRecord, sim: Sim, reason: ChangeReason) -> SimRecord:
        """The card became `sim`: remember it, its timeline and its events."""
        before, after = record.sim, sim
        changed = replace(record, sim=sim)
        if before == after:
            return changed
        self.records[record.id] = changed
        if before.plan.id != after.plan.id:
            self.plans_left.setdefault(record.id, before.plan.id)
        if before.underlying is not after.underlying:
            if SimState.ACTIVE in (before.underlying, after.underlying):
                self.activity_changed.add(record.id)
            if before.underlying is SimState.TESTING and (allowed := allowed_test_bytes(before)) is not None:
                self.ended_tests[record.id] = allowed
            self._remember(record, "state", before.underlying.value, after.underlying.value, reason)
        self._tell_state(record, before, after, reason)
        self._tell_holds(record, before.holds, after.holds, reason)
        return changed

    def save(self, record: SimRecord) -> None:
        """Write this record back though no rule changed it (the carrier's view of it moved)."""
        self.records[record.id] = record

    def add_event(self, record: SimRecord, event_type: str, reason: ChangeReason, data: dict[str, Any]) -> None:
        """One event about a card."""
        known = {"known_at": self.now.isoformat(), "cause": reason.cause, "rule": reason.rule, "actor": reason.actor}
        extra = {
            "operation_id": str(reason.operation_id) if reason.operation_id else None,
            "correlation_id": reason.correlation_id,
        }
        self.events.append(
            EventRow(
                event_id=new_id(self.now),
                tenant=record.tenant,
                type=event_type,
                source=f"/v1/sims/{record.sim.iccid}",
                subject=record.sim.iccid,
                took_effect_at=reason.effective_at,
                known_at=self.now,
                data=known | extra | data,
            )
        )

    async def write(self, work: UnitOfWork) -> None:
        """Put everything down in this transaction, and have the limits of cards and pools looked at that it moves."""
        await work.sims.save(list(self.records.values()), self.now)
        await work.plans.add_history(self.plans_left, self.now)
        if self.activity_changed:
            await queue_limit_checks(work, self.activity_changed)
        if self.ended_tests:
            await pool_cycles.set_tested(await work.driver(), sorted(self.ended_tests.items()))
        await work.events.add_history(self.history)
        await work.events.add(self.events)

    def _tell_state(self, record: SimRecord, before: Sim, after: Sim, reason: ChangeReason) -> None:
        was, now = (shown_state(s.underlying, s.holds, s.carrier) for s in (before, after))
        told = state_event(before, after)
        if told is not None:
            self.add_event(record, told.value, reason, {"before": {"state": was.value}, "after": {"state": now.value}})

    def _tell_holds(
        self, record: SimRecord, before: tuple[Hold, ...], after: tuple[Hold, ...], reason: ChangeReason
    ) -> None:
        old, new = {h.code: h for h in before}, {h.code: h for h in after}
        codes = {"before": {"holds": sorted(old)}, "after": {"holds": sorted(new)}}
        for code in (c for c in HoldCode if (c in new) != (c in old)):
            added = code in new
            hold = new[code] if added else old[code]
            event = "sim.hold_added" if added else "sim.hold_lifted"
            self.add_event(
                record,
                event,
                reason,
                codes | {"hold": code.value, "hold_rule": HOLDS[code].rule, "source": hold.source.value},
            )
            self._remember(
                record, "hold", None if added else code.value, code.value if added else None, reason, HOLDS[code].rule
            )

    def _remember(
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
