"""`/v1/invoices` and `/v1/invoice-titles`: one invoice for many orders (IV-1)."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.routers.http.contract import JsonBody, Parameters, TypedRoute
from app.routers.http.deps import Ctx, OrdersWriter, SimsReader, page_of, trail_of
from app.routers.http.errors.codes import refusals
from app.routers.http.idempotency import Idempotent, commit_response, stored_response
from app.routers.http.responses import json_response
from app.routers.schemas.base import Paging
from app.routers.schemas.commerce import invoices as schemas
from app.routers.schemas.operations import OPERATION_ID
from app.usecases.errors import NotFound
from app.usecases.orders import invoices

router = APIRouter(prefix="/v1", tags=["invoices"], route_class=TypedRoute)

InvoiceId = Annotated[str, Path(description="The invoice's id.", examples=[OPERATION_ID])]
InvoiceBody = Annotated[schemas.InvoiceRequest, Depends(JsonBody(schemas.InvoiceRequest))]
TitleBody = Annotated[schemas.InvoiceTitleRequest, Depends(JsonBody(schemas.InvoiceTitleRequest))]
ResultBody = Annotated[schemas.InvoiceResultRequest, Depends(JsonBody(schemas.InvoiceResultRequest))]
Page = Annotated[Paging, Depends(Parameters(Paging))]


def _id_of(text: str) -> UUID:
    """The id in a path. Raises `NotFound` for what is no id."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("invoice") from None


@router.post("/invoices", status_code=201, response_model=schemas.Invoice, responses=refusals("RULE_VIOLATION"))
async def request_invoice(
    request: Request, ctx: Ctx, caller: OrdersWriter, body: InvoiceBody, key: Idempotent
) -> Response:
    """Request one invoice of completed orders, each at most three months after its payment, over 10,000 fen."""
    command = invoices.RequestInvoice(
        tenant=caller.tenant,
        orders=tuple(body.orders),
        title=body.title if isinstance(body.title, UUID) else body.title.model_dump(),
        requested_by=trail_of(request, caller).actor,
    )
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        invoice = await invoices.request_invoice(ctx, work, command)
        [view] = await invoices.invoice_views(work, [invoice])
        response = json_response(view, status=201, headers={"Location": f"/v1/invoices/{invoice.id}"})
        await commit_response(ctx, work, key, response)
    return response


@router.get("/invoices", response_model=schemas.InvoicePage)
async def list_invoices(ctx: Ctx, caller: SimsReader, query: Page) -> Response:
    """Invoices with their results, newest first."""
    page = page_of(query)
    async with ctx.work() as work:
        found = await work.invoices.page(caller.tenant, before=page.id, limit=page.limit + 1)
        items = await invoices.invoice_views(work, found[: page.limit])
    cursor = page.next_cursor(items[-1]["id"] if len(found) > page.limit else None)
    return json_response({"items": items, "next_cursor": cursor})


@router.get("/invoices/{invoice_id}", response_model=schemas.Invoice, responses=refusals("NOT_FOUND"))
async def get_invoice(invoice_id: InvoiceId, ctx: Ctx, caller: SimsReader) -> Response:
    """One invoice."""
    async with ctx.work() as work:
        found = await invoices.find_invoice(work, caller.tenant, _id_of(invoice_id))
        [view] = await invoices.invoice_views(work, [found])
    return json_response(view)


@router.post(
    "/invoices/{invoice_id}/result",
    response_model=schemas.Invoice,
    responses=refusals("NOT_FOUND", "INCOMPATIBLE_STATE"),
)
async def state_invoice_result(
    request: Request, invoice_id: InvoiceId, ctx: Ctx, caller: OrdersWriter, body: ResultBody, key: Idempotent
) -> Response:
    """State that the invoice is issued, or refused, which frees its orders for another one."""
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        actor = trail_of(request, caller).actor
        wanted = _id_of(invoice_id)
        invoice = await invoices.state_result(ctx, work, caller.tenant, wanted, body.model_dump(), actor=actor)
        [view] = await invoices.invoice_views(work, [invoice])
        response = json_response(view)
        await commit_response(ctx, work, key, response)
    return response


@router.get("/invoice-titles", response_model=schemas.InvoiceTitlePage)
async def list_invoice_titles(ctx: Ctx, caller: SimsReader, query: Page) -> Response:
    """Titles that were used or stored, newest first."""
    page = page_of(query)
    async with ctx.work() as work:
        found = await work.invoices.titles(caller.tenant, before=page.id, limit=page.limit + 1)
    return json_response(page.answer(found, invoices.title_view))


@router.post("/invoice-titles", status_code=201, response_model=schemas.InvoiceTitle)
async def add_invoice_title(ctx: Ctx, caller: OrdersWriter, body: TitleBody, key: Idempotent) -> Response:
    """Store a title; one that says the same is there once."""
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        title = await invoices.keep_title(ctx, work, caller.tenant, body.model_dump(), "")
        response = json_response(invoices.title_view(title), status=201)
        await commit_response(ctx, work, key, response)
    return response
