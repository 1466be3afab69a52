"""`/v1/usage`: what gateways and carriers say was used."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.routers import report_bodies
from app.routers.deps import UsageWriter, body_of, container_of
from app.routers.respond import json_response
from app.usecases.ingest import Ingest

router = APIRouter(prefix="/v1/usage", tags=["usage"])


def ingest_of(request: Request) -> Ingest:
    """The process's ingest, begun with the first report."""
    state = request.app.state
    if not hasattr(state, "ingest"):
        state.ingest = Ingest(container_of(request).context)
    ingest: Ingest = state.ingest
    return ingest


@router.post("/reports")
async def report(request: Request, caller: UsageWriter, ingest: Annotated[Ingest, Depends(ingest_of)]) -> Response:
    """Count usage reports, each once; answered after they are committed (US-3)."""
    headers = request.headers
    body = await body_of(request, most=report_bodies.MOST_UNPACKED)
    plain = report_bodies.unpacked(body, headers.get("content-encoding"))
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    decoded = report_bodies.decode(media_type, plain)
    tally = await ingest.submit(caller.tenant, decoded.reports, rejected=len(decoded.rejected))
    return json_response(report_bodies.answer(decoded, tally))
