"""Deliver reminders to notification channels: events become items, items due become batches, batches are sent.

A channel is prepared in one transaction under its lock, a delivery claimed in it; nothing is open while it is sent;
then the result is stored. At least once: a process that dies while sending leaves a lease that expires, and the same
message is sent again under the same id. Channels are served independently: a broken one delays no other.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from app.clock import monotonic
from app.db.notifications.channels import BusyChannel, ChannelRow
from app.db.notifications.deliveries import DeliveryRecord
from app.db.reminders import ReminderSettings, settings_of
from app.db.uow import UnitOfWork
from app.domain.calendar.days import HOME_ZONE
from app.domain.notifications.channels import LIMITS, Batching, ChannelKind, Outcome, Verdict
from app.domain.notifications.reminders import is_reminder
from app.domain.notifications.schedule import QuietHours, after_quiet_hours, due_at, next_digest
from app.domain.webhook_retry import RETRY_PERIOD, retry_wait
from app.usecases.context import Context
from app.usecases.event_positions import number_events
from app.usecases.ids import new_id
from app.usecases.notifications.send import send
from app.usecases.outgoing import LEASE, held, stored
from app.usecases.quarantine import SubjectKind, Task, handle_isolated
from app.usecases.rounds import serve_round

FAN_OUT = 1_000
"""Events looked at in one transaction."""

ROUND_S = 5.0
"""Seconds after which a round starts nothing new, so that a worker can stop."""

LOOK_S = 30.0
"""Seconds for which a round goes on serving others while a slow channel keeps it from ending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a turn at a channel left: a delivery to send now, with its content; `more`: there is more to prepare."""

    channel: ChannelRow
    language: str
    more: bool
    delivery: DeliveryRecord | None = None
    events: Sequence[dict[str, Any]] = ()


async def notify_round(ctx: Context) -> int:
    """Prepare and send what is due to all channels concurrently; gives how much was done."""
    began, serving = monotonic(), set[UUID]()

    async def look() -> list[BusyChannel]:
        if monotonic() - began >= (LOOK_S if serving else ROUND_S):
            return []
        await number_events(ctx)
        async with ctx.work() as work:
            return await work.notification_channels.busy(ctx.now())

    async def serve(channel: BusyChannel) -> int:
        serving.add(channel.id)
        try:
            return await _serve_isolated(ctx, str(channel.id))
        finally:
            serving.discard(channel.id)

    return await serve_round(look, serve)


async def notify_again(ctx: Context, kind: SubjectKind, channel_ids: Sequence[str]) -> None:
    """Deliver to channels that were set aside; one that cannot be served stays set aside."""
    for channel_id in channel_ids:
        await _serve_isolated(ctx, channel_id, kind)


async def _serve_isolated(ctx: Context, channel_id: str, kind: SubjectKind = SubjectKind.NOTIFICATION_CHANNEL) -> int:
    async def serve(_: Sequence[str]) -> int:
        return await _serve(ctx, UUID(channel_id))

    return await handle_isolated(ctx, Task.NOTIFICATIONS, [channel_id], serve, kind=kind)


async def _serve(ctx: Context, channel_id: UUID) -> int:
    """Serve one channel until nothing is due or `ROUND_S` has passed; gives how much was done.

    Raises what keeps a message from being made at all, whatever the receiver does.
    """
    began, done = monotonic(), 0
    while monotonic() - began < ROUND_S:
        prepared = await _prepare(ctx, channel_id)
        if prepared is None:
            return done
        done += 1
        if prepared.delivery is not None:
            await _send_and_settle(ctx, prepared, prepared.delivery)
        elif not prepared.more:
            return done
    return done


async def _prepare(ctx: Context, channel_id: UUID) -> Prepared | None:
    """One transaction at a channel: new items, batches of what is due, and a claim of the next delivery.

    None where another worker is at the channel.
    """
    now = ctx.now()
    async with ctx.work() as work:
        channel = await work.notification_channels.take(channel_id)
        if channel is None:
            return None
        settings = await settings_of(await work.driver(), channel.tenant)
        more = await _add_items(ctx, work, channel, settings)
        if not more:  # a digest takes everything that is known
            await _make_batches(ctx, work, channel, settings)
        delivery = await _claim(work, channel, settings, now)
        events: list[dict[str, Any]] = []
        if delivery is not None and delivery.batch is not None:
            events = await work.notifications.content(delivery.batch, LIMITS[ChannelKind(channel.kind)].lines)
        await work.commit()
    language = channel.language or settings.language
    return Prepared(channel=channel, language=language, more=more, delivery=delivery, events=events)


def _quiet(settings: ReminderSettings) -> QuietHours | None:
    if settings.quiet_from is None or settings.quiet_to is None:
        return None
    return QuietHours(start=settings.quiet_from, end=settings.quiet_to)


async def _add_items(ctx: Context, work: UnitOfWork, channel: ChannelRow, settings: ReminderSettings) -> bool:
    """Turn the next events that the channel wants into items; True while there may be more."""
    found = await work.notifications.next_events(channel.id, channel.types, FAN_OUT)
    batching, quiet = LIMITS[ChannelKind(channel.kind)].batching, _quiet(settings)
    items = []
    for row in found.rows:
        if is_reminder(row["type"], row["data"]):
            zone = ctx.zone(row["account"]) if row["account"] else HOME_ZONE
            due = due_at(batching, row["known_at"], zone, channel.digest_at, quiet)
            items.append((row["id"], zone.key, due))
    await work.notifications.add_items(channel.id, items)
    return found.more


async def _make_batches(ctx: Context, work: UnitOfWork, channel: ChannelRow, settings: ReminderSettings) -> None:
    """Put what is due into batches, one a zone, with a delivery for each recipient."""
    now, quiet, limits = ctx.now(), _quiet(settings), LIMITS[ChannelKind(channel.kind)]
    for name in await work.notifications.zones_due(channel.id, now):
        zone = ZoneInfo(name)
        digest_on = now.astimezone(zone).date() if limits.batching is Batching.DAY else None
        if (free_at := after_quiet_hours(now, zone, quiet)) > now:
            await work.notifications.postpone_items(channel.id, name, now, free_at)
        elif digest_on is not None and await work.notifications.has_digest(channel.id, name, digest_on):
            tomorrow = datetime.combine(digest_on + timedelta(days=1), channel.digest_at, zone)
            due = next_digest(tomorrow, zone, channel.digest_at, quiet)
            await work.notifications.postpone_items(channel.id, name, now, due)
        else:
            batch = new_id(now)
            count = await work.notifications.gather(channel.id, name, batch, now, limits.items)
            record = DeliveryRecord(
                id=batch,
                channel_id=channel.id,
                batch=batch,
                recipient=None,
                zone=name,
                digest_on=digest_on,
                origin="reminders",
                reminders=count,
                next_attempt_at=now,
                created_at=now,
            )
            recipients = channel.settings.get("to", [None])
            await work.notifications.add([replace(record, id=new_id(now), recipient=to) for to in recipients])


async def _claim(
    work: UnitOfWork, channel: ChannelRow, settings: ReminderSettings, now: datetime
) -> DeliveryRecord | None:
    """The next delivery that may be sent now: not within quiet hours, nor sooner than the kind's limits let it."""
    if channel.next_send_at is not None and channel.next_send_at > now:
        return None
    while (record := await work.notifications.claim(channel.id, now, LEASE)) is not None:
        free_at = after_quiet_hours(now, ZoneInfo(record.zone), _quiet(settings)) if record.zone else now
        if free_at <= now:
            interval = LIMITS[ChannelKind(channel.kind)].interval
            if interval is not None:
                await work.notification_channels.change(channel.id, next_send_at=now + interval)
            return record
        await work.notifications.settle(record, next_attempt_at=free_at, attempts=record.attempts - 1)
    return None


