"""Carts and orders as JSON objects; what an order shows only later is null before (OR-1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from app.db.orders.carts import CartEntry, CartItemRecord, CartRecord
from app.db.orders.items import STATUSES
from app.db.orders.orders import OrderRecord, PaymentRecord
from app.db.uow import UnitOfWork
from app.domain.commerce.orders import OrderKind, OrderState, refused_after_sales, shows_cards, shows_shipping
from app.domain.operation.refusal import Refusal
from app.domain.vocabulary import Supplier
from app.texts.catalogue import text
from app.usecases.orders.refusals import refusal_json, refusal_text, stored_refusal_view

GIVEN = ("iccid", "pool", "selector", "order", "months", "addon", "plan", "quantity")
"""What an item of a cart or an order may say beside its kind."""

REFUSALS_SHOWN = 100
"""Refused entries of an item that a cart names; the others are in its list of entries."""


def line(at: datetime, state: OrderState, note: str = "") -> dict[str, Any]:
    """One line of an order's history."""
    return {"at": at.isoformat(), "status": state.value, "note": note}


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _at(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def entry_view(entry: CartEntry, language: str) -> dict[str, Any]:
    """One SIM, pool or lot of new SIMs of a cart."""
    return {
        "position": entry.position,
        "item": entry.item,
        "kind": entry.kind,
        "iccid": entry.iccid,
        "pool": entry.pool,
        "price_fen": entry.price_fen,
        "expires_on": _day(entry.expires_on),
        "renews_to": _day(entry.renews_to),
        "conditions": entry.conditions,
        "refusal": stored_refusal_view(entry.refusal, language) if entry.refusal else None,
    }


async def cart_view(work: UnitOfWork, cart: CartRecord, refusals: Sequence[Refusal], language: str) -> dict[str, Any]:
    """A cart: what each of its items costs, and every refusal, up to `REFUSALS_SHOWN` of an item.

    `refusals`: those of the cart as a whole.
    """
    items = await work.carts.items(cart.id)
    entries = await work.carts.shown_entries(cart.id, REFUSALS_SHOWN)
    shown = [_cart_item_view(item, entries.get(item.number, []), language) for item in items]
    return {
        "id": str(cart.id),
        "terms": cart.terms,
        "order": str(cart.order_id) if cart.order_id else None,
        "items": shown,
        "entries": sum(item.entries for item in items),
        "refused": sum(item.refused for item in items),
        "refusals": [stored_refusal_view(refusal_json(one), language) for one in refusals],
        "amount_fen": sum(item.amount_fen for item in items),
        "checked_at": cart.checked_at.isoformat(),
        "created_at": cart.created_at.isoformat(),
    }


def _cart_item_view(item: CartItemRecord, entries: Sequence[CartEntry], language: str) -> dict[str, Any]:
    refused = [entry for entry in entries if entry.refusal is not None]
    one = entries[0] if item.entries == 1 else None
    return {
        "item": item.number,
        "kind": item.kind,
        **{name: item.given.get(name) for name in GIVEN},
        "entries": item.entries,
        "price_fen": one.price_fen if one else item.amount_fen,
        "expires_on": _day(one.expires_on) if one else None,
        "renews_to": _day(one.renews_to) if one else None,
        "conditions": one.conditions if one else [],
        "refused": item.refused,
        "refusals": [{"iccid": entry.iccid, **stored_refusal_view(entry.refusal or {}, language)} for entry in refused],
    }


async def order_views(work: UnitOfWork, orders: Sequence[OrderRecord], *, language: str = "en") -> list[dict[str, Any]]:
    """Orders with the numbers of their items and their payments."""
    ids = [order.id for order in orders]
    counts, payments = await work.order_items.counts(ids), await work.orders.payments(ids)
    of_new = await _of_new_cards(work, [order for order in orders if order.kind == OrderKind.NEW])
    return [
        _order_view(order, counts.get(order.id, {}), payments.get(order.id), language)
        | of_new.get(order.id, {"opened_cards": None, "conditions": []})
        for order in orders
    ]


async def _of_new_cards(work: UnitOfWork, orders: Sequence[OrderRecord]) -> dict[UUID, dict[str, Any]]:
    """Of orders of new SIMs: how many of them are opened, shown once done (OR-1), and the conditions (OR-3)."""
    if not orders:
        return {}
    items = await work.order_items.new_cards([order.id for order in orders])
    done = [order.id for order in orders if shows_cards(OrderState(order.status))]
    opened = await work.orders.count_cards(orders[0].tenant, done)
    return {
        order.id: {
            "opened_cards": opened.get(order.id, 0) if order.id in done else None,
            "conditions": sorted({name for item in items.get(order.id, []) for name in item.conditions}),
        }
        for order in orders
    }


def _order_view(
    order: OrderRecord, counts: Mapping[str, int], payment: PaymentRecord | None, language: str
) -> dict[str, Any]:
    shipping = shows_shipping(OrderState(order.status))
    return {
        "id": str(order.id),
        "type": order.kind,
        "status": order.status,
        "terms": order.terms,
        "amount_fen": order.amount_fen,
        "items": order.items,
        "cards": order.cards,
        "summary": {status: counts.get(status, 0) for status in STATUSES},
        "pooled": order.pooled,
        "months": order.months,
        "auto_renew": order.auto_renew,
        "batch": order.batch,
        "courier": order.courier if shipping else None,
        "tracking_number": order.tracking_number if shipping else None,
        "failure_reason": order.failure_reason,
        "delivery": _delivery_view(order),
        "payment": _payment_view(payment) if payment else None,
        "after_sales": list(_after_sales(order, language)),
        "history": list(order.history),
        "correlation_id": order.correlation_id,
        "created_at": order.created_at.isoformat(),
        "finished_at": _at(order.finished_at),
    }


def _delivery_view(order: OrderRecord) -> dict[str, Any] | None:
    if order.delivery_due_at is None:
        return None
    return {
        "earliest": _at(order.delivery_earliest),
        "due_at": _at(order.delivery_due_at),
        "rule": order.delivery_rule,
    }


def _payment_view(payment: PaymentRecord) -> dict[str, Any]:
    return {
        "amount_fen": payment.amount_fen,
        "reference": payment.reference,
        "paid_from": payment.paid_from,
        "paid_at": payment.paid_at.isoformat(),
        "received_at": payment.received_at.isoformat(),
    }


def _after_sales(order: OrderRecord, language: str) -> Iterable[dict[str, Any]]:
    """What the supplier does not do after the purchase (OR-2); nothing where nothing is published."""
    if order.terms is None:
        return
    for request, refused in refused_after_sales(Supplier(order.terms), order.created_at.date()).items():
        detail = text(f"refusal.{refused.detail}", language)
        yield {"request": request.value, "rule": refused.rule, "detail": detail}


def item_view(row: Mapping[str, Any], language: str) -> dict[str, Any]:
    """One item of an order, with its operation as it stands; both end dates until the new one counts (RN-8)."""
    arguments = row["arguments"]
    return {
        "number": row["number"],
        "kind": row["kind"],
        "iccid": row["iccid"],
        "pool": row["pool"],
        **{name: arguments.get(name) for name in ("months", "addon", "bytes", "plan")},
        "quantity": row["quantity"],
        "price_fen": row["price_fen"],
        "status": row["status"],
        "expires_on": _day(row["expires_on"]),
        "renews_to": _day(row["renews_to"]),
        "operation": str(row["operation_id"]) if row["operation_id"] else None,
        "operation_status": row["operation_status"],
        "due_at": _at(row["due_at"]),
        "due_rule": row["due_rule"],
        "error": _error_view(row["error"], language),
        "retries": row["retries"],
        "ended_at": _at(row["ended_at"]),
    }


def _error_view(error: Mapping[str, Any] | None, language: str) -> dict[str, Any] | None:
    """Why an item has failed: a refusal, or the error of its operation."""
    if error is None:
        return None
    refused = "facts" in error or "text" in error
    return {
        "code": error["code"],
        "detail": refusal_text(error, language) if refused else error.get("detail"),
        "carrier_code": error.get("carrier_code"),
        "rule": error.get("rule"),
        "earliest_retry_at": error.get("earliest_retry_at"),
    }
