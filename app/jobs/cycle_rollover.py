"""Daily just after midnight in each zone: closes cycles that have ended, and sends expiry reminders."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from app.usecases.context import Context
from app.usecases.limits.cycle_rollover import roll_over_zone
from app.usecases.sims.expiry_reminders import emit_expiry_reminders


async def roll_over_day(ctx: Context, zone: tzinfo) -> dict[str, Any]:
    """Close the cycles that ended in this zone, then send its expiry reminders; gives both reports' counts."""
    return {**await roll_over_zone(ctx, zone), **await emit_expiry_reminders(ctx, zone)}
