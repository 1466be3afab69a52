"""Plans of a tenant, and which plan a SIM had until when."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.mapping import plan_from
from app.db.schema.control import plans, pools, sims
from app.db.schema.usage.reports import sim_plans
from app.domain.sim.model import Plan
from app.domain.vocabulary import OPEN_STATUSES

# Until its new allowance is stored: of two changes the second keeps what the first has set.
_LOCK = text("SELECT FROM plans WHERE tenant = :tenant AND id = :id FOR UPDATE")

# A statement of its own, as it must see what the transaction waited for. A change that was begun before another and had
# to wait for it, replaces what held for no time at all: nothing is kept of that.
_KEEP_ALLOWANCE = text(
    "INSERT INTO plan_allowances (tenant, plan, until, allowance)"
    " SELECT tenant, id, :now, allowance FROM plans p WHERE tenant = :tenant AND id = :id AND allowance <> :allowance"
    "    AND NOT EXISTS (SELECT FROM plan_allowances a"
    "                     WHERE a.tenant = p.tenant AND a.plan = p.id AND a.until >= :now)"
    " ON CONFLICT DO NOTHING"
)

_MATES = text(
    "WITH asked AS (SELECT id, order_id FROM sims WHERE id = ANY(:ids) AND order_id IS NOT NULL)"
    " SELECT asked.id, min(mates.pool) FROM asked JOIN ("
    "   SELECT order_id, pool FROM sims WHERE tenant = :tenant AND pool IS NOT NULL"
    "   UNION ALL"
    "   SELECT s.order_id, o.arguments ->> 'pool' FROM operations o JOIN sims s ON s.id = o.sim_id"
    "    WHERE o.kind = 'join_pool' AND s.tenant = :tenant"
    "     AND o.status = ANY(:open)"
    " ) mates USING (order_id) GROUP BY asked.id"
)


class PlanRepository:
    """Plans of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def all(self, tenant: str) -> dict[str, Plan]:
        """Every plan of a tenant by its id, in order."""
        rows = await self._connection.execute(select(plans).where(plans.c.tenant == tenant).order_by(plans.c.id))
        return {row["id"]: plan_from(row) for row in rows.mappings()}

    async def upsert(self, tenant: str, given: Sequence[Plan], now: datetime) -> None:
        """Add plans or replace those with the same id; a replaced allowance is recorded (`app.db.usage.allowances`)."""
        names = [name for name in Plan.__dataclass_fields__ if name != "id"]
        # By id: of two files with the same plans in another order the second waits, and no lock goes round in a circle.
        for plan in sorted(given, key=lambda plan: plan.id):
            values = {name: getattr(plan, name) for name in names}
            kept = {"tenant": tenant, "id": plan.id, "now": now, "allowance": plan.allowance}
            await self._connection.execute(_LOCK, {"tenant": tenant, "id": plan.id})
            await self._connection.execute(_KEEP_ALLOWANCE, kept)
            priced_at = now if plan.overrun_fen_per_mb is not None else None
            statement = insert(plans).values(tenant=tenant, id=plan.id, overrun_since=priced_at, **values)
            since = func.coalesce(plans.c.overrun_since, priced_at) if priced_at else None
            await self._connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["tenant", "id"], set_={**values, "overrun_since": since}
                )
            )

    async def pool_accounts(self, tenant: str) -> dict[str, str]:
        """The account of each of the tenant's pools that has one: the one it was given, else its first member's."""
        member = select(sims.c.account).where(sims.c.tenant == pools.c.tenant, sims.c.pool == pools.c.id)
        first = member.order_by(sims.c.id).limit(1).scalar_subquery()
        account = func.coalesce(pools.c.account, first)
        rows = await self._connection.execute(select(pools.c.id, account).where(pools.c.tenant == tenant))
        return {row[0]: row[1] for row in rows if row[1] is not None}

    async def pools_of_orders(self, tenant: str, orders: Collection[str]) -> dict[str, str]:
        """Of these orders of a tenant that have cards in a pool: one pool of each."""
        if not orders:
            return {}
        found = select(sims.c.order_id, func.min(sims.c.pool)).where(
            sims.c.tenant == tenant, sims.c.pool.is_not(None), sims.c.order_id.in_(sorted(orders))
        )
        rows = await self._connection.execute(found.group_by(sims.c.order_id))
        return {row[0]: row[1] for row in rows}

    async def pools_of_order_mates(self, tenant: str, sim_ids: Collection[int]) -> dict[int, str]:
        """Of these SIMs (row ids) whose order has cards in a pool, or on the way into one: one pool of each."""
        rows = await self._connection.execute(
            _MATES, {"tenant": tenant, "ids": sorted(sim_ids), "open": sorted(OPEN_STATUSES)}
        )
        return {row[0]: row[1] for row in rows}

    async def add_history(self, plans_left: Mapping[int, str], now: datetime) -> None:
        """Record the plan that each of these SIMs (by row id) had until now."""
        rows = [{"sim_id": sim_id, "until": now, "plan": plan} for sim_id, plan in plans_left.items()]
        if rows:
            await self._connection.execute(insert(sim_plans).on_conflict_do_nothing(), rows)

    async def of_pools(self, tenant: str) -> dict[str, str]:
        """The tenant's pools and the plan of each."""
        rows = await self._connection.execute(select(pools.c.id, pools.c.plan).where(pools.c.tenant == tenant))
        return {row[0]: row[1] for row in rows}
