"""Bulk operations: one request over many cards, its items, its results as files; and the files that name cards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.datastructures import QueryParams
from starlette.responses import Response, StreamingResponse

from app.db.bulk.repository import BulkRecord
from app.db.uow import UnitOfWork
from app.domain.vocabulary import OperationKind
from app.routers.http.deps import Ctx, Operator, Paged, SimsReader, body_of, json_object, once_key, parsed, trail_of
from app.routers.http.problems import UnsupportedMediaType
from app.routers.http.responses import encoded, json_response
from app.usecases.access import Caller
from app.usecases.bulk import files, views
from app.usecases.bulk.request import MOST_ITEMS, RequestBulk, cancel, find, request_bulk, retry_failed
from app.usecases.bulk.selectors import IccidList, IccidRange, MatchingSims, PoolMembers, Selector, UploadedFile
from app.usecases.context import Context
from app.usecases.errors import Fault, InvalidArgument, NotFound
from app.usecases.idempotency import Answer, once
from app.usecases.sims.import_file import decode_text

from .actions import answered, arguments_of, instant_of
from .imports import LARGEST_FILE, media_type_of
from .sims import FILTERS, filter_from

router = APIRouter(prefix="/v1", tags=["bulk operations"])

LARGEST_BODY = 32 << 20
FIELDS = ("kind", "selector", "arguments", "options")
OPTIONS = ("dry_run", "max_failures", "max_items", "execute_at")
LONGEST_WORD = 64


def _id_of(text: str) -> UUID:
    """The id in a path; one that is none of ours names nothing."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("bulk operation") from None


def _wrong(pointer: str, detail: str, code: str = "WRONG_TYPE") -> InvalidArgument:
    return InvalidArgument([Fault(pointer=pointer, code=code, detail=detail)])


def _object(value: Any, pointer: str, known: tuple[str, ...] | None = None) -> dict[str, Any]:
    """A JSON object with none but the known fields. Raises `InvalidArgument`."""
    if not isinstance(value, dict):
        raise _wrong(pointer or "/", "an object")
    unknown = [name for name in value if known is not None and name not in known]
    if unknown:
        faults = [Fault(pointer=f"{pointer}/{name}", code="UNKNOWN_FIELD", detail="not known here") for name in unknown]
        raise InvalidArgument(faults)
    return value


async def _large_object(request: Request) -> tuple[bytes, dict[str, Any]]:
    """The body and the JSON object in it, of up to 32 MiB. Raises `UnreadableFile`."""
    body = await body_of(request, most=LARGEST_BODY)
    return body, _object(parsed(body or b"{}"), "", FIELDS)


def _kind(value: Any) -> OperationKind:
    try:
        return OperationKind(value)
    except ValueError:
        raise _wrong("/kind", "an operation's kind in snake_case", "UNKNOWN_WORD") from None


def _word(value: Any, pointer: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_WORD:
        raise _wrong(pointer, f"a text of at most {LONGEST_WORD} characters")
    return value


def selector_of(value: Any) -> Selector:
    """Exactly one way of saying which cards. Raises `InvalidArgument`."""
    given = _object(value, "/selector", ("iccids", "range", "pool", "filter", "file_id"))
    if len(given) != 1:
        raise _wrong("/selector", "one of iccids, range, pool, filter, file_id", "REQUIRED")
    ((way, chosen),) = given.items()
    pointer = f"/selector/{way}"
    if way == "iccids":
        if not isinstance(chosen, list) or not all(isinstance(name, str) for name in chosen):
            raise _wrong(pointer, "a list of texts")
        return IccidList(iccids=tuple(chosen))
    if way == "range":
        ends = _object(chosen, pointer, ("start", "end", "pool"))
        start, end = (_word(ends.get(name), f"{pointer}/{name}") for name in ("start", "end"))
        pool = _word(ends["pool"], f"{pointer}/pool") if ends.get("pool") is not None else None
        return IccidRange(start=start, end=end, pool=pool)
    if way == "pool":
        return PoolMembers(pool=_word(chosen, pointer))
    if way == "filter":
        return _filtered(_object(chosen, pointer, FILTERS))
    try:
        return UploadedFile(file_id=UUID(_word(chosen, pointer)))
    except ValueError:
        raise _wrong(pointer, "a file's id") from None


def _filtered(given: Mapping[str, Any]) -> MatchingSims:
    """The list's query parameters as an object; `tag` may be a list."""
    pairs: list[tuple[str, str]] = []
    for name, value in given.items():
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, str | int) or isinstance(one, bool):
                raise _wrong(f"/selector/filter/{name}", "a text or a number")
            pairs.append((name, str(one)))
    return MatchingSims(wanted=filter_from(QueryParams(pairs)), query=dict(given))


