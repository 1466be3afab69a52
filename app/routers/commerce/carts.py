"""Carts: what is put in, what it costs, and every refusal (RN-5 to RN-10)."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.db.orders.carts import CartRecord
from app.db.uow import UnitOfWork
from app.routers.bulk import MAX_BULK_BYTES, selector_of
from app.routers.http.contract import JsonBody, Parameters, TypedRoute
from app.routers.http.deps import Ctx, OrdersWriter, SimsReader, page_of, trail_of
from app.routers.http.errors.codes import refusals
from app.routers.http.errors.problems import asked_language
from app.routers.http.idempotency import Idempotent, commit_response, stored_response
from app.routers.http.responses import json_response
from app.routers.schemas.commerce import carts as schemas
from app.routers.schemas.operations import OPERATION_ID
from app.routers.schemas.sims.requests import SimFilters
from app.usecases.context import Context
from app.usecases.errors import NotFound
from app.usecases.orders.carts import cart_to_change, find_cart, open_cart, put, put_all, refusals_of, remove
from app.usecases.orders.fill import Wish
from app.usecases.orders.views import cart_view, entry_view

router = APIRouter(prefix="/v1/carts", tags=["orders"], route_class=TypedRoute)

CartId = Annotated[str, Path(description="The cart's id.", examples=[OPERATION_ID])]
ItemNumber = Annotated[int, Path(ge=1, le=1_000_000, description="The item's number in the cart.", examples=[1])]
CartBody = Annotated[
    schemas.CartRequest, Depends(JsonBody(schemas.CartRequest, max_bytes=MAX_BULK_BYTES, parts=(SimFilters,)))
]
ItemBody = Annotated[
    schemas.CartItemRequest, Depends(JsonBody(schemas.CartItemRequest, max_bytes=MAX_BULK_BYTES, parts=(SimFilters,)))
]
PUT = refusals("NOT_FOUND", "INCOMPATIBLE_STATE", "RULE_VIOLATION", "TOO_LARGE")


def _id_of(text: str) -> UUID:
    """The id in a path. Raises `NotFound` for what is no id."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("cart") from None


def wish_of(item: schemas.CartItemRequest) -> Wish:
    """What an item of a request asks for. Raises `InvalidArgument` for a wrong filter."""
    given = item.model_dump(mode="json", exclude_none=True)
    selector = selector_of(item.selector) if item.selector is not None else None
    if item.selector is not None and item.selector.iccids is not None:
        given["selector"] = {"iccids": len(item.selector.iccids)}
    arguments = {name: value for name, value in given.items() if name in ("months", "addon", "plan")}
    return Wish(
        kind=item.kind,
        given=given,
        iccid=item.iccid,
        selector=selector,
        pool=item.pool,
        quantity=item.quantity,
        of_order=item.order,
        arguments=arguments,
    )


async def _view(request: Request, ctx: Context, work: UnitOfWork, cart: CartRecord) -> dict[str, Any]:
    return await cart_view(work, cart, await refusals_of(ctx, work, cart), asked_language(request))


@router.post("", status_code=201, response_model=schemas.Cart, responses=PUT)
async def create_cart(request: Request, ctx: Ctx, caller: OrdersWriter, body: CartBody, key: Idempotent) -> Response:
    """Make a cart, with what is put in at once."""
    wishes = [wish_of(item) for item in body.items]
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        actor = trail_of(request, caller).actor
        cart = await open_cart(ctx, work, caller.tenant, terms=body.terms, created_by=actor)
        cart = await put_all(ctx, work, cart, wishes)
        view = await _view(request, ctx, work, cart)
        response = json_response(view, status=201, headers={"Location": f"/v1/carts/{cart.id}"})
        await commit_response(ctx, work, key, response)
    return response


@router.get("/{cart_id}", response_model=schemas.Cart, responses=refusals("NOT_FOUND"))
async def get_cart(request: Request, cart_id: CartId, ctx: Ctx, caller: SimsReader) -> Response:
    """A cart: what each of its items costs, and what cannot be ordered."""
    async with ctx.work() as work:
        cart = await find_cart(work, caller.tenant, _id_of(cart_id))
        return json_response(await _view(request, ctx, work, cart))


@router.get("/{cart_id}/entries", response_model=schemas.CartEntryPage, responses=refusals("NOT_FOUND"))
async def list_cart_entries(
    request: Request,
    cart_id: CartId,
    ctx: Ctx,
    caller: SimsReader,
    query: Annotated[schemas.CartEntryQuery, Depends(Parameters(schemas.CartEntryQuery))],
) -> Response:
    """Every SIM of a cart in order, with its price or the reason why it cannot be ordered."""
    page = page_of(query)
    async with ctx.work() as work:
        cart = await find_cart(work, caller.tenant, _id_of(cart_id))
        found = await work.carts.entries(
            cart.id, after=page.number or 0, limit=page.limit + 1, item=query.item, refused=query.refused
        )
    return json_response(page.answer(found, lambda entry: entry_view(entry, asked_language(request)), place="position"))


@router.post("/{cart_id}/items", status_code=201, response_model=schemas.Cart, responses=PUT)
async def add_cart_item(
    request: Request, cart_id: CartId, ctx: Ctx, caller: OrdersWriter, body: ItemBody, key: Idempotent
) -> Response:
    """Put an item into a cart; the answer is the whole cart."""
    wish = wish_of(body)
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        cart = await put(ctx, work, await cart_to_change(work, caller.tenant, _id_of(cart_id)), wish)
        response = json_response(await _view(request, ctx, work, cart), status=201)
        await commit_response(ctx, work, key, response)
    return response


@router.delete(
    "/{cart_id}/items/{item}", response_model=schemas.Cart, responses=refusals("NOT_FOUND", "INCOMPATIBLE_STATE")
)
async def delete_cart_item(
    request: Request, cart_id: CartId, item: ItemNumber, ctx: Ctx, caller: OrdersWriter
) -> Response:
    """Take an item out of a cart; the answer is the whole cart."""
    async with ctx.work() as work:
        cart = await remove(work, caller.tenant, _id_of(cart_id), item)
        response = json_response(await _view(request, ctx, work, cart))
        await commit_response(ctx, work, None, response)
    return response
