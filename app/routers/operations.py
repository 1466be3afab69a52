"""Operations: read, list, cancel until sent, complete desk work."""

from __future__ import annotations

import csv
import io
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.db.mapping import OperationRecord
from app.db.operations.search import OperationFilter
from app.domain.identifiers import parse_iccid
from app.routers.http.contract import JsonBody, NoBody, Parameters, TypedRoute
from app.routers.http.deps import Ctx, Operator, SimsReader, page_of, trail_of
from app.routers.http.errors.codes import TEXT_CSV, refusals
from app.routers.http.idempotency import Idempotent, commit_response, stored_response
from app.routers.http.responses import json_response
from app.routers.schemas.operations import OPERATION_ID, Operation, OperationListQuery, OperationOutcome, OperationPage
from app.usecases.errors import NotFound
from app.usecases.execution.manual import cancel, complete, look_now
from app.usecases.execution.settle import observe_ended
from app.usecases.operations.service_levels import expected_of
from app.usecases.operations.views import current_view

router = APIRouter(prefix="/v1/operations", tags=["operations"], route_class=TypedRoute)

CSV_COLUMNS = [
    "id",
    "kind",
    "sim",
    "status",
    "channel",
    "source",
    "arguments",
    "due_at",
    "due_rule",
    "overdue",
    "attempts",
    "created_at",
    "settled_at",
    "carrier",
    "account",
    "msisdn",
    "next_attempt_at",
    "error",
    "carrier_code",
]

OperationId = Annotated[str, Path(description="The operation's id.", examples=[OPERATION_ID])]


def operation_id_of(text: str) -> UUID:
    """The id in a path. Raises `NotFound` for what is no id."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("operation") from None


@router.get("", response_model=OperationPage, responses=TEXT_CSV)
async def list_operations(
    request: Request,
    ctx: Ctx,
    caller: SimsReader,
    query: Annotated[OperationListQuery, Depends(Parameters(OperationListQuery))],
) -> Response:
    """Operations, newest first.

    The desk's work list is `?channel=desk&status=waiting_carrier`; as `text/csv` with that `Accept`.
    """
    page = page_of(query)
    wanted = OperationFilter(
        tenant=caller.tenant,
        iccid=parse_iccid(query.sim) if query.sim is not None else None,
        kind=query.kind,
        status=query.status,
        channel=query.channel,
        overdue=query.overdue,
        bulk_id=query.bulk_operation,
        account=query.account,
        correlation_id=query.correlation_id,
        created_before=query.created_before,
        created_from=query.created_from,
    )
    async with ctx.work() as work:
        found = await work.operation_search.page(wanted, before=page.id, limit=page.limit + 1)
        total = {"total": await work.operation_search.count(wanted)} if query.include == "total" else {}
        as_csv = "text/csv" in request.headers.get("accept", "")
        sims = await work.sims.by_ids([operation.sim_id for operation in found]) if as_csv else {}
    items = [current_view(operation) for operation in found[: page.limit]]
    cursor = page.next_cursor(items[-1]["id"] if len(found) > page.limit else None)
    if as_csv:
        numbers = {operation.iccid: sims[operation.sim_id].msisdn for operation in found if operation.sim_id in sims}
        rows = [_cells(item, operation, numbers) for item, operation in zip(items, found, strict=False)]
        return Response(_csv(rows), media_type="text/csv; charset=utf-8", headers={"X-Next-Cursor": cursor or ""})
    return json_response({"items": items, "next_cursor": cursor} | total)


def _cells(item: dict[str, Any], operation: OperationRecord, numbers: dict[str, str | None]) -> dict[str, Any]:
    """A line of the file: what a desk needs to find the card at the carrier, and why it is not done yet."""
    error = operation.error or {}
    return item | {
        "arguments": ";".join(f"{name}={value}" for name, value in operation.arguments.items()),
        "overdue": str(operation.overdue).lower(),
        "carrier": operation.carrier.value,
        "account": operation.account,
        "msisdn": numbers.get(operation.iccid),
        "error": error.get("code"),
        "carrier_code": error.get("carrier_code"),
    }


def _csv(rows: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    writer.writerows([row[name] for name in CSV_COLUMNS] for row in rows)
    return out.getvalue()


@router.get("/{operation_id}", response_model=Operation, responses=refusals("NOT_FOUND"))
async def get_operation(operation_id: OperationId, ctx: Ctx, caller: SimsReader) -> Response:
    """One operation with its history, and when it ends if it takes as long as others lately."""
    async with ctx.work() as work:
        found = await work.operations.get(caller.tenant, operation_id_of(operation_id))
    if found is None:
        raise NotFound("operation")
    return json_response(current_view(found) | {"expected": await expected_of(ctx, found)})


@router.post("/{operation_id}/cancel", response_model=Operation, responses=refusals("NOT_FOUND", "INCOMPATIBLE_STATE"))
async def cancel_operation(
    request: Request,
    operation_id: OperationId,
    ctx: Ctx,
    caller: Operator,
    body: NoBody,
    key: Idempotent,
) -> Response:
    """Cancel an operation that was not sent."""
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        actor = trail_of(request, caller).actor
        cancelled = await cancel(ctx, work, caller.tenant, operation_id_of(operation_id), actor=actor)
        response = json_response(current_view(cancelled))
        await commit_response(ctx, work, key, response, began=cancelled.id)
    observe_ended(ctx, [cancelled])
    return response


@router.post("/{operation_id}/refresh", response_model=Operation, responses=refusals("NOT_FOUND", "INCOMPATIBLE_STATE"))
async def refresh_operation(
    request: Request,
    operation_id: OperationId,
    ctx: Ctx,
    caller: Operator,
    body: NoBody,
    key: Idempotent,
) -> Response:
    """Look now: what waits for its next attempt is attempted at once, with its back-off begun anew."""
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        actor = trail_of(request, caller).actor
        looked = await look_now(ctx, work, caller.tenant, operation_id_of(operation_id), actor=actor)
        response = json_response(current_view(looked))
        await commit_response(ctx, work, key, response)
    return response


@router.post(
    "/{operation_id}/complete", response_model=Operation, responses=refusals("NOT_FOUND", "INCOMPATIBLE_STATE")
)
async def complete_operation(
    request: Request,
    operation_id: OperationId,
    ctx: Ctx,
    caller: Operator,
    body: Annotated[OperationOutcome, Depends(JsonBody(OperationOutcome))],
    key: Idempotent,
) -> Response:
    """Record how desk work, or an operation that no carrier can confirm, has ended."""
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        completed = await complete(
            ctx,
            work,
            caller.tenant,
            operation_id_of(operation_id),
            succeeded=body.outcome == "succeeded",
            note=body.note,
            actor=trail_of(request, caller).actor,
            pack=body.bytes,
        )
        response = json_response(current_view(completed))
        await commit_response(ctx, work, key, response, began=completed.id)
    observe_ended(ctx, [completed])
    return response
