"""Cards: read one (a hot path), list, summarize, tag, forget."""

from __future__ import annotations

import csv
import io
import re
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.datastructures import QueryParams
from starlette.responses import Response

from app.db.access import AuditRow
from app.db.sims.search import SimFilter
from app.domain.calendar.days import day_named
from app.domain.identifiers import parse_iccid, parse_msisdn
from app.domain.vocabulary import Carrier, HoldCode, SimState
from app.routers.http.deps import (
    Ctx,
    Paged,
    SimsReader,
    SimsWriter,
    authorize,
    context_of,
    json_object,
    trail_of,
    word_of,
)
from app.routers.http.responses import json_response
from app.usecases.access import Caller
from app.usecases.errors import Fault, InvalidArgument, NotYet
from app.usecases.sims.read import delete_sim, get_sim, list_sims, patch_sim, summarize, timeline

router = APIRouter(prefix="/v1/sims", tags=["sims"])

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


def filter_of(
    state: str | None = None,
    carrier: str | None = None,
    account: str | None = None,
    pool: str | None = None,
    plan: str | None = None,
    order: str | None = None,
    tag: Annotated[list[str] | None, Query()] = None,
    hold: str | None = None,
    expires_before: date | None = None,
    usage_pct_gte: Annotated[int | None, Query(ge=0, le=100_000)] = None,
    q: Annotated[str | None, Query(min_length=1, max_length=64)] = None,
    msisdn: str | None = None,
    imsi: str | None = None,
    device_serial: str | None = None,
) -> SimFilter:
    """The filters of the list, as a value."""
    return SimFilter(
        state=word_of(SimState, state, "state"),
        carrier=word_of(Carrier, carrier, "carrier"),
        account=account,
        pool=pool,
        plan=plan,
        order=order,
        tags=_tags(tag or []),
        hold=word_of(HoldCode, hold, "hold"),
        expires_before=expires_before,
        usage_pct_gte=usage_pct_gte,
        q=q,
        msisdn=parse_msisdn(msisdn) if msisdn is not None else None,
        imsi=imsi,
        device_serial=device_serial,
    )


_TAG = re.compile(r"(?P<key>[^:=]+)[:=](?P<value>.*)", re.DOTALL)


def _tags(pairs: list[str]) -> dict[str, str]:
    """`k:v`, as the contract has it, or `k=v` as in files; the first of the two signs parts them."""
    split = [_TAG.fullmatch(pair) for pair in pairs]
    if None in split:
        raise InvalidArgument([Fault(code="TAGS_MALFORMED", detail="tag=key:value", pointer="query:tag")])
    return {found["key"]: found["value"] for found in split if found is not None}


def refuse_as_of(request: Request) -> None:
    """`?as_of=` is part of the contract that is not built."""
    if "as_of" in request.query_params:
        raise NotYet("reading as of an instant is not built yet")


@router.get("")
async def sims(
    request: Request,
    ctx: Ctx,
    caller: SimsReader,
    page: Paged,
    include: str | None = None,
) -> Response:
    """A page of cards; `text/csv` where asked for."""
    refuse_as_of(request)
    wanted = filter_from(request.query_params)
    items, last, total = await list_sims(
        ctx, caller.tenant, wanted, after=page.number or 0, limit=page.limit, total=include == "total"
    )
    cursor = page.next_cursor(last)
    if "text/csv" in request.headers.get("accept", ""):
        return Response(_csv(items), media_type="text/csv; charset=utf-8", headers={"X-Next-Cursor": cursor or ""})
    body: dict[str, Any] = {"items": items, "next_cursor": cursor}
    return json_response(body | ({"total": total} if total is not None else {}))


PLAIN_FILTERS = ["state", "carrier", "account", "pool", "plan", "order", "hold", "q", "msisdn", "imsi", "device_serial"]
FILTERS = (*PLAIN_FILTERS, "tag", "expires_before", "usage_pct_gte")


