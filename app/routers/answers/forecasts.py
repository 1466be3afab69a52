"""`/v1/sims/{iccid}/forecast` and `/v1/pools/{pool}/forecast`: where a cycle ends, and what can be done about it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.domain.identifiers import parse_iccid
from app.domain.units import MB, ceil_div
from app.domain.usage.forecast.options import Effect, Option, Stop
from app.domain.usage.forecast.reasons import Reason
from app.routers.actions import Iccid
from app.routers.http.contract import TypedRoute
from app.routers.http.deps import Ctx, SimsReader
from app.routers.http.errors.codes import refusals
from app.routers.http.errors.refusals import refusal_view
from app.routers.http.responses import json_response
from app.routers.pools import PoolId
from app.routers.schemas.answers import forecasts as schemas
from app.texts.catalogue import language_of, text
from app.usecases.forecasts.pools import PoolForecast, forecast_pool
from app.usecases.forecasts.sims import SimForecast, forecast_sim

router = APIRouter(prefix="/v1", tags=["answers"], route_class=TypedRoute)


@router.get("/sims/{iccid}/forecast", response_model=schemas.SimForecast, responses=refusals("NOT_FOUND"))
async def get_sim_forecast(request: Request, iccid: Iccid, ctx: Ctx, caller: SimsReader) -> Response:
    """Where the SIM's running cycle ends, the day its quota runs out, and what can be done, compared by cost."""
    language = language_of(request.headers.get("accept-language"))
    found = await forecast_sim(ctx, caller.tenant, parse_iccid(iccid))
    sim = found.sim
    head = {"iccid": sim.iccid, "plan": sim.plan.id, "pool": sim.pool, "quota": found.quota}
    return json_response(head | _forecast_view(found, language))


@router.get("/pools/{pool}/forecast", response_model=schemas.PoolForecast, responses=refusals("NOT_FOUND"))
async def get_pool_forecast(request: Request, pool: PoolId, ctx: Ctx, caller: SimsReader) -> Response:
    """Where the pool's running cycle ends, the day nothing remains, and what can be done, compared by cost."""
    language = language_of(request.headers.get("accept-language"))
    found = await forecast_pool(ctx, caller.tenant, pool)
    return json_response({"pool": found.pool, "total": found.total} | _forecast_view(found, language))


def _forecast_view(found: SimForecast | PoolForecast, language: str) -> dict[str, Any]:
    cycle, ends = found.cycle, found.outlook
    return {
        "cycle": {"id": cycle.id, "start": cycle.start.isoformat(), "end": cycle.end.isoformat()},
        "as_of": found.as_of.isoformat() if found.as_of else None,
        "used": found.used,
        "used_by_end": {"low": ends.low, "expected": ends.expected, "high": ends.high},
        "exhausted_on": found.exhausted_on.isoformat() if found.exhausted_on else None,
        "stop": _stop_view(found.stop),
        "because": [_reason_view(reason, language) for reason in found.because],
        "options": [_option_view(option, language) for option in found.options],
    }


def _stop_view(stop: Stop | None) -> dict[str, Any] | None:
    if stop is None:
        return None
    return {"hold": stop.hold.value, "rule": stop.rule, "at": stop.at, "on": stop.on.isoformat()}


def _reason_view(reason: Reason, language: str) -> dict[str, Any]:
    facts = dict(reason.facts)
    told = facts | ({"mb": amount_text(int(facts["bytes"]))} if "bytes" in facts else {})
    return {"code": reason.code.value, "text": text(f"forecast.{reason.code.value}", language, **told), "facts": facts}


def amount_text(amount: int) -> str:
    """Bytes in megabytes with one decimal, for people; the exact amount stands beside it."""
    tenths = abs(amount) * 10 // MB
    return f"{'-' if amount < 0 else ''}{tenths // 10}.{tenths % 10}"


def _option_view(option: Option, language: str) -> dict[str, Any]:
    return {
        "action": option.action.value,
        "arguments": dict(option.arguments),
        "times": option.times,
        "allowed": option.refusal is None,
        "refusal": None if option.refusal is None else refusal_view(option.refusal, language),
        "cost_fen": option.cost_fen,
        "monthly_fen": option.monthly_fen,
        "effect": _effect_view(option.effect, language),
    }


def _effect_view(effect: Effect, language: str) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "mb": effect.overrun_mb,
        "fen": effect.charged_fen,
        "on": effect.stop.on.isoformat() if effect.stop else None,
        "hold": text(f"hold.{effect.stop.hold.value}", language) if effect.stop else None,
        "quota": None if effect.quota is None else ceil_div(effect.quota, MB),
    }
    return {
        "code": effect.code.value,
        "text": text(f"effect.{effect.code.value}", language, **facts),
        "quota": effect.quota,
        "enough": effect.enough,
        "overrun_mb": effect.overrun_mb,
        "charged_fen": effect.charged_fen,
        "stop": _stop_view(effect.stop),
    }
