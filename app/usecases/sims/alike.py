"""Change SIMs that are alike: the rules are applied to one of them, and the result is written for all.

The result is what `SimChangeRecorder` has recorded for the one: columns, timeline, events, limit checks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from app.db.deadline_groups import groups_of
from app.db.events.alike import add_events_alike, add_history_alike
from app.db.events.store import Event
from app.db.mapping import OperationRecord, SimRecord
from app.db.operations.alike import add_operations_alike
from app.db.sims.alike import Card, save_alike
from app.db.uow import UnitOfWork
from app.db.usage.activations import set_activated
from app.usecases.context import Context
from app.usecases.events import sim_source
from app.usecases.ids import new_ids
from app.usecases.operations.enforce_holds import enforcement_of, enforcement_row
from app.usecases.sim_changes import SimChangeRecorder, queue_limit_checks


@dataclass(frozen=True, slots=True, kw_only=True)
class AlikeChange:
    """What the rules did to the first of some SIMs that are alike, and so to each of them."""

    cards: Sequence[Card]
    before: SimRecord
    after: SimRecord
    recorder: SimChangeRecorder

    @property
    def ids(self) -> list[int]:
        """The row ids of the SIMs."""
        return [card.id for card in self.cards]


async def write_alike(work: UnitOfWork, changes: Sequence[AlikeChange], now: datetime) -> None:
    """Store what was recorded of each sample for all SIMs like it. The caller holds them locked."""
    connection = await work.driver()
    work.deadline_groups.update(groups_of(change.after.sim for change in changes))
    await save_alike(connection, [(change.before, change.after, change.ids) for change in changes], now)
    if checked := [sim_id for change in changes if change.recorder.activity_changed for sim_id in change.ids]:
        await queue_limit_checks(work, checked)
    activated = [
        replace(one, sim_id=sim_id)
        for change in changes
        for one in change.recorder.activations.values()
        for sim_id in change.ids
    ]
    if activated:
        await set_activated(connection, activated)
    await add_history_alike(connection, [(row, change.ids) for change in changes for row in change.recorder.history])
    await add_events_alike(
        connection,
        [(event, _named(event, change.cards)) for change in changes for event in change.recorder.events],
    )


def _named(event: Event, cards: Sequence[Card]) -> list[tuple[UUID, str, str]]:
    """Of an event about one SIM the id, source and subject that it has for each of these."""
    ids = new_ids(event.known_at, len(cards))
    return [(event_id, sim_source(card.iccid), card.iccid) for event_id, card in zip(ids, cards, strict=True)]


async def enqueue_alike(
    ctx: Context, work: UnitOfWork, changes: Sequence[AlikeChange], now: datetime, *, reason: str
) -> int:
    """Enqueue what the changed holds require at the carrier, as `enqueue_enforcement` does; gives how many."""
    required = [(change, enforcement_of(change.before, change.after)) for change in changes]
    wanted = [(change, kind) for change, kind in required if kind is not None]
    if not wanted:
        return 0
    busy = set(await work.operations.open_of([sim_id for change, _ in wanted for sim_id in change.ids]))
    rows: list[tuple[OperationRecord, list[tuple[UUID, int, str]]]] = []
    for change, kind in wanted:
        for behind in (False, True):
            cards = [card for card in change.cards if (card.id in busy) is behind]
            row = enforcement_row(ctx, change.after, kind, now, reason, behind=behind)
            if row is not None and cards:
                ids = new_ids(now, len(cards))
                rows.append((row, [(one, card.id, card.iccid) for one, card in zip(ids, cards, strict=True)]))
    await add_operations_alike(await work.driver(), rows)
    return sum(len(cards) for _, cards in rows)
