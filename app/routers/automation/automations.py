"""Automations: a condition, and what is done to each SIM that meets it; back-tested over history before it is armed."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.db.automation.automations import AutomationRecord
from app.db.uow import UnitOfWork
from app.routers.bulk import PARTS, selector_of
from app.routers.http.contract import JsonBody, NoBody, Parameters, TypedRoute, validated
from app.routers.http.deps import Ctx, Operator, SimsReader, page_of, trail_of
from app.routers.http.errors.codes import refusals
from app.routers.http.idempotency import Idempotent, commit_response, stored_response
from app.routers.http.responses import json_response
from app.routers.schemas.actions import ARGUMENTS, NoArguments
from app.routers.schemas.automation import automations as schemas
from app.routers.schemas.base import Paging
from app.routers.schemas.bulk import Selector
from app.routers.schemas.operations import OPERATION_ID
from app.routers.sims import if_match
from app.usecases.automations import manage
from app.usecases.automations.backtest import backtest
from app.usecases.automations.views import automation_view, firing_view
from app.usecases.bulk.selectors import MatchingSims
from app.usecases.errors import Fault, InvalidArgument, NotFound

router = APIRouter(prefix="/v1/automations", tags=["automations"], route_class=TypedRoute)

AutomationId = Annotated[str, Path(description="The automation's id.", examples=[OPERATION_ID])]
CreateBody = Annotated[schemas.AutomationCreate, Depends(JsonBody(schemas.AutomationCreate, parts=PARTS))]
PatchBody = Annotated[schemas.AutomationPatch, Depends(JsonBody(schemas.AutomationPatch, parts=PARTS))]
ArmBody = Annotated[schemas.ArmRequest, Depends(JsonBody(schemas.ArmRequest))]
Days = Annotated[schemas.BacktestQuery, Depends(Parameters(schemas.BacktestQuery))]
Firings = Annotated[schemas.FiringQuery, Depends(Parameters(schemas.FiringQuery))]


def _id_of(text: str) -> UUID:
    """The id in a path. Raises `NotFound` for what is no id."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("automation") from None


def _definition(body: schemas.AutomationCreate | schemas.AutomationPatch) -> manage.Definition:
    """What a body defines, in the form in which it is stored. Raises `InvalidArgument`."""
    wanted = _scope(body.scope) if body.scope is not None else None
    return manage.Definition(
        name=body.name,
        condition=body.when.model_dump(mode="json", exclude_none=True) if body.when is not None else None,
        action=_action(body.then) if body.then is not None else None,
        scope=body.scope.model_dump(mode="json", exclude_none=True) if body.scope is not None else None,
        wanted=wanted.wanted if wanted is not None else None,
    )


def _action(then: schemas.OperationAction | schemas.NotifyAction | schemas.TagAction) -> dict[str, Any]:
    form = then.model_dump(mode="json")
    if isinstance(then, schemas.OperationAction):
        model = ARGUMENTS.get(then.operation, NoArguments)
        arguments = (
            validated(model, then.arguments, at="/then/arguments") if then.operation in schemas.AUTOMATED else None
        )
        form["arguments"] = arguments.model_dump(exclude_unset=True) if arguments is not None else {}
    return form


def _scope(scope: schemas.ScopeSelector) -> MatchingSims:
    """The scope as a filter of the list. Raises `InvalidArgument` with pointers into the scope."""
    try:
        found = selector_of(Selector(filter=scope.filter, all=scope.all))
    except InvalidArgument as wrong:
        raise InvalidArgument([_within_scope(fault) for fault in wrong.faults]) from None
    if not isinstance(found, MatchingSims):
        raise TypeError("a scope is a filter")
    return found


def _within_scope(fault: Fault) -> Fault:
    pointer = (fault.pointer or "").replace("/selector", "/scope", 1)
    return Fault(code=fault.code, detail=fault.detail, pointer=pointer)


async def _answer(work: UnitOfWork, record: AutomationRecord) -> Response:
    return json_response(await manage.view_of(work, record), headers={"ETag": f'"{record.version}"'})


@router.post("", status_code=201, response_model=schemas.Automation)
async def create_automation(
    request: Request, ctx: Ctx, caller: Operator, body: CreateBody, key: Idempotent
) -> Response:
    """Create an automation, disarmed."""
    given, actor = _definition(body), trail_of(request, caller).actor
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        record = await manage.create(ctx, work, caller.tenant, given, actor=actor)
        headers = {"ETag": f'"{record.version}"', "Location": f"/v1/automations/{record.id}"}
        response = json_response(await manage.view_of(work, record), status=201, headers=headers)
        await commit_response(ctx, work, key, response)
    return response


