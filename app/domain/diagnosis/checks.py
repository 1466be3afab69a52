"""The checks of a diagnosis: each gives ok, fault or unknown, with its evidence (DG-1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType

from app.domain.commerce.directed import general_by_default, unreached
from app.domain.identifiers import same_device
from app.domain.operation.capabilities import APN
from app.domain.regions.rules import Risk, border_risk, high_risk
from app.domain.sim.binding import DeviceCheck, check_device, check_seen
from app.domain.sim.holds import shown_state
from app.domain.sim.model import Sim
from app.domain.sim.transitions import NOT_YET_ACTIVATED
from app.domain.terms.book import terms_in_force
from app.domain.vocabulary import HoldCode, RealName, SimState


class Answer(StrEnum):
    """The result of a check; `unknown` where the facts are missing (DG-1)."""

    OK = "ok"
    FAULT = "fault"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosisFacts:
    """What is known about a SIM and its device; None: not known."""

    sim: Sim
    today: date
    device_network: str | None = None
    apn: str | None = None
    profile_name: str | None = None
    restarted: bool | None = None
    roaming_on: bool | None = None
    used_for_people: bool | None = None
    directed_complete: bool | None = None
    targets: tuple[str, ...] = ()
    """Addresses that the device must reach, as the caller names them."""
    directed_in_force: tuple[str, ...] | None = None
    """The values of the order's directed list that are in force; None: the gateway has no list of the order."""
    province: str | None = None
    city: str | None = None
    imei_seen: str | None = None
    carrier_knows_it: bool | None = None
    carrier_data_due: date | None = None
    """The first day on which the carrier should have reported the SIM: the 4th workday after its import (LC-18)."""
    module_compatible: bool | None = None
    signal_strong: bool | None = None
    works_elsewhere: bool | None = None
    covered: bool | None = None


CheckResult = tuple[Answer, Mapping[str, str | None]]


def yes_or_no(value: bool | None, *, good: bool, **evidence: str | None) -> CheckResult:  # noqa: FBT001
    """The result of a known yes or no; `good`: the value that is ok; None: unknown."""
    if value is None:
        return Answer.UNKNOWN, MappingProxyType(evidence)
    return Answer.OK if value is good else Answer.FAULT, MappingProxyType(evidence)


def network(facts: DiagnosisFacts) -> CheckResult:
    """CP-1: the device supports a network that the SIM is sold for."""
    networks = terms_in_force(facts.sim.terms, facts.sim.carrier, facts.today).networks.value
    known = networks is not None and facts.device_network is not None
    fits = networks is not None and facts.device_network in networks
    sold = None if networks is None else "/".join(networks)
    return yes_or_no(fits if known else None, good=True, device=facts.device_network, card=sold)


def access_point(facts: DiagnosisFacts) -> CheckResult:
    """GSL 7.1: APN and profile name are both the carrier's, in any letter case."""
    wanted = APN[facts.sim.carrier]
    if wanted is None or facts.apn is None or facts.profile_name is None:
        return yes_or_no(None, good=True, wanted=wanted, apn=facts.apn)
    both = facts.apn.lower() == wanted and facts.profile_name.lower() == wanted
    return yes_or_no(both, good=True, wanted=wanted, apn=facts.apn)


def activated(facts: DiagnosisFacts) -> CheckResult:
    """The SIM was activated."""
    state = str(facts.sim.underlying)
    return yes_or_no(facts.sim.underlying in NOT_YET_ACTIVATED, good=False, state=state)


def directed(facts: DiagnosisFacts) -> CheckResult:
    """A directed SIM reaches only what is on its allow list; the plan, or the terms, make it directed (DR-1, DR-4).

    Where the terms make a plan of its size general only on request (DR-3), it may be either.
    """
    sim = facts.sim
    terms = terms_in_force(sim.terms, sim.carrier, facts.today)
    if sim.plan.directed or terms.card_type.value == "directed":
        return _list_complete(facts, directed="true")
    if general_by_default(terms, sim.plan.allowance, pooled=sim.pool is not None) is False:
        return _list_complete(facts, directed="unknown")
    return Answer.OK, MappingProxyType({"directed": "false"})


def _list_complete(facts: DiagnosisFacts, **evidence: str | None) -> CheckResult:
    """Whether the order's list lets through what the device must reach (DR-1); else what the caller says of it.

    A list of which nothing is in force lets nothing through.
    """
    known = facts.directed_in_force
    if known is None:
        return yes_or_no(facts.directed_complete, good=True, **evidence)
    evidence["in_force"] = str(len(known))
    if facts.targets:
        missing = unreached(facts.targets, known)
        return yes_or_no(not missing, good=True, missing=",".join(missing) or None, **evidence)
    return yes_or_no(facts.directed_complete if known else False, good=True, **evidence)


def area(facts: DiagnosisFacts) -> CheckResult:
    """RG-4, RG-5: used in neither a high-risk nor a border area."""
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


def real_name(facts: DiagnosisFacts) -> CheckResult:
    """LC-5: real-name verified, where the SIM needs it."""
    held = any(hold.code is HoldCode.NOT_REAL_NAMED for hold in facts.sim.holds)
    missing = held or facts.sim.real_name is RealName.INDIVIDUAL
    return yes_or_no(missing, good=False, real_name=str(facts.sim.real_name))


def stopped(facts: DiagnosisFacts) -> CheckResult:
    """ST: neither stopped nor expired."""
    shown = shown_state(facts.sim.underlying, facts.sim.holds, facts.sim.carrier)
    held = ",".join(hold.code for hold in facts.sim.holds) or None
    free = shown is SimState.ACTIVE and held is None
    return yes_or_no(free, good=True, state=str(shown), holds=held)


def carrier_data(facts: DiagnosisFacts) -> CheckResult:
    """GSL 9.13, LC-18: the carrier has reported the SIM; if never, a fault from the 4th workday after the import on."""
    late = facts.carrier_data_due is not None and facts.today >= facts.carrier_data_due
    missing = False if late else None
    known = missing if facts.carrier_knows_it is None else facts.carrier_knows_it
    due = facts.carrier_data_due.isoformat() if facts.carrier_data_due else None
    return yes_or_no(known, good=True, fault_from=due)


def device(facts: DiagnosisFacts) -> CheckResult:
    """ST-6, DV-2, DV-6: still in a device that it is bound to; the one that the caller names, else the last seen."""
    bound = facts.sim.imei
    last = facts.sim.seen.imei if facts.sim.seen else None
    seen = facts.imei_seen or last
    if bound is None or seen is None:
        return yes_or_no(None, good=True, bound=bound, seen=seen)
    named = facts.imei_seen is not None and not (last is not None and same_device(last, facts.imei_seen))
    effect = check_device(facts.sim, seen, facts.today, len(facts.sim.devices) or 1) if named else None
    effect = check_seen(facts.sim, facts.today) if effect is None else effect
    return yes_or_no(effect is not DeviceCheck.LOCKS, good=True, bound=bound, seen=seen)
