"""What can be done about a SIM's cycle, compared by cost: nothing, add-on packs, another plan, a pool (QT-3, QT-7).

Each option is decided as its operation would be, so that a dry run gives the same answer (OP-2, ST-26).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from types import MappingProxyType

from app.domain.operation.arguments import Argument, Arguments
from app.domain.operation.decision import decide
from app.domain.operation.prices import addon_price, change_price, is_for
from app.domain.operation.refusal import Refusal, RefusalCode
from app.domain.operation.request import RuleContext
from app.domain.sim.model import Plan, Sim
from app.domain.terms.book import terms_in_force
from app.domain.terms.model import AllowanceStop, Edge
from app.domain.units import ceil_div
from app.domain.usage.forecast.outlook import History, Outlook, day_reached
from app.domain.usage.overrun import is_charged, overrun_mb
from app.domain.usage.quota import Limit, limits
from app.domain.vocabulary import HoldCode, OperationKind, PlanKind

MOST_PLANS = 3
"""Plans that are compared: those that suffice, the least dear first."""


class Action(StrEnum):
    """What an option does: nothing, one of the operations of a SIM, or one of the requests of a pool."""

    NONE = "none"
    ORDER_ADDON = "order_addon"
    CHANGE_PLAN = "change_plan"
    JOIN_POOL = "join_pool"
    POOL_ADDON = "pool_addon"
    ACTIVATE_MEMBERS = "activate_members"


class EffectCode(StrEnum):
    """What becomes of the cycle, in a word; each has a text below `effect.`"""

    STOPS = "stops"
    NO_QUOTA = "no_quota"
    ENOUGH = "enough"
    OVERRUN = "overrun"
    OVERRUN_NOT_PRICED = "overrun_not_priced"
    BEYOND = "beyond"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """The first limit that the expected usage reaches: its hold, its rule, its bytes, and the day."""

    hold: HoldCode
    rule: str
    at: int
    on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a cycle becomes under an option.

    `quota`: bytes of allowance and add-ons, None: no quota of its own; `enough`: whether the expected usage fits;
    `overrun_mb`: begun megabytes beyond the quota; `charged_fen`: what of them is still to be charged (QT-3), None: not
    known; `stop`: the limit that stops the SIM or pool.
    """

    quota: int | None
    enough: bool
    overrun_mb: int
    charged_fen: int | None
    stop: Stop | None

    @property
    def code(self) -> EffectCode:
        """What becomes of the cycle: a stop before all, then whether the quota is enough, then what overrun costs."""
        if self.stop is not None:
            return EffectCode.STOPS
        if self.enough:
            return EffectCode.NO_QUOTA if self.quota is None else EffectCode.ENOUGH
        if self.charged_fen is None:
            return EffectCode.OVERRUN_NOT_PRICED
        return EffectCode.OVERRUN if self.charged_fen else EffectCode.BEYOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One thing to do: `times` the same action with these arguments, its cost until the cycle's end and its effect.

    `cost_fen` None: a price is not known; `monthly_fen`: by how much a month is dearer from then on, None: not known;
    `refusal`: why it would not be accepted now.
    """

    action: Action
    effect: Effect
    arguments: Arguments = field(default_factory=lambda: MappingProxyType({}))
    times: int = 1
    cost_fen: int | None = None
    monthly_fen: int | None = 0
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """A SIM's cycle: its history, what it would use if it runs, the bytes of its add-on packs, and today."""

    history: History
    outlook: Outlook
    addons: int
    today: date


def quota_of(sim: Sim, addons: int) -> int | None:
    """The bytes of a SIM's cycle; None: its allowance is a pool's, or it has none (PL-3)."""
    shared = sim.pool is not None or sim.plan.kind is not PlanKind.CARD
    return None if shared or sim.plan.allowance + addons == 0 else sim.plan.allowance + addons


def stop_of(sim: Sim, demand: Demand) -> Stop | None:
    """The first limit that the expected usage reaches in this cycle (QT-8)."""
    found = [
        Stop(hold=limit.code, rule=limit.rule, at=limit.at, on=day)
        for limit in limits(sim, demand.addons, demand.today)
        if (day := day_reached(demand.history, demand.outlook, _stops_at(limit))) is not None
    ]
    return min(found, key=lambda stop: (stop.on, stop.at), default=None)


def _stops_at(limit: Limit) -> int:
    return limit.at if limit.edge is Edge.REACHED else limit.at + 1


def effect_of(sim: Sim, demand: Demand, *, charged_mb: int = 0) -> Effect:
    """What the cycle becomes for a SIM of this plan with these add-ons; `charged_mb`: megabytes charged already."""
    expected, quota = demand.outlook.expected, quota_of(sim, demand.addons)
    over = 0 if quota is None else overrun_mb(expected, quota)
    return Effect(
        quota=quota,
        enough=over == 0,
        overrun_mb=over,
        charged_fen=_charged(sim, max(0, over - charged_mb), demand.today),
        stop=stop_of(sim, demand),
    )


def _charged(sim: Sim, megabytes: int, today: date) -> int | None:
    """Fen of these megabytes of overrun; None: they cost something that is not told (QT-3)."""
    if megabytes == 0:
        return 0
    price = sim.plan.overrun_fen_per_mb
    if is_charged(sim, today) and price is not None:
        return megabytes * price
    chosen = sim.plan.auto_stop if sim.auto_stop is None else sim.auto_stop
    policy = terms_in_force(sim.terms, sim.carrier, today)
    return None if policy.allowance_stop.value is AllowanceStop.CHOSEN and not chosen else 0


