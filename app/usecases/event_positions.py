"""Number events: those whose transactions have committed, before anybody reads on."""

from __future__ import annotations

from app.db.events.positions import number_committed
from app.db.tenancy import across_tenants
from app.usecases.context import Context

BATCH = 5_000
"""Events numbered by one statement; their rows are written again, so that one takes about a tenth of a second."""


async def number_events(ctx: Context) -> None:
    """Number every event committed before this call. Any process may do so at any time; they take turns."""
    with across_tenants():
        async with ctx.pool.acquire() as connection:
            while await number_committed(connection, BATCH) == BATCH:
                pass
