"""Approvals: bulk operations and automations above a tenant's size wait for a second person."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.routers.http.contract import JsonBody, Parameters, TypedRoute
from app.routers.http.deps import Ctx, Operator, SimsReader, page_of
from app.routers.http.errors.codes import refusals
from app.routers.http.idempotency import Idempotent, commit_response, stored_response
from app.routers.http.responses import json_response
from app.routers.schemas.automation import approvals as schemas
from app.routers.schemas.operations import OPERATION_ID
from app.usecases.access import Caller
from app.usecases.approvals.decide import decide, find_approval
from app.usecases.approvals.views import approval_view
from app.usecases.context import Context
from app.usecases.errors import NotFound
from app.usecases.idempotency import RequestKey

router = APIRouter(prefix="/v1/approvals", tags=["approvals"], route_class=TypedRoute)

ApprovalId = Annotated[str, Path(description="The approval's id.", examples=[OPERATION_ID])]
DecisionBody = Annotated[schemas.ApprovalDecision, Depends(JsonBody(schemas.ApprovalDecision))]
DECISION: dict[str, Any] = {
    "response_model": schemas.Approval,
    "responses": refusals("NOT_FOUND", "SECOND_PERSON_NEEDED", "INCOMPATIBLE_STATE"),
}


def _id_of(text: str) -> UUID:
    """The id in a path. Raises `NotFound` for what is no id."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("approval") from None


@router.get("", response_model=schemas.ApprovalPage)
async def list_approvals(
    ctx: Ctx, caller: SimsReader, query: Annotated[schemas.ApprovalQuery, Depends(Parameters(schemas.ApprovalQuery))]
) -> Response:
    """Approvals, newest first."""
    page, now = page_of(query), ctx.now()
    async with ctx.work() as work:
        found = await work.approvals.page(caller.tenant, now, status=query.status, before=page.id, limit=page.limit + 1)
    return json_response(page.answer(found, lambda one: approval_view(one, now)))


@router.get("/{approval_id}", response_model=schemas.Approval, responses=refusals("NOT_FOUND"))
async def get_approval(approval_id: ApprovalId, ctx: Ctx, caller: SimsReader) -> Response:
    """One approval: what it is about, who asked, and how it was decided."""
    async with ctx.work() as work:
        found = await find_approval(work, caller.tenant, _id_of(approval_id))
    return json_response(approval_view(found, ctx.now()))


async def _decide(
    ctx: Context,
    caller: Caller,
    approval_id: str,
    body: schemas.ApprovalDecision,
    key: RequestKey | None,
    *,
    approve: bool,
) -> Response:
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        decided = await decide(ctx, work, caller, _id_of(approval_id), approve=approve, note=body.note)
        response = json_response(approval_view(decided, ctx.now()))
        await commit_response(ctx, work, key, response)
    return response


@router.post("/{approval_id}/approve", **DECISION)
async def approve_request(
    request: Request, approval_id: ApprovalId, ctx: Ctx, caller: Operator, body: DecisionBody, key: Idempotent
) -> Response:
    """Approve as another key of the tenant: it starts at once, with what was selected when it was asked for."""
    return await _decide(ctx, caller, approval_id, body, key, approve=True)


@router.post("/{approval_id}/reject", **DECISION)
async def reject_request(
    request: Request, approval_id: ApprovalId, ctx: Ctx, caller: Operator, body: DecisionBody, key: Idempotent
) -> Response:
    """Reject as another key of the tenant: it is cancelled."""
    return await _decide(ctx, caller, approval_id, body, key, approve=False)