async def _send_and_settle(ctx: Context, prepared: Prepared, record: DeliveryRecord) -> None:
    """Send what was prepared and store the result. Raises what keeps the message from being made."""
    try:
        async with held(partial(_renew, ctx, record)):
            verdict = await send(ctx, prepared.channel, record, prepared.events, prepared.language)
    except Exception as error:
        # The channel is set aside, and its back-off is the one that counts.
        fault = Verdict(outcome=Outcome.RETRY, code=type(error).__name__)
        await stored(partial(_settle, ctx, prepared.channel, record, fault, wait=timedelta()))
        raise
    wait = max(retry_wait(record.attempts, random.randint(0, 1000)), verdict.rest)  # noqa: S311
    await stored(partial(_settle, ctx, prepared.channel, record, verdict, wait=wait))


async def _renew(ctx: Context, record: DeliveryRecord) -> None:
    async with ctx.work() as work:
        await work.notifications.renew(record, LEASE)
        await work.commit()


async def _settle(
    ctx: Context, channel: ChannelRow, record: DeliveryRecord, verdict: Verdict, *, wait: timedelta
) -> None:
    """Store what became of a delivery and what that says of its channel; `wait`: before it is tried again."""
    now = ctx.now()
    status = _status(verdict, ended=now + wait - record.created_at > RETRY_PERIOD)
    pending = status == "pending"
    async with ctx.work() as work:
        held = await work.notifications.settle(
            record,
            status=status,
            error=verdict.code if status != "delivered" else None,
            next_attempt_at=now + wait if pending else now,
            settled_at=None if pending else now,
        )
        # A delivery that another worker has claimed since, its lease having expired, is left to that worker.
        if held:
            await work.notification_channels.change(channel.id, **_seen(channel, verdict, now))
        await work.commit()
    outcome = "retried" if pending else status
    ctx.telemetry.notification_deliveries.labels(channel.kind, outcome).inc()


def _status(verdict: Verdict, *, ended: bool) -> str:
    if verdict.outcome is Outcome.DELIVERED:
        return "delivered"
    return "pending" if verdict.outcome is Outcome.RETRY and not ended else "failed"


def _seen(channel: ChannelRow, verdict: Verdict, now: datetime) -> dict[str, Any]:
    """The columns of a channel after an attempt. Nothing is sent to it before the receiver's rest is over."""
    if verdict.outcome is Outcome.DELIVERED:
        return {"failing_since": None, "last_error": None, "last_delivered_at": now}
    columns: dict[str, Any] = {"failing_since": channel.failing_since or now, "last_error": verdict.code}
    if verdict.rest:
        columns["next_send_at"] = now + verdict.rest
    if verdict.outcome is Outcome.GONE:
        columns |= {"enabled": False, "disabled_because": f"the receiver is gone ({verdict.code})"}
    return columns
