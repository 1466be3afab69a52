"""asyncpg: for whom a transaction is, told to PostgreSQL as it begins: the second wall between tenants (docs/adr/0038).

A process that is connected as the API's role sees the rows of one tenant, or none. `act_for` says whose; work of no
tenant goes `across_tenants`, as the worker's role. Whoever owns the tables is kept from nothing, and nothing is sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any

import asyncpg

API_ROLE = "simgate_api"
WORKER_ROLE = "simgate_worker"
TENANT_SETTING = "simgate.tenant"
ACROSS = "*"
"""No tenant has this name: all of them."""

_acting: ContextVar[str | None] = ContextVar("acting_for", default=None)

_WALLED = f"""
SELECT coalesce(row_security_active(to_regclass('sims')), false)
   AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{WORKER_ROLE}' AND pg_has_role(oid, 'USAGE'))
"""  # noqa: S608 - ours


def act_for(tenant: str | None) -> Token[str | None]:
    """Let the transactions that this task and its children begin from now on be for a tenant; None: for nobody."""
    return _acting.set(tenant)


def end_acting(token: Token[str | None]) -> None:
    """Act as before `act_for` gave this."""
    _acting.reset(token)


def acts_across() -> bool:
    """Whether the transactions that begin now see every tenant's rows."""
    return _acting.get() == ACROSS


@contextmanager
def across_tenants() -> Iterator[None]:
    """Transactions that begin within see every tenant's rows: for what no tenant asks for, or nobody is known yet."""
    token = _acting.set(ACROSS)
    try:
        yield
    finally:
        _acting.reset(token)


def _opening() -> str:
    """What follows BEGIN in the same message, so that it costs no round trip. It ends with the transaction, as it must
    behind PgBouncer, whose next transaction on the connection is somebody else's.
    """
    tenant = _acting.get()
    if tenant is None:
        return ""
    if tenant == ACROSS:
        return f"SET LOCAL ROLE {WORKER_ROLE};"
    quoted = tenant.replace("'", "''")
    return f"SELECT set_config('{TENANT_SETTING}', '{quoted}', true);"


class WalledConnection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """A connection that says with each BEGIN for whom it is. A single statement becomes a transaction of its own.

    SQLAlchemy's and asyncpg's transactions both begin by `execute("BEGIN …;")`.
    """

    @property
    def _ready(self) -> bool:
        return self.is_in_transaction() or _acting.get() is None

    async def execute(self, query: str, *args: Any, **named: Any) -> Any:
        """As asyncpg's."""
        if query.startswith("BEGIN") and not args:
            return await super().execute(query + _opening(), **named)
        if self._ready:
            return await super().execute(query, *args, **named)
        async with self.transaction():
            return await super().execute(query, *args, **named)

    async def executemany(self, command: str, args: Any, **named: Any) -> Any:
        """As asyncpg's."""
        if self._ready:
            return await super().executemany(command, args, **named)
        async with self.transaction():
            return await super().executemany(command, args, **named)

    async def fetch(self, query: str, *args: Any, **named: Any) -> Any:
        """As asyncpg's."""
        if self._ready:
            return await super().fetch(query, *args, **named)
        async with self.transaction():
            return await super().fetch(query, *args, **named)

    async def fetchval(self, query: str, *args: Any, **named: Any) -> Any:
        """As asyncpg's."""
        if self._ready:
            return await super().fetchval(query, *args, **named)
        async with self.transaction():
            return await super().fetchval(query, *args, **named)

    async def fetchrow(self, query: str, *args: Any, **named: Any) -> Any:
        """As asyncpg's."""
        if self._ready:
            return await super().fetchrow(query, *args, **named)
        async with self.transaction():
            return await super().fetchrow(query, *args, **named)


async def is_walled(connection: Any) -> bool:
    """Whether this connection's role sees no more than a tenant's rows: the API's own role."""
    return bool(await connection.fetchval(_WALLED))
