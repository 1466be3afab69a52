"""The relay: events become deliveries, deliveries are sent with no transaction open, and what came is written down.

At least once: who dies between sending and writing leaves a lease behind that runs out, and the receiver knows a
repeated event by its id. Each lane (a card, mostly) of an endpoint is sent in order; others go on meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.clock import SystemClock, monotonic
from app.db.events.webhooks import DeliveryResult
from app.domain.webhook_retry import RETRY_PERIOD, retry_wait
from app.outbound.sender import TIMEOUT, SendResult
from app.outbound.signature import headers
from app.usecases.context import Context
from app.usecases.webhooks.feed import cloud_event

AT_ONCE = 16
"""Deliveries of one endpoint under way in one process, so that a slow receiver does not take every slot."""

LEASE = TIMEOUT * 3
FAN_OUT = 1_000
ROUND_S = 5.0
"""A round begins nothing new after so long, so that a worker can stop."""

LOOK_AGAIN_S = 0.1
GONE = "the receiver said 410 Gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAttempt:
    """One delivery as it was claimed, and what came of sending it."""

    delivery: Mapping[str, Any]
    sent: SendResult


async def deliver_round(ctx: Context) -> int:
    """Deliver what is due to every endpoint side by side; gives how many attempts were made.

    Safe in any number of processes. An endpoint that has more while another one is slow is served again at once.
    """
    began, attempts = monotonic(), 0
    running: dict[UUID, asyncio.Task[int]] = {}
    try:
        while True:
            found = await _busy(ctx) if monotonic() - began < ROUND_S else []
            for endpoint_id, fresh in found:
                if endpoint_id not in running:
                    running[endpoint_id] = asyncio.create_task(_serve(ctx, endpoint_id, fresh=fresh))
            if not running:
                return attempts
            await asyncio.wait(running.values(), timeout=LOOK_AGAIN_S, return_when=asyncio.FIRST_COMPLETED)
            ended = {endpoint_id: task for endpoint_id, task in running.items() if task.done()}
            attempts += sum(task.result() for task in ended.values())
            running = {endpoint_id: task for endpoint_id, task in running.items() if endpoint_id not in ended}
            if ended and not any(task.result() for task in ended.values()) and not running:
                return attempts
    finally:
        for task in running.values():
            task.cancel()


async def _busy(ctx: Context) -> list[tuple[UUID, bool]]:
    async with ctx.work() as work:
        return await work.webhooks.busy(ctx.now())


async def _serve(ctx: Context, endpoint_id: UUID, *, fresh: bool) -> int:
    """Serve one endpoint until nothing is due or the round is old; gives how many attempts were made."""
    while fresh:
        async with ctx.work() as work:
            fresh = await work.webhooks.fan_out(endpoint_id, ctx.now(), FAN_OUT)
            await work.commit()
    began, attempts = monotonic(), 0
    pending: set[asyncio.Task[DeliveryAttempt]] = set()
    try:
        while True:
            claimed = await _claim(ctx, endpoint_id, AT_ONCE - len(pending)) if monotonic() - began < ROUND_S else []
            attempts += len(claimed)
            pending |= {asyncio.create_task(_attempt(ctx, delivery)) for delivery in claimed}
            if not pending:
                return attempts
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            await _settle(ctx, endpoint_id, [task.result() for task in done])
    finally:
        for task in pending:
            task.cancel()


async def _claim(ctx: Context, endpoint_id: UUID, limit: int) -> list[dict[str, Any]]:
    if limit <= 0:
        return []
    async with ctx.work() as work:
        claimed = await work.webhooks.claim(endpoint_id, now=ctx.now(), lease=LEASE, limit=limit)
        await work.commit()
    return claimed


async def _attempt(ctx: Context, delivery: Mapping[str, Any]) -> DeliveryAttempt:
    """One signed attempt. Its timestamp is real time: the receiver checks it against its own clock."""
    body = json.dumps(cloud_event(delivery), ensure_ascii=False, separators=(",", ":")).encode()
    stamp = int(SystemClock().now().timestamp())
    signed = headers(_live_secrets(delivery, ctx.now()), str(delivery["event_id"]), stamp, body)
    sent = await ctx.webhooks.send(delivery["url"], signed | {"content-type": "application/cloudevents+json"}, body)
    return DeliveryAttempt(delivery=delivery, sent=sent)


def _live_secrets(delivery: Mapping[str, Any], now: datetime) -> list[str]:
    until = delivery["old_secret_until"]
    old = [delivery["old_secret"]] if until is not None and until > now else []
    return [delivery["secret"], *old]


async def _settle(ctx: Context, endpoint_id: UUID, came: Sequence[DeliveryAttempt]) -> None:
    now = ctx.now()
    settled = [_settled(one, now) for one in came]
    async with ctx.work() as work:
        if any(one.sent.gone for one in came):
            await work.webhooks.change_endpoint(endpoint_id, enabled=False, disabled_because=GONE)
        await work.webhooks.settle(settled, now)
        await work.commit()
    for one in settled:
        ctx.telemetry.webhook_deliveries.labels("retried" if one.status == "pending" else one.status).inc()


def _settled(came: DeliveryAttempt, now: datetime) -> DeliveryResult:
    delivery, sent = came.delivery, came.sent
    error = None if sent.delivered else sent.error or f"the receiver answered {sent.status}"
    wait = max(retry_wait(delivery["attempts"], random.randint(0, 1000)), sent.retry_after or timedelta())  # noqa: S311
    if sent.delivered:
        status = "delivered"
    elif sent.gone or now + wait - delivery["created_at"] > RETRY_PERIOD:
        status = "failed"
    else:
        status = "pending"
    return DeliveryResult(
        id=delivery["id"],
        claim=delivery["claim"],
        status=status,
        response_status=sent.status,
        error=error,
        next_attempt_at=now + wait if status == "pending" else now,
    )
