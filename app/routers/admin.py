"""For those who run the gateway: tenants, keys, accounts, jobs, the audit trail, the one clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.db.uow import UnitOfWork
from app.domain.calendar.durations import parse_duration
from app.domain.errors import Malformed
from app.routers.http.deps import Admin, Ctx, Paged, json_object, once_key, trail_of
from app.routers.http.responses import encoded, json_response
from app.usecases.access import Caller, create_key, create_tenant, revoke_key
from app.usecases.admin.clock import audit_clock_move
from app.usecases.admin.gateway import (
    accounts_view,
    audit_view,
    job_runs_view,
    pause_account,
    release_brake,
    resume_account,
)
from app.usecases.context import Context
from app.usecases.errors import Conflict, Fault, InvalidArgument
from app.usecases.idempotency import Answer, once, once_apart

from .actions import answered, instant_of

router = APIRouter(prefix="/v1/admin", tags=["admin"])

Advance = Callable[[datetime], Awaitable[dict[str, Any]]]


@router.get("/tenants")
async def tenants(ctx: Ctx, caller: Admin) -> Response:
    """Every tenant."""
    async with ctx.work() as work:
        known = await work.access.tenants()
    return json_response({"items": [{"id": tenant} for tenant in known], "next_cursor": None})


@router.post("/tenants", status_code=201)
async def tenants_post(request: Request, ctx: Ctx, caller: Admin) -> Response:
    """Add a tenant."""
    body, given = await json_object(request)
    tenant = _text(given, "id")

    async def act(work: UnitOfWork) -> Answer:
        if not await create_tenant(ctx, work, tenant, actor=caller.name):
            raise Conflict("ALREADY_EXISTS", "there is such a tenant")
        return Answer(status=201, body=encoded({"id": tenant}), headers={})

    return answered(await once(ctx, once_key(request, caller, body), act))


@router.post("/keys", status_code=201)
async def keys_post(request: Request, ctx: Ctx, caller: Admin) -> Response:
    """Add a key of a tenant; its secret is shown this once, also under an Idempotency-Key."""
    body, given = await json_object(request)
    scopes, networks = _texts(given, "scopes"), _texts(given, "networks")
    expires_at = instant_of(given.get("expires_at"), "/expires_at")
    tenant = _text(given, "tenant") if "tenant" in given else caller.tenant

    async def act(work: UnitOfWork) -> Answer:
        key_id, secret = await create_key(
            ctx, work, tenant=tenant, scopes=scopes, expires_at=expires_at, networks=networks, actor=caller.name
        )
        told = {"id": str(key_id), "key": secret}
        headers = {"Cache-Control": "no-store"}
        return Answer(status=201, body=encoded(told), kept=encoded(told | {"key": None}), headers=headers)

    return answered(await once(ctx, once_key(request, caller, body), act))


@router.get("/keys")
async def keys(ctx: Ctx, caller: Admin) -> Response:
    """The keys of the tenant acted for; a secret is never shown again."""
    async with ctx.work() as work:
        known = await work.access.keys(caller.tenant)
    items = [
        {
            "id": str(key.id),
            "tenant": key.tenant,
            "scopes": list(key.scopes),
            "networks": list(key.networks),
            "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        }
        for key in known
    ]
    return json_response({"items": items, "next_cursor": None})


@router.delete("/keys/{key_id}", status_code=204)
async def key_revoke(key_id: UUID, ctx: Ctx, caller: Admin) -> Response:
    """End a key; processes that know it forget it within seconds."""
    await revoke_key(ctx, caller.tenant, key_id, actor=caller.name)
    return Response(status_code=204)


def _text(given: dict[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidArgument([Fault(code="REQUIRED", detail="a text", pointer=f"/{name}")])
    return value


def _texts(given: dict[str, Any], name: str) -> list[str]:
    value = given.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidArgument([Fault(code="WRONG_TYPE", detail="a list of texts", pointer=f"/{name}")])
    return value


@router.get("/accounts")
async def accounts(ctx: Ctx, caller: Admin) -> Response:
    """Every carrier account and how it stands."""
    return json_response({"items": await accounts_view(ctx), "next_cursor": None})


@router.post("/accounts/{account}/{act}")
async def account_act(request: Request, account: str, act: str, ctx: Ctx, caller: Admin) -> Response:
    """Pause or resume an account, or release its brake (ST-25)."""
    acts = {"pause": pause_account, "resume": resume_account, "release-brake": release_brake}
    if act not in acts:
        raise InvalidArgument([Fault(code="UNKNOWN_WORD", detail=f"one of {', '.join(acts)}", pointer="path:act")])
    body, _ = await json_object(request)
    trail = trail_of(request, caller)

    async def change() -> Answer:
        shown = await acts[act](ctx, account, actor=trail.actor, reason=trail.reason)
        return Answer(status=200, body=encoded(shown), headers={})

    return answered(await once_apart(ctx, once_key(request, caller, body), change))


@router.get("/jobs")
async def jobs(ctx: Ctx, caller: Admin, page: Paged) -> Response:
    """The latest runs of every job."""
    return json_response({"items": await job_runs_view(ctx, page.limit), "next_cursor": None})


@router.get("/audit")
async def audit(ctx: Ctx, caller: Admin, page: Paged) -> Response:
    """Who changed what, newest first, of the tenant acted for."""
    items = await audit_view(ctx, caller.tenant, before=page.number, limit=page.limit)
    cursor = page.next_cursor(items[-1]["id"] if len(items) == page.limit else None)
    return json_response({"items": items, "next_cursor": cursor})


@router.get("/clock")
async def clock(ctx: Ctx, caller: Admin) -> Response:
    """What time it is for the gateway."""
    return json_response({"now": ctx.now().isoformat(), "sandbox": ctx.sandbox})


@router.post("/clock")
async def clock_post(request: Request, ctx: Ctx, caller: Admin) -> Response:
    """Move gateway and sandbox together, forwards; everything that falls due in between is done in order."""
    body, given = await json_object(request)
    if not ctx.sandbox:
        raise Conflict("REAL_CARRIER_CONFIGURED", "the clock moves only where every account is in the sandbox")

    async def move() -> Answer:
        return Answer(status=200, body=encoded(await _moved(request, ctx, caller, given)), headers={})

    return answered(await once_apart(ctx, once_key(request, caller, body), move))


async def _moved(request: Request, ctx: Context, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
    now = ctx.now()
    target = _target(given, now)
    if target < now:
        raise InvalidArgument([Fault(code="BACKWARDS", detail="the clock only moves forwards", pointer="/now")])
    advance: Advance | None = request.app.state.advance
    if advance is None:
        raise Conflict("NOT_HERE", "this process has no scheduler; ask one started by simgate run")
    await audit_clock_move(ctx, caller.tenant, target=target, actor=caller.name)
    return await advance(target)


def _target(given: dict[str, Any], now: datetime) -> datetime:
    if isinstance(given.get("advance"), str) and set(given) == {"advance"}:
        try:
            return now + parse_duration(given["advance"])
        except Malformed as wrong:
            raise InvalidArgument([Fault(code=wrong.code, detail=wrong.detail, pointer="/advance")]) from None
        except OverflowError:
            raise InvalidArgument([Fault(code="TOO_FAR", detail="beyond the calendar", pointer="/advance")]) from None
    target = instant_of(given.get("now"), "/now")
    if target is None or set(given) != {"now"}:
        raise InvalidArgument([Fault(code="REQUIRED", detail='{"advance": "P31D"} or {"now": …}', pointer="/")])
    return target
