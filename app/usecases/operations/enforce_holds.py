"""What rules ask of carriers (ST-24): one `suspend` when a rule stops a free card, one `resume` when the stop was ours.

The hold is on at once; this only lets the carrier follow. Nothing is asked where the carrier is there already.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from app.db.mapping import OperationRecord, SimRecord
from app.db.uow import UnitOfWork
from app.domain.sim.holds import is_ours, shown_state
from app.domain.sim.transitions import NOT_YET_ACTIVATED
from app.domain.vocabulary import HoldSource, OperationKind, OperationSource, SimState
from app.usecases.context import Context
from app.usecases.operations.record import new_operation
from app.usecases.operations.routing import channel_of
from app.usecases.operations.validate import enqueued

STOPPED = frozenset({SimState.SUSPENDED, SimState.EXPIRED, SimState.CANCELLED})
UNRESTRICTED = NOT_YET_ACTIVATED | {SimState.ACTIVE}
"""What a card shows that no hold stops. One change may take it from before its activation under a hold (LC-5, LC-8)."""
ONCE_ACTIVATED = frozenset({SimState.ACTIVE, SimState.EXPIRED})


def shown_stopped(record: SimRecord) -> bool:
    """Whether the carrier's word, if it is newer than our last change there, has the card stopped."""
    told, changed = record.carrier_as_of, record.carrier_changed_at
    current = told is not None and (changed is None or told > changed)
    return current and record.carrier_state in STOPPED


def enforcement_of(before: SimRecord, after: SimRecord) -> OperationKind | None:
    """What the carrier is to be asked after the rules changed a card's holds (ST-24); None: nothing."""
    was = shown_state(before.sim.underlying, before.sim.holds, before.sim.carrier)
    now = shown_state(after.sim.underlying, after.sim.holds, after.sim.carrier)
    if was in UNRESTRICTED and now in (SimState.SUSPENDED, SimState.EXPIRED) and after.sim.underlying in ONCE_ACTIVATED:
        added = [hold for hold in after.sim.holds if hold.code not in {h.code for h in before.sim.holds}]
        by_rule = any(hold.source is HoldSource.GATEWAY for hold in added)
        return OperationKind.SUSPEND if by_rule and not shown_stopped(after) else None
    if was in (SimState.SUSPENDED, SimState.EXPIRED) and now is SimState.ACTIVE:
        return OperationKind.RESUME if suspended_by_us(before, after) else None
    return None


ENFORCED_BY_THEMSELVES = frozenset(
    {
        OperationKind.SUSPEND,
        OperationKind.CUT_NETWORK,
        OperationKind.RESTORE_NETWORK,
        OperationKind.TERMINATE,
    }
)
"""Kinds that do at the carrier what they do to the card's holds: nothing more is to be asked for."""


START_THE_CARD = frozenset(
    {OperationKind.RESUME, OperationKind.RESET_NETWORK, OperationKind.ACTIVATE, OperationKind.RENEW}
)
"""Kinds after which the card runs at the carrier, or soon may: a hold of ours that came on meanwhile stops it again."""


def enforcement_after(kind: OperationKind, before: SimRecord, after: SimRecord) -> OperationKind | None:
    """What the carrier is to be asked after an operation of this kind succeeded (ST-24); None: nothing."""
    if kind in ENFORCED_BY_THEMSELVES:
        return None
    asked = None if kind is OperationKind.RESUME else enforcement_of(before, after)
    return (
        OperationKind.SUSPEND if asked is None and kind in START_THE_CARD and runs_despite_hold(kind, after) else asked
    )


def runs_despite_hold(kind: OperationKind, after: SimRecord) -> bool:
    """Whether a card that a hold of ours stops runs at the carrier all the same. A resume makes older words void."""
    shown = shown_state(after.sim.underlying, after.sim.holds, after.sim.carrier)
    held = shown in (SimState.SUSPENDED, SimState.EXPIRED) and any(map(is_ours, after.sim.holds))
    there = kind is not OperationKind.RESUME and shown_stopped(after)
    return held and not after.stopped_by_us and not there


def suspended_by_us(before: SimRecord, after: SimRecord) -> bool:
    """Whether the stop that the last hold leaves behind is one that we asked for (ST-24).

    Our suspend may outlive the hold it was for, while the carrier holds the card too. A card that was imported with its
    holds is known by these, unless the carrier says that it ended the card by its own dates (LC-8).
    """
    ended_there = before.carrier_state is SimState.EXPIRED
    return after.stopped_by_us or (not ended_there and any(is_ours(hold) for hold in before.sim.holds))


async def enqueue_enforcement(
    ctx: Context, work: UnitOfWork, changed: Sequence[tuple[SimRecord, SimRecord]], *, reason: str
) -> int:
    """Ask the carriers to follow; behind the open operation where a card has one. The caller holds the cards locked."""
    return await _ask(ctx, work, [(after, enforcement_of(before, after)) for before, after in changed], reason)


async def enqueue_enforcement_after(
    ctx: Context, work: UnitOfWork, done: Sequence[tuple[OperationKind, SimRecord, SimRecord]]
) -> int:
    """The same for what operations that succeeded did to their cards: (kind, before, after).

    A suspend that is under way or waits its turn already is not asked for again.
    """
    required = [(after, enforcement_after(kind, before, after)) for kind, before, after in done]
    stops = [record.id for record, kind in required if kind is OperationKind.SUSPEND]
    coming = await work.operations.open_or_waiting(stops, OperationKind.SUSPEND) if stops else set()
    return await _ask(ctx, work, [(r, k) for r, k in required if r.id not in coming], "ST-24")


async def _ask(
    ctx: Context, work: UnitOfWork, required: Sequence[tuple[SimRecord, OperationKind | None]], reason: str
) -> int:
    wanted = [(record, kind) for record, kind in required if kind is not None]
    if not wanted:
        return 0
    busy = await work.operations.open_of([record.id for record, _ in wanted])
    now = ctx.now()
    rows = [_row(ctx, record, kind, now, reason, behind=record.id in busy) for record, kind in wanted]
    asked = [row for row in rows if row is not None]
    await work.operations.add(asked)
    return len(asked)


def _row(
    ctx: Context, record: SimRecord, kind: OperationKind, now: datetime, reason: str, *, behind: bool
) -> OperationRecord | None:
    channel = channel_of(ctx, record, kind, {})
    if channel is None:
        return None
    asked_by = f"rule {reason}"
    row = new_operation(
        record,
        kind,
        source=OperationSource.RULE,
        now=now,
        channel=channel,
        reason=reason,
        requested_by=asked_by,
        waits=behind,
    )
    return row if behind else enqueued(row, now, channel=channel)
