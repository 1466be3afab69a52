"""Invoices (发票): several completed orders on one, each order once; the supplier's result in the record (IV-1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from app.db.access import AuditRow
from app.db.commerce.invoices import InvoiceRecord, InvoiceTitle
from app.db.orders.orders import OrderRecord, PaymentRecord
from app.db.uow import UnitOfWork
from app.domain.calendar.days import HOME_ZONE, local
from app.domain.commerce.invoices import Billable, invoice_refusal, missing_details
from app.domain.commerce.orders import OrderState
from app.domain.vocabulary import Supplier
from app.usecases.context import Context
from app.usecases.errors import Conflict, Fault, InvalidArgument, NotFound, OperationRefused
from app.usecases.ids import new_id

"""In whose days an invoice's three months are counted (IV-1)."""

REQUESTED, ISSUED, REFUSED = "requested", "issued", "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestInvoice:
    """The command: orders, and a title: an earlier one by its id, or a new one by its details."""

    tenant: str
    orders: tuple[UUID, ...]
    title: UUID | Mapping[str, str]
    requested_by: str | None = None


async def keep_title(ctx: Context, work: UnitOfWork, tenant: str, details: Mapping[str, str], at: str) -> InvoiceTitle:
    """Store a title with its details, or give the one that says the same. Raises `InvalidArgument` below `at`."""
    now = ctx.now()
    if missing := missing_details(details, local(now, HOME_ZONE).date()):
        raise InvalidArgument([Fault(pointer=f"{at}/{name}", code="REQUIRED", detail="required") for name in missing])
    plain = {name: value.strip() for name, value in details.items()}
    return await work.invoices.keep_title(InvoiceTitle(id=new_id(now), tenant=tenant, created_at=now, **plain))


async def request_invoice(ctx: Context, work: UnitOfWork, command: RequestInvoice) -> InvoiceRecord:
    """Request one invoice of these orders; each order stands on one invoice that is not refused.

    Raises `OperationRefused` (IV-1), `InvalidArgument` for an unknown order or title.
    """
    orders = await _lock_orders(work, command)
    payments = await work.orders.payments([order.id for order in orders])
    invoiced = await work.invoices.invoiced([order.id for order in orders])
    bills = [_billable(order, payments.get(order.id), order.id in invoiced, ctx) for order in orders]
    by_id = {bill.order: bill for bill in bills}
    now = ctx.now()
    refused = invoice_refusal([by_id[str(order_id)] for order_id in command.orders], local(now, HOME_ZONE).date())
    if refused is not None:
        raise OperationRefused(refused)
    title = await _title_of(ctx, work, command)
    invoice = InvoiceRecord(
        id=new_id(now),
        tenant=command.tenant,
        status=REQUESTED,
        title=title.details,
        amount_fen=sum(order.amount_fen for order in orders),
        created_at=now,
        requested_by=command.requested_by,
    )
    await work.invoices.add(invoice, [order.id for order in orders])
    await work.access.add_audit([_audit(ctx, invoice, "requested", command.requested_by)])
    return invoice


async def _lock_orders(work: UnitOfWork, command: RequestInvoice) -> list[OrderRecord]:
    """The orders, locked by id: of two invoices of one order the second waits. Raises `InvalidArgument`."""
    found = {}
    for order_id in sorted(set(command.orders)):
        order = await work.orders.get(command.tenant, order_id, for_update=True)
        if order is not None:
            found[order_id] = order
    faults = [
        Fault(pointer=f"/orders/{index}", code="UNKNOWN_ORDER", detail="no such order")
        for index, order_id in enumerate(command.orders)
        if order_id not in found
    ]
    if faults:
        raise InvalidArgument(faults)
    return list(found.values())


def _billable(order: OrderRecord, payment: PaymentRecord | None, invoiced: bool, ctx: Context) -> Billable:  # noqa: FBT001
    """An order as IV-1 sees it; one that is not paid is not completed, whatever its day."""
    paid_at = payment.paid_at if payment else ctx.now()
    return Billable(
        order=str(order.id),
        amount_fen=order.amount_fen,
        paid_on=local(paid_at, HOME_ZONE).date(),
        completed=payment is not None and order.status == OrderState.DONE,
        invoiced=invoiced,
        supplier=Supplier(order.terms) if order.terms else None,
    )


async def _title_of(ctx: Context, work: UnitOfWork, command: RequestInvoice) -> InvoiceTitle:
    if not isinstance(command.title, UUID):
        return await keep_title(ctx, work, command.tenant, command.title, "/title")
    title = await work.invoices.get_title(command.tenant, command.title)
    if title is None:
        raise InvalidArgument([Fault(pointer="/title", code="UNKNOWN_TITLE", detail="no such title")])
    return title


async def find_invoice(work: UnitOfWork, tenant: str, invoice_id: UUID, *, for_update: bool = False) -> InvoiceRecord:
    """One invoice. Raises `NotFound`."""
    found = await work.invoices.get(tenant, invoice_id, for_update=for_update)
    if found is None:
        raise NotFound("invoice")
    return found


async def state_result(
    ctx: Context, work: UnitOfWork, tenant: str, invoice_id: UUID, given: Mapping[str, Any], *, actor: str
) -> InvoiceRecord:
    """State that an invoice is issued, with its number, or refused, with a reason, which frees its orders.

    The same result again changes nothing. Raises `NotFound`, `Conflict`, `InvalidArgument`.
    """
    status, number, reason = given["status"], given.get("number"), given.get("reason")
    needed = ("number", number) if status == ISSUED else ("reason", reason)
    if needed[1] is None:
        raise InvalidArgument([Fault(pointer=f"/{needed[0]}", code="REQUIRED", detail="required")])
    before = await find_invoice(work, tenant, invoice_id, for_update=True)
    after = replace(before, status=status, number=number, reason=reason, ended_at=before.ended_at or ctx.now())
    if before.status != REQUESTED:
        if after != before:
            raise Conflict("INCOMPATIBLE_STATE", "the invoice has its result", status_now=before.status)
        return before
    await work.invoices.end(after, release=status == REFUSED)
    await work.access.add_audit([_audit(ctx, after, status, actor)])
    return after


async def invoice_views(work: UnitOfWork, invoices: Sequence[InvoiceRecord]) -> list[dict[str, Any]]:
    """Invoices as JSON objects."""
    orders = await work.invoices.orders_of([invoice.id for invoice in invoices])
    return [
        {
            "id": str(invoice.id),
            "status": invoice.status,
            "title": invoice.title,
            "orders": [str(order_id) for order_id in orders.get(invoice.id, [])],
            "amount_fen": invoice.amount_fen,
            "number": invoice.number,
            "reason": invoice.reason,
            "created_at": invoice.created_at.isoformat(),
            "ended_at": invoice.ended_at.isoformat() if invoice.ended_at else None,
        }
        for invoice in invoices
    ]


def title_view(title: InvoiceTitle) -> dict[str, Any]:
    """A title as a JSON object."""
    return {"id": str(title.id), **title.details, "created_at": title.created_at.isoformat()}


def _audit(ctx: Context, invoice: InvoiceRecord, action: str, actor: str | None) -> AuditRow:
    return AuditRow(
        tenant=invoice.tenant,
        at=ctx.now(),
        actor=actor or "api",
        action=f"invoice.{action}",
        subject=str(invoice.id),
        after={"status": invoice.status, "amount_fen": invoice.amount_fen},
    )
