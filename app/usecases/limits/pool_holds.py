"""The holds a pool puts on its members (PL-1, PL-4, ST-4, ST-12, ST-13), whatever has a SIM evaluated.

A hold lasts as long as its reason. Where the owner raises a postpaid pool's threshold above its usage, or removes it
(PL-4), members are released at once; ST-13's "next cycle" applies while the threshold stands (docs/adr/0014).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from app.db.connection import Connection
from app.db.mapping import SimRecord
from app.db.pools import rows
from app.domain.calendar.cycles import cycle_number
from app.domain.sim.holds import codes, is_ours, with_hold, without_hold
from app.domain.sim.model import Hold, Sim
from app.domain.usage.pools import PoolUsage, contributes, pool_holds
from app.domain.vocabulary import HoldCode, HoldSource, SimState
from app.usecases.context import Context
from app.usecases.pools.views import PoolRow, pool_usage, running_cycle

POOL_HOLDS = frozenset({HoldCode.POOL_EXHAUSTED, HoldCode.POOL_THRESHOLD, HoldCode.POOL_FROZEN})


def with_pool_holds(sim: Sim, pool: PoolRow, use: PoolUsage, at: datetime) -> Sim:
    """The SIM with the pool holds of ours that the pool's usage puts on it.

    None is put on a SIM that is not active; one that an expired SIM has is lifted when it would be on an active SIM.
    """
    active, arrears = replace(sim, underlying=SimState.ACTIVE), pool["arrears_since"] is not None
    ground = pool_holds(active, use, pool["rules"].get("stop_at"), arrears=arrears)
    for hold in sim.holds:
        if hold.code in POOL_HOLDS and hold.code not in ground and is_ours(hold):
            sim = without_hold(sim, hold.code)
    for code in sorted(ground) if contributes(sim.underlying) else ():
        sim = with_hold(sim, Hold(code=code, since=at, source=HoldSource.GATEWAY))
    return sim


async def sims_with_pool_holds(
    ctx: Context, connection: Connection, cards: Sequence[tuple[SimRecord, Sim]]
) -> dict[int, Sim]:
    """SIMs with their pools' holds, by row id: those in stopped pools, and those that have a pool's hold.

    So a SIM that is activated, renewed, imported or joins while its pool is stopped is held like the others (PL-1), and
    one whose pool was released meanwhile is released. Each pool is summed once.
    """
    members = [(record, sim) for record, sim in cards if sim.pool is not None]
    if not members:
        return {}
    found = await rows.named(connection, {(record.tenant, sim.pool or "") for record, sim in members})
    pools = {(pool["tenant"], pool["id"]): pool for pool in found}
    uses: dict[int, PoolUsage] = {}
    brought: dict[int, Sim] = {}
    for record, sim in members:
        pool = pools.get((record.tenant, sim.pool or ""))
        if pool is None or not (_stopped(ctx, pool) or codes(sim.holds) & POOL_HOLDS):
            continue
        if pool["ref"] not in uses:
            uses[pool["ref"]], _ = await pool_usage(ctx, connection, pool, running_cycle(ctx, pool))
        brought[record.id] = with_pool_holds(sim, pool, uses[pool["ref"]], ctx.now())
    return brought


def _stopped(ctx: Context, pool: PoolRow) -> bool:
    return pool["arrears_since"] is not None or cycle_number(running_cycle(ctx, pool)) in pool["stopped"]
