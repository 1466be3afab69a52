"""Webhook endpoints of a tenant: create, change, rotate the secret, test. A secret is returned once, when created."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db.access import AuditRow
from app.db.events.webhooks import EndpointRow
from app.db.uow import UnitOfWork
from app.domain.webhook_retry import OLD_SECRET_LIFETIME
from app.outbound.guard import TargetRefused
from app.outbound.signature import new_secret
from app.usecases.context import Context
from app.usecases.errors import Conflict, Fault, InvalidArgument, NotFound
from app.usecases.event_positions import number_events
from app.usecases.events import EventStamp, webhook_test
from app.usecases.ids import new_id

MAX_TYPES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRequest:
    """An endpoint to create. `types` empty: all event types; an entry may end in `.*`."""

    url: str
    types: tuple[str, ...] = ()
    description: str | None = None


def endpoint_view(endpoint: EndpointRow, *, secret: str | None = None) -> dict[str, Any]:
    """An endpoint as a JSON object; with `secret` only where it has just been created."""
    seen: dict[str, Any] = {
        "id": str(endpoint.id),
        "url": endpoint.url,
        "types": list(endpoint.types),
        "description": endpoint.description,
        "enabled": endpoint.enabled,
        "disabled_because": endpoint.disabled_because,
        "old_secret_until": endpoint.old_secret_until.isoformat() if endpoint.old_secret_until else None,
        "created_at": endpoint.created_at.isoformat(),
    }
    return seen | {"secret": secret} if secret is not None else seen


async def permit(ctx: Context, wanted: EndpointRequest) -> None:
    """Check target and types, with no transaction open (the name is resolved). Raises `InvalidArgument`."""
    faults = [*await _url_faults(ctx, wanted.url), *_type_faults(wanted.types)]
    if faults:
        raise InvalidArgument(faults)


async def _url_faults(ctx: Context, url: str) -> list[Fault]:
    try:
        await ctx.webhooks.check_url(url)
    except TargetRefused as refused:
        return [Fault(pointer="/url", code="TARGET_REFUSED", detail=str(refused))]
    return []


def _type_faults(types: Sequence[str]) -> list[Fault]:
    if len(types) > MAX_TYPES:
        return [Fault(pointer="/types", code="TOO_MANY", detail=f"at most {MAX_TYPES} types")]
    return [
        Fault(pointer=f"/types/{index}", code="TYPE_MALFORMED", detail="a type is noun.participle, or noun.*")
        for index, name in enumerate(types)
        if not _is_type(name)
    ]


def _is_type(name: str) -> bool:
    noun, _, verb = name.partition(".")
    parts = (noun, verb) if verb != "*" else (noun,)
    return all(part and part.replace("_", "a").isalpha() and part.islower() and part.isascii() for part in parts)


async def create(
    ctx: Context, work: UnitOfWork, tenant: str, wanted: EndpointRequest, *, actor: str
) -> tuple[EndpointRow, str]:
    """Store a checked endpoint, which gets the events from now on; returns it with its secret."""
    await number_events(ctx)
    now = ctx.now()
    secret = new_secret()
    endpoint = EndpointRow(
        id=new_id(now),
        tenant=tenant,
        url=wanted.url,
        types=tuple(dict.fromkeys(wanted.types)),
        description=wanted.description,
        secret=secret,
        old_secret=None,
        old_secret_until=None,
        enabled=True,
        disabled_because=None,
        created_at=now,
    )
    await work.webhooks.add_endpoint(endpoint)
    await work.access.add_audit([_audit(ctx, endpoint, actor, "create", after=endpoint_view(endpoint))])
    return endpoint, secret


async def find(work: UnitOfWork, tenant: str, endpoint_id: UUID, *, for_update: bool = False) -> EndpointRow:
    """One endpoint. Raises `NotFound`."""
    endpoint = await work.webhooks.endpoint(tenant, endpoint_id, for_update=for_update)
    if endpoint is None:
        raise NotFound("webhook")
    return endpoint


async def change(ctx: Context, tenant: str, endpoint_id: UUID, columns: dict[str, Any], *, actor: str) -> EndpointRow:
    """Change `url`, `types`, `description` or `enabled`. Once enabled again, it gets later events only.

    Raises `NotFound`.
    """
    await number_events(ctx)
    async with ctx.work() as work:
        changed = await _change(ctx, work, tenant, endpoint_id, columns, actor=actor)
        await work.commit()
    return changed


async def _change(
    ctx: Context, work: UnitOfWork, tenant: str, endpoint_id: UUID, columns: dict[str, Any], *, actor: str
) -> EndpointRow:
    # Locked, so that no fan-out moves the position between this look and `skip_to_now`.
    before = await find(work, tenant, endpoint_id, for_update=True)
    if columns.get("enabled") is True and not before.enabled:
        columns = columns | {"disabled_because": None}
        await work.webhooks.skip_to_now(endpoint_id)
    if columns.get("enabled") is False and before.enabled:
        columns = columns | {"disabled_because": "by a caller"}
    if columns:
        stored = {name: list(value) if isinstance(value, tuple) else value for name, value in columns.items()}
        await work.webhooks.change_endpoint(endpoint_id, **stored)
    after = replace(before, **columns)
    await work.access.add_audit(
        [_audit(ctx, after, actor, "change", before=endpoint_view(before), after=endpoint_view(after))]
    )
    return after


async def delete(ctx: Context, tenant: str, endpoint_id: UUID, *, actor: str) -> None:
    """Delete an endpoint and its deliveries. Raises `NotFound`."""
    async with ctx.work() as work:
        endpoint = await find(work, tenant, endpoint_id, for_update=True)
        await work.webhooks.delete_endpoint(endpoint_id)
        await work.access.add_audit([_audit(ctx, endpoint, actor, "delete", before=endpoint_view(endpoint))])
        await work.commit()


async def rotate(
    ctx: Context, work: UnitOfWork, tenant: str, endpoint_id: UUID, *, actor: str
) -> tuple[EndpointRow, str]:
    """Create a new secret; the old one signs beside it for a day. Raises `NotFound`, `Conflict` while two are valid."""
    # Two rotations at once: the second waits here, then finds two valid secrets and is refused.
    before = await find(work, tenant, endpoint_id, for_update=True)
    now = ctx.now()
    if before.old_secret_until is not None and before.old_secret_until > now:
        raise Conflict(
            "ROTATION_IN_PROGRESS",
            "two secrets are valid already; the older one would expire early",
            earliest_retry_at=before.old_secret_until.isoformat(),
        )
    secret = new_secret()
    until: datetime = now + OLD_SECRET_LIFETIME
    columns = {"secret": secret, "old_secret": before.secret, "old_secret_until": until}
    await work.webhooks.change_endpoint(endpoint_id, **columns)
    after = replace(before, secret=secret, old_secret=before.secret, old_secret_until=until)
    await work.access.add_audit([_audit(ctx, after, actor, "rotate", after=endpoint_view(after))])
    return after, secret


async def test(ctx: Context, work: UnitOfWork, tenant: str, endpoint_id: UUID) -> int:
    """Queue a test event for this endpoint alone; returns the delivery's id. Raises `NotFound`."""
    await find(work, tenant, endpoint_id)
    now = ctx.now()
    event = webhook_test(EventStamp(tenant=tenant, known_at=now), endpoint_id)
    await work.events.add([event])
    return await work.deliveries.add_test(endpoint_id, event.event_id, now)


def _audit(
    ctx: Context,
    endpoint: EndpointRow,
    actor: str,
    action: str,
    *,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> AuditRow:
    return AuditRow(
        tenant=endpoint.tenant,
        at=ctx.now(),
        actor=actor,
        action=f"webhook.{action}",
        subject=str(endpoint.id),
        before=before,
        after=after,
    )
