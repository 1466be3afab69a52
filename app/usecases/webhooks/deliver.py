"""Deliver webhooks: events become deliveries, which are sent with no transaction open; then the results are stored.

At least once: a process that dies between sending and storing leaves a lease that expires, and receivers recognise a
repeated event by its id. Each lane of an endpoint (usually one SIM) is sent in order, lanes independently.
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

from app.clock import monotonic
from app.db.events.webhooks import BusyEndpoint, DeliveryResult
from app.domain.webhook_retry import RETRY_PERIOD, retry_wait
from app.outbound.sender import TIMEOUT, SendResult
from app.outbound.signature import headers
from app.usecases.context import Context
from app.usecases.event_positions import number_events
from app.usecases.quarantine import SubjectKind, Task, handle_isolated
from app.usecases.rounds import serve_round
from app.usecases.webhooks.feed import cloud_event

AT_ONCE = 16
"""Concurrent deliveries to one endpoint per process, so that a slow receiver does not occupy every slot."""

LEASE = TIMEOUT * 3
FAN_OUT = 1_000
ROUND_S = 5.0
"""Seconds after which a round starts nothing new, so that a worker can stop."""

TRANSACTIONS = 4
"""Transactions of a round that may be open at once, so that the pool keeps connections for everything else."""

GONE = "the receiver said 410 Gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAttempt:
    """One delivery as it was claimed, and the result of sending it; `fault`: why nothing could be sent at all."""

    delivery: Mapping[str, Any]
    sent: SendResult
    fault: Exception | None = None


async def deliver_round(ctx: Context) -> int:
    """Deliver what is due to all endpoints concurrently; returns how many attempts were made.

    Safe in any number of processes. An endpoint that gets new deliveries while another is slow is served at once.
    """
    relay = _Relay(ctx)
    return await serve_round(relay.busy, lambda endpoint: _serve_isolated(ctx, relay, endpoint))


async def deliver_again(ctx: Context, kind: SubjectKind, endpoint_ids: Sequence[str]) -> None:
    """Deliver to endpoints that were set aside; one that cannot be served stays set aside."""
    relay = _Relay(ctx)
    for endpoint_id in endpoint_ids:
        await _serve_isolated(ctx, relay, BusyEndpoint(id=UUID(endpoint_id), tenant="", has_new_events=True), kind)


async def _serve_isolated(
    ctx: Context, relay: _Relay, endpoint: BusyEndpoint, kind: SubjectKind = SubjectKind.WEBHOOK
) -> int:
    async def serve(_: Sequence[str]) -> int:
        return await relay.serve(endpoint)

    return await handle_isolated(ctx, Task.WEBHOOKS, [str(endpoint.id)], serve, kind=kind)


class _Relay:
    """One round of deliveries. At most `TRANSACTIONS` of its transactions are open at once, however many endpoints."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._began = monotonic()
        self._transactions = asyncio.Semaphore(TRANSACTIONS)

    async def busy(self) -> list[BusyEndpoint]:
        """Endpoints with something to do; none once the round is over, so that a worker can stop."""
        if monotonic() - self._began >= ROUND_S:
            return []
        await number_events(self._ctx)
        async with self._transactions, self._ctx.work() as work:
            return await work.webhooks.busy(self._ctx.now())

    async def serve(self, endpoint: BusyEndpoint) -> int:
        """Deliver to one endpoint until nothing is due or `ROUND_S` has passed; returns how many attempts were made.

        Raises what keeps an event from being sent at all, whatever the receiver does.
        """
        if endpoint.has_new_events:
            await self._fan_out(endpoint.id)
        began, attempts = monotonic(), 0
        pending: set[asyncio.Task[DeliveryAttempt]] = set()
        fault: Exception | None = None
        try:
            while True:
                goes_on = fault is None and monotonic() - began < ROUND_S
                free = AT_ONCE - len(pending) if goes_on else 0
                claimed = await self._claim(endpoint.id, free)
                attempts += len(claimed)
                pending |= {asyncio.create_task(_attempt(self._ctx, delivery)) for delivery in claimed}
                if not pending and fault is not None:
                    raise fault
                if not pending:
                    return attempts
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                results = [task.result() for task in done]
                await self._settle(endpoint.id, results)
                fault = next((one.fault for one in results if one.fault is not None), fault)
        finally:
            for task in pending:
                task.cancel()

    async def _fan_out(self, endpoint_id: UUID) -> None:
        """Turn new events into deliveries of the endpoint, `FAN_OUT` per transaction."""
        more = True
        while more:
            async with self._transactions, self._ctx.work() as work:
                more = await work.webhooks.fan_out(endpoint_id, self._ctx.now(), FAN_OUT)
                await work.commit()

    async def _claim(self, endpoint_id: UUID, limit: int) -> list[dict[str, Any]]:
        if limit <= 0:
            return []
        async with self._transactions, self._ctx.work() as work:
            claimed = await work.webhooks.claim(endpoint_id, now=self._ctx.now(), lease=LEASE, limit=limit)
            await work.commit()
        return claimed

    async def _settle(self, endpoint_id: UUID, attempts: Sequence[DeliveryAttempt]) -> None:
        now = self._ctx.now()
        results = [_result(attempt, now) for attempt in attempts]
        async with self._transactions, self._ctx.work() as work:
            if any(attempt.sent.gone for attempt in attempts):
                await work.webhooks.change_endpoint(endpoint_id, enabled=False, disabled_because=GONE)
            # A delivery that another worker has claimed since, its lease having expired, is left to that worker.
            await work.webhooks.settle(results, now)
            await work.commit()
        for result in results:
            status = "retried" if result.status == "pending" else result.status
            self._ctx.telemetry.webhook_deliveries.labels(status).inc()


async def _attempt(ctx: Context, delivery: Mapping[str, Any]) -> DeliveryAttempt:
    """One attempt. What goes wrong before anything is sent, for example with a secret, is the endpoint's fault."""
    try:
        return DeliveryAttempt(delivery=delivery, sent=await _send(ctx, delivery))
    except Exception as error:  # noqa: BLE001 - told with the delivery, and by the endpoint that is set aside
        return DeliveryAttempt(delivery=delivery, sent=SendResult(error=type(error).__name__), fault=error)


async def _send(ctx: Context, delivery: Mapping[str, Any]) -> SendResult:
    """Sign and send. The timestamp is real time, because receivers compare it with their own clock."""
    body = json.dumps(cloud_event(delivery), ensure_ascii=False, separators=(",", ":")).encode()
    stamp = int(ctx.clock.real().timestamp())
    signed = headers(_live_secrets(delivery, ctx.now()), str(delivery["event_id"]), stamp, body)
    return await ctx.webhooks.send(delivery["url"], signed | {"content-type": "application/cloudevents+json"}, body)


def _live_secrets(delivery: Mapping[str, Any], now: datetime) -> list[str]:
    until = delivery["old_secret_until"]
    old = [delivery["old_secret"]] if until is not None and until > now else []
    return [delivery["secret"], *old]


def _result(attempt: DeliveryAttempt, now: datetime) -> DeliveryResult:
    delivery, sent = attempt.delivery, attempt.sent
    error = None if sent.delivered else sent.error or f"the receiver answered {sent.status}"
    rest = retry_wait(delivery["attempts"], random.randint(0, 1000))  # noqa: S311
    # Where nothing could be sent, the endpoint is set aside, and its back-off is the one that counts.
    wait = timedelta() if attempt.fault else max(rest, sent.retry_after or timedelta())
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
