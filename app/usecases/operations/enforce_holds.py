"""Enforce holds at the carrier (ST-24): one `suspend` when a rule stops a running SIM, one `resume` when it lets it go.

The hold is in force at once; the operation only makes the carrier follow. Nothing is enqueued where the carrier is in
the wanted state already, nor a resume of a SIM that somebody else suspended.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from app.db.mapping import OperationRecord, SimRecord
from app.db.uow import UnitOfWork
from app.domain.sim.holds import is_ours, shown_state
from app.domain.sim.snapshot import STOPPED_STATES
from app.domain.sim.transitions import NOT_YET_ACTIVATED
from app.domain.vocabulary import HoldSource, OperationKind, OperationSource, SimState
from app.usecases.context import Context
from app.usecases.operations.record import enqueued, new_operation
from app.usecases.operations.routing import channel_of

HELD = frozenset({SimState.SUSPENDED, SimState.EXPIRED})
"""States a SIM shows while a hold stops it."""

UNRESTRICTED = NOT_YET_ACTIVATED | {SimState.ACTIVE}
"""States a SIM shows while no hold stops it. It may skip `active` (LC-5, LC-8)."""

ONCE_ACTIVATED = frozenset({SimState.ACTIVE, SimState.EXPIRED})

SELF_ENFORCING = frozenset(
    {OperationKind.SUSPEND, OperationKind.CUT_NETWORK, OperationKind.RESTORE_NETWORK, OperationKind.TERMINATE}
)
"""Kinds that change the carrier's state and the SIM's holds alike, so that nothing is left to enforce."""

STARTS_TRAFFIC = frozenset(
    {OperationKind.RESUME, OperationKind.RESET_NETWORK, OperationKind.ACTIVATE, OperationKind.RENEW}
)
"""Kinds after which the SIM runs at the carrier: a hold of ours that was added meanwhile must stop it again."""


async def enqueue_enforcement(
    ctx: Context, work: UnitOfWork, changed: Sequence[tuple[SimRecord, SimRecord]], *, reason: str
) -> int:
    """Enqueue what the changed holds of these SIMs require, as (before, after); returns how many operations.

    An operation waits behind the SIM's open one. `reason` is the rule that changed the holds. The caller holds the SIMs
    locked.
    """
    return await _enqueue(ctx, work, [(after, enforcement_of(before, after)) for before, after in changed], reason)


async def enqueue_enforcement_after(
    ctx: Context, work: UnitOfWork, done: Sequence[tuple[OperationKind, SimRecord, SimRecord]]
) -> int:
    """The same for what succeeded operations did to their SIMs: (kind, before, after); returns how many operations.

    A suspend is not enqueued where one is open or waiting already.
    """
    required = [(after, enforcement_after(kind, before, after)) for kind, before, after in done]
    stops = [record.id for record, kind in required if kind is OperationKind.SUSPEND]
    coming = await work.operations.open_or_waiting(stops, OperationKind.SUSPEND) if stops else set()
    return await _enqueue(ctx, work, [(r, k) for r, k in required if r.id not in coming], "ST-24")


def enforcement_of(before: SimRecord, after: SimRecord) -> OperationKind | None:
    """The operation that enforces a change of holds by the rules: suspend, resume or None (ST-24)."""
    was, now = _shown(before), _shown(after)
    if was in UNRESTRICTED and now in HELD and after.sim.underlying in ONCE_ACTIVATED:
        known = {hold.code for hold in before.sim.holds}
        by_rule = any(hold.source is HoldSource.GATEWAY for hold in after.sim.holds if hold.code not in known)
        return OperationKind.SUSPEND if by_rule and not stopped_at_carrier(after) else None
    if was in HELD and now is SimState.ACTIVE:
        return OperationKind.RESUME if suspended_by_us(before, after) else None
    return None


def enforcement_after(kind: OperationKind, before: SimRecord, after: SimRecord) -> OperationKind | None:
    """The operation that enforces the holds after one of `kind` succeeded: suspend, resume or None (ST-24)."""
    if kind in SELF_ENFORCING:
        return None
    required = None if kind is OperationKind.RESUME else enforcement_of(before, after)
    if required is None and kind in STARTS_TRAFFIC and runs_despite_hold(kind, after):
        return OperationKind.SUSPEND
    return required


def stopped_at_carrier(record: SimRecord) -> bool:
    """Whether the carrier shows the SIM stopped, by a snapshot newer than our last change there."""
    seen, changed = record.carrier_as_of, record.carrier_changed_at
    current = seen is not None and (changed is None or seen > changed)
    return current and record.carrier_state in STOPPED_STATES


def runs_despite_hold(kind: OperationKind, after: SimRecord) -> bool:
    """Whether a SIM that one of our holds stops still runs at the carrier after an operation of `kind`.

    A resume makes every earlier snapshot obsolete, even one that is newer than our last change.
    """
    held = _shown(after) in HELD and any(map(is_ours, after.sim.holds))
    stopped = kind is not OperationKind.RESUME and stopped_at_carrier(after)
    return held and not after.stopped_by_us and not stopped


def suspended_by_us(before: SimRecord, after: SimRecord) -> bool:
    """Whether the suspension that outlives the last hold is our own, so that we may resume (ST-24).

    Our suspend may outlive the hold it was for, while the carrier holds the SIM as well. An imported stop is never ours
    (LC-17), nor is one that the carrier reports as its own end of the plan (LC-8).
    """
    ended_by_carrier = before.carrier_state is SimState.EXPIRED
    return after.stopped_by_us or (not ended_by_carrier and any(is_ours(hold) for hold in before.sim.holds))


def _shown(record: SimRecord) -> SimState:
    return shown_state(record.sim.underlying, record.sim.holds, record.sim.carrier)


async def _enqueue(
    ctx: Context, work: UnitOfWork, required: Sequence[tuple[SimRecord, OperationKind | None]], reason: str
) -> int:
    wanted = [(record, kind) for record, kind in required if kind is not None]
    if not wanted:
        return 0
    busy = await work.operations.open_of([record.id for record, _ in wanted])
    now = ctx.now()
    rows = [enforcement_row(ctx, record, kind, now, reason, behind=record.id in busy) for record, kind in wanted]
    operations = [row for row in rows if row is not None]
    await work.operations.add(operations)
    return len(operations)


def enforcement_row(
    ctx: Context, record: SimRecord, kind: OperationKind, now: datetime, reason: str, *, behind: bool
) -> OperationRecord | None:
    """The operation, queued or waiting behind the open one; None where no protocol of the account supports it."""
    channel = channel_of(ctx, record, kind, {})
    if channel is None:
        return None
    row = new_operation(
        record,
        kind,
        source=OperationSource.RULE,
        now=now,
        channel=channel,
        reason=reason,
        requested_by=f"rule {reason}",
        waits=behind,
    )
    return row if behind else enqueued(row, now, channel=channel)
