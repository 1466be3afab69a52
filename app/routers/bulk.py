"""Bulk operations: one request over many SIMs, its items, its results as files; and the files that name SIMs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response, StreamingResponse

from app.db.bulk.repository import BulkRecord
from app.db.uow import UnitOfWork
from app.domain.vocabulary import OperationKind
from app.routers.http.contract import JsonBody, NoBody, Parameters, TypedRoute, Upload, UploadBody, validated
from app.routers.http.deps import Ctx, Operator, SimsReader, page_of, trail_of
from app.routers.http.errors.codes import refusals
from app.routers.http.errors.refusals import irreversible_line
from app.routers.http.idempotency import Idempotent, commit_response, stored_response
from app.routers.http.responses import json_response
from app.routers.schemas import bulk as schemas
from app.routers.schemas.actions import ARGUMENTS, NoArguments
from app.routers.schemas.base import Paging, RequestModel
from app.routers.schemas.operations import OPERATION_ID
from app.routers.schemas.sims.imports import SimFile
from app.routers.schemas.sims.requests import SimFilters
from app.texts.catalogue import language_of
from app.usecases.access import Caller
from app.usecases.bulk import files, views
from app.usecases.bulk.preflight import preflight_view
from app.usecases.bulk.request import MOST_ITEMS, RequestBulk, cancel, find, request_bulk, retry_failed
from app.usecases.bulk.selectors import IccidList, IccidRange, MatchingSims, PoolMembers, Selector, UploadedFile
from app.usecases.context import Context
from app.usecases.errors import Fault, InvalidArgument, NotFound

from .imports import MAX_FILE_BYTES
from .sims import filter_of

router = APIRouter(prefix="/v1", tags=["bulk operations"], route_class=TypedRoute)

MAX_BULK_BYTES = 32 << 20
PARTS = (SimFilters, NoArguments, *ARGUMENTS.values())

BulkId = Annotated[str, Path(description="The bulk operation's id.", examples=[OPERATION_ID])]
BulkBody = Annotated[schemas.BulkRequest, Depends(JsonBody(schemas.BulkRequest, max_bytes=MAX_BULK_BYTES, parts=PARTS))]
RetryBody = Annotated[schemas.BulkRetryRequest, Depends(JsonBody(schemas.BulkRetryRequest))]
ACCEPTED: dict[str, Any] = {"status_code": 202, "response_model": schemas.BulkOperation}


def _id_of(text: str) -> UUID:
    """The id in a path. Raises `NotFound` for what is no id."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("bulk operation") from None


def selector_of(given: schemas.Selector) -> Selector:
    """The selector of a request as the use-cases have it. Raises `InvalidArgument` for a wrong filter."""
    if given.iccids is not None:
        return IccidList(iccids=tuple(given.iccids))
    if given.range is not None:
        return IccidRange(start=given.range.start, end=given.range.end, pool=given.range.pool)
    if given.pool is not None:
        return PoolMembers(pool=given.pool)
    if given.file_id is not None:
        return UploadedFile(file_id=given.file_id)
    return (
        _filtered(given.filter) if given.filter is not None else MatchingSims(wanted=filter_of(SimFilters()), query={})
    )


def _filtered(given: Mapping[str, Any]) -> MatchingSims:
    """The list's query parameters as an object; `tag` may be a list. An empty one is not every SIM: that is `all`."""
    pointer = "/selector/filter"
    if not given:
        raise InvalidArgument([Fault(pointer=pointer, code="REQUIRED", detail="a parameter, or else `all`")])
    values = {name: _query_value(name, value) for name, value in given.items()}
    try:
        wanted = filter_of(validated(SimFilters, values, at=pointer))
    except InvalidArgument as wrong:
        faults = [_within(fault, pointer) for fault in wrong.faults]
        raise InvalidArgument(faults) from None
    return MatchingSims(wanted=wanted, query=dict(given))


