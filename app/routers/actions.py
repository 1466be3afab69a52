"""What may be asked for a card: each action is accepted as an operation (202), or only considered (`?dry_run=true`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.db.uow import UnitOfWork
from app.domain.identifiers import alternate_iccid, parse_iccid
from app.domain.vocabulary import OperationKind
from app.routers.http.deps import Ctx, Operator, json_object, once_key, trail_of
from app.routers.http.problems import shown_refusal
from app.routers.http.responses import encoded, json_response
from app.texts.catalogue import language_of, text
from app.usecases.access import Caller
from app.usecases.context import Context
from app.usecases.errors import Fault, InvalidArgument, NotFound
from app.usecases.idempotency import Answer, once
from app.usecases.operations.request import RequestOperation, dry_run, request_operation
from app.usecases.operations.views import operation_view

router = APIRouter(prefix="/v1/sims", tags=["actions"])

TEXT, COUNT, AMOUNT = "text", "count", "amount"

FIELDS: Mapping[OperationKind, Mapping[str, str]] = {
    OperationKind.REBIND: {"imei": TEXT},
    OperationKind.CHANGE_REGION: {"province": TEXT, "city": TEXT},
    OperationKind.SET_THRESHOLD: {"bytes": AMOUNT},
    OperationKind.ORDER_ADDON: {"addon": TEXT, "bytes": AMOUNT, "product_code": TEXT},
    OperationKind.RENEW: {"months": COUNT},
    OperationKind.CHANGE_PLAN: {"plan": TEXT},
    OperationKind.JOIN_POOL: {"pool": TEXT},
    OperationKind.TERMINATE: {"confirm": TEXT},
}
"""The arguments of each kind; every kind also takes `execute_at` and `wait`."""

REQUIRED: Mapping[OperationKind, tuple[str, ...]] = {
    OperationKind.CHANGE_REGION: ("province",),
    OperationKind.RENEW: ("months",),
    OperationKind.CHANGE_PLAN: ("plan",),
    OperationKind.JOIN_POOL: ("pool",),
    OperationKind.TERMINATE: ("confirm",),
}

LARGEST_AMOUNT = 1 << 50
FIRST_YEAR, LAST_YEAR = 1970, 2999
"""Instants outside are slips, and days counted from them leave the calendar."""


def arguments_of(kind: OperationKind, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of an action, each of its type. Raises `InvalidArgument`."""
    known = FIELDS.get(kind, {})
    faults = [
        Fault(code="UNKNOWN_FIELD", detail="not an argument of this action", pointer=f"/{name}")
        for name in given
        if name not in known
    ]
    faults += [
        Fault(code="REQUIRED", detail="required", pointer=f"/{name}")
        for name in REQUIRED.get(kind, ())
        if given.get(name) is None
    ]
    for name, value in given.items():
        fits = _FITS.get(known.get(name, ""))
        if fits is not None and value is not None and not fits(value):
            faults.append(Fault(code="WRONG_TYPE", detail=f"a {known[name]}", pointer=f"/{name}"))
    if kind is OperationKind.SET_THRESHOLD and "bytes" not in given:
        faults.append(Fault(code="REQUIRED", detail="bytes, or null to remove the threshold", pointer="/bytes"))
    if kind is OperationKind.ORDER_ADDON and not any(given.get(name) for name in ("addon", "bytes")):
        faults.append(Fault(code="REQUIRED", detail="addon or bytes", pointer="/addon"))
    if faults:
        raise InvalidArgument(faults)
    return dict(given)


def whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


_FITS = {
    TEXT: lambda value: isinstance(value, str) and 0 < len(value) <= 200,  # noqa: PLR2004
    COUNT: lambda value: whole(value, 1, 120),
    AMOUNT: lambda value: whole(value, 0, LARGEST_AMOUNT),
}


def wish_of(
    request: Request, caller: Caller, iccid: str, kind: OperationKind, body: dict[str, Any]
) -> RequestOperation:
    """The wish a request states. Raises `InvalidArgument`."""
    given = dict(body)
    execute_at = instant_of(given.pop("execute_at", None), "/execute_at")
    wait = given.pop("wait", False)
    if not isinstance(wait, bool):
        raise InvalidArgument([Fault(code="WRONG_TYPE", detail="true or false", pointer="/wait")])
    arguments = arguments_of(kind, given)
    if kind is OperationKind.TERMINATE and arguments.pop("confirm") not in (iccid, alternate_iccid(iccid)):
        raise InvalidArgument([Fault(code="NOT_CONFIRMED", detail="the ICCID of the card, again", pointer="/confirm")])
    trail = trail_of(request, caller)
    return RequestOperation(
        tenant=caller.tenant,
        iccid=iccid,
        kind=kind,
        arguments=arguments,
        execute_at=execute_at,
        wait=wait,
        requested_by=trail.actor,
        reason=trail.reason,
        correlation_id=trail.correlation_id,
    )


def instant_of(value: Any, pointer: str) -> datetime | None:
    """An RFC 3339 instant with offset, or None. Raises `InvalidArgument`."""
    if value is None:
        return None
    fault = Fault(code="INSTANT_MALFORMED", detail="RFC 3339 with offset, 1970 to 2999", pointer=pointer)
    try:
        found = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        raise InvalidArgument([fault]) from None
    if found.tzinfo is None or not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise InvalidArgument([fault])
    return found


async def act(request: Request, iccid: str, kind: OperationKind, ctx: Context, caller: Caller) -> Response:
    """Ask for an operation; 202 with it, or what it already answered under this Idempotency-Key."""
    body, given = await json_object(request)
    wish = wish_of(request, caller, parse_iccid(iccid), kind, given)

    async def ask(work: UnitOfWork) -> Answer:
        operation = await request_operation(ctx, work, wish)
        location = {"Location": f"/v1/operations/{operation.id}"}
        return Answer(status=202, body=encoded(operation_view(operation)), headers=location, operation_id=operation.id)

    return answered(await once(ctx, once_key(request, caller, body), ask))


def answered(answer: Answer) -> Response:
    """An answer of a use-case as a response."""
    headers = dict(answer.headers) | ({"Idempotency-Replayed": "true"} if answer.replayed else {})
    media_type = headers.pop("Content-Type", "application/json")
    return Response(answer.body, status_code=answer.status, headers=headers, media_type=media_type)


async def evaluate(request: Request, iccid: str, kind: OperationKind, ctx: Context, caller: Caller) -> Response:
    """What would happen; nothing does."""
    _, given = await json_object(request)
    wish = wish_of(request, caller, parse_iccid(iccid), kind, given)
    async with ctx.work() as work:
        answer = await dry_run(ctx, work, wish)
    language = language_of(request.headers.get("accept-language"))
    answer["notes"] = [text(f"note.{note}", language) for note in answer.get("notes", ())]
    if answer["refusal"] is not None:
        answer["refusal"] = shown_refusal(answer["refusal"], language)
    return json_response(answer)


@router.post("/{iccid}/{action}", status_code=202)
async def action(
    request: Request,
    iccid: str,
    action: str,
    ctx: Ctx,
    caller: Operator,
    dry_run: Annotated[bool, Query()] = False,
) -> Response:
    """Activate, suspend, resume, rebind, … one card. Accepted is not done: poll the operation, or take its webhook."""
    kinds = {kind.value.replace("_", "-"): kind for kind in OperationKind}
    if action not in kinds:
        raise NotFound("action")
    run = evaluate if dry_run else act
    return await run(request, iccid, kinds[action], ctx, caller)
