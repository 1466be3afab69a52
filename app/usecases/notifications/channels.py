"""Notification channels of a tenant: create, change, test, delete. Secrets go in and never come out.

The one secret that is made here, of an SMS webhook, is in the answer to its creation and nowhere else.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import replace
from datetime import time
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from app.db.access import AuditRow
from app.db.notifications.channels import ChannelRow
from app.db.notifications.deliveries import DeliveryRecord
from app.db.uow import UnitOfWork
from app.domain.notifications.channels import LIMITS, Batching, ChannelKind
from app.domain.notifications.reminders import REMINDERS
from app.outbound.guard import TargetRefused
from app.outbound.signature import PREFIX, new_secret
from app.usecases.context import Context
from app.usecases.errors import Conflict, Fault, InvalidArgument, NotFound
from app.usecases.event_positions import number_events
from app.usecases.ids import new_id
from app.usecases.notifications.send import server_of

MAX_CHANNELS = 100
"""Channels of one tenant: each costs a look in every round."""

SECRET_BYTES = range(24, 65)
"""Standard Webhooks, symmetric secrets: 24 to 64 bytes."""

DIGEST_AT = time(8)
SETTINGS: Mapping[ChannelKind, tuple[str, ...]] = MappingProxyType(
    {
        ChannelKind.EMAIL: ("host", "port", "tls", "user", "from", "to"),
        ChannelKind.SMS_WEBHOOK: ("phones",),
        ChannelKind.FEISHU: (),
        ChannelKind.DINGTALK: (),
        ChannelKind.WECOM: (),
    }
)
"""What a kind has that may be shown; by the names of the API."""

SECRETS: Mapping[ChannelKind, tuple[str, ...]] = MappingProxyType(
    {
        ChannelKind.EMAIL: ("password",),
        ChannelKind.SMS_WEBHOOK: ("url", "secret"),
        ChannelKind.FEISHU: ("url", "secret"),
        ChannelKind.DINGTALK: ("url", "secret"),
        ChannelKind.WECOM: ("url",),
    }
)
"""What a kind has that is never shown: a robot's URL has its token in it."""

OPTIONAL = frozenset({"user", "password", "secret"})
OWN = ("host", "port", "tls", "user", "password", "from", "to", "url", "secret", "phones")
"""The fields that only some kinds have."""


def channel_view(channel: ChannelRow) -> dict[str, Any]:
    """A channel as a JSON object, without its secrets; `target`: the server, without path and query."""
    settings = {name: channel.settings.get(name) for names in SETTINGS.values() for name in names}
    daily = LIMITS[ChannelKind(channel.kind)].batching is Batching.DAY
    return {
        "id": str(channel.id),
        "kind": channel.kind,
        "name": channel.name,
        "types": list(channel.types),
        "language": channel.language,
        "iccids": channel.iccids,
        "digest_at": f"{channel.digest_at:%H:%M}" if daily else None,
        **settings,
        "target": _target_of(channel),
        "has_password": "password" in channel.secrets,
        "has_secret": "secret" in channel.secrets,
        "enabled": channel.enabled,
        "disabled_because": channel.disabled_because,
        "failing_since": _written(channel.failing_since),
        "last_error": channel.last_error,
        "last_delivered_at": _written(channel.last_delivered_at),
        "created_at": _written(channel.created_at),
    }


def _written(at: Any) -> str | None:
    return at.isoformat() if at else None


def _target_of(channel: ChannelRow) -> str:
    if channel.kind == ChannelKind.EMAIL:
        return f"{channel.settings['host']}:{channel.settings['port']}"
    parts = urlsplit(channel.secrets["url"])
    return f"{parts.scheme}://{parts.netloc}"


def delivery_view(record: DeliveryRecord) -> dict[str, Any]:
    """One sending as a JSON object; `next_attempt_at` only while it is pending."""
    return {
        "id": str(record.id),
        "origin": record.origin,
        "recipient": record.recipient,
        "reminders": record.reminders,
        "status": record.status,
        "attempts": record.attempts,
        "error": record.error,
        "next_attempt_at": _written(record.next_attempt_at) if record.status == "pending" else None,
        "created_at": _written(record.created_at),
        "attempted_at": _written(record.attempted_at),
        "settled_at": _written(record.settled_at),
    }


