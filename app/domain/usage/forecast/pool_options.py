"""What can be done about a pool's cycle, compared by cost: nothing, add-on packs, more members (ST-4, QT-7)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from app.domain.operation.prices import addon_price, is_for_pool
from app.domain.operation.refusal import Refusal, RefusalCode
from app.domain.sim.model import Addon, Plan
from app.domain.units import MB, ceil_div
from app.domain.usage.forecast.options import Action, Effect, Option, Stop
from app.domain.usage.forecast.outlook import History, Outlook, day_reached
from app.domain.vocabulary import HoldCode


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolDemand:
    """A pool's cycle: its days so far, and those to come as if nothing stopped it; its ceilings, and its SIMs.

    `total`: bytes, None: postpaid, no ceiling; `stop_at`: bytes at which a postpaid pool's own rule stops it (PL-4),
    None: no such rule; `effective`: members whose allowance counts (PL-1); `inactive`: members that can be activated.
    """

    history: History
    outlook: Outlook
    total: int | None
    stop_at: int | None
    effective: int
    inactive: int


def pool_effect(demand: PoolDemand, more: int = 0) -> Effect:
    """What the cycle becomes with `more` bytes in the pool's total (PL-1, PL-4)."""
    quota = None if demand.total is None else demand.total + more
    short = 0 if quota is None else max(0, demand.outlook.expected - quota)
    return Effect(
        quota=quota, enough=short == 0, overrun_mb=ceil_div(short, MB), charged_fen=0, stop=_stop(demand, quota)
    )


def _stop(demand: PoolDemand, total: int | None) -> Stop | None:
    """The day on which nothing remains, or the pool's own threshold is reached (QT-8: both reached, not passed)."""
    code, rule, at = HoldCode.POOL_EXHAUSTED, "PL-1", total if demand.effective else None
    if total is None:
        code, rule, at = HoldCode.POOL_THRESHOLD, "PL-4", demand.stop_at
    day: date | None = None if at is None else day_reached(demand.history, demand.outlook, at)
    return None if at is None or day is None else Stop(hold=code, rule=rule, at=at, on=day)


def pool_options(demand: PoolDemand, plan: Plan | None, packs: Iterable[Addon]) -> tuple[Option, ...]:
    """What can be done, the best first; doing nothing is all where eight times of ten nothing is wanting."""
    effect = pool_effect(demand)
    found = [Option(action=Action.NONE, effect=effect, cost_fen=None if demand.total is None else 0)]
    wanting = demand.total is not None and demand.outlook.high >= demand.total
    if plan is not None and (wanting or effect.stop is not None):
        found += [*_packs(demand, plan, packs), *_members(demand, plan)]
    return tuple(sorted(found, key=_rank))


def _rank(option: Option) -> tuple[bool, bool, bool, int]:
    stops = option.effect.stop is not None
    return option.refusal is not None, stops, option.cost_fen is None, option.cost_fen or 0


def _short(demand: PoolDemand) -> int:
    """Bytes that the pool's total must grow by so that something remains at the cycle's end."""
    return 0 if demand.total is None else max(0, demand.outlook.expected + 1 - demand.total)


def _packs(demand: PoolDemand, plan: Plan, packs: Iterable[Addon]) -> Iterator[Option]:
    """Add-on packs for pools of this carrier, each as often as needed; none for postpaid pools (QT-7)."""
    postpaid = Refusal(code=RefusalCode.INCOMPATIBLE_STATE, rule="QT-7", detail="addon_not_offered")
    for pack in packs:
        if not is_for_pool(pack, plan):
            continue
        times, price = max(1, ceil_div(_short(demand), pack.bytes)), addon_price(pack)
        yield Option(
            action=Action.POOL_ADDON,
            arguments=MappingProxyType({"bytes": pack.bytes}),
            times=times,
            cost_fen=None if price is None else times * price,
            effect=pool_effect(demand, times * pack.bytes),
            refusal=postpaid if demand.total is None else None,
        )


def _members(demand: PoolDemand, plan: Plan) -> Iterator[Option]:
    """Activating the members that are not active yet, each of which brings its whole allowance (ST-4, PL-1)."""
    if demand.total is None:
        return
    nobody = Refusal(code=RefusalCode.INCOMPATIBLE_STATE, rule="PL-2", detail="no_inactive_members")
    yield Option(
        action=Action.ACTIVATE_MEMBERS,
        arguments=MappingProxyType({"cards": demand.inactive}),
        cost_fen=0,
        effect=pool_effect(demand, demand.inactive * plan.allowance),
        refusal=None if demand.inactive else nobody,
    )
