"""`/v1/pools`: pools, their cycles and members (PL)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.routers.http.contract import JsonBody, NoBody, Parameters, TypedRoute
from app.routers.http.deps import Ctx, Operator, PoolsWriter, SimsReader, page_of, trail_of
from app.routers.http.errors.codes import refusals
from app.routers.http.idempotency import Idempotent, commit_response, stored_response
from app.routers.http.responses import json_response
from app.routers.schemas import pools as schemas
from app.routers.schemas.base import AsOf, Paging
from app.usecases.access import Caller
from app.usecases.as_of import moment_of
from app.usecases.bulk.pool_activation import activate_members
from app.usecases.pools import arrears, manage, past, views

router = APIRouter(prefix="/v1/pools", tags=["pools"], route_class=TypedRoute)

PoolId = Annotated[str, Path(description="The pool's id.", examples=["pool-1"])]
CycleName = Annotated[str, Path(description="A billing cycle, YYYY-MM.", examples=["2026-11"])]
CreateBody = Annotated[schemas.PoolCreate, Depends(JsonBody(schemas.PoolCreate))]
RenameBody = Annotated[schemas.PoolRename, Depends(JsonBody(schemas.PoolRename))]
AddonBody = Annotated[schemas.PoolAddonRequest, Depends(JsonBody(schemas.PoolAddonRequest))]
RulesBody = Annotated[schemas.PoolRulesRequest, Depends(JsonBody(schemas.PoolRulesRequest))]
ArrearsBody = Annotated[schemas.PoolArrearsRequest, Depends(JsonBody(schemas.PoolArrearsRequest))]
NOT_FOUND = refusals("NOT_FOUND")


def _actor(request: Request, caller: Caller) -> manage.Actor:
    trail = trail_of(request, caller)
    return manage.Actor(name=trail.actor, reason=trail.reason, correlation_id=trail.correlation_id)


@router.get("", response_model=schemas.PoolPage)
async def list_pools(ctx: Ctx, caller: SimsReader, query: Annotated[Paging, Depends(Parameters(Paging))]) -> Response:
    """A page of pools, each with its running cycle."""
    page = page_of(query)
    items, last = await views.list_pools(ctx, caller.tenant, after=page.number or 0, limit=page.limit)
    return json_response({"items": items, "next_cursor": page.next_cursor(last)})


@router.post("", status_code=201, response_model=schemas.Pool, responses=refusals("ALREADY_EXISTS"))
async def create_pool(request: Request, ctx: Ctx, caller: PoolsWriter, body: CreateBody, key: Idempotent) -> Response:
    """Create a pool of one carrier and one plan (PL-5)."""
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        given = body.model_dump(mode="json")
        pool = await manage.add_pool(ctx, work, caller.tenant, given, _actor(request, caller))
        response = json_response(pool, status=201)
        await commit_response(ctx, work, key, response)
    return response


@router.get("/{pool}", response_model=schemas.Pool, responses=refusals("NOT_FOUND", "BEFORE_RECORDS"))
async def get_pool(
    pool: PoolId, ctx: Ctx, caller: SimsReader, query: Annotated[AsOf, Depends(Parameters(AsOf))]
) -> Response:
    """One pool with its running cycle; also as it was, and as it was known."""
    if (moment := moment_of(ctx, query.as_of, query.known_at)) is not None:
        return json_response(await past.read_pool_at(ctx, caller.tenant, pool, moment))
    return json_response(await views.read_pool(ctx, caller.tenant, pool))


@router.patch("/{pool}", response_model=schemas.Pool, responses=NOT_FOUND)
async def rename_pool(pool: PoolId, request: Request, ctx: Ctx, caller: PoolsWriter, body: RenameBody) -> Response:
    """Change the pool's name (PL-7)."""
    async with ctx.work() as work:
        renamed = await manage.rename_pool(ctx, work, caller.tenant, pool, body.name, _actor(request, caller))
        response = json_response(renamed)
        await commit_response(ctx, work, None, response)
    return response


@router.get("/{pool}/members", response_model=schemas.PoolMemberPage, responses=refusals("NOT_FOUND", "BEFORE_RECORDS"))
async def list_pool_members(
    pool: PoolId,
    ctx: Ctx,
    caller: SimsReader,
    query: Annotated[schemas.PoolMemberQuery, Depends(Parameters(schemas.PoolMemberQuery))],
) -> Response:
    """The members with what each used in a cycle, the running one by default."""
    page, after = page_of(query), page_of(query).number or 0
    if (moment := moment_of(ctx, query.as_of, query.known_at)) is not None:
        items, last = await past.read_members_at(
            ctx, caller.tenant, pool, query.cycle, moment, after=after, limit=page.limit
        )
    else:
        items, last = await views.read_members(ctx, caller.tenant, pool, query.cycle, after=after, limit=page.limit)
    return json_response({"items": items, "next_cursor": page.next_cursor(last)})


