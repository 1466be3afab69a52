"""Actions on one SIM: accepted as an operation (202), or only evaluated (`?dry_run=true`).

Every action has a path and a body of its own; what they share is `_act`: validate, request the operation, answer.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.domain.identifiers import alternate_iccid, parse_iccid
from app.domain.vocabulary import OperationKind
from app.routers.http.contract import JsonBody, Parameters, TypedRoute
from app.routers.http.deps import Ctx, Operator, trail_of
from app.routers.http.errors.codes import RULE_REFUSALS, refusals
from app.routers.http.errors.refusals import irreversible_line, refusal_view
from app.routers.http.idempotency import Idempotent, commit_response, stored_response
from app.routers.http.responses import json_response
from app.routers.schemas.actions import (
    ActionRequest,
    ChangePlanRequest,
    ChangeRegionRequest,
    DryRun,
    DryRunQuery,
    JoinPoolRequest,
    OrderAddonRequest,
    RebindRequest,
    RenewRequest,
    ResumeRequest,
    SetThresholdRequest,
    TerminateRequest,
)
from app.routers.schemas.base import ICCID_PATTERN
from app.routers.schemas.operations import Operation
from app.texts.catalogue import language_of, text
from app.usecases.access import Caller
from app.usecases.context import Context
from app.usecases.errors import Fault, InvalidArgument
from app.usecases.idempotency import RequestKey
from app.usecases.operations.request import RequestOperation, dry_run, request_operation
from app.usecases.operations.views import current_view

router = APIRouter(prefix="/v1/sims", tags=["actions"], route_class=TypedRoute)

ACTION: dict[str, Any] = {
    "status_code": 202,
    "response_model": Operation,
    "response_description": "Accepted as an operation, at `Location`.",
    "responses": {200: {"model": DryRun, "description": "With `dry_run=true`: what would happen."}}
    | refusals("NOT_FOUND", *RULE_REFUSALS),
}
"""What every action answers."""

Iccid = Annotated[
    str,
    Path(
        description="The SIM's ICCID.",
        examples=["89860012345678901234"],
        json_schema_extra={"pattern": ICCID_PATTERN},
    ),
]
DryRunOnly = Annotated[DryRunQuery, Depends(Parameters(DryRunQuery))]
Plain = Annotated[ActionRequest, Depends(JsonBody(ActionRequest))]
RebindBody = Annotated[RebindRequest, Depends(JsonBody(RebindRequest))]
ChangeRegionBody = Annotated[ChangeRegionRequest, Depends(JsonBody(ChangeRegionRequest))]
SetThresholdBody = Annotated[SetThresholdRequest, Depends(JsonBody(SetThresholdRequest))]
OrderAddonBody = Annotated[OrderAddonRequest, Depends(JsonBody(OrderAddonRequest))]
ResumeBody = Annotated[ResumeRequest, Depends(JsonBody(ResumeRequest))]
RenewBody = Annotated[RenewRequest, Depends(JsonBody(RenewRequest))]
ChangePlanBody = Annotated[ChangePlanRequest, Depends(JsonBody(ChangePlanRequest))]
JoinPoolBody = Annotated[JoinPoolRequest, Depends(JsonBody(JoinPoolRequest))]
TerminateBody = Annotated[TerminateRequest, Depends(JsonBody(TerminateRequest))]


async def _act(
    request: Request,
    ctx: Context,
    caller: Caller,
    query: DryRunQuery,
    kind: OperationKind,
    iccid: str,
    body: ActionRequest,
    key: RequestKey | None,
) -> Response:
    """Request the operation, or evaluate it for a dry run."""
    command = command_of(request, caller, parse_iccid(iccid), kind, body)
    if query.dry_run:
        return await _evaluate(request, ctx, command)
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        operation = await request_operation(ctx, work, command)
        response = json_response(
            current_view(operation), status=202, headers={"Location": f"/v1/operations/{operation.id}"}
        )
        await commit_response(ctx, work, key, response, began=operation.id)
    return response


async def _evaluate(request: Request, ctx: Context, command: RequestOperation) -> Response:
    async with ctx.work() as work:
        answer = await dry_run(ctx, work, command)
    language = language_of(request.headers.get("accept-language"))
    answer["irreversible"] = [irreversible_line(one, language) for one in answer["irreversible"]]
    answer["notes"] = [text(f"note.{note}", language) for note in answer.get("notes", ())]
    if answer["refusal"] is not None:
        answer["refusal"] = refusal_view(answer["refusal"], language)
    return json_response(answer)


def command_of(
    request: Request, caller: Caller, iccid: str, kind: OperationKind, body: ActionRequest
) -> RequestOperation:
    """The command of a request. Raises `InvalidArgument` where a termination is not confirmed."""
    arguments = body.model_dump(exclude_unset=True, exclude={"execute_at", "wait"})
    if kind is OperationKind.TERMINATE and arguments.pop("confirm") not in (iccid, alternate_iccid(iccid)):
        raise InvalidArgument([Fault(code="NOT_CONFIRMED", detail="the ICCID of the SIM, again", pointer="/confirm")])
    trail = trail_of(request, caller)
    return RequestOperation(
        tenant=caller.tenant,
        iccid=iccid,
        kind=kind,
        arguments=arguments,
        execute_at=body.execute_at,
        wait=body.wait,
        requested_by=trail.actor,
        reason=trail.reason,
        correlation_id=trail.correlation_id,
    )


@router.post("/{iccid}/activate", **ACTION)
async def activate_sim(
    request: Request, iccid: Iccid, ctx: Ctx, caller: Operator, query: DryRunOnly, body: Plain, key: Idempotent
) -> Response:
    """Begin the SIM's service (LC-4)."""
    return await _act(request, ctx, caller, query, OperationKind.ACTIVATE, iccid, body, key)


