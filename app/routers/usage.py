"""Usage: gateways' reports, carriers' corrections, and usage by SIM."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response, StreamingResponse

from app.db.usage.counters import ReportPosition
from app.domain.identifiers import parse_iccid
from app.domain.vocabulary import Carrier
from app.routers import report_bodies
from app.routers.http.bodies import keepable
from app.routers.http.contract import JsonBody, Parameters, TypedRoute, Upload, UploadBody
from app.routers.http.deps import MAX_BIGINT, Ctx, SimsReader, UsageWriter, container_of, page_of, trail_of
from app.routers.http.errors.codes import refusals
from app.routers.http.errors.problems import Unreadable
from app.routers.http.idempotency import Idempotent, commit_response, held, stored_response
from app.routers.http.responses import json_response
from app.routers.schemas import usage as schemas
from app.routers.schemas.base import Paging
from app.usecases.as_of import moment_of
from app.usecases.exports.dispute import Dispute, dispute_file
from app.usecases.usage.advice import advice_on
from app.usecases.usage.corrections import MAX_CORRECTIONS, Correction, correct
from app.usecases.usage.ingest.service import Ingest
from app.usecases.usage.read import card_reports, card_usage, unmatched_reports
from app.usecases.usage.reconciliation import Position, cycle_to_reconcile, reconciliation

from .actions import Iccid
from .exports import FILE, MEDIA_TYPES

router = APIRouter(prefix="/v1", tags=["usage"], route_class=TypedRoute)

DEFAULT_REPORTS = 1_000
"""Reports on a page whose size is not given."""

_GAP_PLACE = re.compile(r"(\d{1,19}) (\d{1,19})", re.ASCII)
MAX_GATEWAY = (1 << 31) - 1
MAX_BATCH_BYTES = 8 << 20

REPORTS = UploadBody(
    {
        "application/json": schemas.ReportsJson,
        "application/x-ndjson": "a `GatewayReport` a line",
        "application/cloudevents-batch+json": schemas.ReportEvents,
    },
    max_bytes=MAX_BATCH_BYTES,
)
CorrectionsBody = Annotated[
    schemas.CorrectionsRequest,
    Depends(
        JsonBody(schemas.CorrectionsRequest, max_bytes=MAX_BATCH_BYTES, array="corrections", max_items=MAX_CORRECTIONS)
    ),
]


def ingest_of(request: Request) -> Ingest:
    """The process's ingest, started with the first report."""
    state = request.app.state
    if not hasattr(state, "ingest"):
        state.ingest = Ingest(container_of(request).context)
    ingest: Ingest = state.ingest
    return ingest


@router.post("/usage/reports", response_model=schemas.ReportsCounted)
async def ingest_reports(
    caller: UsageWriter,
    upload: Annotated[Upload, Depends(REPORTS)],
    ingest: Annotated[Ingest, Depends(ingest_of)],
    query: Annotated[schemas.ReportsQuery, Depends(Parameters(schemas.ReportsQuery))],
    ctx: Ctx,
) -> Response:
    """Count usage reports, each once; answered after they are committed (US-3).

    With `advice=true` the answer also tells which cards of the batch are held or near a limit (US-7).
    """
    decoded = report_bodies.decode(upload.media_type, upload.content)
    tally = await ingest.submit(caller.tenant, decoded.reports, rejected=len(decoded.rejected))
    counted = report_bodies.answer(decoded, tally)
    if query.advice:
        counted["advice"] = await advice_on(ctx, caller.tenant, decoded.reports, tally)
    return json_response(counted)


@router.post("/usage/corrections", response_model=schemas.CorrectionsApplied)
async def correct_usage(
    request: Request, ctx: Ctx, caller: UsageWriter, body: CorrectionsBody, key: Idempotent
) -> Response:
    """Carriers' figures for days or cycles of SIMs: they replace, unless a later one is there (US-3, US-5)."""
    corrections = [
        Correction(index=index, iccid=one.iccid, used=one.bytes, day=one.day, cycle=one.cycle, as_of=one.as_of)
        for index, one in enumerate(body.corrections)
    ]
    async with held(ctx, key) as work:
        if (stored := await stored_response(ctx, work, key)) is not None:
            return stored
        applied = await correct(ctx, caller.tenant, corrections, actor=trail_of(request, caller).actor)
        response = json_response(applied)
        await commit_response(ctx, work, key, response)
    return response


