"""Items of orders: begun and ended in sets, each ended in the transaction that ends its operation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.quarantine import not_resting
from app.db.schema.commerce.orders import order_items
from app.db.schema.control import OPEN

_JSON_ARRAY = ARRAY(JSONB(none_as_null=True))
_SIM_NOT_RESTING = not_resting("orders", "sim", "i.sim_id::text")

WORKABLE = (
    f"i.status = 'pending' AND i.kind <> 'new_cards' AND {_SIM_NOT_RESTING}"
    f" AND NOT EXISTS (SELECT FROM operations o WHERE o.sim_id = i.sim_id AND {OPEN})"
)
"""Items to begin: one whose SIM has an open operation waits for its end (OP-4); new SIMs are the supplier's to ship."""

_TAKE = text(
    """
    INSERT INTO order_items (order_id, number, kind, status, sim_id, iccid, pool, quantity, arguments, price_fen,
        expires_on, renews_to, conditions)
    SELECT :order_id, row_number() OVER (ORDER BY position), kind, 'pending', sim_id, iccid, pool, quantity, arguments,
        price_fen, expires_on, renews_to, conditions
    FROM cart_entries WHERE cart_id = :cart_id AND refusal IS NULL
    """
)
_TOTALS = text(
    """
    SELECT count(*) AS items, coalesce(sum(e.price_fen), 0) AS amount_fen, array_agg(DISTINCT e.kind) AS kinds,
        coalesce(sum(e.quantity), 0) + count(e.sim_id) AS cards,
        coalesce(bool_or(e.pool IS NOT NULL OR s.pool IS NOT NULL OR p.kind <> 'card'), false) AS pooled,
        CASE WHEN count(DISTINCT e.arguments ->> 'months') = 1 AND bool_and(e.arguments ? 'months')
             THEN max((e.arguments ->> 'months')::int) END AS months
    FROM cart_entries e LEFT JOIN sims s ON s.id = e.sim_id
    LEFT JOIN plans p ON p.tenant = :tenant AND p.id = e.arguments ->> 'plan' AND e.kind = 'new_cards'
    WHERE e.cart_id = :cart_id AND e.refusal IS NULL
    """
)
_SETTLE = text(
    """
    UPDATE order_items i
    SET status = CASE e.status WHEN 'succeeded' THEN 'succeeded' ELSE 'failed' END, error = e.error, ended_at = :now,
        renews_to = CASE WHEN e.status = 'succeeded' AND i.kind = 'renew'
            THEN coalesce((SELECT s.expires_on FROM sims s WHERE s.id = i.sim_id), i.renews_to) ELSE i.renews_to END
    FROM unnest(CAST(:ids AS uuid[]), CAST(:statuses AS text[]), :errors) AS e(id, status, error)
    WHERE i.operation_id = e.id AND i.status = 'open'
    """
).bindparams(bindparam("errors", type_=_JSON_ARRAY))
_END = text(
    """
    UPDATE order_items i SET status = e.status, operation_id = e.operation_id, error = e.error,
        expires_on = coalesce(e.expires_on, i.expires_on), renews_to = coalesce(e.renews_to, i.renews_to),
        ended_at = CASE WHEN e.status = 'open' THEN NULL ELSE CAST(:now AS timestamptz) END
    FROM unnest(CAST(:numbers AS int[]), CAST(:statuses AS text[]), CAST(:operations AS uuid[]), CAST(:ends AS date[]),
        CAST(:new_ends AS date[]), :errors) AS e(number, status, operation_id, expires_on, renews_to, error)
    WHERE i.order_id = :id AND i.number = e.number AND i.status = 'pending'
    """
).bindparams(bindparam("errors", type_=_JSON_ARRAY))
STATUSES = ("pending", "open", "succeeded", "failed", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTotals:
    """What the entries of a cart that are not refused come to."""

    items: int
    amount_fen: int
    kinds: tuple[str, ...]
    cards: int
    pooled: bool
    months: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderItemRecord:
    """One item; `expires_on`: the SIM's last valid day before a renewal, `renews_to`: after it (RN-8)."""

    number: int
    kind: str
    status: str
    sim_id: int | None
    iccid: str | None
    pool: str | None
    quantity: int | None
    arguments: dict[str, Any]
    price_fen: int
    expires_on: date | None
    renews_to: date | None
    conditions: list[str]
    operation_id: UUID | None
    error: dict[str, Any] | None
    retries: int
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidRenewal:
    """A renewal that is paid and has not ended."""

    order_id: UUID
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemBegun:
    """What became of an item that was begun: `open` with its operation, or ended at once."""

    number: int
    status: str
    operation_id: UUID | None = None
    expires_on: date | None = None
    renews_to: date | None = None
    error: dict[str, Any] | None = None


def _item(row: Any) -> OrderItemRecord:
    return OrderItemRecord(**{name: row[name] for name in OrderItemRecord.__dataclass_fields__})


class OrderItemRepository:
    """Items of orders in one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def totals(self, tenant: str, cart_id: UUID) -> OrderTotals:
        """What an order of this cart would come to."""
        found = await self._connection.execute(_TOTALS, {"tenant": tenant, "cart_id": cart_id})
        row = found.mappings().one()
        values = {name: row[name] for name in OrderTotals.__dataclass_fields__}
        return OrderTotals(**values | {"kinds": tuple(row["kinds"] or ()), "amount_fen": int(row["amount_fen"])})

    async def take_from_cart(self, order_id: UUID, cart_id: UUID) -> None:
        """Add the entries of a cart that are not refused as the items of an order."""
        await self._connection.execute(_TAKE, {"order_id": order_id, "cart_id": cart_id})

    async def pending(self, order_id: UUID, now: datetime, limit: int) -> list[OrderItemRecord]:
        """The next items to begin, in order."""
        statement = text(
            f"SELECT i.* FROM order_items i WHERE i.order_id = :id AND {WORKABLE} ORDER BY i.number LIMIT :limit"  # noqa: S608 - ours
        ).columns(*order_items.c)
        rows = await self._connection.execute(statement, {"id": order_id, "now": now, "limit": limit})
        return [_item(row) for row in rows.mappings()]

    async def begin(self, order_id: UUID, begun: Sequence[ItemBegun], now: datetime) -> None:
        """Store what became of items that were begun; items that are no longer pending are left alone."""
        if not begun:
            return
        await self._connection.execute(
            _END,
            {
                "id": order_id,
                "now": now,
                "numbers": [one.number for one in begun],
                "statuses": [one.status for one in begun],
                "operations": [one.operation_id for one in begun],
                "ends": [one.expires_on for one in begun],
                "new_ends": [one.renews_to for one in begun],
                "errors": [one.error for one in begun],
            },
        )

    async def settle(self, ended: Sequence[tuple[UUID, str, dict[str, Any] | None]], now: datetime) -> None:
        """End the items of ended operations (id, status, error), in the transaction that ends those.

        A renewal that succeeded shows the end date it has brought: SIMs are written before.
        """
        if not ended:
            return
        ids, statuses, errors = zip(*ended, strict=True)
        await self._connection.execute(
            _SETTLE, {"ids": list(ids), "statuses": list(statuses), "errors": list(errors), "now": now}
        )

    async def set_all(
        self, order_id: UUID, from_status: str, status: str, now: datetime, error: dict[str, Any] | None = None
    ) -> None:
        """End every item of an order that is in one status."""
        c = order_items.c
        statement = update(order_items).where(c.order_id == order_id, c.status == from_status)
        await self._connection.execute(statement.values(status=status, error=error, ended_at=now))

    async def get(self, order_id: UUID, number: int) -> OrderItemRecord | None:
        """One item."""
        c = order_items.c
        row = (
            (await self._connection.execute(select(order_items).where(c.order_id == order_id, c.number == number)))
            .mappings()
            .first()
        )
        return _item(row) if row else None

    async def retry(self, order_id: UUID, number: int) -> None:
        """Make an item pending again."""
        c = order_items.c
        statement = update(order_items).where(c.order_id == order_id, c.number == number)
        again = {"status": "pending", "operation_id": None, "error": None, "ended_at": None}
        await self._connection.execute(statement.values(**again, retries=c.retries + 1))

    async def page(self, order_id: UUID, *, status: str | None, after: int, limit: int) -> list[dict[str, Any]]:
        """A page of items in order, with their operations as they stand."""
        rows = await self._connection.execute(
            text(
                "SELECT i.*, o.status AS operation_status, o.due_at, o.due_rule FROM order_items i"
                " LEFT JOIN operations o ON o.id = i.operation_id WHERE i.order_id = :id AND i.number > :after"
                " AND (CAST(:status AS text) IS NULL OR i.status = :status) ORDER BY i.number LIMIT :limit"
            ).columns(arguments=JSONB, error=JSONB),
            {"id": order_id, "status": status, "after": after, "limit": limit},
        )
        return [dict(row) for row in rows.mappings()]

    async def counts(self, order_ids: Iterable[UUID]) -> dict[UUID, dict[str, int]]:
        """Numbers of items by status, per order."""
        rows = await self._connection.execute(
            text("SELECT order_id, status, count(*) AS n FROM order_items WHERE order_id = ANY(:ids) GROUP BY 1, 2"),
            {"ids": list(order_ids)},
        )
        found: dict[UUID, dict[str, int]] = {}
        for row in rows:
            found.setdefault(row.order_id, {})[row.status] = row.n
        return found

    async def new_cards(self, order_ids: Iterable[UUID]) -> dict[UUID, list[OrderItemRecord]]:
        """The items of these orders that are new SIMs, by order."""
        c = order_items.c
        statement = select(order_items).where(c.order_id.in_(list(order_ids)), c.kind == "new_cards")
        found: dict[UUID, list[OrderItemRecord]] = {}
        for row in (await self._connection.execute(statement.order_by(c.number))).mappings():
            found.setdefault(row["order_id"], []).append(_item(row))
        return found

    async def renewal_of(self, sim_id: int) -> PaidRenewal | None:
        """The first renewal of a SIM that is paid and has not ended; None: there is none (RN-8)."""
        found = await self._connection.execute(
            text(
                "SELECT i.order_id, i.arguments FROM order_items i JOIN orders o ON o.id = i.order_id"
                " WHERE i.sim_id = :id AND i.kind = 'renew' AND i.status IN ('pending', 'open')"
                " AND o.status = 'fulfilling' ORDER BY i.status = 'pending', i.order_id LIMIT 1"
            ).columns(arguments=JSONB),
            {"id": sim_id},
        )
        row = found.first()
        return None if row is None else PaidRenewal(order_id=row.order_id, arguments=row.arguments)

    async def renewing(self, sim_ids: Iterable[int]) -> set[int]:
        """Which of these SIMs have a renewal that is paid and has not ended (RN-11)."""
        rows = await self._connection.execute(
            text(
                "SELECT i.sim_id FROM order_items i JOIN orders o ON o.id = i.order_id WHERE i.sim_id = ANY(:ids)"
                " AND i.kind = 'renew' AND i.status IN ('pending', 'open') AND o.status = 'fulfilling'"
            ),
            {"ids": list(sim_ids)},
        )
        return set(rows.scalars())
