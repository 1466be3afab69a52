"""Diagnosis: checklists, explanations, named violations (DG, ST-23)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest

from app.domain.diagnosis.checklists import (
    CHECKLISTS,
    Answer,
    DiagnosisFacts,
    Symptom,
    explain_holds,
    forced_activation_unused,
    named_violation,
    run_checklist,
)
from app.domain.operation.request import RuleContext
from app.domain.vocabulary import Actor, Carrier, HoldCode, HoldSource, RealName, SimState, Supplier
from tests.domain.cards import NOON, SHANGHAI, a_hold, a_plan, a_sim, context_of

GSL, FLEXEM, STANDARD = Supplier.GSL, Supplier.FLEXEM, Supplier.STANDARD
TODAY = date(2024, 6, 12)
MOMENT = context_of()


def answers(symptom: Symptom, **facts: Any) -> dict[str, tuple[Answer, str | None]]:
    told = DiagnosisFacts(**({"sim": a_sim(GSL), "today": TODAY} | facts))
    return {finding.check: (finding.answer, finding.remedy) for finding in run_checklist(symptom, told)}


def test_what_nobody_told_is_unknown_and_no_fault() -> None:
    """DG-1."""
    for symptom in Symptom:
        found = run_checklist(symptom, DiagnosisFacts(sim=a_sim(GSL), today=TODAY))
        assert [finding.check for finding in found] == [check.name for check in CHECKLISTS[symptom]]
        assert all(finding.answer is not Answer.FAULT and finding.remedy is None for finding in found)


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        ("network", {"device_network": "4G"}, {"device_network": "3G"}),
        ("apn", {"apn": "CMIOT", "profile_name": "cmiot"}, {"apn": "cmiot", "profile_name": "internet"}),
        ("restarted", {"restarted": True}, {"restarted": False}),
        ("roaming", {"roaming_on": True}, {"roaming_on": False}),
        ("activated", {}, {"sim": a_sim(GSL, state=SimState.SILENT)}),
        ("people_use", {"used_for_people": False}, {"used_for_people": True}),
        ("directed", {}, {"sim": a_sim(GSL, plan=a_plan(directed=True)), "directed_complete": False}),
        ("area", {"province": "湖北", "city": "武汉"}, {"province": "内蒙古"}),
        ("real_name", {}, {"sim": a_sim(GSL, real_name=RealName.INDIVIDUAL)}),
        ("carrier_data", {"carrier_knows_it": True}, {"carrier_knows_it": False}),
    ],
)
def test_why_a_card_never_worked(check: str, good: dict[str, Any], bad: dict[str, Any]) -> None:
    """DG-1, CP-1, LC-4, LC-5, DR-1, RG-4."""
    assert answers(Symptom.NEVER_WORKED, **good)[check] == (Answer.OK, None)
    answer, remedy = answers(Symptom.NEVER_WORKED, **bad)[check]
    assert answer is Answer.FAULT
    assert remedy is not None


def test_what_cannot_be_known_of_a_place_is_unknown() -> None:
    """RG-4, RG-5, CP-1."""
    assert answers(Symptom.NEVER_WORKED, province="广西", city="南宁")["area"][0] is Answer.UNKNOWN
    assert answers(Symptom.NEVER_WORKED, sim=a_sim(STANDARD), device_network="4G")["network"][0] is Answer.UNKNOWN
    overseas = a_sim(GSL, Carrier.OVERSEAS)
    assert answers(Symptom.NEVER_WORKED, sim=overseas, apn="x", profile_name="x")["apn"][0] is Answer.UNKNOWN


def test_why_a_card_stopped() -> None:
    """DG-1, ST-6."""
    held = a_sim(GSL, Carrier.CMCC, SimState.ACTIVE, HoldCode.MANUAL, imei="1")
    found = answers(Symptom.STOPPED, sim=held, imei_seen="2", restarted=False)
    assert found == {
        "holds": (Answer.FAULT, "lift_holds"),
        "device_changed": (Answer.FAULT, "rebind"),
        "restarted": (Answer.FAULT, "restart_device"),
    }
    fine = answers(Symptom.STOPPED, sim=replace(held, holds=()), imei_seen="1")
    assert (fine["holds"][0], fine["device_changed"][0]) == (Answer.OK, Answer.OK)


def test_why_a_card_drops_often() -> None:
    """DG-1: works in another device → the device; a `flexem` Unicom card is directed, whatever its plan says."""
    found = answers(
        Symptom.DROPS_OFTEN,
        sim=a_sim(FLEXEM, Carrier.CUCC),
        directed_complete=False,
        module_compatible=False,
        signal_strong=False,
        works_elsewhere=True,
        covered=False,
    )
    assert [remedy for _, remedy in found.values()] == [
        "complete_directed_list",
        "unbind_and_try_module",
        "look_at_coverage",
        "replace_device",
        "use_other_carrier",
    ]


def test_every_hold_of_a_stopped_card_is_explained() -> None:
    """DG-2, ST-21: why, since when, whose word, what lifts it, and whether it merely lags."""
    carrier = a_hold(HoldCode.OVER_QUOTA, HoldSource.CARRIER, "1")
    card = replace(a_sim(GSL), holds=(carrier, a_hold(HoldCode.MANUAL)))
    first, second = explain_holds(card, MOMENT)
    assert (first.code, first.rule, first.carrier_code, first.lagging) == (HoldCode.OVER_QUOTA, "ST-2", "1", False)
    assert [remedy.action for remedy in first.remedies] == ["order_addon", "next_cycle"]
    assert (second.since, second.source, second.also_called) == (NOON, HoldSource.GATEWAY, ("主动停机", "主动停用"))
    early = context_of(now=datetime(2024, 7, 3, 23, 0, tzinfo=SHANGHAI))
    assert explain_holds(card, early)[0].lagging


def test_a_hold_that_the_cycle_has_ended_is_waited_for_and_then_the_suppliers() -> None:
    """ST-21: neither an add-on nor the next cycle lifts what this cycle's start should have lifted."""
    card = replace(a_sim(GSL), holds=(a_hold(HoldCode.OVER_QUOTA, HoldSource.CARRIER, "1"),))

    def at(day: int) -> RuleContext:
        return context_of(now=datetime(2024, 7, day, 12, tzinfo=SHANGHAI))

    wait, engineer = explain_holds(card, at(3))[0].remedies
    end = datetime(2024, 7, 4, tzinfo=SHANGHAI)
    assert (wait.action, wait.automatic, wait.allowed_now, wait.latest) == ("wait", True, False, end)
    assert (engineer.action, engineer.actor, engineer.allowed_now, engineer.earliest) == (
        "ask_supplier",
        Actor.SUPPLIER,
        False,
        end,
    )
    assert [reason.key for reason in wait.reasons] == ["carrier_data_lag"]
    (late,) = explain_holds(card, at(4))[0].remedies
    assert (late.action, late.allowed_now, late.rule) == ("ask_supplier", True, "ST-21")


