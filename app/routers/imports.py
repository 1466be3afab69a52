"""Import of SIMs from files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from app.routers.http.contract import NDJSON, Parameters, TypedRoute, Upload, UploadBody
from app.routers.http.deps import Ctx, SimsWriter
from app.routers.http.idempotency import Idempotent, commit_response, stored_response
from app.routers.http.responses import json_response
from app.routers.schemas.sims import imports as schemas
from app.usecases.errors import InvalidArgument
from app.usecases.imports.file import import_sims
from app.usecases.imports.forecast import Forecast, stops_within_a_day
from app.usecases.imports.formats import Row, csv_rows, ndjson_rows
from app.usecases.imports.report import ImportReport
from app.usecases.imports.rows import COLUMN_PARSERS

router = APIRouter(prefix="/v1", tags=["import"], route_class=TypedRoute)

MAX_FILE_BYTES = 256 << 20
CSV = "text/csv"

SIMS = UploadBody(
    {
        CSV: f"a header of some of {', '.join(COLUMN_PARSERS)}",
        NDJSON: "one JSON object a line, with the columns of the CSV as fields",
    },
    max_bytes=MAX_FILE_BYTES,
)


def _rows_of(upload: Upload) -> Iterator[Row]:
    return csv_rows(upload.content) if upload.media_type == CSV else ndjson_rows(upload.content)


def _view(report: ImportReport) -> dict[str, Any]:
    return {
        "dry_run": False,
        "rows": report.rows,
        "created": report.created,
        "updated": report.updated,
        "held": report.held,
        "rejected": [fault.as_json() for fault in report.rejected],
        "rejected_rows": report.rejected_rows,
        "warnings": [fault.as_json() for fault in report.warnings],
        "warned_rows": report.warned_rows,
        "stops": [],
        "stopped": 0,
        "stopped_if_running": 0,
    }


def _forecast_view(report: ImportReport, forecast: Forecast) -> dict[str, Any]:
    listed = [
        {"line": stop.line, "hold": stop.hold.value, "rule": stop.rule, "if_running": stop.if_running}
        for stop in forecast.stops
    ]
    return _view(report) | {
        "dry_run": True,
        "stops": listed,
        "stopped": forecast.stopped,
        "stopped_if_running": forecast.stopped_if_running,
    }


@router.post("/sims/import", response_model=schemas.ImportReport)
async def import_sims_file(
    ctx: Ctx,
    caller: SimsWriter,
    query: Annotated[schemas.ImportQuery, Depends(Parameters(schemas.ImportQuery))],
    upload: Annotated[Upload, Depends(SIMS)],
    key: Idempotent,
) -> Response:
    """Import SIMs: the whole file or nothing, or with `?mode=partial` its good rows.

    `?dry_run=true` reads and checks the same file, reports what would happen, and stores nothing.
    """
    async with ctx.work() as work:
        if query.dry_run:
            report = await import_sims(ctx, work, caller.tenant, _rows_of(upload), actor=caller.name)
            return json_response(_forecast_view(report, await stops_within_a_day(ctx, work)))
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        whole = query.mode == "whole"
        report = await import_sims(ctx, work, caller.tenant, _rows_of(upload), actor=caller.name, whole=whole)
        if report.rejected and whole:
            more = f"; reading ended at the {len(report.rejected)}th fault" if report.full else ""
            raise InvalidArgument(report.rejected, f"bad rows; nothing was changed{more}")
        response = json_response(_view(report))
        await commit_response(ctx, work, key, response)
    return response
