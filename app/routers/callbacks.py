"""Carriers' callbacks: authenticated as the protocol allows, stored, then acknowledged; verified by a query later."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from app.carriers.errors import CarrierProtocolError
from app.carriers.notifications import NotAuthentic, Push
from app.routers.http.bodies import raw_body
from app.routers.http.deps import Ctx
from app.routers.http.errors.codes import refusals
from app.routers.http.errors.problems import Unreadable
from app.usecases.carrier_sync.notifications import store_push
from app.usecases.errors import NotAllowed, NotFound

router = APIRouter(prefix="/v1/callbacks", tags=["callbacks"])

MAX_PUSH_BYTES = 256 << 10


ANY_BODY: dict[str, Any] = {
    "content": {"*/*": {"schema": {"type": "string", "description": "in the carrier's own format"}}}
}


@router.post(
    "/{account}",
    response_class=Response,
    responses=refusals("NOT_FOUND", "FORBIDDEN", "UNREADABLE", "TOO_LARGE"),
    openapi_extra={"requestBody": ANY_BODY | {"required": True}, "responses": {"200": ANY_BODY}},
)
async def receive_carrier_callback(
    request: Request,
    account: Annotated[str, Path(description="The account's code in carriers.toml.", examples=["cucc-main"])],
    ctx: Ctx,
) -> Response:
    """A carrier's notification about one of our SIMs; what it says is verified by a query later."""
    if account not in ctx.accounts:
        raise NotFound("account")
    body = await raw_body(request, max_bytes=MAX_PUSH_BYTES)
    push = Push(body=body, content_type=request.headers.get("content-type", ""), at=ctx.now())
    try:
        received = await store_push(ctx, account, push)
    except NotAuthentic:
        ctx.telemetry.callbacks.labels(account, "not_authentic").inc()
        raise NotAllowed("the notification is not authentic") from None
    except CarrierProtocolError:
        ctx.telemetry.callbacks.labels(account, "unreadable").inc()
        raise Unreadable("the notification cannot be read") from None
    ctx.telemetry.callbacks.labels(account, "stored").inc()
    return Response(received.ack, media_type=received.ack_type)
