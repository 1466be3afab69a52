"""`/v1/service-levels`: what carriers promise beside what they keep, and what may be claimed for a month (SL-9)."""

from __future__ import annotations

import csv
import io
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.routers.http.contract import Parameters, TypedRoute
from app.routers.http.deps import Ctx, SimsReader, page_of
from app.routers.http.errors.codes import TEXT_CSV
from app.routers.http.responses import json_response
from app.routers.schemas.answers import service_levels as schemas
from app.usecases.operations.service_levels import claims, service_levels

router = APIRouter(prefix="/v1/service-levels", tags=["answers"], route_class=TypedRoute)

CSV_COLUMNS = [
    "operation",
    "iccid",
    "carrier",
    "account",
    "kind",
    "status",
    "due_rule",
    "due_at",
    "settled_at",
    "first_day",
    "last_day",
    "days",
]


@router.get("", response_model=schemas.ServiceLevels)
async def list_service_levels(
    ctx: Ctx,
    caller: SimsReader,
    query: Annotated[schemas.ServiceLevelQuery, Depends(Parameters(schemas.ServiceLevelQuery))],
) -> Response:
    """What each supplier's terms promise beside what the operations of the last 90 days took, by account and kind."""
    return json_response(await service_levels(ctx, caller.tenant, query.carrier, query.kind))


@router.get("/claims", response_model=schemas.ClaimSheet, responses=TEXT_CSV)
async def get_service_level_claims(
    request: Request,
    ctx: Ctx,
    caller: SimsReader,
    query: Annotated[schemas.ClaimQuery, Depends(Parameters(schemas.ClaimQuery))],
) -> Response:
    """The late card-days of a calendar month, per account, kind and rule, and the late operations; also CSV."""
    page = page_of(query)
    only = {"carrier": query.carrier and query.carrier.value, "kind": query.kind and query.kind.value}
    month = date.fromisoformat(f"{query.month}-01")
    sheet, last = await claims(ctx, caller.tenant, month, only, after=page.id, limit=page.limit)
    cursor = page.next_cursor(str(last) if last else None)
    if "text/csv" in request.headers.get("accept", ""):
        headers = {"X-Next-Cursor": cursor or ""}
        return Response(_csv(sheet["items"]), media_type="text/csv; charset=utf-8", headers=headers)
    return json_response(sheet | {"next_cursor": cursor})


def _csv(items: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    writer.writerows([item[name] for name in CSV_COLUMNS] for item in items)
    return out.getvalue()
