"""The counters against the reports they were made of, daily: every pool whole, a moving sample of the other cards."""

from __future__ import annotations

import random

from app.db import usage_audit as rows
from app.db.sim_read import cycle_number
from app.domain.cycles import cycle_at, end_instant, start_instant
from app.telemetry import get_logger
from app.usecases.context import Context

SAMPLE = 1_000
_log = get_logger("usage_audit")


async def audit_usage(ctx: Context) -> dict[str, int]:
    """Look for pools and cards whose running cycle is not the sum of its reports; each is told, none is changed."""
    pools = cards = 0
    async with ctx.pool.acquire() as connection:
        start = random.randrange(1 + await rows.highest_card(connection))  # noqa: S311 - any place will do
        for code, account in ctx.accounts.items():
            zone = ctx.zone(code)
            cycle = cycle_at(account.carrier, ctx.now(), zone)
            span = (cycle_number(cycle), start_instant(cycle, zone), end_instant(cycle, zone))
            for wrong in await rows.wrong_pools(connection, code, *span):
                pools += 1
                _log.error(
                    "usage_audit.pool", pool=wrong["pool"], counted=int(wrong["counted"]), kept=int(wrong["kept"])
                )
            for sim_id in await rows.wrong_cards(connection, code, *span, start=start, size=SAMPLE):
                cards += 1
                _log.error("usage_audit.card", sim_id=sim_id)
    return {"pools_wrong": pools, "cards_wrong": cards}
