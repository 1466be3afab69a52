"""Invoices, the orders on them, and the titles they are made out to (IV-1)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert as plain_insert
from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.schema.commerce.account import invoice_orders, invoice_titles, invoices


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceTitle:
    """To whom an invoice is made out."""

    id: UUID
    tenant: str
    title: str
    tax_id: str
    address: str
    phone: str
    bank: str
    account: str
    created_at: datetime

    @property
    def details(self) -> dict[str, str]:
        """What stands on the invoice."""
        return {name: getattr(self, name) for name in ("title", "tax_id", "address", "phone", "bank", "account")}


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceRecord:
    """One invoice; `amount_fen`: the sum of its orders; `number`: its own, once issued."""

    id: UUID
    tenant: str
    status: str
    title: dict[str, str]
    amount_fen: int
    created_at: datetime
    number: str | None = None
    reason: str | None = None
    requested_by: str | None = None
    ended_at: datetime | None = None


_DETAILS = ("tenant", "title", "tax_id", "address", "phone", "bank", "account")


def _title(row: Mapping[Any, Any]) -> InvoiceTitle:
    return InvoiceTitle(**{name: row[name] for name in InvoiceTitle.__dataclass_fields__})


def _invoice(row: Mapping[Any, Any]) -> InvoiceRecord:
    return InvoiceRecord(**{name: row[name] for name in InvoiceRecord.__dataclass_fields__})


class InvoiceRepository:
    """Invoices of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def keep_title(self, title: InvoiceTitle) -> InvoiceTitle:
        """Add a title; the one that says the same where there is one."""
        values = {name: getattr(title, name) for name in InvoiceTitle.__dataclass_fields__}
        await self._connection.execute(insert(invoice_titles).values(**values).on_conflict_do_nothing())
        same = [invoice_titles.c[name] == getattr(title, name) for name in _DETAILS]
        row = (await self._connection.execute(select(invoice_titles).where(*same))).mappings().one()
        return _title(row)

    async def get_title(self, tenant: str, title_id: UUID) -> InvoiceTitle | None:
        """One title of a tenant."""
        statement = select(invoice_titles).where(invoice_titles.c.tenant == tenant, invoice_titles.c.id == title_id)
        row = (await self._connection.execute(statement)).mappings().first()
        return _title(row) if row else None

    async def titles(self, tenant: str, *, before: UUID | None, limit: int) -> list[InvoiceTitle]:
        """A page of a tenant's titles, newest first."""
        statement = select(invoice_titles).where(invoice_titles.c.tenant == tenant)
        if before is not None:
            statement = statement.where(invoice_titles.c.id < before)
        rows = await self._connection.execute(statement.order_by(invoice_titles.c.id.desc()).limit(limit))
        return [_title(row) for row in rows.mappings()]

    async def invoiced(self, order_ids: Collection[UUID]) -> set[UUID]:
        """Which of these orders stand on an invoice that is not refused."""
        c = invoice_orders.c
        statement = select(c.order_id).where(c.order_id.in_(list(order_ids)), text("NOT released"))
        return set((await self._connection.execute(statement)).scalars())

    async def add(self, invoice: InvoiceRecord, order_ids: Sequence[UUID]) -> None:
        """Add an invoice of orders that the caller has locked."""
        values = {name: getattr(invoice, name) for name in InvoiceRecord.__dataclass_fields__}
        await self._connection.execute(plain_insert(invoices).values(**values))
        rows = [{"invoice_id": invoice.id, "order_id": order_id} for order_id in order_ids]
        await self._connection.execute(plain_insert(invoice_orders), rows)

    async def get(self, tenant: str, invoice_id: UUID, *, for_update: bool = False) -> InvoiceRecord | None:
        """One invoice of a tenant."""
        statement = select(invoices).where(invoices.c.tenant == tenant, invoices.c.id == invoice_id)
        found = await self._connection.execute(statement.with_for_update() if for_update else statement)
        row = found.mappings().first()
        return _invoice(row) if row else None

    async def page(self, tenant: str, *, before: UUID | None, limit: int) -> list[InvoiceRecord]:
        """A page of a tenant's invoices, newest first."""
        statement = select(invoices).where(invoices.c.tenant == tenant)
        if before is not None:
            statement = statement.where(invoices.c.id < before)
        rows = await self._connection.execute(statement.order_by(invoices.c.id.desc()).limit(limit))
        return [_invoice(row) for row in rows.mappings()]

    async def orders_of(self, invoice_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
        """The orders on these invoices, in their order."""
        c = invoice_orders.c
        statement = select(c.invoice_id, c.order_id).where(c.invoice_id.in_(list(invoice_ids))).order_by(c.order_id)
        found: dict[UUID, list[UUID]] = {}
        for invoice_id, order_id in await self._connection.execute(statement):
            found.setdefault(invoice_id, []).append(order_id)
        return found

    async def end(self, invoice: InvoiceRecord, *, release: bool) -> None:
        """Store an invoice's end; `release`: its orders may stand on another one."""
        values = {name: getattr(invoice, name) for name in ("status", "number", "reason", "ended_at")}
        await self._connection.execute(update(invoices).where(invoices.c.id == invoice.id).values(**values))
        if release:
            released = update(invoice_orders).where(invoice_orders.c.invoice_id == invoice.id)
            await self._connection.execute(released.values(released=True))