def _query_value(name: str, value: Any) -> Any:
    """A JSON value as the query parameter it stands for."""
    if name == "tag":
        return value if isinstance(value, list) else [value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _within(fault: Fault, pointer: str) -> Fault:
    name = (fault.pointer or "").removeprefix("query:")
    return fault if name.startswith("/") else Fault(code=fault.code, detail=fault.detail, pointer=f"{pointer}/{name}")


def _command(request: Request, caller: Caller, body: schemas.BulkRequest) -> RequestBulk:
    """The command of a request. Raises `InvalidArgument`."""
    arguments = _arguments(body)
    trail = trail_of(request, caller)
    return RequestBulk(
        tenant=caller.tenant,
        kind=body.kind,
        selector=selector_of(body.selector),
        arguments=arguments.model_dump(exclude_unset=True),
        dry_run=body.options.dry_run,
        max_failures=body.options.max_failures,
        max_items=body.options.max_items or MOST_ITEMS,
        execute_at=body.options.execute_at,
        requested_by=trail.actor,
        reason=trail.reason,
        correlation_id=trail.correlation_id,
    )


def _arguments(body: schemas.BulkRequest) -> RequestModel:
    """The action's arguments; a dry run of a termination confirms nothing. Raises `InvalidArgument`."""
    unconfirmed = body.kind is OperationKind.TERMINATE and body.options.dry_run and not body.arguments
    model = NoArguments if unconfirmed else ARGUMENTS.get(body.kind, NoArguments)
    return validated(model, body.arguments, at="/arguments")


def _view(request: Request, ctx: Context, bulk: BulkRecord, counts: Mapping[str, int]) -> dict[str, Any]:
    """A bulk operation; a dry run with its pre-flight, in the caller's language."""
    preflight = None
    if bulk.dry_run:
        language = language_of(request.headers.get("accept-language"))
        found = preflight_view(ctx, bulk)
        preflight = found | {"irreversible": [irreversible_line(one, language) for one in found["irreversible"]]}
    return views.bulk_view(bulk, counts, ctx.now(), preflight=preflight)


async def _accepted(request: Request, ctx: Context, work: UnitOfWork, bulk: BulkRecord) -> Response:
    view = _view(request, ctx, bulk, await work.bulk.counts(bulk.id))
    return json_response(view, status=202, headers={"Location": f"/v1/bulk-operations/{bulk.id}"})


@router.post("/bulk-operations", **ACCEPTED, responses=refusals("RULE_VIOLATION", "NOT_FOUND"))
async def create_bulk_operation(
    request: Request, ctx: Ctx, caller: Operator, body: BulkBody, key: Idempotent
) -> Response:
    """Request one operation on each of many SIMs. Each item ends on its own."""
    command = _command(request, caller, body)
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        bulk = await request_bulk(ctx, work, command)
        response = await _accepted(request, ctx, work, bulk)
        await commit_response(ctx, work, key, response, began=bulk.id)
    return response


@router.get("/bulk-operations", response_model=schemas.BulkOperationPage)
async def list_bulk_operations(
    request: Request, ctx: Ctx, caller: SimsReader, query: Annotated[Paging, Depends(Parameters(Paging))]
) -> Response:
    """Bulk operations, newest first."""
    page = page_of(query)
    async with ctx.work() as work:
        found = await work.bulk.page(caller.tenant, before=page.id, limit=page.limit + 1)
        items = [_view(request, ctx, bulk, await work.bulk.counts(bulk.id)) for bulk in found[: page.limit]]
    cursor = page.next_cursor(items[-1]["id"] if len(found) > page.limit else None)
    return json_response({"items": items, "next_cursor": cursor})


@router.get("/bulk-operations/{bulk_id}", response_model=schemas.BulkOperation, responses=refusals("NOT_FOUND"))
async def get_bulk_operation(request: Request, bulk_id: BulkId, ctx: Ctx, caller: SimsReader) -> Response:
    """One bulk operation: counts, progress, when it ends at this rate; of a dry run what it would meet."""
    async with ctx.work() as work:
        bulk = await find(work, caller.tenant, _id_of(bulk_id))
        counts = await work.bulk.counts(bulk.id)
    return json_response(_view(request, ctx, bulk, counts))


@router.get("/bulk-operations/{bulk_id}/items", response_model=schemas.BulkItemPage, responses=refusals("NOT_FOUND"))
async def list_bulk_operation_items(
    bulk_id: BulkId,
    ctx: Ctx,
    caller: SimsReader,
    query: Annotated[schemas.BulkItemQuery, Depends(Parameters(schemas.BulkItemQuery))],
) -> Response:
    """The items in order, with the outcome of each."""
    page = page_of(query)
    async with ctx.work() as work:
        bulk = await find(work, caller.tenant, _id_of(bulk_id))
        rows = await work.bulk.items(bulk.id, status=query.status, after=page.number or 0, limit=page.limit + 1)
    return json_response(page.answer(rows, views.item_view, place="position"))


def _file(media_type: str, content: str) -> dict[str, Any]:
    schema = {"type": "string", "description": content}
    answer: dict[int | str, dict[str, Any]] = {200: {"content": {media_type: {"schema": schema}}}}
    return {"response_class": StreamingResponse, "responses": answer | refusals("NOT_FOUND")}


@router.get(
    "/bulk-operations/{bulk_id}/results.csv", **_file("text/csv", f"a header of {', '.join(views.CSV_COLUMNS)}")
)
async def get_bulk_operation_results_csv(bulk_id: BulkId, ctx: Ctx, caller: SimsReader) -> Response:
    """Every item as CSV, streamed; may be read while it runs."""
    bulk = await _found(ctx, caller, bulk_id)
    return StreamingResponse(views.csv_text(ctx, bulk.id), media_type="text/csv; charset=utf-8")


@router.get("/bulk-operations/{bulk_id}/results.ndjson", **_file("application/x-ndjson", "a `BulkItem` a line"))
async def get_bulk_operation_results_ndjson(bulk_id: BulkId, ctx: Ctx, caller: SimsReader) -> Response:
    """Every item as NDJSON, streamed; may be read while it runs."""
    bulk = await _found(ctx, caller, bulk_id)
    return StreamingResponse(views.ndjson(ctx, bulk.id), media_type="application/x-ndjson")


async def _found(ctx: Context, caller: Caller, bulk_id: str) -> BulkRecord:
    async with ctx.work() as work:
        return await find(work, caller.tenant, _id_of(bulk_id))


@router.post("/bulk-operations/{bulk_id}/cancel", **ACCEPTED, responses=refusals("NOT_FOUND", "INCOMPATIBLE_STATE"))
async def cancel_bulk_operation(
    request: Request, bulk_id: BulkId, ctx: Ctx, caller: Operator, body: NoBody, key: Idempotent
) -> Response:
    """Cancel what was not sent; what was sent ends as it ends."""
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        bulk = await cancel(ctx, work, caller.tenant, _id_of(bulk_id), actor=trail_of(request, caller).actor)
        response = await _accepted(request, ctx, work, bulk)
        await commit_response(ctx, work, key, response, began=bulk.id)
    return response


@router.post("/bulk-operations/{bulk_id}/retry", **ACCEPTED, responses=refusals("NOT_FOUND", "INCOMPATIBLE_STATE"))
async def retry_bulk_operation(
    request: Request, bulk_id: BulkId, ctx: Ctx, caller: Operator, body: RetryBody, key: Idempotent
) -> Response:
    """Request again what failed, as a bulk operation of its own."""
    trail = trail_of(request, caller)
    command = RequestBulk(
        tenant=caller.tenant,
        kind=OperationKind.REFRESH,
        selector=IccidList(iccids=()),
        requested_by=trail.actor,
        reason=trail.reason,
        correlation_id=trail.correlation_id,
    )
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        bulk = await retry_failed(ctx, work, caller.tenant, _id_of(bulk_id), command)
        response = await _accepted(request, ctx, work, bulk)
        await commit_response(ctx, work, key, response, began=bulk.id)
    return response


SIM_FILE = UploadBody(
    {"text/csv": "a header with a column `iccid`; other columns are ignored"}, max_bytes=MAX_FILE_BYTES
)


@router.post("/files", status_code=201, response_model=SimFile)
async def upload_file(
    ctx: Ctx, caller: Operator, upload: Annotated[Upload, Depends(SIM_FILE)], key: Idempotent
) -> Response:
    """Upload a CSV file that names SIMs in a column `iccid`, for the selector of a bulk operation."""
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        file_id, rows = await files.store_file(ctx, work, caller.tenant, upload.content)
        response = json_response({"id": str(file_id), "rows": rows}, status=201)
        await commit_response(ctx, work, key, response)
    return response
