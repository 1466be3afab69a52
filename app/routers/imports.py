"""Import of cards and plans from files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.db.uow import UnitOfWork
from app.routers.http.deps import Ctx, SimsReader, SimsWriter, body_of, json_object, once_key, trail_of
from app.routers.http.problems import UnreadableFile, UnsupportedMediaType
from app.routers.http.responses import encoded, json_response
from app.usecases.catalogue.plans import plan_view, plans_from_csv, put_plans, read_plan
from app.usecases.errors import Fault, InvalidArgument
from app.usecases.idempotency import Answer, once
from app.usecases.sims.import_file import ImportReport, csv_rows, decode_text, import_sims, ndjson_rows

from .actions import answered

router = APIRouter(prefix="/v1", tags=["import"])

LARGEST_FILE = 256 << 20
MOST_ERRORS = 1_000


def media_type_of(request: Request) -> str:
    """The body's media type without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _rows_of(request: Request, body: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    kind = media_type_of(request)
    if kind == "text/csv":
        return csv_rows(decode_text(body))
    if kind in ("application/x-ndjson", "application/ndjson"):
        return ndjson_rows(decode_text(body))
    raise UnsupportedMediaType("text/csv or application/x-ndjson")


def _shown(report: ImportReport) -> dict[str, Any]:
    return {
        "rows": report.rows,
        "created": report.created,
        "updated": report.updated,
        "rejected": [fault.as_json() for fault in report.rejected[:MOST_ERRORS]],
        "rejected_rows": len(report.faulty_lines),
    }


@router.post("/sims/import")
async def sims_import(request: Request, ctx: Ctx, caller: SimsWriter, mode: str = "whole") -> Response:
    """Import cards: the whole file or nothing, or with `?mode=partial` the good rows of it."""
    if mode not in ("whole", "partial"):
        raise InvalidArgument([Fault(code="UNKNOWN_WORD", detail="whole or partial", pointer="query:mode")])
    body = await body_of(request, most=LARGEST_FILE)

    async def act(work: UnitOfWork) -> Answer:
        report = await import_sims(ctx, work, caller.tenant, _rows_of(request, body), actor=caller.name)
        if report.rejected and mode == "whole":
            raise InvalidArgument(report.rejected[:MOST_ERRORS], "bad rows; nothing was changed")
        return Answer(status=200, body=encoded(_shown(report)), headers={})

    return answered(await once(ctx, once_key(request, caller, body), act))


@router.get("/plans")
async def plans(ctx: Ctx, caller: SimsReader) -> Response:
    """Every plan of the tenant."""
    async with ctx.work() as work:
        known = await work.plans.all(caller.tenant)
    return json_response({"items": [plan_view(plan) for plan in known.values()], "next_cursor": None})


@router.post("/plans")
async def plans_post(request: Request, ctx: Ctx, caller: SimsWriter) -> Response:
    """Add one plan (JSON) or many (CSV); the same id replaces."""
    if media_type_of(request) == "text/csv":
        body = await body_of(request)
        given = plans_from_csv(decode_text(body))
    else:
        body, value = await json_object(request)
        if not value:
            raise UnreadableFile("a plan is needed")
        given = [read_plan(value)]

    async def act(work: UnitOfWork) -> Answer:
        await put_plans(ctx, work, caller.tenant, given, actor=trail_of(request, caller).actor)
        shown = [plan_view(plan) for plan in given]
        body = shown[0] if len(shown) == 1 and media_type_of(request) != "text/csv" else {"items": shown}
        return Answer(status=201, body=encoded(body), headers={})

    return answered(await once(ctx, once_key(request, caller, body), act))
