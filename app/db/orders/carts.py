"""Carts, their items as given, and one entry for each SIM of an item. Statements work on sets of entries."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.schema.commerce.orders import cart_entries, cart_items, carts
from app.db.set_based import copies_of, insert_of, packed

# Of the same SIM named twice the first one counts; a cart has it once (RN-6).
_FILL = """
    INSERT INTO cart_entries (cart_id, position, item, kind, sim_id, iccid, arguments, refusal)
    SELECT :cart_id, :first + row_number() OVER (ORDER BY w.ordinal), coalesce(w.item, :item), :kind, s.id,
        coalesce(s.iccid, w.iccid), coalesce(w.arguments, :arguments),
        CASE WHEN s.id IS NULL THEN :unknown
             WHEN CAST(:of_order AS text) IS NOT NULL AND s.order_id IS DISTINCT FROM :of_order THEN :not_of_order
             WHEN row_number() OVER (PARTITION BY s.id ORDER BY w.ordinal) > 1 OR EXISTS (
                 SELECT FROM cart_entries e WHERE e.cart_id = :cart_id AND e.sim_id = s.id AND e.refusal IS NULL
             ) THEN :again END
    FROM ({wanted}) AS w(ordinal, iccid, alternate, item, arguments)
    LEFT JOIN LATERAL (
        SELECT id, iccid, order_id FROM sims
        WHERE iccid = ANY(ARRAY[w.iccid, coalesce(w.alternate, w.iccid)]) AND tenant = :tenant LIMIT 1
    ) s ON true
"""
_CHECK = """
UPDATE cart_entries e SET price_fen = n.price_fen, expires_on = n.expires_on, renews_to = n.renews_to,
       refusal = n.refusal, conditions = coalesce(n.conditions, '{}'), arguments = e.arguments || coalesce(n.sold, '{}')
  FROM unnest($2::int[], $3::int[]) AS m(template, position)
  JOIN jsonb_to_recordset($1::text::jsonb) AS n(template int, price_fen bigint, expires_on date, renews_to date,
       conditions text[], refusal jsonb, sold jsonb) USING (template)
 WHERE e.cart_id = $4 AND e.position = m.position
"""
_LISTED = """
    SELECT *, CAST(NULL AS int), CAST(NULL AS jsonb)
    FROM unnest(CAST(:ordinals AS int[]), CAST(:iccids AS text[]), CAST(:alternates AS text[]))
"""
_FILED = """
    SELECT min(line), iccid, min(alternate), CAST(NULL AS int), CAST(NULL AS jsonb)
    FROM file_rows WHERE file_id = :file_id GROUP BY iccid
"""
_NAMED = """
    SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS r(ordinal int, iccid text, alternate text, item int, arguments jsonb)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CartRecord:
    """One cart; `terms`: the supplier of its SIMs; `order_id`: what it has become."""

    id: UUID
    tenant: str
    created_at: datetime
    checked_at: datetime
    terms: str | None = None
    created_by: str | None = None
    order_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CartItemRecord:
    """What a caller put into a cart; the counts are of its entries, `amount_fen` of those not refused."""

    number: int
    kind: str
    given: dict[str, Any]
    entries: int = 0
    refused: int = 0
    amount_fen: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CartEntry:
    """One SIM, pool, or lot of new SIMs of an item; `refusal`: why it cannot be ordered, as JSON."""

    position: int
    item: int
    kind: str
    sim_id: int | None
    iccid: str | None
    pool: str | None
    quantity: int | None
    arguments: dict[str, Any]
    price_fen: int | None
    expires_on: date | None
    renews_to: date | None
    conditions: list[str]
    refusal: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedEntry:
    """An item that names one SIM, by both forms of its ICCID."""

    item: int
    iccid: str
    alternate: str | None
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedEntry:
    """What the check of entries found; `sold`: arguments that an order keeps as they are now, as a pack's size."""

    sold: Mapping[str, Any] = field(default_factory=dict)
    price_fen: int | None = None
    expires_on: date | None = None
    renews_to: date | None = None
    conditions: list[str] = field(default_factory=list)
    refusal: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """Entries to be made for an item: for which SIMs of the tenant, and the refusals of what does not belong."""

    cart: CartRecord
    item: CartItemRecord
    arguments: dict[str, Any]
    refusals: dict[str, dict[str, Any]]
    """`unknown`, `not_of_order`, `again`."""
    of_order: str | None = None

    def values(self, first: int) -> dict[str, Any]:
        """The parameters of the statement that makes them, from the position after `first` on."""
        given = {"cart_id": self.cart.id, "tenant": self.cart.tenant, "item": self.item.number, "kind": self.item.kind}
        return given | self.refusals | {"first": first, "arguments": self.arguments, "of_order": self.of_order}


