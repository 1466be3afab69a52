"""Orders and their payments. The row lock on an order decides who pays, cancels or advances it.

Lock order: the order, then SIMs by id, then operations, then items.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.orders.items import WORKABLE
from app.db.quarantine import not_resting
from app.db.schema.commerce.orders import order_payments, orders

_NOT_RESTING = not_resting("orders", "order", "orders.id::text")
_LEFT = "EXISTS (SELECT FROM order_items i WHERE i.order_id = orders.id AND i.status = '{status}')"
_DUE = (
    f"(EXISTS (SELECT FROM order_items i WHERE i.order_id = orders.id AND {WORKABLE})"
    f" OR NOT ({_LEFT.format(status='pending')} OR {_LEFT.format(status='open')}))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRecord:
    """One order; `cards`: SIMs ordered, or ordered for; `months`: bought for each, None where they differ."""

    id: UUID
    tenant: str
    kind: str
    status: str
    amount_fen: int
    items: int
    cards: int
    pooled: bool
    auto_renew: bool
    created_at: datetime
    terms: str | None = None
    months: int | None = None
    batch: str | None = None
    courier: str | None = None
    tracking_number: str | None = None
    failure_reason: str | None = None
    history: tuple[dict[str, Any], ...] = ()
    delivery_earliest: datetime | None = None
    delivery_due_at: datetime | None = None
    delivery_rule: str | None = None
    requested_by: str | None = None
    reason: str | None = None
    correlation_id: str | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRecord:
    """What an order was paid with; `paid_from`: `outside` or `balance`; `judged_at`: when windows are judged (RN-1)."""

    order_id: UUID
    tenant: str
    amount_fen: int
    reference: str
    paid_from: str
    paid_at: datetime
    judged_at: datetime
    received_at: datetime


def _order(row: Any) -> OrderRecord:
    values = {name: row[name] for name in OrderRecord.__dataclass_fields__}
    return OrderRecord(**values | {"history": tuple(row["history"])})


def _payment(row: Any) -> PaymentRecord:
    return PaymentRecord(**{name: row[name] for name in PaymentRecord.__dataclass_fields__})


class OrderRepository:
    """Orders of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, order: OrderRecord) -> None:
        """Add an order; its items come next, in the same transaction."""
        values = {name: getattr(order, name) for name in OrderRecord.__dataclass_fields__}
        await self._connection.execute(insert(orders).values(**values | {"history": list(order.history)}))

    async def get(self, tenant: str, order_id: UUID, *, for_update: bool = False) -> OrderRecord | None:
        """One order of a tenant."""
        statement = select(orders).where(orders.c.tenant == tenant, orders.c.id == order_id)
        found = await self._connection.execute(statement.with_for_update() if for_update else statement)
        row = found.mappings().first()
        return _order(row) if row else None

    async def page(
        self, tenant: str, *, before: UUID | None, limit: int, status: str | None = None, kind: str | None = None
    ) -> list[OrderRecord]:
        """A page of a tenant's orders, newest first."""
        statement = select(orders).where(orders.c.tenant == tenant)
        for column, value in ((orders.c.status, status), (orders.c.kind, kind)):
            if value is not None:
                statement = statement.where(column == value)
        if before is not None:
            statement = statement.where(orders.c.id < before)
        rows = await self._connection.execute(statement.order_by(orders.c.id.desc()).limit(limit))
        return [_order(row) for row in rows.mappings()]

    async def save(self, order: OrderRecord) -> None:
        """Write back what may change of an order that the caller has locked."""
        kept = ("id", "tenant", "kind", "amount_fen", "items", "cards", "created_at")
        values = {name: getattr(order, name) for name in OrderRecord.__dataclass_fields__ if name not in kept}
        values["history"] = list(order.history)
        await self._connection.execute(update(orders).where(orders.c.id == order.id).values(**values))

    async def add_payment(self, payment: PaymentRecord) -> None:
        """Add the payment of an order that the caller has locked."""
        values = {name: getattr(payment, name) for name in PaymentRecord.__dataclass_fields__}
        await self._connection.execute(insert(order_payments).values(**values))

    async def payments(self, order_ids: Iterable[UUID]) -> dict[UUID, PaymentRecord]:
        """The payments of these orders."""
        statement = select(order_payments).where(order_payments.c.order_id.in_(list(order_ids)))
        return {row["order_id"]: _payment(row) for row in (await self._connection.execute(statement)).mappings()}

    async def lock_next_due(self, now: datetime, *, only: UUID | None = None) -> OrderRecord | None:
        """Lock the order with items to begin, or whose items have all ended, that was advanced longest ago.

        Locked ones are skipped, and those set aside, but for `only`, if it is given: no other one then.
        """
        chosen = text(_NOT_RESTING).bindparams(now=now) if only is None else orders.c.id == only
        statement = (
            select(orders)
            .where(orders.c.status == "fulfilling", text(_DUE).bindparams(now=now), chosen)
            # Two workers: the second skips the locked one and advances the next, so that no item is begun twice.
            .order_by(orders.c.advanced_at.nulls_first(), orders.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        row = (await self._connection.execute(statement)).mappings().first()
        return _order(row) if row else None

    async def touch(self, order_id: UUID, now: datetime) -> None:
        """Remember when an order was advanced."""
        await self._connection.execute(update(orders).where(orders.c.id == order_id).values(advanced_at=now))

    async def cards_of(self, tenant: str, order_id: UUID, *, after: int, limit: int) -> Sequence[Any]:
        """A page of the SIMs that name an order: row id, ICCID, and when the carrier last told of each."""
        rows = await self._connection.execute(
            text(
                "SELECT id, iccid, carrier_as_of FROM sims WHERE tenant = :tenant AND order_id = :order AND id > :after"
                " ORDER BY id LIMIT :limit"
            ),
            {"tenant": tenant, "order": str(order_id), "after": after, "limit": limit},
        )
        return rows.all()

    async def count_cards(self, tenant: str, order_ids: Iterable[UUID]) -> dict[UUID, int]:
        """How many SIMs name each of these orders of a tenant."""
        ids = {str(one): one for one in order_ids}
        if not ids:
            return {}
        rows = await self._connection.execute(
            text("SELECT order_id, count(*) FROM sims WHERE tenant = :tenant AND order_id = ANY(:ids) GROUP BY 1"),
            {"tenant": tenant, "ids": list(ids)},
        )
        return {ids[row[0]]: row[1] for row in rows}
