"""Diagnosis of a SIM: checklists with evidence and remedies, and its holds explained (DG-1 to DG-3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from types import MappingProxyType

from app.domain.calendar.days import ONE_DAY, add_months, local
from app.domain.diagnosis import checks
from app.domain.diagnosis.checks import Answer, DiagnosisFacts
from app.domain.diagnosis.evidence import place_evidence, would_tell
from app.domain.diagnosis.notices import pool_refilled
from app.domain.operation.refusal import Remedy
from app.domain.operation.remedies import after_refill, ended, remedies_for
from app.domain.operation.request import RuleContext
from app.domain.sim.holds import HOLDS, lagging
from app.domain.sim.lifecycle import ForcedActivation, forced_activation
from app.domain.sim.model import Evidence, Hold, Query, Sim
from app.domain.vocabulary import HoldCode, HoldSource

__all__ = [
    "CHECKLISTS",
    "Answer",
    "Check",
    "CheckResult",
    "DiagnosisFacts",
    "HoldExplained",
    "Symptom",
    "explain_holds",
    "forced_activation_unused",
    "run_checklist",
]


class Symptom(StrEnum):
    """The symptom that a caller reports (DG-1)."""

    NEVER_WORKED = "never_worked"
    STOPPED = "stopped"
    DROPS_OFTEN = "drops_often"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The result of one check. `check` is a text key below `check.`, `remedy` one below `advice.`"""

    check: str
    answer: Answer
    rule: str
    remedy: str | None = None
    evidence: Mapping[str, str | None] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Check:
    """One line of a checklist: the check, its rule, and the advice for a fault."""

    name: str
    rule: str
    remedy: str
    look: Callable[[DiagnosisFacts], checks.CheckResult]


CHECKLISTS: Mapping[Symptom, tuple[Check, ...]] = MappingProxyType(
    {
        Symptom.NEVER_WORKED: (
            Check(name="network", rule="CP-1", remedy="use_fitting_device", look=checks.network),
            Check(name="apn", rule="CP-1", remedy="set_apn_and_restart", look=checks.access_point),
            Check(
                name="restarted",
                rule="LC-4",
                remedy="restart_device",
                look=lambda facts: checks.yes_or_no(facts.restarted, good=True),
            ),
            Check(
                name="roaming",
                rule="DG-1",
                remedy="turn_roaming_on",
                look=lambda facts: checks.yes_or_no(facts.roaming_on, good=True),
            ),
            Check(name="activated", rule="LC-4", remedy="activate", look=checks.activated),
            Check(
                name="people_use",
                rule="LC-5",
                remedy="devices_only",
                look=lambda facts: checks.yes_or_no(facts.used_for_people, good=False),
            ),
            Check(name="directed", rule="DR-1", remedy="complete_directed_list", look=checks.directed),
            Check(name="area", rule="RG-4", remedy="use_local_card", look=checks.area),
            Check(name="real_name", rule="LC-5", remedy="verify_real_name", look=checks.real_name),
            Check(
                name="carrier_data",
                rule="LC-18",
                remedy="wait_for_carrier_data",
                look=checks.carrier_data,
            ),
        ),
        Symptom.STOPPED: (
            Check(name="holds", rule="DG-2", remedy="lift_holds", look=checks.stopped),
            Check(name="device_changed", rule="ST-6", remedy="rebind", look=checks.device),
            Check(
                name="restarted",
                rule="DG-1",
                remedy="restart_device",
                look=lambda facts: checks.yes_or_no(facts.restarted, good=True),
            ),
        ),
        Symptom.DROPS_OFTEN: (
            Check(name="directed", rule="DR-1", remedy="complete_directed_list", look=checks.directed),
            Check(
                name="module",
                rule="DG-1",
                remedy="unbind_and_try_module",
                look=lambda facts: checks.yes_or_no(facts.module_compatible, good=True),
            ),
            Check(
                name="signal",
                rule="DG-1",
                remedy="look_at_coverage",
                look=lambda facts: checks.yes_or_no(facts.signal_strong, good=True),
            ),
            Check(
                name="other_device",
                rule="DG-1",
                remedy="replace_device",
                look=lambda facts: checks.yes_or_no(facts.works_elsewhere, good=False),
            ),
            Check(
                name="card",
                rule="DG-1",
                remedy="replace_card",
                look=lambda facts: checks.yes_or_no(facts.works_elsewhere, good=True),
            ),
            Check(
                name="coverage",
                rule="DG-1",
                remedy="use_other_carrier",
                look=lambda facts: checks.yes_or_no(facts.covered, good=True),
            ),
        ),
    },
)
"""The three checklists, in the order in which a person goes through them (GSL 7.1, 9.13, 9.15, 10.1, OVR 1-3)."""


def run_checklist(symptom: Symptom, facts: DiagnosisFacts) -> tuple[CheckResult, ...]:
    """Run every check of a symptom (DG-1)."""
    found = tuple(_result_of(check, facts) for check in CHECKLISTS[symptom])
    return _with_restart(found) if symptom is Symptom.STOPPED else found


