"""Diagnosis: checklists, explanations, named violations (DG, ST-23)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest

from app.domain.calendar.workdays import nth_workday
from app.domain.diagnosis.checklists import (
    CHECKLISTS,
    Answer,
    DiagnosisFacts,
    Symptom,
    explain_holds,
    forced_activation_unused,
    run_checklist,
)
from app.domain.diagnosis.evidence import ChangeRecord, StopFacts, name_stop, place_evidence, would_tell
from app.domain.operation.request import RuleContext
from app.domain.sim.binding import DeviceCheck, check_seen, with_device
from app.domain.sim.model import Found, Query
from app.domain.vocabulary import Actor, Carrier, HoldCode, HoldSource, RealName, SimState, Supplier
from tests.domain.cards import NOON, SHANGHAI, WORKDAYS, a_hold, a_plan, a_sim, context_of

GSL, FLEXEM, STANDARD = Supplier.GSL, Supplier.FLEXEM, Supplier.STANDARD
TODAY = date(2024, 6, 12)
MOMENT = context_of()


def answers(symptom: Symptom, **facts: Any) -> dict[str, tuple[Answer, str | None]]:
    told = DiagnosisFacts(**({"sim": a_sim(GSL), "today": TODAY} | facts))
    return {result.check: (result.answer, result.remedy) for result in run_checklist(symptom, told)}


def test_what_nobody_told_is_unknown_and_no_fault() -> None:
    """DG-1."""
    for symptom in Symptom:
        found = run_checklist(symptom, DiagnosisFacts(sim=a_sim(GSL), today=TODAY))
        assert [result.check for result in found] == [check.name for check in CHECKLISTS[symptom]]
        assert all(result.answer is not Answer.FAULT for result in found)
        advice = {result.check: result.remedy for result in found if result.remedy is not None}
        assert advice == ({"restarted": "restart_device"} if symptom is Symptom.STOPPED else {})


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
        ("carrier_data", {"carrier_knows_it": True, "carrier_data_due": TODAY}, {"carrier_data_due": TODAY}),
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
        None,
        "use_other_carrier",
    ]


def test_a_card_that_fails_in_another_device_too_is_replaced() -> None:
    """DG-1: works in another device → the device, else the card."""
    found = answers(Symptom.DROPS_OFTEN, works_elsewhere=False)
    unknown = answers(Symptom.DROPS_OFTEN)
    assert (found["other_device"], found["card"]) == ((Answer.OK, None), (Answer.FAULT, "replace_card"))
    assert (unknown["other_device"][0], unknown["card"][0]) == (Answer.UNKNOWN, Answer.UNKNOWN)


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


def test_a_stop_is_named_only_on_evidence() -> None:
    """ST-18, ST-23, DV-6: and never `phone_misuse`, which nobody can recover."""
    bound, other, version = "356789012345672", "351234567890125", "3567890123456788"
    at = NOON.date()

    def named(terms: Supplier, carrier: Carrier, code: HoldCode, seen: str | None, facts: StopFacts) -> tuple[str, str]:
        card = a_sim(terms, carrier, imei=bound)
        card = card if seen is None else with_device(card, seen, NOON, at)
        hold = name_stop(card, a_hold(code, HoldSource.CARRIER), facts, at)
        return hold.code.value, ",".join(one.found.value for one in hold.evidence)

    told = StopFacts(at=NOON, device_answered=True)
    assert named(FLEXEM, Carrier.CUCC, HoldCode.UNEXPLAINED, other, told) == ("device_mismatch", "other_device")
    assert named(GSL, Carrier.CMCC, HoldCode.VIOLATION, other, told) == ("device_mismatch", "other_device")
    assert named(GSL, Carrier.CTCC, HoldCode.VIOLATION, other, told) == ("violation", "other_device")
    assert named(FLEXEM, Carrier.CUCC, HoldCode.UNEXPLAINED, version, told) == ("unexplained", "same_device")
    assert named(FLEXEM, Carrier.CUCC, HoldCode.UNEXPLAINED, bound[:8] + "9999990", told) == (
        "unexplained",
        "same_device",
    )
    assert named(FLEXEM, Carrier.CUCC, HoldCode.UNEXPLAINED, None, told) == ("unexplained", "no_device")
    silent = StopFacts(at=NOON, device_answered=False, records_answered=False)
    assert named(GSL, Carrier.CUCC, HoldCode.UNEXPLAINED, None, silent) == ("unexplained", "not_answered,not_answered")
    assert named(GSL, Carrier.CUCC, HoldCode.UNEXPLAINED, None, StopFacts(at=NOON)) == ("unexplained", "no_device")
    user = StopFacts(at=NOON, records_answered=True, record=ChangeRecord(at=NOON, user="ops"))
    assert named(GSL, Carrier.CUCC, HoldCode.UNEXPLAINED, None, user) == ("manual", "no_device,changed_by_a_user")
    system = replace(user, record=ChangeRecord(at=NOON, user=None))
    assert named(GSL, Carrier.CUCC, HoldCode.UNEXPLAINED, None, system) == (
        "unexplained",
        "no_device,changed_by_the_carrier",
    )
    none = replace(user, record=None)
    assert named(GSL, Carrier.CUCC, HoldCode.UNEXPLAINED, None, none) == ("unexplained", "no_device,no_record")


def test_what_a_stop_without_a_name_still_needs_is_told() -> None:
    """ST-18, ST-23."""
    hold = a_hold(HoldCode.VIOLATION, HoldSource.CARRIER)
    assert would_tell(hold, ()) == (Query.DEVICE, Query.PLACE)
    risky = place_evidence(a_sim(GSL), hold, "西藏", None, NOON)
    assert risky is not None
    assert risky.found is Found.HIGH_RISK_REGION
    assert would_tell(hold, (risky,)) == (Query.DEVICE,)
    assert place_evidence(a_sim(GSL), hold, "广西", None, NOON) is None
    assert would_tell(a_hold(HoldCode.UNEXPLAINED, HoldSource.CARRIER), ()) == (Query.DEVICE, Query.CHANGE_RECORDS)
    assert would_tell(a_hold(HoldCode.MANUAL, HoldSource.CARRIER), ()) == ()


def test_the_first_device_binds_where_the_terms_say_so_and_ten_of_its_type_pass() -> None:
    """DV-1, DV-2, DV-6."""
    first, at = "356789012345672", NOON.date()
    testing = a_sim(FLEXEM, Carrier.CMCC, SimState.TESTING)
    assert with_device(testing, first, NOON, at).imei == first
    assert with_device(a_sim(GSL, Carrier.CUCC, SimState.SILENT), first, NOON, at).imei is None
    assert with_device(a_sim(GSL, Carrier.CUCC), first + "0", NOON, at).imei == first
    free = with_device(a_sim(STANDARD, Carrier.CUCC), first, NOON, at)
    assert (free.imei, free.seen and free.seen.imei, check_seen(free, at)) == (None, first, None)
    assert with_device(testing, "not an IMEI", NOON, at) == testing
    card, effects = with_device(testing, first, NOON, at), []
    for number in range(1, 12):
        card = with_device(card, f"{first[:8]}{number:06d}0", NOON, at)
        effects.append(check_seen(card, at))
    assert (card.imei, effects) == (first, [DeviceCheck.PASSES] * 9 + [DeviceCheck.LOCKS] * 2)


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


def test_that_carrier_data_are_missing_is_a_fault_from_the_fourth_workday_on() -> None:
    """LC-18: imported on Thursday 6 June, before a weekend and the holiday of the 10th; until then it is unknown."""
    due = nth_workday(WORKDAYS, date(2024, 6, 6), 4)
    days = {
        day: answers(Symptom.NEVER_WORKED, today=day, carrier_data_due=due)["carrier_data"]
        for day in (date(2024, 6, 12), due)
    }
    assert due == date(2024, 6, 13)
    assert days == {date(2024, 6, 12): (Answer.UNKNOWN, None), due: (Answer.FAULT, "wait_for_carrier_data")}
