"""Plans: what may be sold, per tenant."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.mapping import plan_from
from app.db.tables import plans, pools, sims
from app.domain.sim import Plan


class PlanRows:
    """Plans of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def all(self, tenant: str) -> dict[str, Plan]:
        """Every plan of a tenant by its id, in order."""
        rows = await self._connection.execute(select(plans).where(plans.c.tenant == tenant).order_by(plans.c.id))
        return {row["id"]: plan_from(row) for row in rows.mappings()}

    async def put(self, tenant: str, given: Sequence[Plan]) -> None:
        """Add plans; the same id replaces."""
        names = [name for name in Plan.__dataclass_fields__ if name != "id"]
        for plan in given:
            values = {name: getattr(plan, name) for name in names}
            statement = insert(plans).values(tenant=tenant, id=plan.id, **values)
            await self._connection.execute(
                statement.on_conflict_do_update(index_elements=["tenant", "id"], set_=values)
            )

    async def pool_accounts(self, tenant: str) -> dict[str, str]:
        """The account of each of the tenant's pools that has one: the one it was given, else its first member's."""
        member = select(sims.c.account).where(sims.c.tenant == pools.c.tenant, sims.c.pool == pools.c.id)
        first = member.order_by(sims.c.id).limit(1).scalar_subquery()
        account = func.coalesce(pools.c.account, first)
        rows = await self._connection.execute(select(pools.c.id, account).where(pools.c.tenant == tenant))
        return {row[0]: row[1] for row in rows if row[1] is not None}

    async def pool_ids(self, tenant: str) -> dict[str, str]:
        """The tenant's pools and the plan of each."""
        rows = await self._connection.execute(select(pools.c.id, pools.c.plan).where(pools.c.tenant == tenant))
        return {row[0]: row[1] for row in rows}
