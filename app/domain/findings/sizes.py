"""Whether a SIM's plan has the right size, by what its last whole cycles used and what the catalogue costs (QT-3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from app.domain.findings.facts import Fact, Finding, SimFacts
from app.domain.findings.table import HABIT_CYCLES, HEADROOM_PERCENT, FindingCode
from app.domain.sim.model import Plan
from app.domain.units import ceil_div
from app.domain.usage.forecast.options import monthly_price
from app.domain.usage.overrun import is_charged, overrun_mb
from app.domain.usage.quota import limits
from app.domain.vocabulary import HoldCode, OperationKind, PlanKind

_TWICE = 2
"""In how many of the cycles a plan must have been too small."""


def _others(facts: SimFacts) -> Iterator[Plan]:
    """Other plans of the SIM's carrier and kind."""
    mine = facts.sim.plan
    for plan in facts.catalogue.plans.values():
        same = plan.carrier is mine.carrier and plan.directed == mine.directed and plan.kind is PlanKind.CARD
        if same and plan.id != mine.id:
            yield plan


def _is_judged(facts: SimFacts) -> bool:
    """Whether the SIM has an allowance of its own and whole cycles to judge it by."""
    alone = facts.sim.pool is None and facts.sim.plan.kind is PlanKind.CARD
    return alone and len(facts.before) >= HABIT_CYCLES


def plan_too_large(facts: SimFacts) -> Finding | None:
    """A cheaper plan holds the largest of the last three whole cycles, and this one so far, with a quarter to spare."""
    if not _is_judged(facts):
        return None
    most, now = max(*facts.before[:HABIT_CYCLES], facts.used), monthly_price(facts.sim.plan)
    need = ceil_div(most * HEADROOM_PERCENT, 100)
    fitting = [
        (price, plan.allowance, plan.id)
        for plan in _others(facts)
        if plan.allowance >= need and (price := monthly_price(plan)) is not None
    ]
    if most == 0 or now is None or not fitting or min(fitting)[0] >= now:
        return None
    price, allowance, name = min(fitting)
    return _change(FindingCode.PLAN_TOO_LARGE, facts, name, now - price, {"most": most, "allowance_of_plan": allowance})


def plan_too_small(facts: SimFacts) -> Finding | None:
    """The allowance was passed in two of the last three whole cycles, which stops the SIM or costs overrun (QT-3).

    Where overrun is charged, only if another plan is cheaper with what it would have cost; else the cheapest plan that
    holds all three.
    """
    mine, recent = facts.sim.plan, facts.before[:HABIT_CYCLES]
    passed = sum(used > mine.allowance for used in recent)
    if not _is_judged(facts) or passed < _TWICE:
        return None
    evidence = {"passed": passed, "most": max(recent), "overrun_fen": None}
    if is_charged(facts.sim, facts.today):
        return _dearer_by_overrun(facts, recent, evidence)
    stops = any(limit.code is HoldCode.OVER_QUOTA for limit in limits(facts.sim, 0, facts.today))
    large = [plan for plan in _others(facts) if plan.allowance >= max(recent)]
    if not stops or not large:
        return None
    best = min(large, key=lambda plan: (monthly_price(plan) is None, monthly_price(plan) or 0, plan.allowance, plan.id))
    return _change(FindingCode.PLAN_TOO_SMALL, facts, best.id, None, evidence)


def _dearer_by_overrun(facts: SimFacts, recent: tuple[int, ...], evidence: Mapping[str, Fact]) -> Finding | None:
    """The plan that would have cost least a month with its overrun, if it is cheaper than the SIM's own."""
    now = _cost(facts.sim.plan, recent)
    costs = [(cost, plan.id) for plan in _others(facts) if (cost := _cost(plan, recent)) is not None]
    if now is None or not costs or min(costs)[0] >= now:
        return None
    cost, name = min(costs)
    overrun = now - (monthly_price(facts.sim.plan) or 0)
    return _change(FindingCode.PLAN_TOO_SMALL, facts, name, now - cost, {**evidence, "overrun_fen": overrun})


def _cost(plan: Plan, recent: tuple[int, ...]) -> int | None:
    """Fen a month of a plan with the overrun of these cycles; None: not priced, or its overrun is not."""
    price, beyond = monthly_price(plan), sum(overrun_mb(used, plan.allowance) for used in recent)
    if price is None or (beyond and plan.overrun_fen_per_mb is None):
        return None
    return price + ceil_div(beyond * (plan.overrun_fen_per_mb or 0), len(recent))


def _change(code: FindingCode, facts: SimFacts, plan: str, saves: int | None, evidence: Mapping[str, Fact]) -> Finding:
    return Finding(
        code=code,
        evidence=MappingProxyType(
            {"plan": facts.sim.plan.id, "allowance": facts.sim.plan.allowance, "whole_cycles": HABIT_CYCLES, **evidence}
        ),
        advice="change_plan",
        operation=OperationKind.CHANGE_PLAN,
        arguments=MappingProxyType({"plan": plan}),
        saves_fen=saves,
    )
