"""Tenants and API keys: who is calling, and what the key permits."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid5

from app.db.access import AuditRow, KeyRecord
from app.db.uow import UnitOfWork
from app.usecases.context import Context
from app.usecases.errors import Fault, InvalidArgument, NotFound
from app.usecases.ids import new_id

SCOPES = (
    "sims:read",
    "sims:write",
    "operations:write",
    "pools:write",
    "orders:write",
    "usage:write",
    "webhooks:write",
    "terms:read",
    "metrics",
    "admin",
)
DEFAULT_TENANT = "default"
_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_NAMESPACE = UUID("7d9c2a52-3c1e-5a0e-9b0f-5f1d2a6c0e11")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An authenticated key: the tenant it acts for in this request, its scopes and its restrictions."""

    key_id: UUID
    tenant: str
    scopes: frozenset[str]
    networks: tuple[str, ...] = ()
    expires_at: datetime | None = None

    @property
    def name(self) -> str:
        """The actor in the audit trail: the key's id, never its secret."""
        return f"key:{self.key_id}"

    @property
    def is_admin(self) -> bool:
        """Whether the key has scope `admin`: every scope, for any tenant."""
        return "admin" in self.scopes

    def may(self, scope: str) -> bool:
        """Whether the key has a scope; `admin` implies every scope."""
        return self.is_admin or scope in self.scopes

    def expired(self, now: datetime) -> bool:
        """Whether the key has expired."""
        return self.expires_at is not None and self.expires_at <= now

    async def acting_for(self, ctx: Context, tenant: str) -> Caller:
        """The same caller acting for another tenant. Raises `NotFound`."""
        async with ctx.work() as work:
            if not await work.access.tenant_exists(tenant):
                raise NotFound("tenant")
        return replace(self, tenant=tenant)


async def find_caller(ctx: Context, key_hash: bytes) -> Caller | None:
    """The caller whose key has this SHA-256 hash; None for an unknown or revoked key."""
    async with ctx.work() as work:
        key = await work.access.key(key_hash)
    if key is None:
        return None
    return Caller(
        key_id=key.id,
        tenant=key.tenant,
        scopes=frozenset(key.scopes),
        networks=key.networks,
        expires_at=key.expires_at,
    )


async def create_tenant(ctx: Context, work: UnitOfWork, tenant: str, *, actor: str) -> bool:
    """Add a tenant; False where it exists. Raises `InvalidArgument`."""
    if not _TENANT.fullmatch(tenant):
        raise InvalidArgument([Fault(code="TENANT_MALFORMED", detail="a-z 0-9 _ - , at most 63", pointer="/id")])
    new = await work.access.add_tenant(tenant, ctx.now())
    if new:
        await work.access.add_audit([AuditRow(tenant=tenant, at=ctx.now(), actor=actor, action="tenant.created")])
    return new


async def create_key(
    ctx: Context,
    work: UnitOfWork,
    *,
    tenant: str,
    scopes: Sequence[str],
    expires_at: datetime | None,
    networks: Sequence[str],
    actor: str,
) -> tuple[UUID, str]:
    """Create a key; returns its id and its secret, which is stored as a hash only and never shown again.

    Raises: `InvalidArgument`, `NotFound`.
    """
    if faults := [*_scope_faults(scopes), *_network_faults(networks)]:
        raise InvalidArgument(faults)
    if not await work.access.tenant_exists(tenant):
        raise NotFound("tenant")
    secret = secrets.token_urlsafe(32)
    key = KeyRecord(
        id=new_id(ctx.now()), tenant=tenant, scopes=tuple(scopes), networks=tuple(networks), expires_at=expires_at
    )
    await work.access.upsert_key(key, hashlib.sha256(secret.encode()).digest(), ctx.now())
    await work.access.add_audit(
        [AuditRow(tenant=tenant, at=ctx.now(), actor=actor, action="key.created", subject=str(key.id))]
    )
    return key.id, secret


async def issue_key(
    ctx: Context,
    *,
    tenant: str,
    scopes: Sequence[str],
    expires_at: datetime | None,
    networks: Sequence[str],
    actor: str,
    new_tenant: bool = False,
) -> tuple[UUID, str]:
    """`create_key` in a transaction of its own; `new_tenant`: add the tenant first where it does not exist.

    Raises `InvalidArgument`, `NotFound`.
    """
    async with ctx.work() as work:
        if new_tenant:
            await create_tenant(ctx, work, tenant, actor=actor)
        issued = await create_key(
            ctx, work, tenant=tenant, scopes=scopes, expires_at=expires_at, networks=networks, actor=actor
        )
        await work.commit()
    return issued


async def revoke_key(ctx: Context, tenant: str, key_id: UUID, *, actor: str) -> None:
    """Revoke a key. Processes that cache it stop accepting it within seconds. Raises `NotFound`."""
    async with ctx.work() as work:
        if not await work.access.revoke(tenant, key_id):
            raise NotFound("key")
        row = AuditRow(tenant=tenant, at=ctx.now(), actor=actor, action="key.revoked", subject=str(key_id))
        await work.access.add_audit([row])
        await work.commit()


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


async def ensure_admin_key(ctx: Context, secret: str) -> None:
    """Register an operator's own secret as an `admin` key of tenant `default` (bootstrap and demo keys). Idempotent."""
    digest = hashlib.sha256(secret.encode()).digest()
    async with ctx.work() as work:
        await work.access.add_tenant(DEFAULT_TENANT, ctx.now())
        key = KeyRecord(id=uuid5(_NAMESPACE, digest.hex()), tenant=DEFAULT_TENANT, scopes=("admin",))
        await work.access.upsert_key(key, digest, ctx.now())
        await work.commit()
