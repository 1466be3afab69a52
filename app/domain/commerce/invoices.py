"""Invoices (发票): which orders one invoice may contain, by `flexem`'s terms (IV-1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from app.domain.calendar.days import ONE_DAY, add_months
from app.domain.operation.refusal import Refusal, RefusalCode

OVER_FEN = 10_000
"""The sum of an invoice in fen must be greater (大于 100 元; IV-1, FM 三.2.5)."""

WITHIN_MONTHS = 3
"""Months after its payment within which an order may be invoiced (IV-1, D)."""

REQUIRED = ("title", "tax_id", "address", "phone", "bank", "account")
"""The details of an electronic invoice, all required (IV-1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Billable:
    """An order on an invoice; `amount_fen` in fen, `paid_on` a date in Asia/Shanghai."""

    order: str
    amount_fen: int
    paid_on: date
    completed: bool
    invoiced: bool = False


def last_invoice_day(paid_on: date) -> date:
    """The last day on which an order may be invoiced: paid on 08-21, the three months end with 11-20 (IV-1, D).

    Raises `Malformed` as `add_months`.
    """
    return add_months(paid_on, WITHIN_MONTHS) - ONE_DAY


def missing_details(details: Mapping[str, str]) -> tuple[str, ...]:
    """The required details that are empty (IV-1)."""
    return tuple(name for name in REQUIRED if not details.get(name, "").strip())


def invoice_refusal(orders: Sequence[Billable], on: date) -> Refusal | None:
    """Why these orders may not be on one invoice on a day; None: they may (IV-1).

    Raises `Malformed` as `last_invoice_day`.
    """
    checks = (
        ("invoice_order_twice", len({entry.order for entry in orders}) < len(orders)),
        ("invoice_order_invoiced", any(entry.invoiced for entry in orders)),
        ("invoice_order_open", not all(entry.completed for entry in orders)),
        ("invoice_too_late", any(on > last_invoice_day(entry.paid_on) for entry in orders)),
        ("invoice_sum_too_small", sum(entry.amount_fen for entry in orders) <= OVER_FEN),
    )
    detail = next((key for key, wrong in checks if wrong), None)
    if detail is None:
        return None
    late = ("IV-1",) if detail == "invoice_too_late" else ()
    return Refusal(code=RefusalCode.RULE_VIOLATION, rule="IV-1", detail=detail, assumed=late)