@router.post("/{iccid}/suspend", **ACTION)
async def suspend_sim(
    request: Request, iccid: Iccid, ctx: Ctx, caller: Operator, query: DryRunOnly, body: Plain, key: Idempotent
) -> Response:
    """Stop the SIM until it is resumed (ST-1)."""
    return await _act(request, ctx, caller, query, OperationKind.SUSPEND, iccid, body, key)


@router.post("/{iccid}/resume", **ACTION)
async def resume_sim(
    request: Request, iccid: Iccid, ctx: Ctx, caller: Operator, query: DryRunOnly, body: ResumeBody, key: Idempotent
) -> Response:
    """Lift what a resume lifts under the SIM's terms: a manual hold, arrears once paid (ST-20)."""
    return await _act(request, ctx, caller, query, OperationKind.RESUME, iccid, body, key)


@router.post("/{iccid}/rebind", **ACTION)
async def rebind_sim(
    request: Request, iccid: Iccid, ctx: Ctx, caller: Operator, query: DryRunOnly, body: RebindBody, key: Idempotent
) -> Response:
    """Bind the SIM to a device (ST-6)."""
    return await _act(request, ctx, caller, query, OperationKind.REBIND, iccid, body, key)


@router.post("/{iccid}/change-region", **ACTION)
async def change_sim_region(
    request: Request,
    iccid: Iccid,
    ctx: Ctx,
    caller: Operator,
    query: DryRunOnly,
    body: ChangeRegionBody,
    key: Idempotent,
) -> Response:
    """Move the SIM to a region (RG)."""
    return await _act(request, ctx, caller, query, OperationKind.CHANGE_REGION, iccid, body, key)


@router.post("/{iccid}/set-threshold", **ACTION)
async def set_sim_threshold(
    request: Request,
    iccid: Iccid,
    ctx: Ctx,
    caller: Operator,
    query: DryRunOnly,
    body: SetThresholdBody,
    key: Idempotent,
) -> Response:
    """Stop the SIM at a usage per cycle, or no longer (QT-4)."""
    return await _act(request, ctx, caller, query, OperationKind.SET_THRESHOLD, iccid, body, key)


@router.post("/{iccid}/cut-network", **ACTION)
async def cut_sim_network(
    request: Request, iccid: Iccid, ctx: Ctx, caller: Operator, query: DryRunOnly, body: Plain, key: Idempotent
) -> Response:
    """Cut the SIM off the network (ST-16)."""
    return await _act(request, ctx, caller, query, OperationKind.CUT_NETWORK, iccid, body, key)


