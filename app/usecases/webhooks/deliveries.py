"""The delivery log of an endpoint: read it, redeliver one event, replay a period."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db.uow import UnitOfWork
from app.usecases.context import Context
from app.usecases.errors import NotFound
from app.usecases.webhooks.endpoints import find

STATUSES = ("pending", "delivered", "failed")
_INSTANTS = ("next_attempt_at", "created_at", "attempted_at", "settled_at")


def delivery_view(row: Mapping[str, Any]) -> dict[str, Any]:
    """One delivery as a JSON object; `next_attempt_at` only while it is pending."""
    instants = {name: row[name].isoformat() if row[name] else None for name in _INSTANTS}
    if row["status"] != "pending":
        instants["next_attempt_at"] = None
    return {
        "id": str(row["id"]),
        "event": {
            "id": str(row["event_id"]) if row["event_id"] else None,
            "type": row["type"],
            "subject": row["subject"],
        },
        "origin": row["origin"],
        "status": row["status"],
        "attempts": row["attempts"],
        "response_status": row["response_status"],
        "error": row["error"],
        **instants,
    }


async def deliveries(
    ctx: Context, tenant: str, endpoint_id: UUID, *, status: str | None, before: int | None, limit: int
) -> list[dict[str, Any]]:
    """A page of the delivery log, newest first. Raises `NotFound`."""
    async with ctx.work() as work:
        await find(work, tenant, endpoint_id)
        return await work.deliveries.page(endpoint_id, status=status, before=before, limit=limit)


async def redeliver(ctx: Context, work: UnitOfWork, tenant: str, endpoint_id: UUID, delivery_id: int) -> int:
    """Queue the event of one delivery again, last in its lane; returns the new delivery's id. Raises `NotFound`."""
    await find(work, tenant, endpoint_id)
    made = await work.deliveries.redeliver(endpoint_id, delivery_id, ctx.now())
    if made is None:
        raise NotFound("delivery")
    return made


async def replay(ctx: Context, work: UnitOfWork, tenant: str, endpoint_id: UUID, start: datetime, end: datetime) -> int:
    """Queue every event known in [start, end) again that the endpoint subscribes to; returns how many.

    Raises `NotFound`.
    """
    await find(work, tenant, endpoint_id)
    return await work.deliveries.replay(endpoint_id, start, end, ctx.now())