def _with_restart(found: tuple[CheckResult, ...]) -> tuple[CheckResult, ...]:
    """Neither stopped nor in another device: restarting is the advice, also where nobody said that it was done."""
    answers = {result.check: result.answer for result in found}
    if answers["holds"] is not Answer.OK or answers["device_changed"] is Answer.FAULT:
        return found
    return tuple(
        replace(one, remedy="restart_device") if one.check == "restarted" and one.answer is Answer.UNKNOWN else one
        for one in found
    )


def _result_of(check: Check, facts: DiagnosisFacts) -> CheckResult:
    answer, evidence = check.look(facts)
    if not evidence:
        return _bare(check, answer)
    return CheckResult(
        check=check.name, answer=answer, rule=check.rule, remedy=_advice(check, answer), evidence=evidence
    )


@cache
def _bare(check: Check, answer: Answer) -> CheckResult:
    """The result of a check without evidence, as most are whose facts nobody told."""
    return CheckResult(check=check.name, answer=answer, rule=check.rule, remedy=_advice(check, answer))


def _advice(check: Check, answer: Answer) -> str | None:
    return check.remedy if answer is Answer.FAULT else None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldExplained:
    """One hold in full: why, since when, set by whom, and its remedies with actor, cost and time (DG-2)."""

    code: HoldCode
    rule: str
    also_called: tuple[str, ...]
    since: datetime
    source: HoldSource
    carrier_code: str | None
    carrier_reason: str | None
    """The carrier's own words beside its code, where it gives any."""
    ended: bool
    """The running cycle has ended it, yet the carrier keeps it (ST-21); `lagging`: within the lag of its data."""
    lagging: bool
    refilled: bool
    """The pool has traffic again, yet the carrier keeps it (PL-6); `lagging` too."""
    reported: HoldCode | None
    """The hold by the carrier's word alone, where evidence has named this one (ST-18, ST-23)."""
    found: tuple[Evidence, ...]
    would_tell: tuple[Query, ...]
    remedies: tuple[Remedy, ...]

    @property
    def cause(self) -> str:
        """The cause as a text key below `cause.`; a hold whose reason is gone says so (ST-21, PL-6)."""
        if self.refilled:
            return "pool_refilled"
        if self.ended:
            return "lagging" if self.lagging else "overdue"
        return self.code.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What an explanation knows beside the SIM: the place the caller names (ST-23), the bytes left in the pool."""

    province: str | None = None
    city: str | None = None
    pool_remaining: int | None = None
    """Bytes; None: the SIM is in no prepaid pool, or it was not looked at."""


def explain_holds(
    sim: Sim,
    context: RuleContext,
    situation: Situation = Situation(),
) -> tuple[HoldExplained, ...]:
    """Every hold on a SIM, explained (DG-2)."""
    return tuple(_explained(sim, hold, context, situation) for hold in sim.holds)


def _explained(sim: Sim, hold: Hold, context: RuleContext, situation: Situation) -> HoldExplained:
    place = place_evidence(sim, hold, situation.province, situation.city, context.now)
    found = hold.evidence if place is None else (*hold.evidence, place)
    refilled = hold.code is HoldCode.POOL_EXHAUSTED and pool_refilled(sim, situation.pool_remaining)
    return HoldExplained(
        code=hold.code,
        rule=HOLDS[hold.code].rule,
        also_called=HOLDS[hold.code].also_called,
        since=hold.since,
        source=hold.source,
        carrier_code=hold.carrier_code,
        carrier_reason=hold.carrier_reason,
        ended=ended(sim, hold.code, context),
        lagging=refilled or _lags(sim, hold, context),
        refilled=refilled,
        reported=hold.reported,
        found=found,
        would_tell=would_tell(hold, found),
        remedies=after_refill(hold.code) if refilled else remedies_for(sim, hold.code, context),
    )


def _lags(sim: Sim, hold: Hold, context: RuleContext) -> bool:
    """Whether a hold is the carrier's lag at a cycle's start (ST-21)."""
    since = local(hold.since, context.zone).date()
    return lagging(sim.carrier, hold.code, sim.terms, context.today, since)


def forced_activation_unused(sim: Sim, today: date, *, ever_used: bool) -> ForcedActivation | None:
    """The forced activation of a SIM that was never used, yet has expired or under a year left; else None (DG-3)."""
    if ever_used or sim.opened_on is None or sim.activated_on is None or sim.expires_on is None:
        return None
    if sim.expires_on + ONE_DAY >= add_months(today, 12):
        return None
    chosen = sim.plan.test_months if sim.test_months is None else sim.test_months
    forced = forced_activation(sim.terms, sim.carrier, sim.opened_on, chosen, sim.purchased_on, sim.silent_since)
    return forced if forced.forced_on == sim.activated_on else None
