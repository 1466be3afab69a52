"""Usage: what gateways report, what carriers correct, and how it reads by card."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.db.usage.counters import ReportPlace
from app.domain.calendar.days import day_named
from app.domain.errors import Malformed
from app.domain.identifiers import parse_iccid
from app.routers import report_bodies
from app.routers.actions import answered
from app.routers.http.decompress import MOST_UNPACKED, unpacked
from app.routers.http.deps import (
    Ctx,
    Paged,
    SimsReader,
    UsageWriter,
    body_of,
    container_of,
    keepable,
    once_key,
    parsed,
    trail_of,
)
from app.routers.http.problems import TooLarge, UnreadableFile
from app.routers.http.responses import encoded, json_response
from app.routers.sims import refuse_as_of
from app.usecases.errors import Fault, InvalidArgument
from app.usecases.idempotency import Answer, once_apart
from app.usecases.usage.corrections import MAX_CORRECTIONS, MAX_USED, Correction, correct
from app.usecases.usage.ingest.service import Ingest
from app.usecases.usage.read import card_reports, card_usage, reconciliation, unmatched_reports

router = APIRouter(prefix="/v1", tags=["usage"])

MOST_REPORTS = 1_000
"""Reports of a day on a page whose size nobody asked for."""

MOST_GATEWAYS = (1 << 31) - 1


def ingest_of(request: Request) -> Ingest:
    """The process's ingest, begun with the first report."""
    state = request.app.state
    if not hasattr(state, "ingest"):
        state.ingest = Ingest(container_of(request).context)
    ingest: Ingest = state.ingest
    return ingest


@router.post("/usage/reports")
async def report(request: Request, caller: UsageWriter, ingest: Annotated[Ingest, Depends(ingest_of)]) -> Response:
    """Count usage reports, each once; answered after they are committed (US-3)."""
    headers = request.headers
    body = await body_of(request, most=MOST_UNPACKED)
    plain = unpacked(body, headers.get("content-encoding"))
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    decode_text = report_bodies.decode(media_type, plain)
    tally = await ingest.submit(caller.tenant, decode_text.reports, rejected=len(decode_text.rejected))
    return json_response(report_bodies.answer(decode_text, tally))


@router.post("/usage/corrections")
async def corrections(request: Request, ctx: Ctx, caller: UsageWriter) -> Response:
    """Carriers' figures for days or cycles of cards: they replace, unless a later one is held (US-3, US-5)."""
    body = await body_of(request, most=MOST_UNPACKED)
    given = parsed(body or b"{}")
    records = given.get("corrections") if isinstance(given, dict) else given
    if not isinstance(records, list):
        raise InvalidArgument([Fault(code="BODY_MISSHAPEN", detail="an array of corrections", pointer="/corrections")])
    if len(records) > MAX_CORRECTIONS:
        raise TooLarge(f"at most {MAX_CORRECTIONS} records")
    wanted: list[Correction] = []
    faults: list[Fault] = []
    for index, record in enumerate(records):
        try:
            wanted.append(_correction(index, record))
        except (ValueError, Malformed) as wrong:
            code = wrong.code if isinstance(wrong, Malformed) else "CORRECTION_MALFORMED"
            detail = (
                wrong.detail if isinstance(wrong, Malformed) else "iccid, bytes, one of day and cycle, as_of or none"
            )
            faults.append(Fault(code=code, detail=detail, pointer=f"/corrections/{index}"))
    if faults:
        raise InvalidArgument(faults)

    async def act() -> Answer:
        done = await correct(ctx, caller.tenant, wanted, actor=trail_of(request, caller).actor)
        return Answer(status=200, body=encoded(done), headers={})

    return answered(await once_apart(ctx, once_key(request, caller, body), act))


FIELDS = frozenset({"iccid", "bytes", "day", "cycle", "as_of"})


def _correction(index: int, record: Any) -> Correction:
    """One correction. Raises `ValueError`, `Malformed`."""
    if not isinstance(record, Mapping) or set(record) - FIELDS or ("day" in record) == ("cycle" in record):
        raise ValueError
    used, as_of = record.get("bytes"), record.get("as_of")
    if not isinstance(used, int) or isinstance(used, bool) or not 0 <= used <= MAX_USED:
        raise ValueError
    if not all(isinstance(record[name], str) for name in FIELDS - {"bytes"} if record.get(name) is not None):
        raise ValueError
    instant = datetime.fromisoformat(as_of) if as_of is not None else None
    if instant is not None and instant.tzinfo is None:
        raise ValueError
    day = day_named(record["day"]) if record.get("day") else None
    iccid = parse_iccid(str(record.get("iccid", "")))
    return Correction(index=index, iccid=iccid, used=used, day=day, cycle=record.get("cycle"), as_of=instant)


@router.get("/usage/reconciliation")
async def reconcile(ctx: Ctx, caller: SimsReader, page: Paged, carrier: str, cycle: str | None = None) -> Response:
    """Our sum against the carrier's, per card, with the drift."""
    shown, last = await reconciliation(ctx, caller.tenant, carrier, cycle, after=page.number or 0, limit=page.limit)
    return json_response(shown | {"next_cursor": page.next_cursor(last)})


@router.get("/usage/unknown")
async def unknown(ctx: Ctx, caller: SimsReader, page: Paged) -> Response:
    """Reports kept aside, 90 days, for cards the tenant does not have."""
    items, last = await unmatched_reports(ctx, caller.tenant, after=page.number or 0, limit=page.limit)
    return json_response({"items": items, "next_cursor": page.next_cursor(last)})


@router.get("/sims/{iccid}/usage")
async def sim_usage(
    request: Request, iccid: str, ctx: Ctx, caller: SimsReader, page: Paged, granularity: str = "day"
) -> Response:
    """A card's usage by day, cycle or report; `from` and `to` included (US-1).

    Reports come in pages: of `limit`, of 1,000 where none is given.
    """
    refuse_as_of(request)
    query = request.query_params
    name, first, last = parse_iccid(iccid), query.get("from"), query.get("to")
    if granularity != "report":
        return json_response(await card_usage(ctx, caller.tenant, name, granularity, first, last))
    limit, after = page.limit if "limit" in query else MOST_REPORTS, _report_place(page.after)
    shown, end = await card_reports(ctx, caller.tenant, name, first, last, after=after, limit=limit)
    place = f"{end.at.isoformat()} {end.gateway} {end.report_id}" if end else None
    return json_response(shown | {"next_cursor": page.next_cursor(place)})


def _report_place(cursor: Any) -> ReportPlace | None:
    """The place a cursor names in a card's reports. Raises `UnreadableFile` for another list's cursor."""
    if cursor is None:
        return None
    try:
        at, gateway, report_id = cursor.split(" ", 2)
        place = ReportPlace(datetime.fromisoformat(at), int(gateway), report_id)
    except (ValueError, AttributeError):
        raise UnreadableFile("the cursor is none of ours") from None
    if place.at.tzinfo is None or not 0 <= place.gateway <= MOST_GATEWAYS or not keepable(report_id):
        raise UnreadableFile("the cursor is none of ours")
    return place
