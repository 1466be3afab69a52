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
from functools import partial
from typing import Any
from uuid import UUID

from app.clock import monotonic
from app.db.events.webhooks import BusyEndpoint, DeliveryResult
from app.domain.webhook_retry import RETRY_PERIOD, retry_wait
from app.outbound.sender import SendResult
from app.outbound.signature import headers
from app.usecases.context import Context
from app.usecases.event_positions import number_events
from app.usecases.outgoing import LEASE, held, stored
from app.usecases.quarantine import SubjectKind, Task, handle_isolated
from app.usecases.rounds import serve_round
from app.usecases.webhooks.feed import cloud_event

Delivery = Mapping[str, Any]
"""A delivery as it was claimed, with all that sending needs."""

AT_ONCE = 16
"""Concurrent deliveries to one endpoint per process, so that a slow receiver does not occupy every slot."""

BEHIND = 7
"""Deliveries sent right after the first of a lane, their results stored with its. Each by itself would cost two
transactions, while what is behind it waits; after a death that many may come twice."""

LANE_S = 1.0
"""Seconds after which no further one is begun: what a slow receiver took is stored soon."""

FAN_OUT = 1_000
ROUND_S = 5.0
"""Seconds after which a round starts nothing new, so that a worker can stop."""

TRANSACTIONS = 4
"""Transactions of a round that may be open at once, so that the pool keeps connections for everything else."""

GONE = "the receiver said 410 Gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAttempt:
    """One delivery as it was claimed, and the result of sending it; `fault`: why nothing could be sent at all."""

    delivery: Delivery
    at: datetime
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
        return await _Service(self._ctx, endpoint, self._transactions).run()


class _Service:
    """One endpoint while it is served: the lanes that are being sent, and what was sent and is not stored yet."""

    def __init__(self, ctx: Context, endpoint: BusyEndpoint, transactions: asyncio.Semaphore) -> None:
        self._ctx = ctx
        self._endpoint_id = endpoint.id
        self._has_new_events = endpoint.has_new_events
        self._transactions = transactions
        self._began = monotonic()
        self._lanes: dict[asyncio.Task[list[DeliveryAttempt]], Delivery] = {}
        self._unstored: list[DeliveryAttempt] = []
        self._fault: Exception | None = None
        self._attempts = 0

    async def run(self) -> int:
        """See `_Relay.serve`."""
        try:
            async with held(self._renew):
                while await self._step():
                    await self._wait()
        finally:
            for task in self._lanes:
                task.cancel()
        return self._attempts

    async def _step(self) -> bool:
        """Store what was sent and claim what is due; whether there is anything more to do."""
        goes_on = self._fault is None and monotonic() - self._began < ROUND_S
        results = [_result(attempt, self._ctx.now()) for attempt in self._unstored]
        claim = partial(self._store_and_claim, results, goes_on=goes_on)
        if results:
            claimed = await stored(claim)
        else:
            claimed = await claim() if goes_on else []
        for result in results:
            status = "retried" if result.status == "pending" else result.status
            self._ctx.telemetry.webhook_deliveries.labels(status).inc()
        self._unstored = []
        self._lanes |= {asyncio.create_task(_send_lane(self._ctx, lane)): lane[0] for lane in claimed}
        if not self._lanes and self._fault is not None:
            raise self._fault
        return bool(self._lanes) or (goes_on and self._has_new_events)

    async def _store_and_claim(self, results: Sequence[DeliveryResult], *, goes_on: bool) -> list[list[dict[str, Any]]]:
        """One transaction, as each costs a commit that the next events wait for; gives the lanes claimed."""
        now, claimed, more = self._ctx.now(), list[list[dict[str, Any]]](), False
        free = AT_ONCE - len(self._lanes)
        async with self._transactions, self._ctx.work() as work:
            if any(attempt.sent.gone for attempt in self._unstored):
                await work.webhooks.change_endpoint(self._endpoint_id, enabled=False, disabled_because=GONE)
            if results:
                # A delivery that another worker has claimed since, its lease having expired, is left to that worker.
                await work.webhooks.settle(results, now)
            if goes_on and self._has_new_events:
                more = await work.webhooks.fan_out(self._endpoint_id, now, FAN_OUT)
            if goes_on and free > 0:
                claimed = await work.webhooks.claim(self._endpoint_id, now=now, lease=LEASE, lanes=free, behind=BEHIND)
            await work.commit()
        self._has_new_events = more
        return claimed

    async def _wait(self) -> None:
        """Wait until a lane has ended, and take over what was sent."""
        if not self._lanes:
            return
        ended, _ = await asyncio.wait(self._lanes, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            del self._lanes[task]
            self._unstored += task.result()
        self._attempts += len(self._unstored)
        self._fault = next((one.fault for one in self._unstored if one.fault is not None), self._fault)

    async def _renew(self) -> None:
        """Renew the leases of what is being sent."""
        if self._lanes:
            async with self._transactions, self._ctx.work() as work:
                await work.webhooks.renew(list(self._lanes.values()), LEASE)
                await work.commit()


async def _send_lane(ctx: Context, deliveries: Sequence[Delivery]) -> list[DeliveryAttempt]:
    """Send what waits in one lane, in order, until one is not taken: what is behind that waits with it."""
    began, attempts = monotonic(), list[DeliveryAttempt]()
    for delivery in deliveries:
        attempts.append(await _attempt(ctx, delivery))
        if not attempts[-1].sent.delivered or monotonic() - began >= LANE_S:
            break
    return attempts


async def _attempt(ctx: Context, delivery: Delivery) -> DeliveryAttempt:
    """One attempt. What goes wrong before anything is sent, for example with a secret, is the endpoint's fault."""
    at = ctx.now()
    try:
        return DeliveryAttempt(delivery=delivery, at=at, sent=await _send(ctx, delivery))
    except Exception as error:  # noqa: BLE001 - told with the delivery, and by the endpoint that is set aside
        return DeliveryAttempt(delivery=delivery, at=at, sent=SendResult(error=type(error).__name__), fault=error)


async def _send(ctx: Context, delivery: Delivery) -> SendResult:
    """Sign and send. The timestamp is real time, because receivers compare it with their own clock."""
    body = json.dumps(cloud_event(delivery), ensure_ascii=False, separators=(",", ":")).encode()
    stamp = int(ctx.clock.real().timestamp())
    signed = headers(_live_secrets(delivery, ctx.now()), str(delivery["event_id"]), stamp, body)
    return await ctx.webhooks.send(delivery["url"], signed | {"content-type": "application/cloudevents+json"}, body)


def _live_secrets(delivery: Delivery, now: datetime) -> list[str]:
    until = delivery["old_secret_until"]
    old = [delivery["old_secret"]] if until is not None and until > now else []
    return [delivery["secret"], *old]


def _result(attempt: DeliveryAttempt, now: datetime) -> DeliveryResult:
    delivery, sent = attempt.delivery, attempt.sent
    error = None if sent.delivered else sent.error or f"the receiver answered {sent.status}"
    attempts = delivery["attempts"] + 1
    rest = retry_wait(attempts, random.randint(0, 1000))  # noqa: S311
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
        attempts=attempts,
        attempted_at=attempt.at,
        next_attempt_at=now + wait if status == "pending" else now,
    )
