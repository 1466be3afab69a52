"""For those who run the gateway: tenants, keys, accounts, jobs, the audit trail, the one clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.db.uow import UnitOfWork
from app.domain.calendar.durations import parse_duration
from app.domain.errors import Malformed
from app.routers.http.contract import JsonBody, NoBody, Parameters, TypedRoute
from app.routers.http.deps import Admin, Ctx, page_of, trail_of
from app.routers.http.errors.codes import refusals
from app.routers.http.idempotency import Idempotent, commit_response, held, stored_response
from app.routers.http.responses import encoded, json_response
from app.routers.schemas import admin as schemas
from app.routers.schemas.base import Paging
from app.routers.schemas.operations import OPERATION_ID
from app.usecases.access import create_tenant
from app.usecases.admin import gateway
from app.usecases.admin.clock import audit_clock_move
from app.usecases.admin.keys import KeyRequest, create_key, key_view, revoke_key, rotate_key
from app.usecases.admin.quarantine import quarantine_page
from app.usecases.admin.tenants import change_approval_settings, tenant_view
from app.usecases.context import Context
from app.usecases.errors import Conflict, Fault, InvalidArgument
from app.usecases.idempotency import RequestKey

router = APIRouter(prefix="/v1/admin", tags=["admin"], route_class=TypedRoute)

Advance = Callable[[datetime], Awaitable[dict[str, Any]]]
AccountAction = Callable[..., Awaitable[dict[str, Any]]]

TenantBody = Annotated[schemas.TenantCreate, Depends(JsonBody(schemas.TenantCreate))]
KeyBody = Annotated[schemas.KeyCreate, Depends(JsonBody(schemas.KeyCreate))]
RotationBody = Annotated[schemas.KeyRotation, Depends(JsonBody(schemas.KeyRotation))]
ClockBody = Annotated[schemas.ClockMove, Depends(JsonBody(schemas.ClockMove))]
PageQuery = Annotated[Paging, Depends(Parameters(Paging))]
TenantChange = Annotated[schemas.TenantPatch, Depends(JsonBody(schemas.TenantPatch))]
TenantName = Annotated[str, Path(description="The tenant.", examples=["acme"])]
KeyId = Annotated[UUID, Path(description="The key's id.", examples=[OPERATION_ID])]
AccountCode = Annotated[str, Path(description="The account's code in carriers.toml.", examples=["cmcc-main"])]
ACCOUNT: dict[str, Any] = {"response_model": schemas.AccountState, "responses": refusals("NOT_FOUND")}


@router.get("/tenants", response_model=schemas.TenantPage)
async def list_tenants(ctx: Ctx, caller: Admin) -> Response:
    """Every tenant."""
    async with ctx.work() as work:
        known = await work.access.tenants()
    return json_response({"items": [tenant_view(one) for one in known], "next_cursor": None})


@router.post("/tenants", status_code=201, response_model=schemas.Tenant, responses=refusals("ALREADY_EXISTS"))
async def add_tenant(ctx: Ctx, caller: Admin, body: TenantBody, key: Idempotent) -> Response:
    """Add a tenant."""
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        if not await create_tenant(ctx, work, body.id, actor=caller.name):
            raise Conflict("ALREADY_EXISTS", "a tenant of that id exists")
        response = json_response(tenant_view({"id": body.id}), status=201)
        await commit_response(ctx, work, key, response)
    return response


@router.patch("/tenants/{tenant}", response_model=schemas.Tenant, responses=refusals("NOT_FOUND"))
async def change_tenant(request: Request, tenant: TenantName, ctx: Ctx, caller: Admin, body: TenantChange) -> Response:
    """Set from how many SIMs on a tenant's work waits for a second person's approval, and how long."""
    changes = body.model_dump(exclude_unset=True)
    changed = await change_approval_settings(ctx, tenant, changes, actor=trail_of(request, caller).actor)
    return json_response(tenant_view(changed))


@router.post("/keys", status_code=201, response_model=schemas.KeyCreated, responses=refusals("NOT_FOUND"))
async def add_key(ctx: Ctx, caller: Admin, body: KeyBody, key: Idempotent) -> Response:
    """Add a key of a tenant; its secret is in this answer and in no other, nor in one replayed under its key."""
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        wanted = KeyRequest(
            tenant=body.tenant or caller.tenant,
            name=body.name,
            scopes=tuple(body.scopes),
            expires_at=body.expires_at,
            networks=tuple(body.networks or ()),
            requests_per_s=body.requests_per_s,
        )
        key_id, secret = await create_key(ctx, work, wanted, actor=caller.name)
        return await _shown_once(ctx, work, key, key_id, secret)


@router.post(
    "/keys/{key_id}/rotate",
    status_code=201,
    response_model=schemas.KeyCreated,
    responses=refusals("NOT_FOUND", "INCOMPATIBLE_STATE"),
)
async def rotate_api_key(key_id: KeyId, ctx: Ctx, caller: Admin, body: RotationBody, key: Idempotent) -> Response:
    """Make a new key with the rights of this one, which goes on for `overlap_s` and then ends."""
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        overlap = timedelta(seconds=body.overlap_s)
        new_id, secret = await rotate_key(ctx, work, caller.tenant, key_id, overlap, actor=caller.name)
        return await _shown_once(ctx, work, key, new_id, secret)


async def _shown_once(ctx: Context, work: UnitOfWork, key: RequestKey | None, key_id: UUID, secret: str) -> Response:
    """The answer with a new secret; what is stored for its Idempotency-Key is without it."""
    view = {"id": str(key_id), "key": secret}
    response = json_response(view, status=201, headers={"Cache-Control": "no-store"})
    await commit_response(ctx, work, key, response, body=encoded(view | {"key": None}))
    return response


@router.get("/keys", response_model=schemas.ApiKeyPage)
async def list_keys(ctx: Ctx, caller: Admin) -> Response:
    """The keys of the tenant acted for; a secret is never shown again."""
    async with ctx.work() as work:
        known = await work.access.keys(caller.tenant)
    return json_response({"items": [key_view(each) for each in known], "next_cursor": None})


@router.delete("/keys/{key_id}", status_code=204, responses=refusals("NOT_FOUND"))
async def revoke_api_key(key_id: KeyId, ctx: Ctx, caller: Admin) -> Response:
    """Revoke a key; processes that have it cached drop it within seconds."""
    await revoke_key(ctx, caller.tenant, key_id, actor=caller.name)
    return Response(status_code=204)


@router.get("/accounts", response_model=schemas.AccountPage)
async def list_accounts(ctx: Ctx, caller: Admin) -> Response:
    """Every carrier account and how it stands."""
    return json_response({"items": await gateway.accounts_view(ctx), "next_cursor": None})


async def _change_account(
    request: Request, ctx: Context, caller: Admin, account: str, key: RequestKey | None, change: AccountAction
) -> Response:
    trail = trail_of(request, caller)
    async with held(ctx, key) as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        response = json_response(await change(ctx, account, actor=trail.actor, reason=trail.reason))
        await commit_response(ctx, work, key, response)
    return response


@router.post("/accounts/{account}/pause", **ACCOUNT)
async def pause_account(
    request: Request, account: AccountCode, ctx: Ctx, caller: Admin, body: NoBody, key: Idempotent
) -> Response:
    """Pause an account: nothing more is sent for it until it is resumed; what was accepted waits."""
    return await _change_account(request, ctx, caller, account, key, gateway.pause_account)


@router.post("/accounts/{account}/resume", **ACCOUNT)
async def resume_account(
    request: Request, account: AccountCode, ctx: Ctx, caller: Admin, body: NoBody, key: Idempotent
) -> Response:
    """Resume a paused account."""
    return await _change_account(request, ctx, caller, account, key, gateway.resume_account)


@router.post("/accounts/{account}/release-brake", **ACCOUNT)
async def release_account_brake(
    request: Request, account: AccountCode, ctx: Ctx, caller: Admin, body: NoBody, key: Idempotent
) -> Response:
    """Release the brake: the automatic stops that wait behind it are done (ST-25)."""
    return await _change_account(request, ctx, caller, account, key, gateway.release_brake)


@router.get("/quarantine", response_model=schemas.QuarantinePage)
async def list_quarantine(ctx: Ctx, caller: Admin, query: PageQuery) -> Response:
    """What background tasks could not handle; each is attempted again by itself."""
    page = page_of(query)
    items, last = await quarantine_page(ctx, after=page.number or 0, limit=page.limit)
    return json_response({"items": items, "next_cursor": page.next_cursor(last)})


@router.get("/jobs", response_model=schemas.JobRunPage)
async def list_job_runs(ctx: Ctx, caller: Admin, query: PageQuery) -> Response:
    """The latest runs of every job."""
    page = page_of(query)
    return json_response({"items": await gateway.job_runs_view(ctx, page.limit), "next_cursor": None})


@router.get("/audit", response_model=schemas.AuditPage)
async def list_audit_entries(ctx: Ctx, caller: Admin, query: PageQuery) -> Response:
    """Who changed what, newest first, of the tenant acted for."""
    page = page_of(query)
    items = await gateway.audit_view(ctx, caller.tenant, before=page.number, limit=page.limit)
    cursor = page.next_cursor(items[-1]["id"] if len(items) == page.limit else None)
    return json_response({"items": items, "next_cursor": cursor})


@router.get("/clock", response_model=schemas.Clock)
async def get_clock(ctx: Ctx, caller: Admin) -> Response:
    """What time it is for the gateway."""
    return json_response({"now": ctx.now().isoformat(), "sandbox": ctx.sandbox})


@router.post(
    "/clock", response_model=schemas.ClockMoved, responses=refusals("REAL_CARRIER_CONFIGURED", "NOT_HERE", "NOT_QUIET")
)
async def move_clock(request: Request, ctx: Ctx, caller: Admin, body: ClockBody, key: Idempotent) -> Response:
    """Move gateway and sandbox together, forwards; everything that falls due in between is done in order."""
    if not ctx.sandbox:
        raise Conflict("REAL_CARRIER_CONFIGURED", "the clock moves only where every account is in the sandbox")
    advance: Advance | None = request.app.state.advance
    async with held(ctx, key) as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        target = _target(body, ctx.now())
        if advance is None:
            raise Conflict("NOT_HERE", "this process has no scheduler; ask one started by simgate run")
        await audit_clock_move(ctx, caller.tenant, target=target, actor=caller.name)
        response = json_response(await advance(target))
        await commit_response(ctx, work, key, response)
    return response


def _target(body: schemas.ClockMove, now: datetime) -> datetime:
    """The instant to move to. Raises `InvalidArgument` for one in the past, and one beyond the calendar."""
    if body.advance is None:
        if body.now is None or body.now < now:
            raise InvalidArgument([Fault(code="BACKWARDS", detail="the clock only moves forwards", pointer="/now")])
        return body.now
    try:
        return now + parse_duration(body.advance)
    except Malformed as wrong:
        raise InvalidArgument([Fault(code=wrong.code, detail=wrong.detail, pointer="/advance")]) from None
    except OverflowError:
        raise InvalidArgument([Fault(code="TOO_FAR", detail="beyond the calendar", pointer="/advance")]) from None
