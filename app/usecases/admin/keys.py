"""API keys: create, rotate with an overlap, revoke, and what a list tells. Of a secret only its hash is kept."""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.db.access import AuditRow, KeyRecord
from app.db.uow import UnitOfWork
from app.usecases.access import SCOPES, create_tenant
from app.usecases.context import Context
from app.usecases.errors import Conflict, Fault, InvalidArgument, NotFound
from app.usecases.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRequest:
    """A key that is wanted. `requests_per_s`: the most that one process answers it a second; None: no limit."""

    tenant: str
    scopes: tuple[str, ...]
    name: str | None = None
    expires_at: datetime | None = None
    networks: tuple[str, ...] = ()
    requests_per_s: int | None = None


async def create_key(ctx: Context, work: UnitOfWork, wanted: KeyRequest, *, actor: str) -> tuple[UUID, str]:
    """Create a key; returns its id and its secret, which is never shown again. Raises `InvalidArgument`, `NotFound`."""
    if faults := [*_scope_faults(wanted.scopes), *_network_faults(wanted.networks)]:
        raise InvalidArgument(faults)
    if not await work.access.tenant_exists(wanted.tenant):
        raise NotFound("tenant")
    values = {name: getattr(wanted, name) for name in KeyRequest.__dataclass_fields__}
    key = KeyRecord(id=new_id(ctx.now()), created_at=ctx.now(), **values)
    return key.id, await _store(ctx, work, key, actor=actor, action="key.created")


async def issue_key(ctx: Context, wanted: KeyRequest, *, actor: str) -> tuple[UUID, str]:
    """`create_key` in a transaction of its own, with its tenant where that does not exist. Raises `InvalidArgument`."""
    async with ctx.work() as work:
        await create_tenant(ctx, work, wanted.tenant, actor=actor)
        issued = await create_key(ctx, work, wanted, actor=actor)
        await work.commit()
    return issued


async def rotate_key(
    ctx: Context, work: UnitOfWork, tenant: str, key_id: UUID, overlap: timedelta, *, actor: str
) -> tuple[UUID, str]:
    """A new key with the rights of an old one, which ends after `overlap`; returns its id and its secret.

    Raises `NotFound`; `Conflict` where the old one has expired.
    """
    old = await work.access.key_of(tenant, key_id, for_update=True)
    if old is None:
        raise NotFound("key")
    now = ctx.now()
    if old.expires_at is not None and old.expires_at <= now:
        raise Conflict("INCOMPATIBLE_STATE", "the key has expired; create another")
    ends = now + overlap if old.expires_at is None else min(now + overlap, old.expires_at)
    await work.access.end_key(key_id, ends)
    new = replace(old, id=new_id(now), created_at=now, last_used_at=None)
    secret = await _store(ctx, work, new, actor=actor, action="key.rotated", replaces=str(key_id))
    return new.id, secret


async def revoke_key(ctx: Context, tenant: str, key_id: UUID, *, actor: str) -> None:
    """Revoke a key. Processes that cache it stop accepting it within seconds. Raises `NotFound`."""
    async with ctx.work() as work:
        if not await work.access.revoke(tenant, key_id):
            raise NotFound("key")
        row = AuditRow(tenant=tenant, at=ctx.now(), actor=actor, action="key.revoked", subject=str(key_id))
        await work.access.add_audit([row])
        await work.commit()


def key_view(key: KeyRecord) -> dict[str, Any]:
    """A key as JSON, without its secret."""
    return {
        "id": str(key.id),
        "name": key.name,
        "tenant": key.tenant,
        "scopes": list(key.scopes),
        "networks": list(key.networks),
        "requests_per_s": key.requests_per_s,
        "created_at": key.created_at.isoformat(),
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        "last_used_at": key.last_used_at.isoformat() if key.last_used_at else None,
    }


async def _store(ctx: Context, work: UnitOfWork, key: KeyRecord, *, actor: str, action: str, **told: object) -> str:
    secret = secrets.token_urlsafe(32)
    await work.access.upsert_key(key, hashlib.sha256(secret.encode()).digest())
    after = {"name": key.name, "scopes": list(key.scopes), **told}
    row = AuditRow(tenant=key.tenant, at=ctx.now(), actor=actor, action=action, subject=str(key.id), after=after)
    await work.access.add_audit([row])
    return secret


def _scope_faults(scopes: Sequence[str]) -> list[Fault]:
    if not scopes:
        return [Fault(code="REQUIRED", detail="at least one scope", pointer="/scopes")]
    return [
        Fault(code="UNKNOWN_SCOPE", detail=f"one of {' '.join(SCOPES)}", pointer=f"/scopes/{index}")
        for index, scope in enumerate(scopes)
        if scope not in SCOPES
    ]


def _network_faults(networks: Sequence[str]) -> list[Fault]:
    return [
        Fault(code="NETWORK_MALFORMED", detail="a CIDR network", pointer=f"/networks/{index}")
        for index, network in enumerate(networks)
        if not _is_network(network)
    ]


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True