def new_channel(ctx: Context, tenant: str, kind: ChannelKind, given: Mapping[str, Any]) -> ChannelRow:
    """A channel of what a caller has given, by the names of the API. Raises `InvalidArgument`."""
    _check_fields(kind, given)
    missing = [n for n in (*SETTINGS[kind], *SECRETS[kind]) if n not in OPTIONAL and given.get(n) is None]
    if missing:
        raise InvalidArgument([Fault(pointer=f"/{n}", code="REQUIRED", detail=f"for {kind.value}") for n in missing])
    masked = kind not in (ChannelKind.EMAIL, ChannelKind.SMS_WEBHOOK)
    secrets = {name: given[name] for name in SECRETS[kind] if given.get(name) is not None}
    if kind is ChannelKind.SMS_WEBHOOK and "secret" not in secrets:
        secrets["secret"] = new_secret()
    return ChannelRow(
        id=new_id(ctx.now()),
        tenant=tenant,
        kind=kind.value,
        name=given["name"],
        types=tuple(dict.fromkeys(given.get("types") or REMINDERS)),
        language=given.get("language"),
        iccids=given.get("iccids") or ("masked" if masked else "full"),
        digest_at=given.get("digest_at") or DIGEST_AT,
        settings={name: given.get(name) for name in SETTINGS[kind]},
        secrets=secrets,
        created_at=ctx.now(),
    )


def changed_channel(channel: ChannelRow, given: Mapping[str, Any]) -> ChannelRow:
    """The channel with what a caller has given changed; what is absent stays. Raises `InvalidArgument`."""
    kind = ChannelKind(channel.kind)
    _check_fields(kind, given)
    cleared = {name for name, value in given.items() if value is None}
    kept = [name for name in ("user", "language") if name in cleared]
    settings = channel.settings | {
        name: given[name] for name in SETTINGS[kind] if name in given and (name not in cleared or name in kept)
    }
    secrets = channel.secrets | {n: given[n] for n in SECRETS[kind] if n in given and n not in cleared}
    removable = {"password", "secret"} & cleared if kind is not ChannelKind.SMS_WEBHOOK else set()
    plain = {n: given[n] for n in ("name", "iccids", "digest_at", "enabled") if given.get(n) is not None}
    if "language" in given:
        plain["language"] = given["language"]
    if "types" in given:
        plain["types"] = tuple(dict.fromkeys(given["types"] or REMINDERS))
    remaining = {name: value for name, value in secrets.items() if name not in removable}
    return replace(channel, settings=settings, secrets=remaining, **plain)


def _check_fields(kind: ChannelKind, given: Mapping[str, Any]) -> None:
    known = {*SETTINGS[kind], *SECRETS[kind]} | ({"digest_at"} if LIMITS[kind].batching is Batching.DAY else set())
    faults = [
        Fault(pointer=f"/{name}", code="NOT_FOR_THIS_KIND", detail=f"{kind.value} has none")
        for name in (*OWN, "digest_at")
        if given.get(name) is not None and name not in known
    ]
    if kind is ChannelKind.SMS_WEBHOOK and given.get("secret") is not None and not _is_signing(given["secret"]):
        detail = f"{PREFIX} and the base64 of 24 to 64 bytes"
        faults.append(Fault(pointer="/secret", code="SECRET_MALFORMED", detail=detail))
    if faults:
        raise InvalidArgument(faults)


def _is_signing(secret: str) -> bool:
    try:
        return len(base64.b64decode(secret.removeprefix(PREFIX), validate=True)) in SECRET_BYTES
    except (binascii.Error, ValueError):
        return False


