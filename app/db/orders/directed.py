"""Directed lists of orders: their entries, and under which terms an order's SIMs were sold (DR)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.schema.commerce.directed import directed_entries
from app.domain.vocabulary import Carrier, DirectedEntryState, Supplier

_SOLD = text(
    """
    SELECT DISTINCT terms, carrier FROM sims WHERE tenant = :tenant AND order_id = :order_id
    UNION
    SELECT o.terms, p.carrier FROM orders o
      JOIN order_items i ON i.order_id = o.id AND i.kind = 'new_cards'
      JOIN plans p ON p.tenant = o.tenant AND p.id = i.arguments ->> 'plan'
     WHERE o.tenant = :tenant AND o.id = :id AND o.terms IS NOT NULL
    """
)
_KNOWN = text("SELECT EXISTS (SELECT FROM orders WHERE tenant = :tenant AND id = :id)")


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectedEntry:
    """One entry. `protocol` '': any; `open`: the desk has it in hand; `deleting_from`: its status before its deletion
    was asked for, None: none was.
    """

    id: UUID
    tenant: str
    order_id: str
    kind: str
    value: str
    protocol: str
    status: DirectedEntryState
    open: bool
    created_at: datetime
    changed_at: datetime
    deleting_from: DirectedEntryState | None = None
    note: str | None = None
    requested_by: str | None = None


def _entry(row: Mapping[Any, Any]) -> DirectedEntry:
    kept = {name: row[name] for name in DirectedEntry.__dataclass_fields__}
    kept["status"] = DirectedEntryState(row["status"])
    kept["deleting_from"] = DirectedEntryState(row["deleting_from"]) if row["deleting_from"] else None
    return DirectedEntry(**kept)


def in_force(entries: Sequence[DirectedEntry]) -> tuple[str, ...] | None:
    """The values that let traffic through: also those whose deletion is not done yet; None: there is no list."""
    wanted = DirectedEntryState.IN_FORCE
    return tuple(one.value for one in entries if wanted in (one.status, one.deleting_from)) if entries else None


class DirectedRepository:
    """Directed lists of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def sold_under(self, tenant: str, order_id: str) -> list[tuple[Supplier, Carrier]]:
        """The terms and carriers of an order: of its SIMs, and of the new ones it is for; none: there is no such."""
        given = {"tenant": tenant, "order_id": order_id, "id": _uuid(order_id)}
        rows = await self._connection.execute(_SOLD, given)
        return sorted((Supplier(row.terms), Carrier(row.carrier)) for row in rows)

    async def is_order(self, tenant: str, order_id: str) -> bool:
        """Whether the tenant has an order of this id."""
        given = {"tenant": tenant, "id": _uuid(order_id)}
        return bool((await self._connection.execute(_KNOWN, given)).scalar_one())

    async def of_order(self, tenant: str, order_id: str, *, for_update: bool = False) -> list[DirectedEntry]:
        """The entries of an order in their order. Locked: of two changes of a list the second sees the first."""
        c = directed_entries.c
        statement = select(directed_entries).where(c.tenant == tenant, c.order_id == order_id).order_by(c.id)
        locked = statement.with_for_update() if for_update else statement
        return [_entry(row) for row in (await self._connection.execute(locked)).mappings()]

    async def of_sim(self, sim_id: int) -> list[DirectedEntry]:
        """The entries of the order that a SIM came with."""
        statement = text(
            "SELECT d.* FROM sims s JOIN directed_entries d ON d.tenant = s.tenant AND d.order_id = s.order_id"
            " WHERE s.id = :sim_id ORDER BY d.id"
        )
        return [_entry(row) for row in (await self._connection.execute(statement, {"sim_id": sim_id})).mappings()]

    async def lock(self, tenant: str, order_id: str) -> None:
        """Until the transaction ends no other changes the list of this order, also where it is empty."""
        statement = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
        await self._connection.execute(statement, {"name": f"directed:{tenant}:{order_id}"})

    async def add(self, entry: DirectedEntry) -> bool:
        """Add an entry; False: the order has one of that value and protocol."""
        values = {name: getattr(entry, name) for name in DirectedEntry.__dataclass_fields__}
        statement = insert(directed_entries).values(values | {"status": entry.status.value})
        done = await self._connection.execute(statement.on_conflict_do_nothing())
        return bool(done.rowcount)

    async def change(self, entry_id: UUID, **values: Any) -> None:
        """Change columns of an entry."""
        await self._connection.execute(
            update(directed_entries).where(directed_entries.c.id == entry_id).values(**values)
        )

    async def delete(self, entry_id: UUID) -> None:
        """Delete an entry; the audit trail keeps it."""
        await self._connection.execute(delete(directed_entries).where(directed_entries.c.id == entry_id))

    async def open_page(self, tenant: str, *, after: UUID | None, limit: int) -> list[DirectedEntry]:
        """A page of what the desk has in hand, oldest first."""
        c = directed_entries.c
        statement = select(directed_entries).where(c.tenant == tenant, c.open)
        if after is not None:
            statement = statement.where(c.id > after)
        rows = await self._connection.execute(statement.order_by(c.id).limit(limit))
        return [_entry(row) for row in rows.mappings()]


def _uuid(order_id: str) -> UUID | None:
    """The order's id, where its name is one: orders of imported SIMs have names of any kind."""
    try:
        return UUID(order_id)
    except ValueError:
        return None
