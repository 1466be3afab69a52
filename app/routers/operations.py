"""Operations: read, list, cancel until sent, complete what people do."""

from __future__ import annotations

import csv
import io
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.db.mapping import OperationRecord
from app.db.operations import OperationFilter
from app.db.uow import UnitOfWork
from app.domain.identifiers import parse_iccid
from app.domain.vocabulary import Channel, OperationKind, OperationStatus
from app.routers.http.deps import Ctx, Operator, Paged, SimsReader, json_object, once_key, trail_of, word_of
from app.routers.http.responses import encoded, json_response
from app.usecases.errors import Fault, InvalidArgument, NotFound
from app.usecases.execution.manual import cancel, complete
from app.usecases.idempotency import Answer, once
from app.usecases.operations.views import operation_view

from .actions import LARGEST_AMOUNT, answered, whole

router = APIRouter(prefix="/v1/operations", tags=["operations"])

CSV_COLUMNS = [
    "id",
    "kind",
    "sim",
    "status",
    "channel",
    "source",
    "arguments",
    "due_at",
    "due_rule",
    "overdue",
    "attempts",
    "created_at",
    "settled_at",
]


def operation_id_of(text: str) -> UUID:
    """The id in a path; one that is none of ours names nothing."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("operation") from None


@router.get("")
async def operations(
    request: Request,
    ctx: Ctx,
    caller: SimsReader,
    page: Paged,
    sim: str | None = None,
    kind: str | None = None,
    status: str | None = None,
    channel: str | None = None,
    overdue: bool | None = None,
    bulk_operation: UUID | None = None,
    include: str | None = None,
) -> Response:
    """A page of operations, newest first; the desk's work list is `?channel=desk&status=waiting_carrier`."""
    wanted = OperationFilter(
        tenant=caller.tenant,
        iccid=parse_iccid(sim) if sim is not None else None,
        kind=word_of(OperationKind, kind, "kind"),
        status=word_of(OperationStatus, status, "status"),
        channel=word_of(Channel, channel, "channel"),
        overdue=overdue,
        bulk_id=bulk_operation,
    )
    async with ctx.work() as work:
        found = await work.operations.list(wanted, before=page.id, limit=page.limit + 1)
        total = {"total": await work.operations.count(wanted)} if include == "total" else {}
    items = [operation_view(operation) for operation in found[: page.limit]]
    cursor = page.next_cursor(items[-1]["id"] if len(found) > page.limit else None)
    if "text/csv" in request.headers.get("accept", ""):
        return Response(_csv(items), media_type="text/csv; charset=utf-8", headers={"X-Next-Cursor": cursor or ""})
    return json_response({"items": items, "next_cursor": cursor} | total)


def _csv(items: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for item in items:
        arguments = ";".join(f"{k}={v}" for k, v in item["arguments"].items())
        cells = item | {"arguments": arguments, "overdue": str(item["overdue"]).lower()}
        writer.writerow([cells[name] for name in CSV_COLUMNS])
    return out.getvalue()


@router.get("/{operation_id}")
async def operation(operation_id: str, ctx: Ctx, caller: SimsReader) -> Response:
    """One operation with its history."""
    async with ctx.work() as work:
        found = await work.operations.get(caller.tenant, operation_id_of(operation_id))
    if found is None:
        raise NotFound("operation")
    return json_response(operation_view(found))


@router.post("/{operation_id}/cancel")
async def operation_cancel(request: Request, operation_id: str, ctx: Ctx, caller: Operator) -> Response:
    """Cancel an operation that was not sent."""
    body, _ = await json_object(request)
    actor = trail_of(request, caller).actor

    async def act(work: UnitOfWork) -> Answer:
        return _told(await cancel(ctx, work, caller.tenant, operation_id_of(operation_id), actor=actor))

    return answered(await once(ctx, once_key(request, caller, body), act))


@router.post("/{operation_id}/complete")
async def operation_complete(request: Request, operation_id: str, ctx: Ctx, caller: Operator) -> Response:
    """Say how desk work, or an operation that no carrier's word settles, has ended; `bytes`: what an add-on brings."""
    body, given = await json_object(request)
    outcome, note, pack = given.get("outcome"), given.get("note", ""), given.get("bytes")
    if outcome not in ("succeeded", "failed"):
        raise InvalidArgument([Fault(code="UNKNOWN_WORD", detail="succeeded or failed", pointer="/outcome")])
    if not isinstance(note, str) or len(note) > 2000:  # noqa: PLR2004
        raise InvalidArgument([Fault(code="TEXT_UNUSABLE", detail="at most 2000 characters", pointer="/note")])
    if pack is not None and not whole(pack, 1, LARGEST_AMOUNT):
        raise InvalidArgument([Fault(code="WRONG_TYPE", detail="the bytes of an add-on pack", pointer="/bytes")])
    actor = trail_of(request, caller).actor

    async def act(work: UnitOfWork) -> Answer:
        ended = await complete(
            ctx,
            work,
            caller.tenant,
            operation_id_of(operation_id),
            succeeded=outcome == "succeeded",
            note=note,
            actor=actor,
            pack=pack,
        )
        return _told(ended)

    return answered(await once(ctx, once_key(request, caller, body), act))


def _told(operation: OperationRecord) -> Answer:
    return Answer(status=200, body=encoded(operation_view(operation)), headers={}, operation_id=operation.id)
