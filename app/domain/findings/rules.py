"""The conditions of the findings about one SIM, as pure functions from its facts (`app.domain.findings.table`)."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from app.domain.findings.facts import Finding, SimFacts
from app.domain.findings.sizes import plan_too_large, plan_too_small
from app.domain.findings.table import (
    CARDS_A_PERSON,
    DEVICE_CHANGES,
    GENERAL_BYTES,
    HABIT_CYCLES,
    NEAR_PERCENT,
    PACE_DAYS,
    QUIET_CYCLES,
    UNUSUAL_BYTES,
    UNUSUAL_TIMES,
    FindingCode,
)
from app.domain.identifiers import IMEI_BODY, same_device
from app.domain.operation.arguments import Arguments
from app.domain.operation.prices import addon_price, is_for
from app.domain.regions.rules import Risk, border_risk, high_risk
from app.domain.sim.holds import codes
from app.domain.sim.model import Addon, Sim
from app.domain.terms.book import terms_in_force
from app.domain.units import ceil_div
from app.domain.usage.quota import Limit, limits
from app.domain.vocabulary import Carrier, HoldCode, OperationKind, RealName, SimState

_NOTHING: Arguments = MappingProxyType({})


def no_traffic(facts: SimFacts) -> Finding | None:
    """Active and free, and not a byte in this cycle and the two whole ones before it (US-1)."""
    quiet = facts.before[:QUIET_CYCLES]
    if facts.sim.holds or facts.used or len(quiet) < QUIET_CYCLES or any(quiet):
        return None
    silent = next((n for n, used in enumerate(facts.before) if used), len(facts.before))
    return Finding(
        code=FindingCode.NO_TRAFFIC,
        evidence=MappingProxyType({"whole_cycles": silent, "activated_on": _day(facts)}),
        advice="suspend_or_let_expire",
        operation=OperationKind.SUSPEND,
        saves_fen=facts.sim.plan.price_fen,
    )


def _day(facts: SimFacts) -> str | None:
    activated = facts.sim.activated_on
    return None if activated is None else activated.isoformat()


def near_limit(facts: SimFacts) -> Finding | None:
    """At four fifths of a limit that stops it, or heading past it at this cycle's pace from a half on (QT, RM-1)."""
    held = codes(facts.sim.holds)
    found = [one for one in limits(facts.sim, facts.addons, facts.today) if one.code not in held and one.at > 0]
    near = [one for one in found if _is_near(one, facts)]
    if not near:
        return None
    limit = min(near, key=lambda one: one.at)
    pace = _pace(facts)
    pack = _cheapest_pack(facts, (pace or facts.used) - limit.at)
    raises = limit.code is not HoldCode.OVER_THRESHOLD and pack is not None
    return Finding(
        code=FindingCode.NEAR_LIMIT,
        evidence=MappingProxyType({"hold": limit.code, "limit": limit.at, "used": facts.used, "at_this_pace": pace}),
        rule=limit.rule,
        advice="order_addon" if raises else "watch_limit",
        operation=OperationKind.ORDER_ADDON if raises else None,
        arguments=MappingProxyType({"addon": pack.id}) if raises and pack else _NOTHING,
    )


def _is_near(limit: Limit, facts: SimFacts) -> bool:
    if facts.used * 100 >= limit.at * NEAR_PERCENT:
        return True
    pace = _pace(facts)
    return pace is not None and facts.used * 2 >= limit.at and limit.stops(pace)


def _pace(facts: SimFacts) -> int | None:
    """Bytes of the whole cycle if it goes on as so far; None: too early to say."""
    begins = max(facts.cycle.start, facts.sim.activated_on or facts.cycle.start)
    elapsed = (facts.today - begins).days
    return facts.used * (facts.cycle.end - begins).days // elapsed if elapsed >= PACE_DAYS else None


def _cheapest_pack(facts: SimFacts, short: int) -> Addon | None:
    """The add-on pack of the SIM's type that covers so many bytes at the least cost; unpriced ones last."""
    packs = [pack for pack in facts.catalogue.addons.values() if is_for(pack, facts.sim)]

    def cost(pack: Addon) -> tuple[bool, int, int]:
        price, times = addon_price(pack), max(1, ceil_div(max(0, short), pack.bytes))
        return price is None, (price or 0) * times, times

    return min(packs, key=cost, default=None)


def high_risk_region(facts: SimFacts) -> Finding | None:
    """Held for a high-risk place, or moved or being moved to one (RG-4); a place known in part may be one."""
    change, held = facts.region_change, HoldCode.HIGH_RISK_REGION in codes(facts.sim.holds)
    risk = Risk.NO
    if change is not None:
        risk = high_risk(facts.sim.carrier, change.province, change.city, _home(facts))
    if not held and risk is Risk.NO:
        return None
    return _in_region(FindingCode.HIGH_RISK_REGION, facts, Risk.YES if held else risk)


