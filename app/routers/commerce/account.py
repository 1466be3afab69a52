"""`/v1/account`: a tenant as a buyer, with its profile and its balance (RN-9, ADR 21)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.routers.http.contract import JsonBody, Parameters, TypedRoute
from app.routers.http.deps import Ctx, OrdersWriter, SimsReader, page_of, trail_of
from app.routers.http.errors.codes import refusals
from app.routers.http.idempotency import Idempotent, commit_response, stored_response
from app.routers.http.responses import json_response
from app.routers.schemas.base import Paging
from app.routers.schemas.commerce import account as schemas
from app.routers.sims import if_match
from app.usecases.access import Caller
from app.usecases.balance import account
from app.usecases.pools.manage import Actor

router = APIRouter(prefix="/v1/account", tags=["account"], route_class=TypedRoute)

PatchBody = Annotated[schemas.AccountPatch, Depends(JsonBody(schemas.AccountPatch))]
PaymentBody = Annotated[schemas.AccountPaymentRequest, Depends(JsonBody(schemas.AccountPaymentRequest))]


def _actor(request: Request, caller: Caller) -> Actor:
    trail = trail_of(request, caller)
    return Actor(name=trail.actor, reason=trail.reason, correlation_id=trail.correlation_id)


@router.get("", response_model=schemas.Account)
async def get_account(ctx: Ctx, caller: SimsReader) -> Response:
    """The buyer's profile and balance."""
    async with ctx.work() as work:
        found = await work.buyer_accounts.get(caller.tenant)
    return json_response(account.account_view(found), headers={"ETag": f'"{found.version}"'})


@router.patch("", response_model=schemas.Account, responses=refusals("VERSION_CONFLICT"))
async def patch_account(request: Request, ctx: Ctx, caller: OrdersWriter, body: PatchBody) -> Response:
    """Change the buyer's profile: company, contact and phone are needed for orders (RN-9)."""
    async with ctx.work() as work:
        actor = _actor(request, caller)
        found = await account.change_profile(ctx, work, caller.tenant, body.changes(), if_match(request), actor)
        response = json_response(account.account_view(found), headers={"ETag": f'"{found.version}"'})
        await commit_response(ctx, work, None, response)
    return response


@router.get("/entries", response_model=schemas.BalanceEntryPage)
async def list_balance_entries(
    ctx: Ctx, caller: SimsReader, query: Annotated[Paging, Depends(Parameters(Paging))]
) -> Response:
    """What moved the balance, newest first."""
    page = page_of(query)
    items, last = await account.list_entries(ctx, caller.tenant, before=page.number, limit=page.limit)
    return json_response({"items": items, "next_cursor": page.next_cursor(last)})


@router.post("/payments", status_code=201, response_model=schemas.BalanceEntry, responses=refusals("AMOUNT_MISMATCH"))
async def pay_account(request: Request, ctx: Ctx, caller: OrdersWriter, body: PaymentBody, key: Idempotent) -> Response:
    """Confirm a payment into the balance; the same reference counts once and gives the first entry again.

    One that makes the balance positive lifts arrears and settles postpaid pools in arrears (ST-12, ST-14).
    """
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        actor = _actor(request, caller)
        entry = await account.take_payment(ctx, work, caller.tenant, body.amount_fen, body.reference, actor)
        response = json_response(account.entry_view(entry), status=201)
        await commit_response(ctx, work, key, response)
    return response