def options_of(
    sim: Sim, demand: Demand, as_is: Demand, context: RuleContext, pools: Sequence[str]
) -> tuple[Option, ...]:
    """What can be done, the best first: what suffices before what does not, then by cost; refused ones last.

    `as_is`: the cycle where nothing is done, in which a stopped SIM uses nothing more; `pools`: those of the SIM's plan
    that it fits. Where eight times of ten nothing is wanting, doing nothing is all.
    """
    quota = quota_of(sim, demand.addons)
    charged = 0 if quota is None else overrun_mb(demand.history.used, quota)
    effect = effect_of(sim, as_is, charged_mb=charged)
    found = [Option(action=Action.NONE, effect=effect, cost_fen=effect.charged_fen)]
    if (quota is not None and demand.outlook.high > quota) or effect.stop is not None:
        found += [*_packs(sim, demand, context, charged), *_plans(sim, demand, context, charged)]
        found += _pools(sim, context, pools)
    elif quota is None and sim.pool is None:
        found += _pools(sim, context, pools)
    return tuple(sorted(found, key=_rank))


def _rank(option: Option) -> tuple[bool, bool, bool, int]:
    """Accepted first, then what suffices and does not stop, then what has a price, then the cheapest."""
    enough = option.effect.enough and option.effect.stop is None
    return option.refusal is not None, not enough, option.cost_fen is None, option.cost_fen or 0


def _packs(sim: Sim, demand: Demand, context: RuleContext, charged: int) -> Iterator[Option]:
    """Add-on packs of the SIM's type, each as often as the expected usage needs it (QT-7)."""
    short = max(0, demand.outlook.expected - sim.plan.allowance - demand.addons)
    for pack in context.catalogue.addons.values():
        if not is_for(pack, sim):
            continue
        times, price = max(1, ceil_div(short, pack.bytes)), addon_price(pack)
        effect = effect_of(sim, replace(demand, addons=demand.addons + times * pack.bytes), charged_mb=charged)
        yield Option(
            action=Action.ORDER_ADDON,
            arguments=MappingProxyType({"addon": pack.id}),
            times=times,
            cost_fen=_sum(None if price is None else times * price, effect.charged_fen),
            effect=effect,
            refusal=_refusal(sim, OperationKind.ORDER_ADDON, {"addon": pack.id}, context),
        )


def _plans(sim: Sim, demand: Demand, context: RuleContext, charged: int) -> Iterator[Option]:
    """The least dear plans that the expected usage fits, else the largest one (RN-4, OR-2)."""
    others = [plan for plan in context.catalogue.plans.values() if _is_larger(plan, sim)]
    fitting = [plan for plan in others if plan.allowance + demand.addons >= demand.outlook.expected]
    chosen = sorted(fitting, key=_dearness)[:MOST_PLANS] or sorted(others, key=lambda plan: -plan.allowance)[:1]
    for plan in chosen:
        effect = effect_of(replace(sim, plan=plan), demand, charged_mb=charged)
        yield Option(
            action=Action.CHANGE_PLAN,
            arguments=MappingProxyType({"plan": plan.id}),
            cost_fen=_sum(change_price(plan), effect.charged_fen),
            monthly_fen=monthly_difference(sim.plan, plan),
            effect=effect,
            refusal=_refusal(sim, OperationKind.CHANGE_PLAN, {"plan": plan.id}, context),
        )


def _is_larger(plan: Plan, sim: Sim) -> bool:
    same = plan.carrier is sim.carrier and plan.kind is PlanKind.CARD and plan.directed == sim.plan.directed
    return same and plan.allowance > sim.plan.allowance


def _dearness(plan: Plan) -> tuple[bool, int, int]:
    return plan.price_fen is None, monthly_price(plan) or 0, plan.allowance


def monthly_price(plan: Plan) -> int | None:
    """What a month of the plan costs, rounded up to the fen; None: not known."""
    return None if plan.price_fen is None else ceil_div(plan.price_fen, plan.months)


def monthly_difference(now: Plan, then: Plan) -> int | None:
    """By how many fen a month of one plan is dearer than one of another; None: a price is not known."""
    old, new = monthly_price(now), monthly_price(then)
    return None if old is None or new is None else new - old


def _pools(sim: Sim, context: RuleContext, pools: Sequence[str]) -> Iterator[Option]:
    """The pools of the SIM's plan; what a pool has left is its own forecast's (PL-5, PL-6)."""
    effect = Effect(quota=None, enough=True, overrun_mb=0, charged_fen=0, stop=None)
    if sim.pool is not None:
        return
    if not pools:
        refusal = Refusal(code=RefusalCode.RULE_VIOLATION, rule="PL-5", detail="no_pool_of_this_plan")
        yield Option(action=Action.JOIN_POOL, effect=effect, monthly_fen=None, refusal=refusal)
    for pool in pools[:MOST_PLANS]:
        yield Option(
            action=Action.JOIN_POOL,
            arguments=MappingProxyType({"pool": pool}),
            effect=effect,
            refusal=_refusal(sim, OperationKind.JOIN_POOL, {"pool": pool}, context),
        )


def _sum(*amounts: int | None) -> int | None:
    """The sum of fen; None where one of them is not known."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None


def _refusal(sim: Sim, kind: OperationKind, arguments: dict[str, Argument], context: RuleContext) -> Refusal | None:
    """The refusal that the operation itself would get."""
    decision = decide(sim, kind, arguments, context)
    return decision if isinstance(decision, Refusal) else None
