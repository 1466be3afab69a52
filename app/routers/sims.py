"""SIMs: read one (a hot path), list, summarize, patch, delete."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.db.access import AuditRow
from app.db.sims.search import SimFilter
from app.domain.identifiers import msisdn_beginning, parse_iccid, searched_msisdn
from app.routers.http.contract import JsonBody, Parameters, TypedRoute
from app.routers.http.deps import Ctx, SimsReader, SimsWriter, page_of, trail_of
from app.routers.http.errors.codes import TEXT_CSV, refusals
from app.routers.http.responses import json_response
from app.routers.schemas.base import AsOf
from app.routers.schemas.sims import answers as schemas
from app.routers.schemas.sims import requests
from app.usecases.access import Caller
from app.usecases.as_of import moment_of
from app.usecases.errors import Fault, InvalidArgument, NotAsOf
from app.usecases.sims import read
from app.usecases.sims.past import get_sim_at

from .actions import Iccid

router = APIRouter(prefix="/v1/sims", tags=["sims"], route_class=TypedRoute)

CSV_COLUMNS = [
    "iccid",
    "msisdn",
    "imsi",
    "carrier",
    "account",
    "terms",
    "plan",
    "state",
    "opened_on",
    "activated_on",
    "expires_on",
    "cancels_on",
    "device_serial",
    "alias",
    "pool",
    "real_name",
]

CSV_LAST = ["order", "threshold", "online", "online_as_of"]

_TAG = re.compile(r"(?P<key>[^:=]+)[:=](?P<value>.*)", re.DOTALL)


def filter_of(query: requests.SimFilters) -> SimFilter:
    """The filter of a query. Raises `InvalidArgument`, `Malformed`."""
    return SimFilter(
        state=query.state,
        carrier=query.carrier,
        account=query.account,
        pool=query.pool,
        plan=query.plan,
        order=query.order,
        tags=_tags(query.tag),
        hold=query.hold,
        expires_before=query.expires_before,
        usage_pct_gte=query.usage_pct_gte,
        q=query.q,
        q_msisdn=msisdn_beginning(query.q) if query.q is not None else None,
        msisdn=searched_msisdn(query.msisdn) if query.msisdn is not None else None,
        imsi=query.imsi,
        device_serial=query.device_serial,
    )


def _tags(pairs: list[str]) -> dict[str, str]:
    """`k:v`, or `k=v` as in files; the first of the two signs separates them."""
    split = [_TAG.fullmatch(pair) for pair in pairs]
    if None in split:
        raise InvalidArgument([Fault(code="TAGS_MALFORMED", detail="tag=key:value", pointer="query:tag")])
    return {found["key"]: found["value"] for found in split if found is not None}


def refuse_as_of(query: AsOf, detail: str) -> None:
    """Refuse `?as_of=` and `?known_at=` where an answer is always of now. Raises `NotAsOf`."""
    if query.as_of is not None or query.known_at is not None:
        raise NotAsOf(detail)


@router.get("", response_model=schemas.SimPage, responses=TEXT_CSV | refusals("NOT_AS_OF"))
async def list_sims(
    request: Request,
    ctx: Ctx,
    caller: SimsReader,
    query: Annotated[requests.SimListQuery, Depends(Parameters(requests.SimListQuery))],
) -> Response:
    """A page of SIMs; as `text/csv` with that `Accept`."""
    refuse_as_of(query, "lists are of now; one SIM can be read as of an instant")
    page = page_of(query)
    items, last, total = await read.list_sims(
        ctx,
        caller.tenant,
        filter_of(query),
        after=page.number or 0,
        limit=page.limit,
        total=query.include == "total",
    )
    cursor = page.next_cursor(last)
    if "text/csv" in request.headers.get("accept", ""):
        return Response(_csv(items), media_type="text/csv; charset=utf-8", headers={"X-Next-Cursor": cursor or ""})
    body: dict[str, Any] = {"items": items, "next_cursor": cursor}
    return json_response(body | ({"total": total} if total is not None else {}))


def _csv(items: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*CSV_COLUMNS, "holds", "used", "allowance", "remaining", "cycle", *CSV_LAST])
    for item in items:
        usage, session = item["usage"], item["session"] or {}
        holds = ";".join(hold["code"] for hold in item["holds"])
        cells = [item[name] for name in CSV_COLUMNS]
        cells += [holds, usage["used"], usage["allowance"], usage["remaining"], usage["cycle"]["id"]]
        cells += [item["order"], item["threshold"], session.get("online"), session.get("as_of")]
        writer.writerow([_cell(cell) for cell in cells])
    return out.getvalue()


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would evaluate is quoted."""
    return "'" + value if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


