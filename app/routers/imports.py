"""Import of SIMs from files."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from starlette.responses import Response

from app.db.uow import UnitOfWork
from app.routers.http.contract import NDJSON, FileBody, Parameters, TypedRoute, UploadedFile
from app.routers.http.deps import Ctx, SimsReader, SimsWriter, page_of
from app.routers.http.errors.codes import refusals
from app.routers.http.idempotency import Idempotent, commit_response, stored_response
from app.routers.http.preference import APPLIED, Async
from app.routers.http.responses import json_response
from app.routers.schemas.base import Paging
from app.routers.schemas.operations import OPERATION_ID
from app.routers.schemas.sims import imports as schemas
from app.usecases.access import Caller
from app.usecases.context import Context
from app.usecases.errors import NotFound
from app.usecases.imports.file import import_sims
from app.usecases.imports.forecast import stops_within_a_day
from app.usecases.imports.report import ImportReport
from app.usecases.imports.rows import COLUMN_PARSERS
from app.usecases.imports.tasks import (
    CSV,
    RequestImport,
    find_import,
    refusal_of,
    request_import,
    rows_of,
)
from app.usecases.imports.views import report_view, task_view

router = APIRouter(prefix="/v1", tags=["import"], route_class=TypedRoute)

MAX_FILE_BYTES = 256 << 20

SIMS = FileBody(
    {
        CSV: f"a header of some of {', '.join(COLUMN_PARSERS)}",
        NDJSON: "one JSON object a line, with the columns of the CSV as fields",
    },
    max_bytes=MAX_FILE_BYTES,
)


ImportId = Annotated[str, Path(description="The import's id.", examples=[OPERATION_ID])]
TASK: dict[int | str, dict[str, Any]] = {
    202: {"model": schemas.Import, "description": "With `Prefer: respond-async`: the import, at which to look later."}
}


def _id_of(text: str) -> UUID:
    """The id in a path. Raises `NotFound` for what is no id."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("import") from None


@router.post("/sims/import", response_model=schemas.ImportReport, responses=TASK)
async def import_sims_file(
    ctx: Ctx,
    caller: SimsWriter,
    query: Annotated[schemas.ImportQuery, Depends(Parameters(schemas.ImportQuery))],
    upload: Annotated[UploadedFile, Depends(SIMS)],
    later: Async,
    key: Idempotent,
) -> Response:
    """Import SIMs: the whole file or nothing, or with `?mode=partial` its good rows.

    `?dry_run=true` reads and checks the same file, reports what would happen, and stores nothing. With `Prefer:
    respond-async` a worker imports it: the answer is 202 with the import, whose progress can be asked for.
    """
    with closing(upload.content):
        async with ctx.work() as work:
            if query.dry_run and not later:
                return json_response(await _dry_run(ctx, work, caller, upload))
            if (stored := await stored_response(ctx, work, key)) is not None:
                return stored
            if later:
                response = await _begun(ctx, work, caller, query, upload)
            else:
                report = await _imported(ctx, work, caller, upload, whole=query.mode == "whole")
                response = json_response(report_view(report))
            await commit_response(ctx, work, key, response)
        return response


async def _dry_run(ctx: Context, work: UnitOfWork, caller: Caller, upload: UploadedFile) -> dict[str, Any]:
    report = await _imported(ctx, work, caller, upload, whole=False)
    return report_view(report, await stops_within_a_day(ctx, work))


async def _imported(
    ctx: Context, work: UnitOfWork, caller: Caller, upload: UploadedFile, *, whole: bool
) -> ImportReport:
    rows = rows_of(upload.media_type, upload.content.file)
    report = await import_sims(ctx, work, caller.tenant, rows, actor=caller.name, whole=whole)
    if whole and report.rejected:
        raise refusal_of(report)
    return report


async def _begun(
    ctx: Context, work: UnitOfWork, caller: Caller, query: schemas.ImportQuery, upload: UploadedFile
) -> Response:
    command = RequestImport(
        tenant=caller.tenant,
        media_type=upload.media_type,
        mode=query.mode,
        dry_run=query.dry_run,
        lines=upload.content.lines,
        requested_by=caller.name,
    )
    task = await request_import(ctx, work, command, upload.content.pieces())
    headers = {"Location": f"/v1/imports/{task.id}", **APPLIED}
    return json_response(task_view(task), status=202, headers=headers)


@router.get("/imports", response_model=schemas.ImportPage)
async def list_imports(ctx: Ctx, caller: SimsReader, query: Annotated[Paging, Depends(Parameters(Paging))]) -> Response:
    """Imports of the last week that were begun with `Prefer: respond-async`, newest first."""
    page = page_of(query)
    async with ctx.work() as work:
        found = await work.imports.page(caller.tenant, before=page.id, limit=page.limit + 1)
    return json_response(page.answer(found, task_view))


@router.get("/imports/{import_id}", response_model=schemas.Import, responses=refusals("NOT_FOUND"))
async def get_import(import_id: ImportId, ctx: Ctx, caller: SimsReader) -> Response:
    """How far an import is, and what became of its file; nothing of it is seen before it has succeeded."""
    return json_response(task_view(await find_import(ctx, caller.tenant, _id_of(import_id))))
