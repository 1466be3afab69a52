"""What is set aside, for the admin API."""

from __future__ import annotations

from typing import Any

from app.db import quarantine as rows
from app.usecases.context import Context


async def quarantine_page(ctx: Context, *, after: int, limit: int) -> tuple[list[dict[str, Any]], int | None]:
    """A page of what is set aside as JSON, oldest first, and its end where more follow."""
    async with ctx.pool.acquire() as connection:
        found = await rows.page(connection, after, limit + 1)
    items = [
        dict(row) | {"first_at": row["first_at"].isoformat(), "next_attempt_at": row["next_attempt_at"].isoformat()}
        for row in found[:limit]
    ]
    return items, found[limit - 1]["id"] if len(found) > limit else None