def _wish(request: Request, caller: Caller, given: Mapping[str, Any]) -> RequestBulk:
    """The wish a request states. Raises `InvalidArgument`."""
    kind = _kind(given.get("kind"))
    options = _object(given.get("options", {}), "/options", OPTIONS)
    dry_run = options.get("dry_run", False)
    if not isinstance(dry_run, bool):
        raise _wrong("/options/dry_run", "true or false")
    trail = trail_of(request, caller)
    return RequestBulk(
        tenant=caller.tenant,
        kind=kind,
        selector=selector_of(given.get("selector")),
        arguments=arguments_of(kind, _object(given.get("arguments", {}), "/arguments")),
        dry_run=dry_run,
        max_failures=_count(options, "max_failures", 0),
        max_items=_count(options, "max_items", 1) or MOST_ITEMS,
        execute_at=instant_of(options.get("execute_at"), "/options/execute_at"),
        requested_by=trail.actor,
        reason=trail.reason,
        correlation_id=trail.correlation_id,
    )


def _count(options: Mapping[str, Any], name: str, least: int) -> int | None:
    value = options.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= MOST_ITEMS:
        raise _wrong(f"/options/{name}", f"a number from {least} to {MOST_ITEMS}")
    return value


async def _accepted(ctx: Context, work: UnitOfWork, bulk: BulkRecord) -> Answer:
    body = encoded(views.bulk_view(bulk, await work.bulk.counts(bulk.id), ctx.now()))
    return Answer(status=202, body=body, headers={"Location": f"/v1/bulk-operations/{bulk.id}"}, operation_id=bulk.id)


@router.post("/bulk-operations", status_code=202)
async def bulk_request(request: Request, ctx: Ctx, caller: Operator) -> Response:
    """Ask for one operation on many cards. Each item ends on its own."""
    body, given = await _large_object(request)
    wish = _wish(request, caller, given)

    async def act(work: UnitOfWork) -> Answer:
        return await _accepted(ctx, work, await request_bulk(ctx, work, wish))

    return answered(await once(ctx, once_key(request, caller, body), act))


@router.get("/bulk-operations")
async def bulk_list(ctx: Ctx, caller: SimsReader, page: Paged) -> Response:
    """Bulk operations, newest first."""
    async with ctx.work() as work:
        found = await work.bulk.page(caller.tenant, before=page.id, limit=page.limit + 1)
        bulk_view = [views.bulk_view(bulk, await work.bulk.counts(bulk.id), ctx.now()) for bulk in found[: page.limit]]
    cursor = page.next_cursor(bulk_view[-1]["id"] if len(found) > page.limit else None)
    return json_response({"items": bulk_view, "next_cursor": cursor})


@router.get("/bulk-operations/{bulk_id}")
async def bulk_read(bulk_id: str, ctx: Ctx, caller: SimsReader) -> Response:
    """One bulk operation: counts, progress, and when it ends if it goes on like this."""
    async with ctx.work() as work:
        bulk = await find(work, caller.tenant, _id_of(bulk_id))
        counts = await work.bulk.counts(bulk.id)
    return json_response(views.bulk_view(bulk, counts, ctx.now()))


