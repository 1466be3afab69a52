"""Tenants and API keys: who is calling, and what the key permits."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid5

from app.db.access import AuditRow, KeyRecord
from app.db.tenancy import across_tenants
from app.db.uow import UnitOfWork
from app.usecases.context import Context
from app.usecases.errors import Fault, InvalidArgument, NotFound

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
    requests_per_s: int | None = None

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
        with across_tenants():
            async with ctx.work() as work:
                known = await work.access.tenant_exists(tenant)
        if not known:
            raise NotFound("tenant")
        return replace(self, tenant=tenant)


async def find_caller(ctx: Context, key_hash: bytes) -> Caller | None:
    """The caller whose key has this SHA-256 hash; None for an unknown or revoked key."""
    with across_tenants():  # whose key it is, is what we ask
        async with ctx.work() as work:
            key = await work.access.key(key_hash)
            if key is not None and await work.access.mark_used(key, ctx.now()):
                await work.commit()
    if key is None:
        return None
    return Caller(
        key_id=key.id,
        tenant=key.tenant,
        scopes=frozenset(key.scopes),
        networks=key.networks,
        expires_at=key.expires_at,
        requests_per_s=key.requests_per_s,
    )


async def create_tenant(ctx: Context, work: UnitOfWork, tenant: str, *, actor: str) -> bool:
    """Add a tenant; False where it exists. Raises `InvalidArgument`."""
    if not _TENANT.fullmatch(tenant):
        raise InvalidArgument([Fault(code="TENANT_MALFORMED", detail="a-z 0-9 _ - , at most 63", pointer="/id")])
    new = await work.access.add_tenant(tenant, ctx.now())
    if new:
        await work.access.add_audit([AuditRow(tenant=tenant, at=ctx.now(), actor=actor, action="tenant.created")])
    return new


async def ensure_admin_key(ctx: Context, secret: str, name: str = "bootstrap") -> None:
    """Register an operator's own secret as an `admin` key of tenant `default` (bootstrap and demo keys). Idempotent.

    One that was registered under this name with another secret is revoked.
    """
    digest = hashlib.sha256(secret.encode()).digest()
    own = uuid5(_NAMESPACE, digest.hex())
    key = KeyRecord(id=own, tenant=DEFAULT_TENANT, scopes=("admin",), name=name, created_at=ctx.now())
    async with ctx.work() as work:
        await work.access.add_tenant(DEFAULT_TENANT, ctx.now())
        await work.access.upsert_key(key, digest)
        for old in await work.access.keys(DEFAULT_TENANT):
            if old.name == name and old.id.version == own.version and old.id != own:
                await work.access.revoke(DEFAULT_TENANT, old.id)
                row = AuditRow(
                    tenant=DEFAULT_TENANT, at=ctx.now(), actor=name, action="key.revoked", subject=str(old.id)
                )
                await work.access.add_audit([row])
        await work.commit()