@router.post("/{iccid}/restore-network", **ACTION)
async def restore_sim_network(
    request: Request, iccid: Iccid, ctx: Ctx, caller: Operator, query: DryRunOnly, body: Plain, key: Idempotent
) -> Response:
    """Lift a network cut (ST-16)."""
    return await _act(request, ctx, caller, query, OperationKind.RESTORE_NETWORK, iccid, body, key)


@router.post("/{iccid}/reset-network", **ACTION)
async def reset_sim_network(
    request: Request, iccid: Iccid, ctx: Ctx, caller: Operator, query: DryRunOnly, body: Plain, key: Idempotent
) -> Response:
    """Suspend and resume, so that the SIM attaches anew."""
    return await _act(request, ctx, caller, query, OperationKind.RESET_NETWORK, iccid, body, key)


@router.post("/{iccid}/verify-real-name", **ACTION)
async def verify_real_name(
    request: Request, iccid: Iccid, ctx: Ctx, caller: Operator, query: DryRunOnly, body: Plain, key: Idempotent
) -> Response:
    """Begin the verification of the person who uses the SIM (LC-5)."""
    return await _act(request, ctx, caller, query, OperationKind.VERIFY_REAL_NAME, iccid, body, key)


@router.post("/{iccid}/order-addon", **ACTION)
async def order_sim_addon(
    request: Request, iccid: Iccid, ctx: Ctx, caller: Operator, query: DryRunOnly, body: OrderAddonBody, key: Idempotent
) -> Response:
    """Order an add-on pack for the running cycle (QT-7)."""
    return await _act(request, ctx, caller, query, OperationKind.ORDER_ADDON, iccid, body, key)


@router.post("/{iccid}/renew", **ACTION)
async def renew_sim(
    request: Request, iccid: Iccid, ctx: Ctx, caller: Operator, query: DryRunOnly, body: RenewBody, key: Idempotent
) -> Response:
    """Renew the SIM's plan (RN)."""
    return await _act(request, ctx, caller, query, OperationKind.RENEW, iccid, body, key)


@router.post("/{iccid}/change-plan", **ACTION)
async def change_sim_plan(
    request: Request, iccid: Iccid, ctx: Ctx, caller: Operator, query: DryRunOnly, body: ChangePlanBody, key: Idempotent
) -> Response:
    """Change to another plan of the carrier."""
    return await _act(request, ctx, caller, query, OperationKind.CHANGE_PLAN, iccid, body, key)


@router.post("/{iccid}/join-pool", **ACTION)
async def join_pool(
    request: Request, iccid: Iccid, ctx: Ctx, caller: Operator, query: DryRunOnly, body: JoinPoolBody, key: Idempotent
) -> Response:
    """Join a pool of the SIM's plan (PL-5)."""
    return await _act(request, ctx, caller, query, OperationKind.JOIN_POOL, iccid, body, key)


@router.post("/{iccid}/retain-number", **ACTION)
async def retain_number(
    request: Request, iccid: Iccid, ctx: Ctx, caller: Operator, query: DryRunOnly, body: Plain, key: Idempotent
) -> Response:
    """Keep the number of a SIM that is to be cancelled (LC-10)."""
    return await _act(request, ctx, caller, query, OperationKind.RETAIN_NUMBER, iccid, body, key)


@router.post("/{iccid}/refresh", **ACTION)
async def refresh_sim(
    request: Request, iccid: Iccid, ctx: Ctx, caller: Operator, query: DryRunOnly, body: Plain, key: Idempotent
) -> Response:
    """Query the SIM's state and usage at its carrier."""
    return await _act(request, ctx, caller, query, OperationKind.REFRESH, iccid, body, key)


@router.post("/{iccid}/terminate", **ACTION)
async def terminate_sim(
    request: Request, iccid: Iccid, ctx: Ctx, caller: Operator, query: DryRunOnly, body: TerminateBody, key: Idempotent
) -> Response:
    """Cancel the SIM for good (LC-9)."""
    return await _act(request, ctx, caller, query, OperationKind.TERMINATE, iccid, body, key)
