"""Events as CloudEvents 1.0, and the feed of `GET /v1/events`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.usecases.context import Context
from app.usecases.errors import Fault, InvalidArgument
from app.usecases.event_positions import number_events


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPage:
    """Events in order; `next_position` is the cursor, None where no more is known yet (continue `after` the last)."""

    items: list[dict[str, Any]]
    next_position: int | None


def cloud_event(row: Mapping[str, Any]) -> dict[str, Any]:
    """One event in the structured form of CloudEvents 1.0 (`docs/api.md`, Events and webhooks)."""
    at: datetime = row["took_effect_at"]
    event = {
        "specversion": "1.0",
        "id": str(row["event_id"]),
        "source": row["source"],
        "type": row["type"],
        "subject": row["subject"],
        "time": at.isoformat(),
        "datacontenttype": "application/json",
        "data": row["data"],
    }
    return event if event["subject"] is not None else {k: v for k, v in event.items() if k != "subject"}


async def feed(
    ctx: Context, tenant: str, *, after: UUID | None, position: int | None, types: tuple[str, ...], limit: int
) -> FeedPage:
    """Events of a tenant past a position, else after a given one. Raises `InvalidArgument` for an unknown event."""
    await number_events(ctx)
    async with ctx.work() as work:
        start = position
        if start is None:
            start = 0 if after is None else await work.feed.position_of(tenant, after)
        if start is None:
            fault = Fault(pointer="query:after", code="UNKNOWN_EVENT", detail="no such event is kept")
            raise InvalidArgument([fault])
        rows = await work.feed.read(tenant, start, types=types, limit=limit)
    following = rows[-1]["position"] if len(rows) == limit else None
    return FeedPage(items=[cloud_event(row) for row in rows], next_position=following)
