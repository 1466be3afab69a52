"""Orders: placed, paid, carried out; moved on by the supplier (OR-1)."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.db.orders.orders import OrderRecord
from app.db.uow import UnitOfWork
from app.domain.commerce.orders import OrderState
from app.routers.bulk import MAX_BULK_BYTES
from app.routers.http.contract import JsonBody, NoBody, Parameters, TypedRoute
from app.routers.http.deps import Ctx, OrdersWriter, SimsReader, page_of, trail_of
from app.routers.http.errors.codes import RULE_REFUSALS, refusals
from app.routers.http.errors.problems import asked_language
from app.routers.http.idempotency import Idempotent, commit_response, stored_response
from app.routers.http.responses import json_response
from app.routers.schemas.base import Paging
from app.routers.schemas.commerce import orders as schemas
from app.routers.schemas.operations import OPERATION_ID
from app.routers.schemas.sims.requests import SimFilters
from app.usecases.errors import NotFound
from app.usecases.orders import change, pay, place
from app.usecases.orders.change import MoveOrder
from app.usecases.orders.pay import cards_of, find_order
from app.usecases.orders.views import item_view, order_views

from .carts import wish_of

router = APIRouter(prefix="/v1/orders", tags=["orders"], route_class=TypedRoute)

OrderId = Annotated[str, Path(description="The order's id.", examples=[OPERATION_ID])]
ItemNumber = Annotated[int, Path(ge=1, le=1_000_000, description="The item's place in the order.", examples=[1])]
OrderBody = Annotated[
    schemas.OrderRequest, Depends(JsonBody(schemas.OrderRequest, max_bytes=MAX_BULK_BYTES, parts=(SimFilters,)))
]
PaymentBody = Annotated[schemas.OrderPaymentRequest, Depends(JsonBody(schemas.OrderPaymentRequest))]
StatusBody = Annotated[schemas.OrderStatusRequest, Depends(JsonBody(schemas.OrderStatusRequest))]
FOUND = refusals("NOT_FOUND", "INCOMPATIBLE_STATE")


def _id_of(text: str) -> UUID:
    """The id in a path. Raises `NotFound` for what is no id."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("order") from None


async def _view(request: Request, work: UnitOfWork, order: OrderRecord) -> dict[str, Any]:
    [view] = await order_views(work, [order], language=asked_language(request))
    return view


@router.post(
    "",
    status_code=201,
    response_model=schemas.Order,
    responses=refusals(*RULE_REFUSALS, "NOT_PRICED", "NOT_FOUND", "TOO_LARGE"),
)
async def create_order(request: Request, ctx: Ctx, caller: OrdersWriter, body: OrderBody, key: Idempotent) -> Response:
    """Order what a cart holds, or these items; it then waits to be paid."""
    trail = trail_of(request, caller)
    command = place.PlaceOrder(
        tenant=caller.tenant,
        cart=body.cart,
        wishes=tuple(wish_of(item) for item in body.items or ()),
        auto_renew=body.auto_renew,
        leave_out_refused=body.leave_out_refused,
        requested_by=trail.actor,
        reason=trail.reason,
        correlation_id=trail.correlation_id,
    )
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        order = await place.place_order(ctx, work, command)
        headers = {"Location": f"/v1/orders/{order.id}"}
        response = json_response(await _view(request, work, order), status=201, headers=headers)
        await commit_response(ctx, work, key, response)
    return response


@router.get("", response_model=schemas.OrderPage)
async def list_orders(
    request: Request,
    ctx: Ctx,
    caller: SimsReader,
    query: Annotated[schemas.OrderListQuery, Depends(Parameters(schemas.OrderListQuery))],
) -> Response:
    """Orders, newest first."""
    page = page_of(query)
    async with ctx.work() as work:
        found = await work.orders.page(
            caller.tenant, before=page.id, limit=page.limit + 1, status=query.status, kind=query.type
        )
        items = await order_views(work, found[: page.limit], language=asked_language(request))
    cursor = page.next_cursor(items[-1]["id"] if len(found) > page.limit else None)
    return json_response({"items": items, "next_cursor": cursor})


@router.get("/{order_id}", response_model=schemas.Order, responses=refusals("NOT_FOUND"))
async def get_order(request: Request, order_id: OrderId, ctx: Ctx, caller: SimsReader) -> Response:
    """One order: where it stands, its payment, and its items by status."""
    async with ctx.work() as work:
        return json_response(await _view(request, work, await find_order(work, caller.tenant, _id_of(order_id))))


