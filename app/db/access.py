"""Tenants, API keys and the audit trail. Of a key only its SHA-256 is stored, so that no key can be read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.compiled import Compiled
from app.db.schema.access import api_keys, audit, tenants
from app.db.set_based import insert_of, packed
from app.telemetry import correlation_id, reason

USE_GRAIN = timedelta(minutes=1)
"""How exactly the last use of a key is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """A key's tenant, scopes, expiry and the networks (CIDR) it may be used from; no networks: from anywhere.

    `last_used_at`: to the minute. `requests_per_s`: None: no limit.
    """

    id: UUID
    tenant: str
    scopes: tuple[str, ...]
    created_at: datetime
    name: str | None = None
    networks: tuple[str, ...] = ()
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    requests_per_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One entry of the audit trail. `before` and `after` are JSON objects of what changed."""

    tenant: str
    at: datetime
    actor: str
    action: str
    subject: str | None = None
    reason: str | None = None
    correlation_id: str | None = None
    before: dict[str, object] | None = None
    after: dict[str, object] | None = None


_AUDIT_COLUMNS = tuple(AuditRow.__dataclass_fields__)
_ADD_AUDIT = Compiled(insert_of(audit, _AUDIT_COLUMNS))


def _key(row: Mapping[Any, Any]) -> KeyRecord:
    values = {name: row[name] for name in KeyRecord.__dataclass_fields__}
    return KeyRecord(**values | {name: tuple(row[name]) for name in ("scopes", "networks")})


class AccessRepository:
    """Tenants, keys and the audit trail of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add_tenant(self, tenant: str, now: datetime) -> bool:
        """True if the tenant is new."""
        statement = insert(tenants).values(id=tenant, created_at=now).on_conflict_do_nothing().returning(tenants.c.id)
        return (await self._connection.execute(statement)).first() is not None

    async def tenant_exists(self, tenant: str) -> bool:
        """Whether there is such a tenant."""
        found = await self._connection.execute(select(tenants.c.id).where(tenants.c.id == tenant))
        return found.first() is not None

    async def tenants(self) -> list[dict[str, Any]]:
        """Every tenant with its settings, in order."""
        rows = await self._connection.execute(select(tenants).order_by(tenants.c.id))
        return [dict(row) for row in rows.mappings()]

    async def approval_settings(self, tenant: str) -> tuple[int | None, int | None]:
        """From how many SIMs on a tenant's work waits for approval, and for how many hours; NULLs as stored."""
        statement = select(tenants.c.approval_above, tenants.c.approval_hours).where(tenants.c.id == tenant)
        row = (await self._connection.execute(statement)).first()
        return (row.approval_above, row.approval_hours) if row else (None, None)

    async def change_tenant(self, tenant: str, columns: Mapping[str, Any]) -> bool:
        """Set some columns of a tenant; False if there is no such tenant."""
        statement = tenants.update().where(tenants.c.id == tenant).values(**columns)
        return (await self._connection.execute(statement)).rowcount > 0

    async def is_key_of(self, tenant: str, key_id: UUID) -> bool:
        """Whether a key is one of this tenant's own."""
        statement = select(api_keys.c.id).where(api_keys.c.tenant == tenant, api_keys.c.id == key_id)
        return (await self._connection.execute(statement)).first() is not None

    async def upsert_key(self, key: KeyRecord, key_hash: bytes) -> None:
        """Store a key under the hash of its secret; a stored one with that hash gets the new rights (bootstrap key)."""
        values = {
            "name": key.name,
            "tenant": key.tenant,
            "scopes": list(key.scopes),
            "networks": list(key.networks),
            "expires_at": key.expires_at,
            "requests_per_s": key.requests_per_s,
        }
        statement = insert(api_keys).values(id=key.id, key_hash=key_hash, created_at=key.created_at, **values)
        await self._connection.execute(statement.on_conflict_do_update(index_elements=["key_hash"], set_=values))

    async def key(self, key_hash: bytes) -> KeyRecord | None:
        """The key with this hash."""
        row = (
            (await self._connection.execute(select(api_keys).where(api_keys.c.key_hash == key_hash))).mappings().first()
        )
        return _key(row) if row else None

    async def key_of(self, tenant: str, key_id: UUID, *, for_update: bool = False) -> KeyRecord | None:
        """A key of a tenant."""
        statement = select(api_keys).where(api_keys.c.tenant == tenant, api_keys.c.id == key_id)
        found = await self._connection.execute(statement.with_for_update() if for_update else statement)
        row = found.mappings().first()
        return _key(row) if row else None

    async def end_key(self, key_id: UUID, at: datetime) -> None:
        """Let a key expire at an instant."""
        await self._connection.execute(api_keys.update().where(api_keys.c.id == key_id).values(expires_at=at))

    async def mark_used(self, key: KeyRecord, now: datetime) -> bool:
        """Keep that a key is used now, once a minute; True where something was written."""
        if key.last_used_at is not None and now - key.last_used_at < USE_GRAIN:
            return False
        await self._connection.execute(api_keys.update().where(api_keys.c.id == key.id).values(last_used_at=now))
        return True

    async def add_audit(self, rows: Sequence[AuditRow]) -> None:
        """Add to the audit trail. Reason and correlation id default to the current request's (context variables)."""
        if rows:
            defaults = {"reason": reason.get(), "correlation_id": correlation_id.get()}
            values = [{name: getattr(row, name) for name in _AUDIT_COLUMNS} for row in rows]
            filled = [row | {name: row[name] or defaults[name] for name in defaults} for row in values]
            await _ADD_AUDIT.rows(self._connection, **packed(filled))

    async def keys(self, tenant: str) -> list[KeyRecord]:
        """The keys of a tenant, without their secrets."""
        rows = await self._connection.execute(
            select(api_keys).where(api_keys.c.tenant == tenant).order_by(api_keys.c.id)
        )
        return [_key(row) for row in rows.mappings()]

    async def revoke(self, tenant: str, key_id: UUID) -> bool:
        """Delete a key; False if the tenant has no such key."""
        statement = api_keys.delete().where(api_keys.c.tenant == tenant, api_keys.c.id == key_id)
        return (await self._connection.execute(statement)).rowcount > 0

    async def trail(self, tenant: str, *, before: int | None, limit: int) -> list[dict[str, Any]]:
        """The audit trail of a tenant, newest first, from before an id."""
        statement = select(audit).where(audit.c.tenant == tenant).order_by(audit.c.id.desc()).limit(limit)
        if before is not None:
            statement = statement.where(audit.c.id < before)
        return [dict(row) for row in (await self._connection.execute(statement)).mappings()]
