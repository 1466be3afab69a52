"""Diagnosis: why a card does not work, as checklists with evidence and a remedy for each (DG-1 to DG-3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType

from app.domain.capabilities import APN
from app.domain.days import ONE_DAY, add_months
from app.domain.holds import HOLDS, lagging, shown_state
from app.domain.lifecycle import ForcedActivation, forced_activation
from app.domain.refusal import Remedy
from app.domain.regions import Risk, border_risk, high_risk
from app.domain.remedies import Moment, remedies_for
from app.domain.sim import Sim
from app.domain.terms.book import terms_in_force
from app.domain.transitions import NOT_YET_ACTIVATED
from app.domain.vocabulary import HoldCode, HoldSource, RealName, SimState


class Symptom(StrEnum):
    """What the caller sees (DG-1)."""

    NEVER_WORKED = "never_worked"
    STOPPED = "stopped"
    DROPS_OFTEN = "drops_often"


class Answer(StrEnum):
    """What a check finds; `unknown` where nobody told (DG-1)."""

    OK = "ok"
    FAULT = "fault"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known about a card and its device; None: nobody told."""

    sim: Sim
    today: date
    device_network: str | None = None
    apn: str | None = None
    profile_name: str | None = None
    restarted: bool | None = None
    roaming_on: bool | None = None
    used_for_people: bool | None = None
    directed_complete: bool | None = None
    province: str | None = None
    city: str | None = None
    imei_seen: str | None = None
    carrier_knows_it: bool | None = None
    module_compatible: bool | None = None
    signal_strong: bool | None = None
    works_elsewhere: bool | None = None
    covered: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check's answer. `check` is a text key below `check.`, `remedy` below `advice.`; `evidence`: what was seen."""

    check: str
    answer: Answer
    rule: str
    remedy: str | None = None
    evidence: Mapping[str, str | None] = field(default_factory=lambda: MappingProxyType({}))


Seen = tuple[Answer, Mapping[str, str | None]]


def _told(value: bool | None, *, good: bool, **evidence: str | None) -> Seen:  # noqa: FBT001
    """A yes or no that somebody told."""
    if value is None:
        return Answer.UNKNOWN, MappingProxyType(evidence)
    return Answer.OK if value is good else Answer.FAULT, MappingProxyType(evidence)


def _network(facts: Facts) -> Seen:
    """CP-1: the device speaks a network that the card is sold for."""
    networks = terms_in_force(facts.sim.terms, facts.sim.carrier, facts.today).networks.value
    known = networks is not None and facts.device_network is not None
    fits = networks is not None and facts.device_network in networks
    sold = None if networks is None else "/".join(networks)
    return _told(fits if known else None, good=True, device=facts.device_network, card=sold)


def _apn(facts: Facts) -> Seen:
    """GSL 7.1: name and APN both set to the carrier's, in any case."""
    wanted = APN[facts.sim.carrier]
    if wanted is None or facts.apn is None or facts.profile_name is None:
        return _told(None, good=True, wanted=wanted, apn=facts.apn)
    both = facts.apn.lower() == wanted and facts.profile_name.lower() == wanted
    return _told(both, good=True, wanted=wanted, apn=facts.apn)


def _activated(facts: Facts) -> Seen:
    """The card was activated."""
    state = str(facts.sim.underlying)
    return _told(facts.sim.underlying in NOT_YET_ACTIVATED, good=False, state=state)


def _directed(facts: Facts) -> Seen:
    """DR-1: a directed card reaches nothing that is not on its list."""
    sold_as = terms_in_force(facts.sim.terms, facts.sim.carrier, facts.today).card_type.value
    general = not facts.sim.plan.directed and sold_as != "directed"
    complete = True if general else facts.directed_complete
    return _told(complete, good=True, directed=str(not general).lower())


def _area(facts: Facts) -> Seen:
    """RG-4, RG-5: neither a high-risk nor a border area."""
    if facts.province is None:
        return Answer.UNKNOWN, MappingProxyType({"province": None})
    home = facts.sim.province
    risks = {
        high_risk(facts.sim.carrier, facts.province, facts.city, home),
        border_risk(facts.province, home),
    }
    found = Answer.FAULT if Risk.YES in risks else Answer.OK
    found = Answer.UNKNOWN if Risk.YES not in risks and Risk.UNKNOWN in risks else found
    return found, MappingProxyType({"province": facts.province, "city": facts.city})


def _real_name(facts: Facts) -> Seen:
    """LC-5: verified, where the card needs it."""
    held = any(hold.code is HoldCode.NOT_REAL_NAMED for hold in facts.sim.holds)
    missing = held or facts.sim.real_name is RealName.INDIVIDUAL
    return _told(missing, good=False, real_name=str(facts.sim.real_name))


def _holds(facts: Facts) -> Seen:
    """ST: neither stopped nor expired."""
    shown = shown_state(facts.sim.underlying, facts.sim.holds, facts.sim.carrier)
    held = ",".join(hold.code for hold in facts.sim.holds) or None
    free = shown is SimState.ACTIVE and held is None
    return _told(free, good=True, state=str(shown), holds=held)


