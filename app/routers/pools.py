"""`/v1/pools`: pools, their cycles and members (PL)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.db.uow import UnitOfWork
from app.routers.http.deps import Ctx, Operator, Paged, PoolsWriter, SimsReader, json_object, once_key, trail_of
from app.routers.http.responses import encoded, json_response
from app.usecases.access import Caller
from app.usecases.bulk.pool_activation import activate_members
from app.usecases.context import Context
from app.usecases.idempotency import Answer, once
from app.usecases.pools import manage as use
from app.usecases.pools import views

router = APIRouter(prefix="/v1/pools", tags=["pools"])

Make = Callable[[UnitOfWork, dict[str, Any], use.Actor], Awaitable[Any]]


def _actor(request: Request, caller: Caller) -> use.Actor:
    trail = trail_of(request, caller)
    return use.Actor(name=trail.actor, reason=trail.reason, correlation_id=trail.correlation_id)


async def _write(request: Request, ctx: Context, caller: Caller, make: Make, *, status: int = 200) -> Response:
    """One write under its Idempotency-Key."""
    body, given = await json_object(request)

    async def act(work: UnitOfWork) -> Answer:
        return Answer(status=status, body=encoded(await make(work, given, _actor(request, caller))), headers={})

    done = await once(ctx, once_key(request, caller, body), act)
    headers = {**done.headers, **({"Idempotency-Replayed": "true"} if done.replayed else {})}
    return Response(done.body, status_code=done.status, headers=headers, media_type="application/json")


@router.get("")
async def pools(ctx: Ctx, caller: SimsReader, page: Paged) -> Response:
    """A page of pools, each with its running cycle."""
    items, last = await views.list_pools(ctx, caller.tenant, after=page.number or 0, limit=page.limit)
    return json_response({"items": items, "next_cursor": page.next_cursor(last)})


@router.post("", status_code=201)
async def pool_make(request: Request, ctx: Ctx, caller: PoolsWriter) -> Response:
    """A new pool: one carrier, one plan (PL-5)."""

    async def make(work: UnitOfWork, given: dict[str, Any], actor: use.Actor) -> Any:
        return await use.add_pool(ctx, work, caller.tenant, given, actor)

    return await _write(request, ctx, caller, make, status=201)


@router.get("/{pool}")
async def pool_read(pool: str, ctx: Ctx, caller: SimsReader) -> Response:
    """One pool with its running cycle."""
    return json_response(await views.read_pool(ctx, caller.tenant, pool))


@router.patch("/{pool}")
async def pool_rename(pool: str, request: Request, ctx: Ctx, caller: PoolsWriter) -> Response:
    """Another name (PL-7)."""

    async def make(work: UnitOfWork, given: dict[str, Any], actor: use.Actor) -> Any:
        return await use.rename_pool(ctx, work, caller.tenant, pool, given.get("name"), actor)

    return await _write(request, ctx, caller, make)


@router.get("/{pool}/members")
async def pool_members(pool: str, ctx: Ctx, caller: SimsReader, page: Paged, cycle: str | None = None) -> Response:
    """The members with what each used in a cycle, the running one by default."""
    items, last = await views.read_members(ctx, caller.tenant, pool, cycle, after=page.number or 0, limit=page.limit)
    return json_response({"items": items, "next_cursor": page.next_cursor(last)})


@router.get("/{pool}/cycles/{cycle}")
async def pool_cycle(pool: str, cycle: str, ctx: Ctx, caller: SimsReader) -> Response:
    """One cycle of a pool, running or past (PL-7)."""
    return json_response(await views.read_cycle(ctx, caller.tenant, pool, cycle))


@router.post("/{pool}/addons", status_code=201)
async def pool_addon(pool: str, request: Request, ctx: Ctx, caller: PoolsWriter) -> Response:
    """An add-on of the running cycle, in force at once (QT-7)."""

    async def make(work: UnitOfWork, given: dict[str, Any], actor: use.Actor) -> Any:
        return await use.add_pool_addon(ctx, work, caller.tenant, pool, given.get("bytes"), actor)

    return await _write(request, ctx, caller, make, status=201)


@router.get("/{pool}/rules")
async def pool_rules(pool: str, ctx: Ctx, caller: SimsReader) -> Response:
    """What happens at which use."""
    return json_response(await views.read_rules(ctx, caller.tenant, pool))


@router.put("/{pool}/rules")
@router.post("/{pool}/rules")
async def pool_set_rules(pool: str, request: Request, ctx: Ctx, caller: PoolsWriter) -> Response:
    """Levels that speak once a cycle, and where a backward pool stops (PL-4, PL-8, RM-2)."""

    async def make(work: UnitOfWork, given: dict[str, Any], actor: use.Actor) -> Any:
        return await use.set_rules(ctx, work, caller.tenant, pool, given, actor)

    return await _write(request, ctx, caller, make)


@router.post("/{pool}/activate-members", status_code=202)
async def pool_activate(pool: str, request: Request, ctx: Ctx, caller: Operator) -> Response:
    """Activate the pool's inactive cards, as a bulk operation (AC-1)."""
    body, _ = await json_object(request)

    async def act(work: UnitOfWork) -> Answer:
        bulk_id = await activate_members(ctx, work, caller.tenant, pool, _actor(request, caller))
        location = f"/v1/bulk-operations/{bulk_id}"
        return Answer(
            status=202, body=encoded({"id": str(bulk_id)}), headers={"Location": location}, operation_id=bulk_id
        )

    done = await once(ctx, once_key(request, caller, body), act)
    headers = {**done.headers, **({"Idempotency-Replayed": "true"} if done.replayed else {})}
    return Response(done.body, status_code=done.status, headers=headers, media_type="application/json")


@router.get("/{pool}/forecast")
async def pool_forecast(pool: str, ctx: Ctx, caller: SimsReader) -> Response:
    """Where the running cycle ends if days go on as they went."""
    return json_response(await views.forecast(ctx, caller.tenant, pool))