async def permit(ctx: Context, channel: ChannelRow) -> None:
    """Check the channel's target, with no transaction open (the name is resolved). Raises `InvalidArgument`."""
    email = channel.kind == ChannelKind.EMAIL
    try:
        if email:
            await ctx.mail.check(server_of(channel.settings, channel.secrets))
        else:
            await ctx.webhooks.check_url(channel.secrets["url"])
    except TargetRefused as refused:
        pointer = "/host" if email else "/url"
        raise InvalidArgument([Fault(pointer=pointer, code="TARGET_REFUSED", detail=str(refused))]) from None


async def create(ctx: Context, work: UnitOfWork, channel: ChannelRow, *, actor: AuditRow) -> None:
    """Store a checked channel, which takes the reminders from now on. Raises `Conflict` where there are too many."""
    await number_events(ctx)
    if await work.notification_channels.count(channel.tenant) >= MAX_CHANNELS:
        raise Conflict("INCOMPATIBLE_STATE", f"at most {MAX_CHANNELS} channels")
    await work.notification_channels.add(channel)
    await work.access.add_audit([_audit(actor, channel, "created", after=channel_view(channel))])


async def find(work: UnitOfWork, tenant: str, channel_id: UUID, *, for_update: bool = False) -> ChannelRow:
    """One channel. Raises `NotFound`."""
    channel = await work.notification_channels.get(tenant, channel_id, for_update=for_update)
    if channel is None:
        raise NotFound("notification channel")
    return channel


async def change(
    ctx: Context, tenant: str, channel_id: UUID, given: Mapping[str, Any], *, actor: AuditRow
) -> ChannelRow:
    """Change a channel. Once enabled again, it takes later reminders only. Raises `NotFound`, `InvalidArgument`."""
    async with ctx.work() as work:
        before = await find(work, tenant, channel_id)
    await permit(ctx, changed_channel(before, given))
    await number_events(ctx)
    async with ctx.work() as work:
        # Locked, and changed anew from what is there now: of two changes at once neither undoes the other.
        before = await find(work, tenant, channel_id, for_update=True)
        after = changed_channel(before, given)
        if after.enabled and not before.enabled:
            after = replace(after, disabled_because=None, failing_since=None)
            await work.notification_channels.skip_to_now(channel_id)
        if before.enabled and not after.enabled:
            after = replace(after, disabled_because="by a caller")
        names = ("name", "language", "iccids", "digest_at", "settings", "secrets", "enabled", "disabled_because")
        columns = {name: getattr(after, name) for name in (*names, "failing_since")} | {"types": list(after.types)}
        await work.notification_channels.change(channel_id, **columns)
        views = channel_view(before), channel_view(after)
        await work.access.add_audit([_audit(actor, after, "changed", before=views[0], after=views[1])])
        await work.commit()
    return after


async def delete(ctx: Context, tenant: str, channel_id: UUID, *, actor: AuditRow) -> None:
    """Delete a channel, what waits for it and its deliveries. Raises `NotFound`."""
    async with ctx.work() as work:
        channel = await find(work, tenant, channel_id, for_update=True)
        await work.notification_channels.delete(channel_id)
        await work.access.add_audit([_audit(actor, channel, "deleted", before=channel_view(channel))])
        await work.commit()


async def test(ctx: Context, work: UnitOfWork, tenant: str, channel_id: UUID) -> list[UUID]:
    """Queue a test message, one for each recipient, quiet hours or not; gives the deliveries. Raises `NotFound`."""
    channel = await find(work, tenant, channel_id)
    if not channel.enabled:
        raise Conflict("INCOMPATIBLE_STATE", "the channel is disabled")
    now = ctx.now()
    records = [
        DeliveryRecord(
            id=new_id(now),
            channel_id=channel_id,
            batch=None,
            recipient=recipient,
            zone=None,
            digest_on=None,
            origin="test",
            reminders=0,
            next_attempt_at=now,
            created_at=now,
        )
        for recipient in channel.settings.get("to", [None])
    ]
    await work.notifications.add(records)
    return [record.id for record in records]


def _audit(
    actor: AuditRow,
    channel: ChannelRow,
    what: str,
    *,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> AuditRow:
    action = f"notification_channel.{what}"
    return replace(actor, action=action, subject=str(channel.id), before=before, after=after)