def _device(facts: Facts) -> Seen:
    """ST-6: still in the device it is bound to."""
    bound, seen = facts.sim.imei, facts.imei_seen
    same = None if bound is None or seen is None else bound == seen
    return _told(same, good=True, bound=bound, seen=seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of a checklist: what to look at, by which rule, and what to do about a fault."""

    name: str
    rule: str
    remedy: str
    look: Callable[[Facts], Seen]


CHECKLISTS: Mapping[Symptom, tuple[Check, ...]] = MappingProxyType(
    {
        Symptom.NEVER_WORKED: (
            Check(name="network", rule="CP-1", remedy="use_fitting_device", look=_network),
            Check(name="apn", rule="CP-1", remedy="set_apn_and_restart", look=_apn),
            Check(
                name="restarted",
                rule="LC-4",
                remedy="restart_device",
                look=lambda facts: _told(facts.restarted, good=True),
            ),
            Check(
                name="roaming",
                rule="DG-1",
                remedy="turn_roaming_on",
                look=lambda facts: _told(facts.roaming_on, good=True),
            ),
            Check(name="activated", rule="LC-4", remedy="activate", look=_activated),
            Check(
                name="people_use",
                rule="LC-5",
                remedy="devices_only",
                look=lambda facts: _told(facts.used_for_people, good=False),
            ),
            Check(name="directed", rule="DR-1", remedy="complete_directed_list", look=_directed),
            Check(name="area", rule="RG-4", remedy="use_local_card", look=_area),
            Check(name="real_name", rule="LC-5", remedy="verify_real_name", look=_real_name),
            Check(
                name="carrier_data",
                rule="OR-1",
                remedy="wait_for_carrier_data",
                look=lambda facts: _told(facts.carrier_knows_it, good=True),
            ),
        ),
        Symptom.STOPPED: (
            Check(name="holds", rule="DG-2", remedy="lift_holds", look=_holds),
            Check(name="device_changed", rule="ST-6", remedy="rebind", look=_device),
            Check(
                name="restarted",
                rule="DG-1",
                remedy="restart_device",
                look=lambda facts: _told(facts.restarted, good=True),
            ),
        ),
        Symptom.DROPS_OFTEN: (
            Check(name="directed", rule="DR-1", remedy="complete_directed_list", look=_directed),
            Check(
                name="module",
                rule="DG-1",
                remedy="unbind_and_try_module",
                look=lambda facts: _told(facts.module_compatible, good=True),
            ),
            Check(
                name="signal",
                rule="DG-1",
                remedy="look_at_coverage",
                look=lambda facts: _told(facts.signal_strong, good=True),
            ),
            Check(
                name="other_device",
                rule="DG-1",
                remedy="replace_device",
                look=lambda facts: _told(facts.works_elsewhere, good=False),
            ),
            Check(
                name="coverage",
                rule="DG-1",
                remedy="use_other_carrier",
                look=lambda facts: _told(facts.covered, good=True),
            ),
        ),
    },
)
"""The three checklists, in the order in which a person goes through them (GSL 7.1, 9.13, 9.15, 10.1, OVR 1-3)."""


def run_checklist(symptom: Symptom, facts: Facts) -> tuple[Finding, ...]:
    """Every check of a symptom with its answer, its evidence, and what to do where it is a fault (DG-1)."""
    return tuple(_finding(check, facts) for check in CHECKLISTS[symptom])


def _finding(check: Check, facts: Facts) -> Finding:
    answer, evidence = check.look(facts)
    remedy = check.remedy if answer is Answer.FAULT else None
    return Finding(check=check.name, answer=answer, rule=check.rule, remedy=remedy, evidence=evidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldExplained:
    """One hold in full: why, since when, by whose word, what lifts it, who, at what cost, by when (DG-2)."""

    code: HoldCode
    rule: str
    also_called: tuple[str, ...]
    since: datetime
    source: HoldSource
    carrier_code: str | None
    lagging: bool
    remedies: tuple[Remedy, ...]


def explain_holds(sim: Sim, moment: Moment) -> tuple[HoldExplained, ...]:
    """Every hold on a card, explained (DG-2)."""
    return tuple(
        HoldExplained(
            code=hold.code,
            rule=HOLDS[hold.code].rule,
            also_called=HOLDS[hold.code].also_called,
            since=hold.since,
            source=hold.source,
            carrier_code=hold.carrier_code,
            lagging=lagging(sim.carrier, hold.code, sim.terms, moment.today),
            remedies=remedies_for(sim, hold.code, moment),
        )
        for hold in sim.holds
    )


def named_violation(sim: Sim, *, imei_seen: str | None, province: str | None, city: str | None) -> HoldCode:
    """ST-23: which violation it is, named only on evidence (another device, a high-risk place), else `violation`."""
    if sim.imei is not None and imei_seen is not None and sim.imei != imei_seen:
        return HoldCode.DEVICE_MISMATCH
    if province is not None and high_risk(sim.carrier, province, city, sim.province) is Risk.YES:
        return HoldCode.HIGH_RISK_REGION
    return HoldCode.VIOLATION


def unused_yet_running_out(sim: Sim, today: date, *, ever_used: bool) -> ForcedActivation | None:
    """DG-3: a card never used that is expired or has under a year left: the forced activation that began its time."""
    if ever_used or sim.opened_on is None or sim.activated_on is None or sim.expires_on is None:
        return None
    if sim.expires_on + ONE_DAY >= add_months(today, 12):
        return None
    chosen = sim.plan.test_months if sim.test_months is None else sim.test_months
    forced = forced_activation(sim.terms, sim.carrier, sim.opened_on, chosen, sim.purchased_on, sim.silent_since)
    return forced if forced.forced_on == sim.activated_on else None