@router.get("/usage/reconciliation", response_model=schemas.Reconciliation)
async def reconcile_usage(
    ctx: Ctx,
    caller: SimsReader,
    query: Annotated[schemas.ReconciliationQuery, Depends(Parameters(schemas.ReconciliationQuery))],
) -> Response:
    """Cards whose usage differs between us and the carrier, the widest gap first, each with its cause (US-6)."""
    page = page_of(query)
    carrier, after = Carrier(query.carrier), _gap_place(page.after)
    found, last = await reconciliation(ctx, caller.tenant, carrier, query.cycle, after=after, limit=page.limit)
    return json_response(found | {"next_cursor": page.next_cursor(f"{last[0]} {last[1]}" if last else None)})


def _gap_place(cursor: Any) -> Position | None:
    """The position that a cursor names in the list of gaps. Raises `Unreadable` for another list's cursor."""
    if cursor is None:
        return None
    found = _GAP_PLACE.fullmatch(cursor) if isinstance(cursor, str) else None
    if found is None or max(map(int, found.groups())) > MAX_BIGINT:
        raise Unreadable("invalid cursor")
    return int(found[1]), int(found[2])


@router.get("/usage/reconciliation/file", response_class=StreamingResponse, responses=FILE)
async def download_reconciliation(
    ctx: Ctx,
    caller: SimsReader,
    query: Annotated[schemas.ReconciliationFileQuery, Depends(Parameters(schemas.ReconciliationFileQuery))],
) -> Response:
    """The dispute file for the carrier: every gap of a cycle with both sides' figures and times (US-6).

    CSV, or XLSX with `format=xlsx`; ICCIDs are text.
    """
    carrier = Carrier(query.carrier)
    cycle = cycle_to_reconcile(ctx, carrier, query.cycle)
    wanted = Dispute(tenant=caller.tenant, carrier=carrier, cycle=cycle)
    name = f"reconciliation-{carrier.value}-{cycle.id}.{query.format}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    file = dispute_file(ctx, wanted, query.format)
    return StreamingResponse(file, media_type=MEDIA_TYPES[query.format], headers=headers)


@router.get("/usage/unknown", response_model=schemas.UnmatchedReportPage)
async def list_unmatched_reports(
    ctx: Ctx, caller: SimsReader, query: Annotated[Paging, Depends(Parameters(Paging))]
) -> Response:
    """Reports of SIMs the tenant does not have, stored for 90 days."""
    page = page_of(query)
    items, last = await unmatched_reports(ctx, caller.tenant, after=page.number or 0, limit=page.limit)
    return json_response({"items": items, "next_cursor": page.next_cursor(last)})


@router.get(
    "/sims/{iccid}/usage", response_model=schemas.SimUsageAnswer, responses=refusals("NOT_FOUND", "BEFORE_RECORDS")
)
async def get_sim_usage(
    iccid: Iccid,
    ctx: Ctx,
    caller: SimsReader,
    query: Annotated[schemas.SimUsageQuery, Depends(Parameters(schemas.SimUsageQuery))],
) -> Response:
    """A SIM's usage by day, cycle or report; `from` and `to` included (US-1).

    Reports come in pages: of `limit`, of 1,000 where none is given.
    """
    name, page, moment = parse_iccid(iccid), page_of(query), moment_of(ctx, query.as_of, query.known_at)
    if query.granularity != "report":
        span = (query.first, query.last)
        return json_response(await card_usage(ctx, caller.tenant, name, query.granularity, span, moment))
    limit = page.limit if "limit" in query.model_fields_set else DEFAULT_REPORTS
    after = _report_place(page.after)
    found, end = await card_reports(
        ctx, caller.tenant, name, query.first, query.last, after=after, limit=limit, moment=moment
    )
    position = f"{end.at.isoformat()} {end.gateway} {end.report_id}" if end else None
    return json_response(found | {"next_cursor": page.next_cursor(position)})


def _report_place(cursor: Any) -> ReportPosition | None:
    """The position that a cursor names in a SIM's reports. Raises `Unreadable` for another list's cursor."""
    if cursor is None:
        return None
    try:
        at, gateway, report_id = cursor.split(" ", 2)
        position = ReportPosition(datetime.fromisoformat(at), int(gateway), report_id)
    except (ValueError, AttributeError):
        raise Unreadable("invalid cursor") from None
    if position.at.tzinfo is None or not 0 <= position.gateway <= MAX_GATEWAY or not keepable(report_id):
        raise Unreadable("invalid cursor")
    return position