def _fill(wanted: str) -> Any:
    names = ("arguments", "unknown", "not_of_order", "again")
    return text(_FILL.format(wanted=wanted)).bindparams(*(bindparam(name, type_=JSONB) for name in names))


def _entry(row: Any) -> CartEntry:
    return CartEntry(**{name: row[name] for name in CartEntry.__dataclass_fields__})


class CartRepository:
    """Carts of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, cart: CartRecord) -> None:
        """Add a cart."""
        values = {name: getattr(cart, name) for name in CartRecord.__dataclass_fields__}
        await self._connection.execute(insert(carts).values(**values))

    async def get(self, tenant: str, cart_id: UUID, *, for_update: bool = False) -> CartRecord | None:
        """One cart of a tenant."""
        statement = select(carts).where(carts.c.tenant == tenant, carts.c.id == cart_id)
        found = await self._connection.execute(statement.with_for_update() if for_update else statement)
        row = found.mappings().first()
        return CartRecord(**{name: row[name] for name in CartRecord.__dataclass_fields__}) if row else None

    async def change(self, cart_id: UUID, **columns: Any) -> None:
        """Change columns of a cart."""
        await self._connection.execute(update(carts).where(carts.c.id == cart_id).values(**columns))

    async def delete_old(self, before: datetime) -> int:
        """Delete carts made before an instant; an order has its items of its own."""
        return (await self._connection.execute(delete(carts).where(carts.c.created_at < before))).rowcount

    async def items(self, cart_id: UUID) -> list[CartItemRecord]:
        """The items of a cart, in order."""
        statement = select(cart_items).where(cart_items.c.cart_id == cart_id).order_by(cart_items.c.number)
        names = CartItemRecord.__dataclass_fields__
        rows = (await self._connection.execute(statement)).mappings()
        return [CartItemRecord(**{name: row[name] for name in names}) for row in rows]

    async def add_items(self, cart_id: UUID, items: Sequence[CartItemRecord]) -> None:
        """Add items; their entries come next."""
        names = tuple(CartItemRecord.__dataclass_fields__)
        rows = [{"cart_id": cart_id} | {name: getattr(item, name) for name in names} for item in items]
        await self._connection.execute(insert_of(cart_items, ("cart_id", *names)), packed(rows))

    async def delete_item(self, cart_id: UUID, number: int) -> bool:
        """Delete an item with its entries; whether there was one."""
        statement = delete(cart_items).where(cart_items.c.cart_id == cart_id, cart_items.c.number == number)
        return bool((await self._connection.execute(statement)).rowcount)

    async def last_position(self, cart_id: UUID) -> int:
        """The highest position of an entry, 0 where there is none."""
        statement = text("SELECT coalesce(max(position), 0) FROM cart_entries WHERE cart_id = :id")
        return int((await self._connection.execute(statement, {"id": cart_id})).scalar_one())

    async def fill_listed(
        self, filling: Filling, first: int, iccids: Sequence[str], alternates: Sequence[str | None]
    ) -> None:
        """Make entries for ICCIDs, in order, after the position `first`; one that is not there is refused."""
        listed = {"ordinals": list(range(len(iccids))), "iccids": list(iccids), "alternates": list(alternates)}
        await self._connection.execute(_fill(_LISTED), filling.values(first) | listed)

    async def fill_named(self, filling: Filling, first: int, named: Sequence[NamedEntry]) -> None:
        """Make an entry for each of several items that name different SIMs, in order, after the position `first`."""
        rows = [
            {"ordinal": ordinal, "item": one.item, "iccid": one.iccid, "alternate": one.alternate}
            | {"arguments": dict(one.arguments)}
            for ordinal, one in enumerate(named, start=1)
        ]
        await self._connection.execute(_fill(_NAMED), filling.values(first) | packed(rows))

    async def fill_filed(self, filling: Filling, first: int, file_id: UUID) -> None:
        """Make entries for the ICCIDs of an uploaded file, in order, each once."""
        await self._connection.execute(_fill(_FILED), filling.values(first) | {"file_id": file_id})

    async def fill_found(self, filling: Filling, first: int, where: str, arguments: Sequence[Any], limit: int) -> None:
        """Make entries for up to `limit` SIMs that a filter matches (`app.db.sims.search`), by row id."""
        plain = [json.dumps(value) if isinstance(value, dict | list) else value for value in arguments]
        driver: Any = (await self._connection.get_raw_connection()).driver_connection
        values = filling.values(first)
        more = [values[name] for name in ("cart_id", "first", "item", "kind", "of_order")]
        more += [json.dumps(values[name]) for name in ("arguments", "not_of_order", "again")]
        p = [f"${len(plain) + 1 + place}" for place in range(len(more) + 1)]
        await driver.execute(
            "INSERT INTO cart_entries (cart_id, position, item, kind, sim_id, iccid, arguments, refusal)"  # noqa: S608 - ours
            f" SELECT {p[0]}, {p[1]}::int + row_number() OVER (ORDER BY s.id), {p[2]}::int, {p[3]}, s.id, s.iccid,"
            f" {p[5]}::jsonb, CASE WHEN {p[4]}::text IS NOT NULL AND s.order_id IS DISTINCT FROM {p[4]}"
            f" THEN {p[6]}::jsonb WHEN EXISTS (SELECT FROM cart_entries e WHERE e.cart_id = {p[0]}"
            f" AND e.sim_id = s.id AND e.refusal IS NULL) THEN {p[7]}::jsonb END"
            f" FROM (SELECT * FROM sims s WHERE {where} ORDER BY s.id LIMIT {p[8]}) s",
            *plain,
            *more,
            limit,
        )

    async def add_entry(self, filling: Filling, position: int, *, pool: str | None, quantity: int | None) -> None:
        """Make the one entry of an item that is about a pool or about new SIMs."""
        values = {"cart_id": filling.cart.id, "position": position, "item": filling.item.number}
        values |= {"kind": filling.item.kind, "pool": pool, "quantity": quantity, "arguments": filling.arguments}
        await self._connection.execute(insert(cart_entries).values(**values))

    async def entries(
        self, cart_id: UUID, *, after: int, limit: int, item: int | None = None, refused: bool | None = None
    ) -> list[CartEntry]:
        """A page of entries by position: of one item, only those refused, or only the others, where told so."""
        c = cart_entries.c
        statement = select(cart_entries).where(c.cart_id == cart_id, c.position > after)
        if item is not None:
            statement = statement.where(c.item == item)
        if refused is not None:
            statement = statement.where(c.refusal.is_not(None) if refused else c.refusal.is_(None))
        rows = await self._connection.execute(statement.order_by(c.position).limit(limit))
        return [_entry(row) for row in rows.mappings()]

    async def shown_entries(self, cart_id: UUID, refused: int) -> dict[int, list[CartEntry]]:
        """By item, the entries that a cart shows: the only one of an item, else up to `refused` of those refused."""
        rows = await self._connection.execute(
            text(
                "SELECT e.* FROM cart_items i CROSS JOIN LATERAL (SELECT * FROM cart_entries e WHERE e.cart_id = :id"
                " AND e.item = i.number AND (i.entries = 1 OR e.refusal IS NOT NULL) ORDER BY e.position LIMIT :most) e"
                " WHERE i.cart_id = :id AND (i.entries = 1 OR i.refused > 0) ORDER BY e.position"
            ).columns(**{name: cart_entries.c[name].type for name in ("arguments", "conditions", "refusal")}),
            {"id": cart_id, "most": refused},
        )
        found: dict[int, list[CartEntry]] = {}
        for row in rows.mappings():
            found.setdefault(row["item"], []).append(_entry(row))
        return found

    async def check(self, cart_id: UUID, checked: Sequence[tuple[CheckedEntry, Sequence[int]]]) -> None:
        """Store what the check found, each for the entries at these positions."""
        templates = [{name: getattr(one, name) for name in CheckedEntry.__dataclass_fields__} for one, _ in checked]
        copies = [(number, position) for number, (_, positions) in enumerate(checked) for position in positions]
        if copies:
            raw: Any = (await self._connection.get_raw_connection()).driver_connection
            await raw.execute(_CHECK, *copies_of(templates, copies), cart_id)

    async def count(self, cart_id: UUID) -> None:
        """Count the entries of every item, and what those not refused cost."""
        await self._connection.execute(
            text(
                "UPDATE cart_items i SET entries = e.entries, refused = e.refused, amount_fen = e.amount_fen FROM"
                " (SELECT item, count(*) AS entries, count(*) FILTER (WHERE refusal IS NOT NULL) AS refused,"
                "  least(coalesce(sum(price_fen) FILTER (WHERE refusal IS NULL), 0), 9000000000000000000) AS amount_fen"
                "  FROM cart_entries WHERE cart_id = :id GROUP BY item) e"
                " WHERE i.cart_id = :id AND i.number = e.item"
            ),
            {"id": cart_id},
        )

    async def kinds(self, cart_id: UUID) -> set[str]:
        """The kinds of the entries that are not refused."""
        c = cart_entries.c
        statement = select(c.kind).where(c.cart_id == cart_id, c.refusal.is_(None)).distinct()
        return set((await self._connection.execute(statement)).scalars())
