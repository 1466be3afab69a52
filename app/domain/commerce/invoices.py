"""Invoices (发票): which orders one invoice may contain, by the terms of their supplier (IV-1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from app.domain.calendar.days import ONE_DAY, add_months
from app.domain.operation.refusal import Refusal, RefusalCode
from app.domain.terms.book import terms_in_force
from app.domain.terms.model import Terms
from app.domain.vocabulary import Carrier, Supplier


@dataclass(frozen=True, slots=True, kw_only=True)
class Billable:
    """An order on an invoice; `amount_fen` in fen, `paid_on` a date in Asia/Shanghai.

    `supplier` None: under no supplier's terms, whose conditions are then none.
    """

    order: str
    amount_fen: int
    paid_on: date
    completed: bool
    invoiced: bool = False
    supplier: Supplier | None = None


def _terms(supplier: Supplier, on: date) -> Terms:
    """A supplier's terms of a day; what they say of invoices they say for all of its carriers alike."""
    return terms_in_force(supplier, next(iter(Carrier)), on)


def last_invoice_day(supplier: Supplier | None, paid_on: date) -> date | None:
    """The last day on which an order may be invoiced; None: the terms publish none (IV-1, D).

    `flexem`, three months: paid on 08-21, they end with 11-20. Raises `Malformed` as `add_months`.
    """
    months = None if supplier is None else _terms(supplier, paid_on).invoice_within_months.value
    return None if months is None else add_months(paid_on, months) - ONE_DAY


def required_details(on: date) -> tuple[str, ...]:
    """The details that a buyer's title needs for an invoice of any supplier, in the order of the terms (IV-1)."""
    asked = (_terms(supplier, on).invoice_details.value or () for supplier in Supplier)
    return tuple(dict.fromkeys(name for names in asked for name in names))


def missing_details(details: Mapping[str, str], on: date) -> tuple[str, ...]:
    """The required details that are empty (IV-1)."""
    return tuple(name for name in required_details(on) if not details.get(name, "").strip())


def _least_sum(orders: Sequence[Billable]) -> int | None:
    """What the sum must be greater than, in fen: the most that the orders' terms ask for; None: nothing."""
    asked = (_terms(entry.supplier, entry.paid_on).invoice_over_fen.value for entry in orders if entry.supplier)
    return max((least for least in asked if least is not None), default=None)


def _is_late(entry: Billable, on: date) -> bool:
    last = last_invoice_day(entry.supplier, entry.paid_on)
    return last is not None and on > last


def invoice_refusal(orders: Sequence[Billable], on: date) -> Refusal | None:
    """Why these orders may not be on one invoice on a day; None: they may (IV-1).

    Raises `Malformed` as `last_invoice_day`.
    """
    least = _least_sum(orders)
    checks = (
        ("invoice_order_twice", len({entry.order for entry in orders}) < len(orders)),
        ("invoice_order_invoiced", any(entry.invoiced for entry in orders)),
        ("invoice_order_open", not all(entry.completed for entry in orders)),
        ("invoice_too_late", any(_is_late(entry, on) for entry in orders)),
        ("invoice_sum_too_small", least is not None and sum(entry.amount_fen for entry in orders) <= least),
    )
    detail = next((key for key, wrong in checks if wrong), None)
    if detail is None:
        return None
    late = ("IV-1",) if detail == "invoice_too_late" else ()
    return Refusal(code=RefusalCode.RULE_VIOLATION, rule="IV-1", detail=detail, assumed=late)
