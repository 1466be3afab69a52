"""How fresh each account's carrier figures are, how fresh they can be, and what binds, as JSON (US-2)."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from app.db.operating import rate_limits
from app.db.tenancy import across_tenants
from app.db.usage import watched
from app.domain.calendar.cycles import cycle_at, cycle_number
from app.domain.operation.pace import rate_at
from app.domain.usage.freshness import Attainable, Capacity, attainable, binding_limit
from app.domain.vocabulary import Carrier
from app.usecases.accounts import open_to
from app.usecases.carrier_sync.freshness import capacity_of
from app.usecases.context import Context
from app.usecases.errors import NotFound

SAMPLE = 2_000
"""SIMs by which an account's ages are estimated; of fewer, most are looked at."""


async def freshness_view(ctx: Context, tenant: str, code: str) -> dict[str, Any]:
    """Per account open to the tenant: what is attainable, what is attained, and what binds. Raises `NotFound`."""
    if code not in set(Carrier):
        raise NotFound("carrier")
    accounts = [account for account in open_to(ctx, tenant) if ctx.accounts[account].carrier.value == code]
    with across_tenants():  # ages and numbers of an account's SIMs, whoever has them
        found = await asyncio.gather(*(account_freshness(ctx, account) for account in accounts))
    return {
        "carrier": code,
        "accounts": found,
        "as_of": ctx.now().isoformat(),
    }


async def account_freshness(ctx: Context, account: str) -> dict[str, Any]:
    """One account's freshness; seconds are whole."""
    now, known, capacity = ctx.now(), ctx.accounts[account], capacity_of(ctx, account)
    cycle = cycle_number(cycle_at(known.carrier, now, ctx.zone(account)))
    async with ctx.work() as work:
        paused = (await work.account_states.all()).get(account, {}).get("paused_at") is not None
    async with ctx.pool.acquire() as connection:
        sims, watching = await watched.counts(connection, account)
        ages = asdict(await watched.ages(connection, account, cycle, now, SAMPLE))
        p50, p99 = await watched.watched_ages(connection, account, now)
        last = await rate_limits.last_decrease(connection, f"{account}/{known.protocols[0].protocol}")
    rate = None if capacity is None else rate_at(capacity.per_hour, last, now)
    possible = None if capacity is None else _attainable(capacity, rate, sims, watching)
    return {
        "account": account,
        "limits": _limits(capacity, rate),
        "sims": sims,
        "watched": watching,
        "attainable": None if possible is None else _seconds_of(possible),
        "attained": {
            "sampled": ages["sampled"],
            "usage": {"p50_s": _whole(ages["usage_p50"]), "p99_s": _whole(ages["usage_p99"])}
            | {"unknown": ages["usage_unknown"]},
            "state": {"p50_s": _whole(ages["state_p50"]), "p99_s": _whole(ages["state_p99"])}
            | {"unknown": ages["state_unknown"]},
            "watched": {"p50_s": _whole(p50), "p99_s": _whole(p99), "unknown": 0},
        },
        "binding": binding_limit(
            None if possible is None else possible.others,
            paused=paused,
            slowed_down=capacity is not None and rate is not None and rate < capacity.per_hour,
        ).value,
    }


def _attainable(capacity: Capacity, rate: int | None, sims: int, watching: int) -> Attainable:
    current = Capacity(per_hour=rate or 1, batch=capacity.batch, calls_per_batch=capacity.calls_per_batch)
    return attainable(current, sims=sims, watched=min(watching, sims))


def _limits(capacity: Capacity | None, rate: int | None) -> dict[str, Any]:
    return {
        "per_hour": capacity.per_hour if capacity else None,
        "current_per_hour": rate,
        "batch": capacity.batch if capacity else None,
        "calls_per_batch": capacity.calls_per_batch if capacity else None,
    }


def _seconds_of(possible: Attainable) -> dict[str, int]:
    return {
        "watched_s": int(possible.watched.total_seconds()),
        "others_s": int(possible.others.total_seconds()),
    }


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else max(0, round(seconds))
