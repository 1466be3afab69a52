"""Import of SIMs and plans from files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.routers.http.contract import Parameters, TypedRoute, Upload, UploadBody, parsed, validated
from app.routers.http.deps import Ctx, SimsReader, SimsWriter, trail_of
from app.routers.http.idempotency import Idempotent, commit, replayed
from app.routers.http.problems import Unreadable
from app.routers.http.responses import json_response
from app.routers.schemas import imports as schemas
from app.usecases.catalogue.plans import COLUMNS, plan_view, plans_from_csv, put_plans, read_plan
from app.usecases.errors import InvalidArgument
from app.usecases.sims.import_file import ImportReport, csv_rows, decode_text, import_sims, ndjson_rows
from app.usecases.sims.import_rows import COLUMN_PARSERS

router = APIRouter(prefix="/v1", tags=["import"], route_class=TypedRoute)

MAX_FILE_BYTES = 256 << 20
MAX_PLANS_BYTES = 1 << 20
MAX_FAULTS = 1_000
JSON, CSV, NDJSON = "application/json", "text/csv", "application/x-ndjson"

LINES = "one JSON object a line, with the columns of the CSV as fields"
SIMS = UploadBody(
    {CSV: f"a header of some of {', '.join(COLUMN_PARSERS)}", NDJSON: LINES, "application/ndjson": LINES},
    max_bytes=MAX_FILE_BYTES,
)
PLANS = UploadBody(
    {JSON: schemas.PlanRequest, CSV: f"a header of {', '.join(COLUMNS)}"}, max_bytes=MAX_PLANS_BYTES, default=JSON
)


def _rows_of(upload: Upload) -> Iterator[tuple[int, dict[str, str]]]:
    text = decode_text(upload.content)
    return csv_rows(text) if upload.media_type == CSV else ndjson_rows(text)


def _view(report: ImportReport) -> dict[str, Any]:
    return {
        "rows": report.rows,
        "created": report.created,
        "updated": report.updated,
        "rejected": [fault.as_json() for fault in report.rejected[:MAX_FAULTS]],
        "rejected_rows": len(report.faulty_lines),
    }


@router.post("/sims/import", response_model=schemas.ImportReport)
async def import_sims_file(
    ctx: Ctx,
    caller: SimsWriter,
    query: Annotated[schemas.ImportQuery, Depends(Parameters(schemas.ImportQuery))],
    upload: Annotated[Upload, Depends(SIMS)],
    key: Idempotent,
) -> Response:
    """Import SIMs: the whole file or nothing, or with `?mode=partial` its good rows."""
    async with ctx.work() as work:
        if (stored := await replayed(ctx, work, key)) is not None:
            return stored
        report = await import_sims(ctx, work, caller.tenant, _rows_of(upload), actor=caller.name)
        if report.rejected and query.mode == "whole":
            raise InvalidArgument(report.rejected[:MAX_FAULTS], "bad rows; nothing was changed")
        response = json_response(_view(report))
        await commit(ctx, work, key, response)
    return response


@router.get("/plans", response_model=schemas.PlanPage)
async def list_plans(ctx: Ctx, caller: SimsReader) -> Response:
    """Every plan of the tenant."""
    async with ctx.work() as work:
        known = await work.plans.all(caller.tenant)
    return json_response({"items": [plan_view(plan) for plan in known.values()], "next_cursor": None})


@router.post("/plans", status_code=201, response_model=schemas.PlanAnswer)
async def put_plan(
    request: Request, ctx: Ctx, caller: SimsWriter, upload: Annotated[Upload, Depends(PLANS)], key: Idempotent
) -> Response:
    """Add one plan (JSON) or many (CSV); the same id replaces."""
    if upload.media_type == CSV:
        plans = plans_from_csv(decode_text(upload.content))
    else:
        plans = [read_plan(_plan_fields(upload.content))]
    async with ctx.work() as work:
        if (stored := await replayed(ctx, work, key)) is not None:
            return stored
        await put_plans(ctx, work, caller.tenant, plans, actor=trail_of(request, caller).actor)
        items = [plan_view(plan) for plan in plans]
        response = json_response({"items": items} if upload.media_type == CSV else items[0], status=201)
        await commit(ctx, work, key, response)
    return response


def _plan_fields(body: bytes) -> dict[str, Any]:
    """The fields of a plan in a JSON body. Raises `Unreadable`, `InvalidArgument`."""
    value = parsed(body or b"{}")
    if not isinstance(value, dict) or not value:
        raise Unreadable("the body is not a JSON object with a plan")
    return validated(schemas.PlanRequest, value).model_dump(exclude_unset=True)
