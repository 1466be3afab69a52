"""Carriers call us: authentic as far as the protocol allows, stored, then answered; what it says is asked for later."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.carriers.errors import CarrierProtocolError
from app.carriers.notifications import NotAuthentic, Push
from app.routers.http.deps import Ctx, body_of
from app.routers.http.problems import UnreadableFile
from app.usecases.carrier_sync.notifications import store_push
from app.usecases.errors import NotAllowed, NotFound

router = APIRouter(prefix="/v1/callbacks", tags=["callbacks"])

LARGEST_PUSH = 256 << 10


@router.post("/{account}")
async def callback(request: Request, account: str, ctx: Ctx) -> Response:
    """A carrier's notice about one of our cards."""
    if account not in ctx.accounts:
        raise NotFound("account")
    body = await body_of(request, most=LARGEST_PUSH)
    push = Push(body=body, content_type=request.headers.get("content-type", ""), at=ctx.now())
    try:
        received = await store_push(ctx, account, push)
    except NotAuthentic:
        ctx.telemetry.callbacks.labels(account, "not_authentic").inc()
        raise NotAllowed("the notice is not authentic") from None
    except CarrierProtocolError:
        ctx.telemetry.callbacks.labels(account, "unreadable").inc()
        raise UnreadableFile("the notice cannot be read") from None
    ctx.telemetry.callbacks.labels(account, "stored").inc()
    return Response(received.ack, media_type=received.ack_type)
