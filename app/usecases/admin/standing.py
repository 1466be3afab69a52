"""How each carrier account stands, for the one who asks why nothing moves: breaker, brake, budget, freshness, queue."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.db.operating import standing as rows
from app.db.usage import brake as rule_stops
from app.domain.usage.brake import brake_limit
from app.usecases.catalogue.freshness import account_freshness
from app.usecases.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What is read of all accounts at once."""

    cards: Mapping[str, int]
    stopped: Mapping[tuple[str, str], int]
    held: Mapping[str, int]
    waiting: Mapping[str, rows.Waiting]
    pauses: Mapping[str, datetime]


async def accounts_standing(ctx: Context) -> dict[str, dict[str, Any]]:
    """Breaker, brake, call budget, freshness and what waits, as JSON by account."""
    codes = list(ctx.accounts)
    async with ctx.pool.acquire() as connection:
        facts = _Facts(
            cards=await rule_stops.cards_of(connection, codes),
            stopped=await rule_stops.stopped_last_hour(connection, codes, ctx.now()),
            held=await rows.held_by_brake(connection, codes),
            waiting=await rows.waiting_by_account(connection),
            pauses=await rows.pauses(connection, ctx.now()),
        )
    fresh = await asyncio.gather(*(account_freshness(ctx, code) for code in codes))
    return {code: _standing(ctx, code, facts, one) for code, one in zip(codes, fresh, strict=True)}


def _standing(ctx: Context, code: str, facts: _Facts, fresh: Mapping[str, Any]) -> dict[str, Any]:
    waiting = facts.waiting.get(code)
    paused = max((at for name, at in facts.pauses.items() if name.partition("/")[0] == code), default=None)
    stopped = {hold: count for (account, hold), count in sorted(facts.stopped.items()) if account == code}
    attained = fresh["attained"]["usage"]
    return {
        "breaker_open": _breaker_open(ctx, code),
        "brake": {
            "limit_per_hour": brake_limit(facts.cards.get(code, 0), ctx.brake_per_hour),
            "stopped_last_hour": stopped,
            "held_cards": facts.held.get(code, 0),
        },
        "budget": {
            "per_hour": fresh["limits"]["per_hour"],
            "current_per_hour": fresh["limits"]["current_per_hour"],
            "paused_until": paused.isoformat() if paused else None,
        },
        "freshness": {"p50_s": attained["p50_s"], "p99_s": attained["p99_s"], "binding": fresh["binding"]},
        "waiting": {
            "operations": waiting.operations if waiting else 0,
            "oldest_at": waiting.oldest_at.isoformat() if waiting and waiting.oldest_at else None,
            "last_error": waiting.error if waiting else None,
        },
    }


def _breaker_open(ctx: Context, code: str) -> bool:
    """Whether a breaker of the account is open in this process; each process that calls the carrier has its own."""
    return bool(ctx.telemetry.registry.get_sample_value("simgate_breaker_open", {"account": code}))
