"""What succeeded operations do to limits (QT-4, QT-7): add-on packs are added, and limits queued for evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from app.db.connection import Connection
from app.db.mapping import OperationRecord
from app.db.pools import cycles as pool_cycles
from app.db.pools import rows as pools
from app.db.uow import UnitOfWork
from app.db.usage import counters as rows
from app.db.usage import limit_checks
from app.db.usage.brake import REMEDIED_PREFIX
from app.domain.calendar.cycles import cycle_at, cycle_number
from app.domain.usage.addons import pack_bytes
from app.domain.usage.quota import REEVALUATED_AFTER
from app.domain.vocabulary import OperationKind, OperationStatus
from app.usecases.context import Context

PACK = "bytes"
"""The field of an add-on's `result` with its size in bytes, where a person entered it on completion."""

MOVES_LIMITS = frozenset(
    {
        OperationKind.ACTIVATE,
        OperationKind.RESUME,
        OperationKind.SET_THRESHOLD,
        OperationKind.ORDER_ADDON,
        OperationKind.CHANGE_PLAN,
        OperationKind.JOIN_POOL,
        OperationKind.RENEW,
    }
)


async def apply_settled_operations(ctx: Context, work: UnitOfWork, ended: Sequence[OperationRecord]) -> None:
    """Add packs and queue the SIMs and pools whose limits changed, in the transaction that settles the operations."""
    done = [o for o in ended if o.status is OperationStatus.SUCCEEDED and o.kind in MOVES_LIMITS]
    if not done:
        return
    connection, now = await work.driver(), ctx.now()
    done.sort(key=lambda operation: operation.sim_id)  # counters are locked in this order, as ingest does
    for operation in done:
        amount = _pack(operation)
        if amount is not None:
            cycle = cycle_at(operation.carrier, now, ctx.zone(operation.account))
            await rows.add_pack(connection, operation.sim_id, cycle_number(cycle), amount, now)
    await _remember_remedies(ctx, connection, done)
    sim_ids = [operation.sim_id for operation in done]
    if joined := [o for o in done if o.kind is OperationKind.JOIN_POOL]:
        pairs = [(o.sim_id, cycle_number(cycle_at(o.carrier, now, ctx.zone(o.account)))) for o in joined]
        await pool_cycles.move_sim_counters(connection, pairs)
    await limit_checks.queue_checks(connection, sim_ids, await pools.refs_of(connection, sim_ids))


def _pack(operation: OperationRecord) -> int | None:
    """The bytes an ordered pack adds: as entered on completion, else as ordered; None for any other operation."""
    if operation.kind is not OperationKind.ORDER_ADDON:
        return None
    entered: int | None = (operation.result or {}).get(PACK)
    return entered or pack_bytes(operation.arguments)


async def _remember_remedies(ctx: Context, connection: Connection, done: Sequence[OperationRecord]) -> None:
    """Record which holds these operations allow to be lifted in this cycle, also imported ones (ST-2, ST-3, ST-15)."""
    now = ctx.now()
    marks = [
        (o.sim_id, cycle_number(cycle_at(o.carrier, now, ctx.zone(o.account))), f"{REMEDIED_PREFIX}{code}")
        for o in done
        for code in sorted(REEVALUATED_AFTER.get(o.kind, ()))
    ]
    if marks:
        await rows.mark(connection, marks, now)