@router.get(
    "/{pool}/cycles/{cycle}", response_model=schemas.PoolCycle, responses=refusals("NOT_FOUND", "BEFORE_RECORDS")
)
async def get_pool_cycle(
    pool: PoolId, cycle: CycleName, ctx: Ctx, caller: SimsReader, query: Annotated[AsOf, Depends(Parameters(AsOf))]
) -> Response:
    """One cycle of a pool, running or past (PL-7); also as it was, and as it was known."""
    if (moment := moment_of(ctx, query.as_of, query.known_at)) is not None:
        return json_response(await past.read_cycle_at(ctx, caller.tenant, pool, cycle, moment))
    return json_response(await views.read_cycle(ctx, caller.tenant, pool, cycle))


@router.post(
    "/{pool}/addons",
    status_code=201,
    response_model=schemas.PoolCycle,
    responses=refusals("NOT_FOUND", "INCOMPATIBLE_STATE"),
)
async def order_pool_addon(
    pool: PoolId, request: Request, ctx: Ctx, caller: PoolsWriter, body: AddonBody, key: Idempotent
) -> Response:
    """Order an add-on pack of the running cycle, in force at once (QT-7)."""
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        cycle = await manage.add_pool_addon(ctx, work, caller.tenant, pool, body.bytes, _actor(request, caller))
        response = json_response(cycle, status=201)
        await commit_response(ctx, work, key, response)
    return response


@router.post("/{pool}/arrears", response_model=schemas.Pool, responses=refusals("NOT_FOUND", "INCOMPATIBLE_STATE"))
async def state_pool_arrears(
    pool: PoolId, request: Request, ctx: Ctx, caller: PoolsWriter, body: ArrearsBody, key: Idempotent
) -> Response:
    """State that a postpaid pool is unpaid, which freezes its SIMs, or that it is settled or released (PL-4, ST-12)."""
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        actor = _actor(request, caller)
        response = json_response(await arrears.state_arrears(ctx, work, caller.tenant, pool, body.status, actor))
        await commit_response(ctx, work, key, response)
    return response


@router.get("/{pool}/rules", response_model=schemas.PoolRules, responses=NOT_FOUND)
async def get_pool_rules(pool: PoolId, ctx: Ctx, caller: SimsReader) -> Response:
    """What happens at which use."""
    return json_response(await views.read_rules(ctx, caller.tenant, pool))


async def _set_rules(
    pool: str, request: Request, ctx: Ctx, caller: Caller, body: schemas.PoolRulesRequest, key: Idempotent
) -> Response:
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        given: dict[str, Any] = body.model_dump(exclude_unset=True)
        rules = {name: value for name, value in given.items() if value is not None or name == "stop_at"}
        response = json_response(await manage.set_rules(ctx, work, caller.tenant, pool, rules, _actor(request, caller)))
        await commit_response(ctx, work, key, response)
    return response


@router.put("/{pool}/rules", response_model=schemas.PoolRules, responses=NOT_FOUND)
async def replace_pool_rules(
    pool: PoolId, request: Request, ctx: Ctx, caller: PoolsWriter, body: RulesBody
) -> Response:
    """Replace the levels that notify once a cycle, and where a postpaid pool stops (PL-4, PL-8, RM-2)."""
    return await _set_rules(pool, request, ctx, caller, body, None)


@router.post("/{pool}/rules", response_model=schemas.PoolRules, responses=NOT_FOUND)
async def set_pool_rules(
    pool: PoolId, request: Request, ctx: Ctx, caller: PoolsWriter, body: RulesBody, key: Idempotent
) -> Response:
    """The same as PUT, under an Idempotency-Key."""
    return await _set_rules(pool, request, ctx, caller, body, key)


@router.post(
    "/{pool}/activate-members", status_code=202, response_model=schemas.BulkBegun, responses=refusals("NOT_FOUND")
)
async def activate_pool_members(
    pool: PoolId, request: Request, ctx: Ctx, caller: Operator, body: NoBody, key: Idempotent
) -> Response:
    """Activate the pool's inactive SIMs, as a bulk operation (AC-1)."""
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        bulk_id = await activate_members(ctx, work, caller.tenant, pool, _actor(request, caller))
        location = {"Location": f"/v1/bulk-operations/{bulk_id}"}
        response = json_response({"id": str(bulk_id)}, status=202, headers=location)
        await commit_response(ctx, work, key, response, began=bulk_id)
    return response
