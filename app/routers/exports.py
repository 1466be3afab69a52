"""Exports of SIMs, their usage and operations as files (EX-2)."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response, StreamingResponse

from app.db.exports import ExportRecord
from app.routers.http.contract import JsonBody, Parameters, TypedRoute
from app.routers.http.deps import Ctx, SimsReader, page_of, trail_of
from app.routers.http.errors.codes import refusals
from app.routers.http.idempotency import Idempotent, commit_response, stored_response
from app.routers.http.responses import json_response
from app.routers.schemas import exports as schemas
from app.routers.schemas.base import Paging
from app.routers.schemas.operations import OPERATION_ID
from app.routers.schemas.sims.requests import SimFilters
from app.usecases.context import Context
from app.usecases.errors import NotFound
from app.usecases.exports import request as exports

from .bulk import MAX_BULK_BYTES, selector_of

router = APIRouter(prefix="/v1/exports", tags=["exports"], route_class=TypedRoute)

MEDIA_TYPES = {"csv": "text/csv", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES.values()}}
}

ExportId = Annotated[str, Path(description="The export's id.", examples=[OPERATION_ID])]
ExportBody = Annotated[
    schemas.ExportRequest, Depends(JsonBody(schemas.ExportRequest, max_bytes=MAX_BULK_BYTES, parts=(SimFilters,)))
]


def _id_of(text: str) -> UUID:
    """The id in a path. Raises `NotFound` for what is no id."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("export") from None


def _view(ctx: Context, record: ExportRecord) -> dict[str, Any]:
    download = None
    if record.status == "ready":
        expires, signature = exports.link_of(ctx, record)
        url = f"/v1/exports/{record.id}/download?expires={expires}&signature={signature}"
        download = {"url": url, "expires_at": exports.instant_of(expires).isoformat()}
    return {
        "id": str(record.id),
        "what": record.what,
        "format": record.format,
        "columns": list(record.columns),
        "status": record.status,
        "total": record.total,
        "done": record.done,
        "bytes": record.size,
        "error": record.error,
        "created_at": record.created_at.isoformat(),
        "finished_at": record.finished_at.isoformat() if record.finished_at else None,
        "deleted_at": (record.created_at + exports.KEPT).isoformat(),
        "download": download,
    }


@router.post(
    "", status_code=202, response_model=schemas.Export, responses=refusals("RULE_VIOLATION", "NOT_FOUND", "TOO_LARGE")
)
async def create_export(request: Request, ctx: Ctx, caller: SimsReader, body: ExportBody, key: Idempotent) -> Response:
    """Export SIMs, their usage or operations as a file, at most 500,000 SIMs, and one in five minutes."""
    command = exports.RequestExport(
        tenant=caller.tenant,
        what=body.what,
        format=body.format,
        selector=selector_of(body.selector),
        columns=tuple(body.columns) if body.columns is not None else None,
        requested_by=trail_of(request, caller).actor,
    )
    async with ctx.work() as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        record = await exports.request_export(ctx, work, command)
        headers = {"Location": f"/v1/exports/{record.id}"}
        response = json_response(_view(ctx, record), status=202, headers=headers)
        await commit_response(ctx, work, key, response)
    return response


@router.get("", response_model=schemas.ExportPage)
async def list_exports(ctx: Ctx, caller: SimsReader, query: Annotated[Paging, Depends(Parameters(Paging))]) -> Response:
    """Exports of the last day, newest first."""
    page = page_of(query)
    async with ctx.work() as work:
        found = await work.exports.page(caller.tenant, before=page.id, limit=page.limit + 1)
    return json_response(page.answer(found, lambda record: _view(ctx, record)))


@router.get("/{export_id}", response_model=schemas.Export, responses=refusals("NOT_FOUND"))
async def get_export(export_id: ExportId, ctx: Ctx, caller: SimsReader) -> Response:
    """How far an export is; once it is ready, a link to its file that works for a quarter of an hour."""
    return json_response(_view(ctx, await exports.find_export(ctx, caller.tenant, _id_of(export_id))))


@router.get("/{export_id}/download", response_class=StreamingResponse, responses=FILE | refusals("NOT_FOUND"))
async def download_export(
    export_id: ExportId,
    ctx: Ctx,
    query: Annotated[schemas.DownloadQuery, Depends(Parameters(schemas.DownloadQuery))],
) -> Response:
    """The file of an export. The link is the permission: it needs no key."""
    record = await exports.by_link(ctx, _id_of(export_id), query.expires, query.signature)
    name = f"{record.what}-{record.created_at:%Y%m%d-%H%M%S}.{record.format}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(exports.content(ctx, record), media_type=MEDIA_TYPES[record.format], headers=headers)
