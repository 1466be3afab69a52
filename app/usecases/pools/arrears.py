"""Postpaid pools that are not paid (PL-4, ST-12): frozen, settled or released as the operator states.

How long arrears are retained is not published, so that nothing is released by date: the supplier's decision is stated.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from app.db.access import AuditRow
from app.db.connection import Connection
from app.db.pools import cycles, rows
from app.db.uow import UnitOfWork
from app.db.usage.limit_checks import queue_checks
from app.domain.calendar.cycles import cycle_number
from app.domain.usage.pools import PoolState
from app.domain.vocabulary import HoldCode
from app.usecases.context import Context
from app.usecases.errors import Conflict
from app.usecases.pools.manage import Actor
from app.usecases.pools.views import POSTPAID, PoolRow, find_pool, running_cycle, show_pool


class Arrears(StrEnum):
    """What is stated of a postpaid pool's account."""

    UNPAID = "unpaid"
    SETTLED = "settled"
    RELEASED = "released"


STATES = {
    Arrears.UNPAID: PoolState.STOPPED,
    Arrears.SETTLED: PoolState.IN_USE,
    Arrears.RELEASED: PoolState.RELEASED,
}


async def state_arrears(
    ctx: Context, work: UnitOfWork, tenant: str, pool: str, stated: Arrears, actor: Actor
) -> dict[str, Any]:
    """Freeze a postpaid pool in arrears, free it once settled, or release it for good (PL-4, ST-12).

    Repeating a statement changes nothing. Raises `NotFound`, `Conflict`: a prepaid pool, a released one, or a release
    of a pool that is not in arrears.
    """
    connection = await work.driver()
    found = await find_pool(connection, tenant, pool)
    since, state = found["arrears_since"], found["state"]
    if found["kind"] != POSTPAID:
        raise Conflict("INCOMPATIBLE_STATE", "only a postpaid pool is paid after its use", rule="PL-4")
    if state == PoolState.RELEASED and stated is not Arrears.RELEASED:
        raise Conflict("INCOMPATIBLE_STATE", "the pool is released, which is final", rule="PL-4")
    if stated is Arrears.RELEASED and since is None:
        raise Conflict("INCOMPATIBLE_STATE", "the pool is not in arrears", rule="PL-4")
    after = None if stated is Arrears.SETTLED else since or ctx.now()
    changed = after != since or (stated is Arrears.RELEASED and state != PoolState.RELEASED)
    if changed:
        # The pool's cycle is locked before its row, as an evaluation of the pool and the rollover do.
        await _reevaluate_members(ctx, connection, found, HoldCode.POOL_FROZEN.value if after else "free")
        await rows.set_arrears(connection, found["ref"], after, STATES[stated].value, ctx.now())
        await _audit(ctx, work, tenant, pool, stated, actor)
    return await show_pool(ctx, connection, await find_pool(connection, tenant, pool))


async def _reevaluate_members(ctx: Context, connection: Connection, pool: PoolRow, stopping: str) -> None:
    """Have every member's holds evaluated again, from the first one on."""
    cycle = cycle_number(running_cycle(ctx, pool))
    kept = await cycles.cycle_of(connection, pool["ref"], cycle, lock=True)
    await cycles.save_cycle(connection, pool["ref"], cycle, kept["marks"] if kept else (), stopping, 0)
    await queue_checks(connection, pool_refs=[pool["ref"]])


async def _audit(ctx: Context, work: UnitOfWork, tenant: str, pool: str, stated: Arrears, actor: Actor) -> None:
    row = AuditRow(
        tenant=tenant,
        at=ctx.now(),
        actor=actor.name,
        action="pool.arrears",
        subject=pool,
        reason=actor.reason,
        correlation_id=actor.correlation_id,
        after={"status": stated.value},
    )
    await work.access.add_audit([row])
