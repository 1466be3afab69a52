"""Add-on packs of a tenant's catalogue (QT-7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.schema.commerce.account import addons
from app.domain.sim.model import Addon
from app.domain.vocabulary import AddonScope, Carrier, Supplier


class AddonRepository:
    """Add-on packs of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def all(self, tenant: str) -> dict[str, Addon]:
        """Every pack of a tenant by its id, in order."""
        rows = await self._connection.execute(select(addons).where(addons.c.tenant == tenant).order_by(addons.c.id))
        return {row["id"]: addon_from(row) for row in rows.mappings()}

    async def upsert(self, tenant: str, given: Sequence[Addon]) -> None:
        """Add packs, or replace those with the same id."""
        names = [name for name in Addon.__dataclass_fields__ if name != "id"]
        # By id: of two files with the same packs in another order the second waits, and no lock goes round in a circle.
        for addon in sorted(given, key=lambda addon: addon.id):
            values = {name: getattr(addon, name) for name in names}
            statement = insert(addons).values(tenant=tenant, id=addon.id, **values)
            await self._connection.execute(
                statement.on_conflict_do_update(index_elements=["tenant", "id"], set_=values)
            )


def addon_from(row: Any) -> Addon:
    return Addon(
        id=row["id"],
        carrier=Carrier(row["carrier"]),
        scope=AddonScope(row["scope"]),
        bytes=row["bytes"],
        terms=Supplier(row["terms"]) if row["terms"] else None,
        price_fen=row["price_fen"],
        product_code=row["product_code"],
    )
