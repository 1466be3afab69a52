"""Explanations as JSON, in the caller's language (`docs/api.md`, Explanation)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any

from app.domain.diagnosis.checklists import Answer, CheckResult, HoldExplained
from app.domain.diagnosis.notices import Notice
from app.domain.diagnosis.recovery.plan import NotLifted, Recovery, RecoveryPlan, Step
from app.domain.operation.measured import Expected
from app.domain.operation.service_levels import DueReason
from app.domain.sim.lifecycle import ForcedActivation
from app.domain.vocabulary import OperationKind
from app.routers.http.errors.refusals import expected_if, remedy_view
from app.texts.catalogue import text
from app.texts.verdicts import verdict_of
from app.usecases.sims.explain import Explanation
from app.usecases.sims.renewing import renewal_view

Measured = Mapping[OperationKind, Expected]


def explanation_view(found: Explanation, language: str) -> dict[str, Any]:
    """The whole explanation of a SIM."""
    causes = [hold.cause for hold in found.holds]
    return {
        "iccid": found.iccid,
        "state": found.state.value,
        "network_allowed": found.network_allowed,
        "verdict": verdict_of(found.state, causes, found.recovery, found.zone),
        "holds": [hold_view(hold, language, found.expected) for hold in found.holds],
        "recovery": recovery_view(found.recovery, language, found.expected),
        "checklists": {
            symptom.value: [check_view(result, language) for result in results]
            for symptom, results in found.checklists.items()
        },
        "forced_activation": forced_view(found.forced),
        "notices": [notice_view(notice, language) for notice in found.notices],
        "renewal": renewal_view(found.renewal),
    }


# --------------------------------------------------------------------------------------------------------- recovery
def recovery_view(
    recovery: Recovery | None, language: str, measured: Measured = MappingProxyType({})
) -> dict[str, Any] | None:
    """How a SIM comes back; None where nothing stops it."""
    if recovery is None:
        return None
    fastest = plan_view(recovery.fastest, language, measured)
    alike = recovery.cheapest is recovery.fastest
    return {
        "cheapest": fastest if alike else plan_view(recovery.cheapest, language, measured),
        "fastest": fastest,
        "not_lifted": [lost_view(lost, language) for lost in recovery.not_lifted],
    }


def plan_view(
    plan: RecoveryPlan | None, language: str, measured: Measured = MappingProxyType({})
) -> dict[str, Any] | None:
    """One plan with its steps."""
    if plan is None:
        return None
    return {
        "steps": [_step_view(number, step, language, measured) for number, step in enumerate(plan.steps, 1)],
        "earliest": _text(plan.earliest),
        "latest": _text(plan.latest),
        "provisional": plan.provisional,
        "because": [_reason_view(reason, language) for reason in plan.reasons],
        "cost_fen": plan.cost_fen,
        "unpriced": list(plan.unpriced),
        "assumed": list(plan.assumed),
    }


def _step_view(number: int, step: Step, language: str, measured: Measured) -> dict[str, Any]:
    return {
        "number": number,
        "action": step.action,
        "text": text(f"remedy.{step.action}", language),
        "actor": step.actor.value,
        "automatic": step.automatic,
        "allowed_now": step.allowed_now,
        "after": list(step.after),
        "not_before": _text(step.not_before),
        "lifts": [hold.value for hold in step.lifts],
        "rule": step.rule,
        "operation": step.operation.value if step.operation else None,
        "arguments": dict(step.arguments),
        "choose": list(step.choose),
        "conditions": [{"code": one, "text": text(f"condition.{one}", language)} for one in step.conditions],
        "cost_fen": step.cost_fen,
        "earliest": _text(step.earliest),
        "latest": _text(step.latest),
        "expected": expected_if(step.allowed_now, step.operation, measured),
        "provisional": step.provisional,
        "because": [_reason_view(reason, language) for reason in step.reasons],
        "assumed": list(step.assumed),
    }


def _reason_view(reason: DueReason, language: str) -> dict[str, Any]:
    return {**_because(reason.key, reason.day, language)}


@lru_cache(maxsize=4096)
def _because(key: str, on: date | None, language: str) -> dict[str, Any]:
    """A reason in words, to be copied; the same few stand at a step and its plan, and on many SIMs of a day."""
    day = on.isoformat() if on else None
    return {"code": key, "day": day, "text": text(f"because.{key}", language, day=day)}


def lost_view(lost: NotLifted, language: str) -> dict[str, Any]:
    """A hold that nobody can lift, and why."""
    return {"hold": lost.hold.value, "rule": lost.rule, "text": text(lost.text, language, **lost.facts)}


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


# -------------------------------------------------------------------------------------------- holds and checklists
def hold_view(hold: HoldExplained, language: str, measured: Measured) -> dict[str, Any]:
    return {
        "code": hold.code.value,
        "rule": hold.rule,
        "text": text(_hold_text(hold), language),
        "also_called": list(hold.also_called),
        "since": hold.since.isoformat(),
        "source": hold.source.value,
        "carrier_code": hold.carrier_code,
        "carrier_reason": hold.carrier_reason,
        "lagging": hold.lagging,
        "evidence": {
            "source": hold.source.value,
            "carrier_code": hold.carrier_code,
            "carrier_reason": hold.carrier_reason,
            "since": hold.since.isoformat(),
            "reported": hold.reported.value if hold.reported else None,
            "found": [
                {
                    "query": one.query.value,
                    "at": one.at.isoformat(),
                    "found": one.found.value,
                    "text": text(f"found.{one.found.value}", language),
                    "facts": dict(one.facts),
                }
                for one in hold.found
            ],
            "would_tell": [
                {"query": query.value, "text": text(f"query.{query.value}", language)} for query in hold.would_tell
            ],
        },
        "remedies": [remedy_view(remedy, language, measured) for remedy in hold.remedies],
    }


def _hold_text(hold: HoldExplained) -> str:
    """The key of the hold's text; a hold whose reason is gone says so, not its former reason (ST-21, PL-6)."""
    if hold.refilled:
        return "hold_ended.pool_refilled"
    if hold.ended:
        return "hold_ended.lagging" if hold.lagging else "hold_ended.overdue"
    return f"hold.{hold.code.value}"


def check_view(result: CheckResult, language: str) -> dict[str, Any]:
    told = _told(result.check, result.answer, result.rule, result.remedy, language)
    return {**told, "evidence": dict(result.evidence)}


@cache
def _told(check: str, answer: Answer, rule: str, remedy: str | None, language: str) -> dict[str, Any]:
    """A check's result beside its evidence, to be copied; an explanation has some twenty of the few there are."""
    advice = remedy and {"action": remedy, "text": text(f"advice.{remedy}", language)}
    told = {"check": check, "text": text(f"check.{check}", language), "answer": answer.value, "rule": rule}
    return told | {"evidence": None, "remedy": advice}


def notice_view(notice: Notice, language: str) -> dict[str, Any]:
    return {
        "code": notice.code.value,
        "rule": notice.rule,
        "text": text(f"notice.{notice.code.value}", language),
        "facts": dict(notice.facts),
    }


def forced_view(forced: ForcedActivation | None) -> dict[str, Any] | None:
    if forced is None or forced.forced_on is None:
        return None
    return {"forced_on": forced.forced_on.isoformat(), "rule": forced.rule, "assumed": list(forced.assumed)}
