"""Tenants as buyers: their profile and balance (RN-9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.schema.commerce.account import buyer_accounts


@dataclass(frozen=True, slots=True, kw_only=True)
class BuyerAccount:
    """A buyer's profile, and the balance in fen. `version` rises with each change of the profile."""

    tenant: str
    company: str | None = None
    contact: str | None = None
    phone: str | None = None
    email: str | None = None
    version: int = 1
    updated_at: datetime | None = None
    balance_fen: int = 0

    @property
    def profile(self) -> Mapping[str, str | None]:
        """The profile's fields."""
        return {name: getattr(self, name) for name in ("company", "contact", "phone", "email")}


_COLUMNS = [buyer_accounts.c[name] for name in BuyerAccount.__dataclass_fields__]


class BuyerAccountRepository:
    """Buyers' accounts of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def get(self, tenant: str) -> BuyerAccount:
        """The tenant's account; an empty one where none was begun."""
        row = (await self._connection.execute(select(*_COLUMNS).where(buyer_accounts.c.tenant == tenant))).first()
        return BuyerAccount(**row._mapping) if row else BuyerAccount(tenant=tenant)  # noqa: SLF001 - its public name

    async def lock(self, tenant: str) -> BuyerAccount:
        """The tenant's account, locked until the commit; begun where there is none."""
        begun = insert(buyer_accounts).values(tenant=tenant).on_conflict_do_nothing()
        await self._connection.execute(begun)
        query = select(*_COLUMNS).where(buyer_accounts.c.tenant == tenant).with_for_update()
        row = (await self._connection.execute(query)).one()
        return BuyerAccount(**row._mapping)  # noqa: SLF001 - its public name

    async def change(self, tenant: str, changes: Mapping[str, str | None], version: int, now: datetime) -> None:
        """Change fields of the profile, which the caller has locked."""
        statement = update(buyer_accounts).where(buyer_accounts.c.tenant == tenant)
        await self._connection.execute(statement.values(**changes, version=version, updated_at=now))