def border_region(facts: SimFacts) -> Finding | None:
    """Moved, or being moved, to a province with border areas, which take local cards alone (RG-5)."""
    change = facts.region_change
    if change is None or border_risk(change.province, _home(facts)) is Risk.NO:
        return None
    return _in_region(FindingCode.BORDER_REGION, facts, Risk.UNKNOWN)


def _home(facts: SimFacts) -> str | None:
    """The province the SIM comes from; None once it was moved: it is the new one that is stored then (RG-3)."""
    change = facts.region_change
    return None if change is None or change.done else facts.sim.province


def _in_region(code: FindingCode, facts: SimFacts, risk: Risk) -> Finding:
    change = facts.region_change
    place = {"province": change.province, "city": change.city, "heading": not change.done} if change else {}
    return Finding(
        code=code, evidence=MappingProxyType({"risk": risk, "home": _home(facts), **place}), advice="use_a_local_card"
    )


def device_changes(facts: SimFacts) -> Finding | None:
    """At least three changes of device: rebinds of the last 90 days, devices of its type, and the one now seen (DV)."""
    sim = facts.sim
    others = max(0, len(sim.devices) - 1)
    elsewhere = _in_another_device(sim)
    changes = facts.rebinds + others + elsewhere
    if changes < DEVICE_CHANGES:
        return None
    evidence = {
        "changes": changes,
        "rebinds": facts.rebinds,
        "devices": len(sim.devices),
        "bound": sim.imei,
        "seen": sim.seen.imei if sim.seen else None,
    }
    return Finding(code=FindingCode.DEVICE_CHANGES, evidence=MappingProxyType(evidence), advice="find_out_who_moves_it")


def _in_another_device(sim: Sim) -> bool:
    if sim.seen is None or sim.imei is None or sim.seen.imei[:IMEI_BODY] in sim.devices:
        return False
    return not same_device(sim.imei, sim.seen.imei)


def unusual_usage(facts: SimFacts) -> Finding | None:
    """More than three times the median of its last whole cycles, 10 MB above it, and more than any of them (US-1)."""
    if len(facts.before) < HABIT_CYCLES:
        return None
    habit, most = sorted(facts.before)[len(facts.before) // 2], max(facts.before)
    if facts.used <= max(most, UNUSUAL_TIMES * habit) or facts.used - habit < UNUSUAL_BYTES:
        return None
    evidence = {"used": facts.used, "median": habit, "most": most, "whole_cycles": len(facts.before)}
    return Finding(
        code=FindingCode.UNUSUAL_USAGE,
        evidence=MappingProxyType(evidence),
        advice="look_at_the_device",
        operation=OperationKind.REFRESH,
    )


def general_without_real_name(facts: SimFacts) -> Finding | None:
    """General traffic of more than 100 MB a month, by plan or by use, without a verified person (DR-3, LC-5)."""
    sim = facts.sim
    policy = terms_in_force(sim.terms, sim.carrier, facts.today)
    directed = sim.plan.directed or policy.card_type.value == "directed"
    if directed or sim.carrier is Carrier.OVERSEAS or sim.real_name is RealName.VERIFIED:
        return None
    if max(sim.plan.allowance, facts.used) <= GENERAL_BYTES:
        return None
    personal = sim.real_name is RealName.INDIVIDUAL
    return Finding(
        code=FindingCode.GENERAL_WITHOUT_REAL_NAME,
        evidence=MappingProxyType(
            {"allowance": sim.plan.allowance, "used": facts.used, "real_name": sim.real_name, "directed": False}
        ),
        advice="verify_real_name" if personal else "direct_or_verify",
        operation=OperationKind.VERIFY_REAL_NAME if personal else None,
    )


def cards_per_person(cards: int) -> Finding | None:
    """More than ten cards of one carrier under personal real-name (LC-5).

    Identity documents are not known to the gateway: what it can tell is how many of them there must be at least.
    """
    if cards <= CARDS_A_PERSON:
        return None
    evidence = {"cards": cards, "documents_known": False, "documents_at_least": ceil_div(cards, CARDS_A_PERSON)}
    return Finding(
        code=FindingCode.CARDS_PER_PERSON, evidence=MappingProxyType(evidence), advice="count_cards_by_document"
    )


Rule = Callable[[SimFacts], Finding | None]

RULES: tuple[Rule, ...] = (
    no_traffic,
    plan_too_large,
    plan_too_small,
    near_limit,
    high_risk_region,
    border_region,
    device_changes,
    unusual_usage,
    general_without_real_name,
)


def findings_of(facts: SimFacts) -> tuple[Finding, ...]:
    """Everything that is found about a SIM; nothing about one that is not active."""
    if facts.sim.underlying is not SimState.ACTIVE:
        return ()
    return tuple(found for rule in RULES if (found := rule(facts)) is not None)