@router.get("/{order_id}/items", response_model=schemas.OrderItemPage, responses=refusals("NOT_FOUND"))
async def list_order_items(
    request: Request,
    order_id: OrderId,
    ctx: Ctx,
    caller: SimsReader,
    query: Annotated[schemas.OrderItemQuery, Depends(Parameters(schemas.OrderItemQuery))],
) -> Response:
    """The items in order, with the outcome of each."""
    page = page_of(query)
    async with ctx.work() as work:
        order = await find_order(work, caller.tenant, _id_of(order_id))
        rows = await work.order_items.page(order.id, status=query.status, after=page.number or 0, limit=page.limit + 1)
    return json_response(page.answer(rows, lambda row: item_view(row, asked_language(request)), place="number"))


@router.get("/{order_id}/cards", response_model=schemas.OrderCardPage, responses=refusals("NOT_FOUND"))
async def list_order_cards(
    order_id: OrderId, ctx: Ctx, caller: SimsReader, query: Annotated[Paging, Depends(Parameters(Paging))]
) -> Response:
    """The SIMs that came with an order, shown once it is done (OR-1); a carrier's data may come a while later."""
    page = page_of(query)
    async with ctx.work() as work:
        order = await find_order(work, caller.tenant, _id_of(order_id))
        rows = await cards_of(work, order, after=page.number or 0, limit=page.limit + 1)
    found = [{"iccid": row.iccid, "carrier_as_of": row.carrier_as_of} for row in rows[: page.limit]]
    cursor = page.next_cursor(rows[page.limit - 1].id if len(rows) > page.limit else None)
    return json_response({"items": found, "next_cursor": cursor})


@router.post(
    "/{order_id}/payment",
    response_model=schemas.Order,
    responses=refusals("NOT_FOUND", "INCOMPATIBLE_STATE", "AMOUNT_MISMATCH"),
)
async def pay_order(
    request: Request, order_id: OrderId, ctx: Ctx, caller: OrdersWriter, body: PaymentBody, key: Idempotent
) -> Response:
    """Confirm the payment of an order: it counts once, however often it is sent, and begins the order's operations."""
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        paid = await pay.pay_order(
            ctx,
            work,
            await find_order(work, caller.tenant, _id_of(order_id), for_update=True),
            amount_fen=body.amount_fen,
            reference=body.reference,
            paid_at=body.paid_at,
            paid_from="outside",
            actor=trail_of(request, caller).actor,
        )
        response = json_response(await _view(request, work, paid))
        await commit_response(ctx, work, key, response)
    return response


@router.post("/{order_id}/cancel", response_model=schemas.Order, responses=FOUND)
async def cancel_order(
    request: Request, order_id: OrderId, ctx: Ctx, caller: OrdersWriter, body: NoBody, key: Idempotent
) -> Response:
    """Cancel an order that is not paid."""
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        actor = trail_of(request, caller).actor
        order = await change.cancel(ctx, work, caller.tenant, _id_of(order_id), actor=actor)
        response = json_response(await _view(request, work, order))
        await commit_response(ctx, work, key, response)
    return response


@router.post("/{order_id}/status", response_model=schemas.Order, responses=FOUND)
async def set_order_status(
    request: Request, order_id: OrderId, ctx: Ctx, caller: OrdersWriter, body: StatusBody, key: Idempotent
) -> Response:
    """The supplier's side: move an order on, with batch, courier and number."""
    told = body.model_dump()
    wanted = MoveOrder(status=OrderState(told.pop("status")), **told)
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        actor = trail_of(request, caller).actor
        order = await change.move(ctx, work, caller.tenant, _id_of(order_id), wanted, actor=actor)
        response = json_response(await _view(request, work, order))
        await commit_response(ctx, work, key, response)
    return response


@router.post("/{order_id}/items/{number}/retry", response_model=schemas.Order, responses=FOUND)
async def retry_order_item(
    request: Request,
    order_id: OrderId,
    number: ItemNumber,
    ctx: Ctx,
    caller: OrdersWriter,
    body: NoBody,
    key: Idempotent,
) -> Response:
    """Try a failed item of a paid order again; nothing is paid again, and nothing refunded (OR-2)."""
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        actor = trail_of(request, caller).actor
        order = await change.retry(ctx, work, caller.tenant, _id_of(order_id), number, actor=actor)
        response = json_response(await _view(request, work, order))
        await commit_response(ctx, work, key, response)
    return response
