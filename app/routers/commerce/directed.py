"""Directed lists of orders: which addresses their SIMs reach (DR). Changes are work for the supplier's desk."""

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
from app.routers.schemas.commerce import directed as schemas
from app.routers.schemas.operations import OPERATION_ID
from app.usecases.errors import NotFound
from app.usecases.orders import directed

router = APIRouter(prefix="/v1", tags=["orders"], route_class=TypedRoute)

OrderName = Annotated[
    str, Path(max_length=200, description="The order's id, or its name on imported SIMs.", examples=["O-2026-17"])
]
EntryId = Annotated[str, Path(description="The entry's id.", examples=[OPERATION_ID])]
EntryBody = Annotated[schemas.DirectedEntryRequest, Depends(JsonBody(schemas.DirectedEntryRequest))]
CompletionBody = Annotated[schemas.DirectedCompletion, Depends(JsonBody(schemas.DirectedCompletion))]


def _id_of(text: str) -> UUID:
    """The id in a path. Raises `NotFound` for what is no id."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("directed entry") from None


@router.get("/orders/{order}/directed", response_model=schemas.DirectedEntryPage, responses=refusals("NOT_FOUND"))
async def list_directed_entries(
    order: OrderName, ctx: Ctx, caller: SimsReader, query: Annotated[Paging, Depends(Parameters(Paging))]
) -> Response:
    """The directed list of an order."""
    page = page_of(query)
    async with ctx.work() as work:
        await directed.terms_of(ctx, work, caller.tenant, order)
        entries = await work.directed.of_order(caller.tenant, order)
    rest = [one for one in entries if page.id is None or one.id > page.id]
    return json_response(page.answer(rest, directed.entry_view))


@router.post(
    "/orders/{order}/directed",
    status_code=202,
    response_model=schemas.DirectedEntry,
    responses=refusals("NOT_FOUND", "RULE_VIOLATION", "ALREADY_EXISTS", "INCOMPATIBLE_STATE"),
)
async def add_directed_entry(
    request: Request, order: OrderName, ctx: Ctx, caller: OrdersWriter, body: EntryBody, key: Idempotent
) -> Response:
    """Add an entry to an order's directed list: handed in at the supplier's desk (DR-1)."""
    command = directed.AddEntry(
        tenant=caller.tenant,
        order_id=order,
        kind=body.kind,
        value=body.value,
        protocol=body.protocol,
        requested_by=trail_of(request, caller).actor,
    )
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        entry = await directed.add_entry(ctx, work, command)
        response = json_response(directed.entry_view(entry), status=202)
        await commit_response(ctx, work, key, response)
    return response


@router.delete(
    "/orders/{order}/directed/{entry}",
    status_code=202,
    response_model=schemas.DirectedEntry,
    responses=refusals("NOT_FOUND", "RULE_VIOLATION"),
)
async def delete_directed_entry(
    request: Request, order: OrderName, entry: EntryId, ctx: Ctx, caller: OrdersWriter
) -> Response:
    """Ask for the deletion of an entry: it is gone once the desk has completed it (DR-2)."""
    actor = trail_of(request, caller).actor
    found = await directed.delete_entry(ctx, caller.tenant, order, _id_of(entry), actor=actor)
    return json_response(directed.entry_view(found), status=202)


@router.delete(
    "/orders/{order}/directed",
    status_code=202,
    response_model=schemas.DirectedEntryPage,
    responses=refusals("NOT_FOUND", "RULE_VIOLATION"),
)
async def empty_directed_list(request: Request, order: OrderName, ctx: Ctx, caller: OrdersWriter) -> Response:
    """Ask for the deletion of every entry, where the terms let a list be empty; never back to general (DR-2, DR-4)."""
    actor = trail_of(request, caller).actor
    found = await directed.empty_list(ctx, caller.tenant, order, actor=actor)
    return json_response({"items": [directed.entry_view(one) for one in found], "next_cursor": None}, status=202)


@router.post(
    "/orders/{order}/directed/{entry}/complete",
    response_model=schemas.DirectedEntry,
    responses=refusals("NOT_FOUND", "INCOMPATIBLE_STATE") | {204: {"description": "The entry is deleted."}},
)
async def complete_directed_entry(
    request: Request,
    order: OrderName,
    entry: EntryId,
    ctx: Ctx,
    caller: OrdersWriter,
    body: CompletionBody,
    key: Idempotent,
) -> Response:
    """End the desk's work on an entry: the supplier's side."""
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        done = await directed.complete_entry(
            ctx,
            work,
            caller.tenant,
            order,
            _id_of(entry),
            succeeded=body.outcome == "succeeded",
            in_force=body.in_force,
            note=body.note,
            actor=trail_of(request, caller).actor,
        )
        response = Response(status_code=204) if done is None else json_response(directed.entry_view(done))
        await commit_response(ctx, work, key, response)
    return response


@router.get("/directed-entries", response_model=schemas.DirectedEntryPage)
async def list_directed_work(
    ctx: Ctx, caller: SimsReader, query: Annotated[Paging, Depends(Parameters(Paging))]
) -> Response:
    """The desk's work list: entries of every order whose addition or deletion is in hand, oldest first."""
    page = page_of(query)
    async with ctx.work() as work:
        found = await work.directed.open_page(caller.tenant, after=page.id, limit=page.limit + 1)
    return json_response(page.answer(found, directed.entry_view))
