"""Carriers' callbacks: authenticated as the protocol allows, stored, then acknowledged; verified by a query later."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from app.carriers.errors import CarrierProtocolError
from app.carriers.notifications import NotAuthentic, Push
from app.clock import monotonic
from app.routers.http.bodies import raw_body
from app.routers.http.deps import Ctx, container_of
from app.routers.http.errors.codes import refusals
from app.routers.http.errors.problems import TooManyRequests, Unreadable
from app.routers.http.request_rates import RequestRates
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
    responses=refusals("NOT_FOUND", "FORBIDDEN", "UNREADABLE", "TOO_LARGE", "TOO_MANY_REQUESTS"),
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
    _take(request, account)
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


def _take(request: Request, account: str) -> None:
    """Count a request that anybody may send, before its body is read. Raises `TooManyRequests`."""
    rates: RequestRates[str] = request.app.state.callback_rates
    container = container_of(request)
    limit = container.settings.callbacks_per_s
    allowed, request.state.allowance = rates.take(account, limit, monotonic())
    if not allowed:
        container.context.telemetry.callbacks.labels(account, "limited").inc()
        raise TooManyRequests(f"at most {limit} notifications a second for this account", retry_after=1)