@router.get("/bulk-operations/{bulk_id}/items")
async def bulk_items(bulk_id: str, ctx: Ctx, caller: SimsReader, page: Paged, status: str | None = None) -> Response:
    """The items in order, with what became of each."""
    if status is not None and status not in views.ITEM_STATUSES:
        raise _wrong("query:status", f"one of {', '.join(views.ITEM_STATUSES)}", "UNKNOWN_WORD")
    async with ctx.work() as work:
        bulk = await find(work, caller.tenant, _id_of(bulk_id))
        rows = await work.bulk.items(bulk.id, status=status, after=page.number or 0, limit=page.limit + 1)
    items = [views.item_view(row) for row in rows[: page.limit]]
    cursor = page.next_cursor(items[-1]["position"] if len(rows) > page.limit else None)
    return json_response({"items": items, "next_cursor": cursor})


@router.get("/bulk-operations/{bulk_id}/results.csv")
async def bulk_csv(bulk_id: str, ctx: Ctx, caller: SimsReader) -> Response:
    """Every item as CSV, streamed; may be read while it runs."""
    bulk = await _found(ctx, caller, bulk_id)
    return StreamingResponse(views.csv_text(ctx, bulk.id), media_type="text/csv; charset=utf-8")


@router.get("/bulk-operations/{bulk_id}/results.ndjson")
async def bulk_ndjson(bulk_id: str, ctx: Ctx, caller: SimsReader) -> Response:
    """Every item as NDJSON, streamed; may be read while it runs."""
    bulk = await _found(ctx, caller, bulk_id)
    return StreamingResponse(views.ndjson(ctx, bulk.id), media_type="application/x-ndjson")


async def _found(ctx: Context, caller: Caller, bulk_id: str) -> BulkRecord:
    async with ctx.work() as work:
        return await find(work, caller.tenant, _id_of(bulk_id))


@router.post("/bulk-operations/{bulk_id}/cancel", status_code=202)
async def bulk_cancel(request: Request, bulk_id: str, ctx: Ctx, caller: Operator) -> Response:
    """Stop: what was not sent is cancelled, what was sent ends as it ends."""
    body, _ = await json_object(request)
    actor = trail_of(request, caller).actor

    async def act(work: UnitOfWork) -> Answer:
        bulk = await cancel(ctx, work, caller.tenant, _id_of(bulk_id), actor=actor)
        return await _accepted(ctx, work, bulk)

    return answered(await once(ctx, once_key(request, caller, body), act))


@router.post("/bulk-operations/{bulk_id}/retry", status_code=202)
async def bulk_retry(request: Request, bulk_id: str, ctx: Ctx, caller: Operator) -> Response:
    """Ask again for what failed, as a bulk operation of its own."""
    body, given = await json_object(request)
    if given.get("only", "failed") != "failed":
        raise _wrong("/only", "failed", "UNKNOWN_WORD")
    trail = trail_of(request, caller)
    wish = RequestBulk(
        tenant=caller.tenant,
        kind=OperationKind.REFRESH,
        selector=IccidList(iccids=()),
        requested_by=trail.actor,
        reason=trail.reason,
        correlation_id=trail.correlation_id,
    )

    async def act(work: UnitOfWork) -> Answer:
        bulk = await retry_failed(ctx, work, caller.tenant, _id_of(bulk_id), wish)
        return await _accepted(ctx, work, bulk)

    return answered(await once(ctx, once_key(request, caller, body), act))


@router.post("/files", status_code=201)
async def file_keep(request: Request, ctx: Ctx, caller: Operator) -> Response:
    """Keep a CSV file that names cards in a column `iccid`; other columns do not count."""
    if media_type_of(request) != "text/csv":
        raise UnsupportedMediaType("text/csv")
    body = await body_of(request, most=LARGEST_FILE)
    text = decode_text(body)

    async def act(work: UnitOfWork) -> Answer:
        file_id, rows = await files.store_file(ctx, work, caller.tenant, text)
        return Answer(status=201, body=encoded({"id": str(file_id), "rows": rows}), headers={})

    return answered(await once(ctx, once_key(request, caller, body), act))