@router.get("/summary", response_model=schemas.SimSummary)
async def summarize_sims(
    ctx: Ctx,
    caller: SimsReader,
    query: Annotated[requests.SummaryQuery, Depends(Parameters(requests.SummaryQuery))],
) -> Response:
    """Counts of SIMs by carrier, state, hold, plan or pool."""
    by = [name.strip() for name in query.by.split(",")]
    return json_response({"items": await read.summarize(ctx, caller.tenant, filter_of(query), by)})


@router.get("/{iccid}", response_model=schemas.Sim, responses=refusals("NOT_FOUND", "BEFORE_RECORDS"))
async def get_sim(
    iccid: Iccid, ctx: Ctx, caller: SimsReader, query: Annotated[AsOf, Depends(Parameters(AsOf))]
) -> Response:
    """One SIM, with its usage, holds, dates and the carrier's view of it; also as it was, and as it was known."""
    if (moment := moment_of(ctx, query.as_of, query.known_at)) is not None:
        return json_response(await get_sim_at(ctx, caller.tenant, parse_iccid(iccid), moment))
    found = await read.get_sim(ctx, caller.tenant, parse_iccid(iccid))
    return json_response(found, headers={"ETag": f'"{found["version"]}"'})


@router.patch("/{iccid}", response_model=schemas.Sim, responses=refusals("NOT_FOUND", "VERSION_CONFLICT"))
async def patch_sim(
    request: Request,
    iccid: Iccid,
    ctx: Ctx,
    caller: SimsWriter,
    body: Annotated[requests.SimPatch, Depends(JsonBody(requests.SimPatch))],
) -> Response:
    """Change tags, device serial, alias, remark or reminders."""
    actor = _actor(request, caller, ctx.now())
    found = await read.patch_sim(ctx, parse_iccid(iccid), body.changes(), version=if_match(request), actor=actor)
    return json_response(found, headers={"ETag": f'"{found["version"]}"'})


def if_match(request: Request) -> int | None:
    """The version that `If-Match` names; None: any, -1: none there is."""
    given = request.headers.get("if-match")
    if given is None or given == "*":
        return None
    plain = given.removeprefix("W/").strip('"')
    return int(plain) if plain.isdecimal() and plain.isascii() and len(plain) < 10 else -1  # noqa: PLR2004


def _actor(request: Request, caller: Caller, at: datetime) -> AuditRow:
    trail = trail_of(request, caller)
    return AuditRow(
        tenant=caller.tenant,
        at=at,
        actor=trail.actor,
        action="",
        reason=trail.reason,
        correlation_id=trail.correlation_id,
    )


@router.delete("/{iccid}", status_code=204, responses=refusals("NOT_FOUND", "OPERATION_IN_PROGRESS"))
async def delete_sim(request: Request, iccid: Iccid, ctx: Ctx, caller: SimsWriter) -> Response:
    """Delete a mistaken import; refused with an open operation; the history is kept."""
    await read.delete_sim(ctx, parse_iccid(iccid), actor=_actor(request, caller, ctx.now()))
    return Response(status_code=204)


@router.get("/{iccid}/timeline", response_model=schemas.Timeline, responses=refusals("NOT_FOUND"))
async def get_sim_timeline(
    iccid: Iccid,
    ctx: Ctx,
    caller: SimsReader,
    query: Annotated[requests.TimelineQuery, Depends(Parameters(requests.TimelineQuery))],
) -> Response:
    """What happened to a SIM, newest first; with `as_of`, what had by then, with `known_at`, what was known by then."""
    page, moment = page_of(query), moment_of(ctx, query.as_of, query.known_at)
    found = await read.timeline(
        ctx, caller.tenant, parse_iccid(iccid), before=page.number, limit=page.limit + 1, moment=moment
    )
    items = [
        row | {"took_effect_at": row["took_effect_at"].isoformat(), "known_at": row["known_at"].isoformat()}
        for row in found[: page.limit]
    ]
    last = items[-1]["id"] if len(found) > page.limit else None
    return json_response({"items": items, "next_cursor": page.next_cursor(last)})