def filter_from(given: QueryParams) -> SimFilter:
    """The filter of a query, each value checked as the list's parameters are."""
    plain = {name: given[name] for name in PLAIN_FILTERS if name in given}
    return filter_of(
        **plain,
        tag=given.getlist("tag"),
        expires_before=_day(given.get("expires_before")),
        usage_pct_gte=_percent(given.get("usage_pct_gte")),
    )


def _day(value: str | None) -> date | None:
    try:
        return day_named(value) if value is not None else None
    except ValueError:
        fault = Fault(code="DAY_MALFORMED", detail="YYYY-MM-DD", pointer="query:expires_before")
        raise InvalidArgument([fault]) from None


def _percent(value: str | None) -> int | None:
    if value is None:
        return None
    if not value.isdecimal() or not value.isascii() or len(value) > 6:  # noqa: PLR2004
        fault = Fault(code="NUMBER_MALFORMED", detail="a whole number of percent", pointer="query:usage_pct_gte")
        raise InvalidArgument([fault])
    return int(value)


def _csv(items: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*CSV_COLUMNS, "holds", "used", "allowance", "remaining", "cycle"])
    for item in items:
        usage = item["usage"]
        holds = ";".join(hold["code"] for hold in item["holds"])
        cells = [item[name] for name in CSV_COLUMNS]
        cells += [holds, usage["used"], usage["allowance"], usage["remaining"], usage["cycle"]["id"]]
        writer.writerow([_cell(cell) for cell in cells])
    return out.getvalue()


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would run is made plain."""
    return "'" + value if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


@router.get("/summary")
async def sims_summary(request: Request, ctx: Ctx, caller: SimsReader, by: str) -> Response:
    """Counts of cards by carrier, state, hold, plan or pool."""
    counts = await summarize(
        ctx, caller.tenant, filter_from(request.query_params), [name.strip() for name in by.split(",")]
    )
    return json_response({"items": counts})


@router.get("/{iccid}")
async def sim(request: Request, iccid: str) -> Response:
    """One card, with its usage, holds, dates and the carrier's view of it."""
    caller = await authorize(request, "sims:read")
    refuse_as_of(request)
    found = await get_sim(context_of(request), caller.tenant, parse_iccid(iccid))
    return json_response(found, headers={"ETag": f'"{found["version"]}"'})


@router.patch("/{iccid}")
async def sim_patch(request: Request, iccid: str, ctx: Ctx, caller: SimsWriter) -> Response:
    """Change tags, device serial, alias, remark, reminders."""
    _, changes = await json_object(request)
    actor = _actor(request, caller, ctx.now())
    found = await patch_sim(ctx, parse_iccid(iccid), changes, version=_if_match(request), actor=actor)
    return json_response(found, headers={"ETag": f'"{found["version"]}"'})


def _if_match(request: Request) -> int | None:
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


@router.delete("/{iccid}", status_code=204)
async def sim_delete(request: Request, iccid: str, ctx: Ctx, caller: SimsWriter) -> Response:
    """Forget a mistaken import; refused with an open operation; history is kept."""
    await delete_sim(ctx, parse_iccid(iccid), actor=_actor(request, caller, ctx.now()))
    return Response(status_code=204)


@router.get("/{iccid}/timeline")
async def sim_timeline(request: Request, iccid: str, ctx: Ctx, caller: SimsReader, page: Paged) -> Response:
    """What happened to a card, newest first."""
    refuse_as_of(request)
    found = await timeline(ctx, caller.tenant, parse_iccid(iccid), before=page.number, limit=page.limit + 1)
    items = [
        row | {"took_effect_at": row["took_effect_at"].isoformat(), "known_at": row["known_at"].isoformat()}
        for row in found[: page.limit]
    ]
    last = items[-1]["id"] if len(found) > page.limit else None
    return json_response({"items": items, "next_cursor": page.next_cursor(last)})
