"""The turn of cycles, and what expires soon: daily, just after midnight in each zone."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from app.usecases.context import Context
from app.usecases.limits.cycle_close import roll_over_zone
from app.usecases.sims.expiry_reminders import emit_expiry_reminders


async def turn_over_day(ctx: Context, zone: tzinfo) -> dict[str, Any]:
    """Turn over what begins a new cycle today; tell owners of cards that expire soon."""
    return {**await roll_over_zone(ctx, zone), **await emit_expiry_reminders(ctx, zone)}