@router.get("", response_model=schemas.AutomationPage)
async def list_automations(
    ctx: Ctx, caller: SimsReader, query: Annotated[Paging, Depends(Parameters(Paging))]
) -> Response:
    """Automations, newest first."""
    page = page_of(query)
    async with ctx.work() as work:
        found = await work.automations.page(caller.tenant, before=page.id, limit=page.limit + 1)
        counts = await work.firings.counts([record.id for record in found])
    return json_response(page.answer(found, lambda record: automation_view(record, counts.get(record.id, {}))))


@router.get("/{automation_id}", response_model=schemas.Automation, responses=refusals("NOT_FOUND"))
async def get_automation(automation_id: AutomationId, ctx: Ctx, caller: SimsReader) -> Response:
    """One automation, with its firings counted."""
    async with ctx.work() as work:
        return await _answer(work, await manage.find(work, caller.tenant, _id_of(automation_id)))


@router.patch(
    "/{automation_id}",
    response_model=schemas.Automation,
    responses=refusals("NOT_FOUND", "INCOMPATIBLE_STATE", "VERSION_CONFLICT"),
)
async def patch_automation(
    request: Request, automation_id: AutomationId, ctx: Ctx, caller: Operator, body: PatchBody
) -> Response:
    """Change an automation: its name at any time, the rest while it is disarmed."""
    given, actor = _definition(body), trail_of(request, caller).actor
    automation, version = _id_of(automation_id), if_match(request)
    view = await manage.change(ctx, caller.tenant, automation, given, version=version, actor=actor)
    return json_response(view, headers={"ETag": f'"{view["version"]}"'})


@router.delete("/{automation_id}", status_code=204, responses=refusals("NOT_FOUND"))
async def delete_automation(request: Request, automation_id: AutomationId, ctx: Ctx, caller: Operator) -> Response:
    """Delete an automation and its firings; operations that it began go on."""
    await manage.remove(ctx, caller.tenant, _id_of(automation_id), actor=trail_of(request, caller).actor)
    return Response(status_code=204)


@router.get("/{automation_id}/backtest", response_model=schemas.Backtest, responses=refusals("NOT_FOUND"))
async def backtest_automation(automation_id: AutomationId, ctx: Ctx, caller: SimsReader, query: Days) -> Response:
    """What it would have done over some days of kept history, without any effect."""
    return json_response(await backtest(ctx, caller.tenant, _id_of(automation_id), query.from_, query.to))


@router.post(
    "/{automation_id}/arm",
    response_model=schemas.Automation,
    responses=refusals("NOT_FOUND", "INCOMPATIBLE_STATE", "NOT_BACKTESTED"),
)
async def arm_automation(
    request: Request, automation_id: AutomationId, ctx: Ctx, caller: Operator, body: ArmBody, key: Idempotent
) -> Response:
    """Arm it. With operations on more SIMs than the tenant's size it waits for a second person first."""
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        actor = trail_of(request, caller).actor
        record = await manage.arm(ctx, work, caller.tenant, _id_of(automation_id), force=body.force, actor=actor)
        response = await _answer(work, record)
        await commit_response(ctx, work, key, response)
    return response


@router.post(
    "/{automation_id}/disarm",
    response_model=schemas.Automation,
    responses=refusals("NOT_FOUND", "INCOMPATIBLE_STATE"),
)
async def disarm_automation(
    request: Request, automation_id: AutomationId, ctx: Ctx, caller: Operator, body: NoBody, key: Idempotent
) -> Response:
    """Disarm it: what waits lapses, what it began goes on."""
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        actor = trail_of(request, caller).actor
        record = await manage.disarm(ctx, work, caller.tenant, _id_of(automation_id), actor=actor)
        response = await _answer(work, record)
        await commit_response(ctx, work, key, response)
    return response


@router.get("/{automation_id}/firings", response_model=schemas.AutomationFiringPage, responses=refusals("NOT_FOUND"))
async def list_automation_firings(
    automation_id: AutomationId, ctx: Ctx, caller: SimsReader, query: Firings
) -> Response:
    """Its firings, newest first: one for each SIM and occasion."""
    page = page_of(query)
    async with ctx.work() as work:
        record = await manage.find(work, caller.tenant, _id_of(automation_id))
        rows = await work.firings.page(record.id, status=query.status, before=page.number, limit=page.limit + 1)
    return json_response(page.answer(rows, firing_view))