def test_a_resume_stays_a_remedy_of_a_threshold_that_the_cycle_has_ended() -> None:
    """ST-21, ST-20: `standard`; the threshold may still be raised or removed."""
    card = replace(a_sim(STANDARD), holds=(a_hold(HoldCode.OVER_THRESHOLD, HoldSource.CARRIER),))
    late = context_of(now=datetime(2024, 7, 9, 12, tzinfo=SHANGHAI))
    actions = [remedy.action for remedy in explain_holds(card, late)[0].remedies]
    assert actions == ["ask_supplier", "raise_threshold", "remove_threshold", "resume"]


def test_a_violation_is_named_only_on_evidence() -> None:
    """ST-23: and never `phone_misuse`, which nobody can recover."""
    card = a_sim(GSL, imei="1")
    assert named_violation(card, imei_seen="2", province=None, city=None) is HoldCode.DEVICE_MISMATCH
    assert named_violation(card, imei_seen="1", province="西藏", city=None) is HoldCode.HIGH_RISK_REGION
    assert named_violation(card, imei_seen="1", province="广西", city=None) is HoldCode.VIOLATION
    assert named_violation(a_sim(GSL), imei_seen="2", province=None, city=None) is HoldCode.VIOLATION


def test_never_used_yet_expired_is_the_forced_activation() -> None:
    """DG-3, LC-1: opened 2023-01-05, active by force on 2023-04-05, valid through 2024-03-31."""
    card = a_sim(FLEXEM, activated_on=date(2023, 4, 5), expires_on=date(2024, 3, 31))
    forced = forced_activation_unused(card, TODAY, ever_used=False)
    assert forced is not None
    assert (forced.forced_on, forced.rule) == (date(2023, 4, 5), "LC-1")
    assert forced_activation_unused(card, TODAY, ever_used=True) is None
    assert forced_activation_unused(replace(card, activated_on=date(2023, 3, 1)), TODAY, ever_used=False) is None
    fresh = replace(card, expires_on=date(2025, 6, 11))
    assert forced_activation_unused(fresh, TODAY, ever_used=False) is None
    assert forced_activation_unused(replace(fresh, expires_on=date(2025, 6, 10)), TODAY, ever_used=False) is not None
    assert forced_activation_unused(replace(card, opened_on=None), TODAY, ever_used=False) is None
