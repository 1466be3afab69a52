"""Whether an operation is taken: the full product of states, kinds, holds and terms, and the order of checks (OP)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from typing import Any

import pytest

from app.domain.errors import Malformed
from app.domain.operation.decision import Accepted, Decision, decide
from app.domain.operation.refusal import Refusal, RefusalCode
from app.domain.operation.request import Counts
from app.domain.sim.model import Sim
from app.domain.units import MB
from app.domain.vocabulary import (
    Actor,
    Carrier,
    Channel,
    HoldCode,
    OperationKind,
    PlanKind,
    RealName,
    SimState,
    Supplier,
)
from tests.domain.cards import NOON, SHANGHAI, a_hold, a_plan, a_sim, context_of

FLEXEM, GSL, STANDARD = Supplier.FLEXEM, Supplier.GSL, Supplier.STANDARD
K, S, H = OperationKind, SimState, HoldCode
UNDERLYING = [state for state in S if state is not S.SUSPENDED]
IMEI = "490154203237518"
ARGUMENTS: dict[OperationKind, dict[str, Any]] = {
    K.REBIND: {"imei": IMEI},
    K.CHANGE_REGION: {"province": "湖北"},
    K.SET_THRESHOLD: {"bytes": 100 * MB},
    K.RENEW: {"months": 12},
    K.CHANGE_PLAN: {"plan": "p-1g"},
    K.JOIN_POOL: {"pool": "p"},
}


def ask(sim: Sim, kind: OperationKind, arguments: dict[str, Any] | None = None, **facts: Any) -> Decision:
    """One decision at noon, with everything else in order."""
    return decide(sim, kind, ARGUMENTS.get(kind, {}) if arguments is None else arguments, context_of(**facts))


def taken(sim: Sim, kind: OperationKind, arguments: dict[str, Any] | None = None, **facts: Any) -> Accepted:
    answer = ask(sim, kind, arguments, **facts)
    assert isinstance(answer, Accepted), answer
    return answer


def refused(sim: Sim, kind: OperationKind, arguments: dict[str, Any] | None = None, **facts: Any) -> Refusal:
    answer = ask(sim, kind, arguments, **facts)
    assert isinstance(answer, Refusal), answer
    return answer


def hold_sets(carrier: Carrier) -> Iterator[tuple[HoldCode, ...]]:
    """None, each, all; every pair once, and at Telecom those with a hold under which the state goes on showing."""
    for size in (0, 1):
        yield from combinations(HoldCode, size)
    showing = {H.NETWORK_CUT, H.DEVICE_MISMATCH}
    pairs = combinations(HoldCode, 2)
    yield from (pair for pair in pairs if carrier is Carrier.CMCC or (carrier is Carrier.CTCC and showing & set(pair)))
    yield tuple(HoldCode)


def _reads_active(carrier: Carrier, state: SimState, held: set[HoldCode]) -> bool:
    silent_holds = {H.NETWORK_CUT} | ({H.DEVICE_MISMATCH} if carrier is Carrier.CTCC else set())
    return state is S.ACTIVE and held <= silent_holds


def _state_allows(terms: Supplier, carrier: Carrier, state: SimState, held: set[HoldCode], kind: OperationKind) -> bool:
    """OP-5 and OP-6 written down a second time, as sentences rather than as a table."""
    active = _reads_active(carrier, state, held)
    living = state not in (S.EXPIRED, S.CANCELLED)
    resumable = {
        FLEXEM: {H.MANUAL, H.UNEXPLAINED, H.DEVICE_MISMATCH},
        GSL: {H.MANUAL, H.UNEXPLAINED},
        STANDARD: {H.MANUAL, H.UNEXPLAINED, H.OVER_THRESHOLD, H.ARREARS},
    }
    away = {H.OUT_OF_REGION} if (terms, carrier) == (FLEXEM, Carrier.CMCC) else set()
    silent_holds = {H.NETWORK_CUT} | ({H.DEVICE_MISMATCH} if carrier is Carrier.CTCC else set())
    if state is S.CANCELLED:
        return False
    return {
        K.ACTIVATE: state in (S.TESTING, S.SILENT) and held <= silent_holds,
        K.SUSPEND: state is S.ACTIVE and not held,
        K.RESUME: bool(held) and held <= resumable[terms],
        K.REBIND: active or (living and H.DEVICE_MISMATCH in held),
        K.CHANGE_REGION: active or (living and bool(held & away)),
        K.SET_THRESHOLD: active or (living and bool(held & ({H.OVER_THRESHOLD} | away))),
        K.CUT_NETWORK: state is S.ACTIVE and not held,
        K.RESET_NETWORK: state is S.ACTIVE and not held,
        K.RESTORE_NETWORK: living and H.NETWORK_CUT in held,
        K.VERIFY_REAL_NAME: living and bool(held & ({H.NOT_REAL_NAMED} | away)),
        K.ORDER_ADDON: state is S.ACTIVE,
        K.RENEW: state in (S.ACTIVE, S.EXPIRED),
        K.CHANGE_PLAN: living,
        K.JOIN_POOL: living,
        K.RETAIN_NUMBER: state is S.EXPIRED,
        K.REFRESH: True,
        K.TERMINATE: True,
    }[kind]


def test_the_full_product_of_states_kinds_holds_and_terms() -> None:
    """OP-2, OP-5, OP-6, ST-20, LC-11: the state decides as written, and every refusal names a rule and its holds."""
    rule = re.compile(r"[A-Z]{2}-\d+")
    for terms, carrier, state, held in (
        (supplier, network, underlying, holds)
        for supplier in Supplier
        for network in Carrier
        for underlying in UNDERLYING
        for holds in hold_sets(network)
    ):
        card = a_sim(terms, carrier, state, *held)
        codes = {hold.code for hold in card.holds}
        for kind in OperationKind:
            answer = ask(card, kind)
            where = (terms, carrier, state, held, kind, answer)
            by_state = isinstance(answer, Refusal) and answer.code is RefusalCode.INCOMPATIBLE_STATE
            assert by_state != _state_allows(terms, carrier, state, codes, kind), where
            if isinstance(answer, Refusal):
                assert rule.fullmatch(answer.rule), where
                assert by_state or answer.code is RefusalCode.RULE_VIOLATION, where
                named = set() if state is S.CANCELLED or not by_state else codes
                assert set(answer.holds) == named or (not by_state and set(answer.holds) <= codes), where
                assert set(answer.holds) <= {remedy.hold for remedy in answer.remedies}, where
            else:
                assert answer.due.due_at is None or answer.due.due_at >= NOON, where


def test_the_order_of_checks_is_fixed() -> None:
    """OP-5: capability, open operation, state and holds, then windows, counts and real-name."""
    hopeless = a_sim(state=S.CANCELLED, real_name=RealName.INDIVIDUAL)
    assert refused(hopeless, K.ACTIVATE, channel=None, open_operation=True).code == "NOT_SUPPORTED_BY_CARRIER"
    assert refused(hopeless, K.ACTIVATE, open_operation=True).code == "OPERATION_IN_PROGRESS"
    assert refused(hopeless, K.ACTIVATE).rule == "LC-11"
    waiting = a_sim(state=S.SILENT, real_name=RealName.INDIVIDUAL)
    assert refused(waiting, K.ACTIVATE, open_operation=True).rule == "OP-4"
    assert refused(waiting, K.ACTIVATE).rule == "LC-5"
    assert refused(waiting, K.ACTIVATE, channel=None).rule == "CP-1"


def test_a_card_that_needs_real_name_is_verified_before_it_is_activated() -> None:
    """LC-5."""
    answer = refused(a_sim(state=S.SILENT, real_name=RealName.INDIVIDUAL), K.ACTIVATE)
    assert answer.code is RefusalCode.RULE_VIOLATION
    assert answer.remedies[0].action == "verify_real_name"
    for named in (RealName.NONE, RealName.ENTERPRISE, RealName.VERIFIED):
        assert taken(a_sim(state=S.SILENT, real_name=named), K.ACTIVATE).channel is Channel.API
    assert taken(a_sim(state=S.SILENT, real_name=RealName.INDIVIDUAL), K.VERIFY_REAL_NAME)
    assert refused(a_sim(real_name=RealName.VERIFIED), K.VERIFY_REAL_NAME).rule == "OP-5"


def test_a_resume_is_refused_naming_every_hold_and_what_lifts_it() -> None:
    """ST-20, DG-2."""
    answer = refused(a_sim(GSL, Carrier.CMCC, S.ACTIVE, H.MANUAL, H.OVER_QUOTA), K.RESUME)
    assert answer.holds == (H.MANUAL, H.OVER_QUOTA)
    ways = {(remedy.hold, remedy.action): remedy for remedy in answer.remedies}
    assert not ways[H.MANUAL, "resume"].allowed_now
    assert ways[H.OVER_QUOTA, "order_addon"].allowed_now
    turn = ways[H.OVER_QUOTA, "next_cycle"]
    assert (turn.automatic, turn.allowed_now, turn.actor) == (True, False, Actor.NOBODY)
    assert turn.latest == datetime(2024, 7, 1, tzinfo=SHANGHAI)
    assert refused(a_sim(), K.RESUME).holds == ()


def test_arrears_are_resumed_only_once_paid() -> None:
    """ST-14, ST-20."""
    card = a_sim(STANDARD, Carrier.CMCC, S.ACTIVE, H.ARREARS)
    assert refused(card, K.RESUME).rule == "ST-20"
    assert taken(card, K.RESUME, {"paid": True})
    assert refused(replace(card, terms=GSL), K.RESUME, {"paid": True}).holds == (H.ARREARS,)


def test_gsl_telecom_rebinds_twice_a_month_and_flexem_slower_from_the_fourth() -> None:
    """DV-3."""
    gsl, flexem = a_sim(GSL, Carrier.CTCC), a_sim(FLEXEM, Carrier.CTCC)
    assert taken(gsl, K.REBIND, counts=Counts(rebinds_this_month=1)).consumes == {"rebinds_this_month": 1}
    answer = refused(gsl, K.REBIND, counts=Counts(rebinds_this_month=2))
    assert (answer.rule, answer.earliest_retry_at) == ("DV-3", datetime(2024, 7, 1, tzinfo=SHANGHAI))
    quick = taken(flexem, K.REBIND, counts=Counts(rebinds_this_month=2))
    assert (quick.due.rule, quick.due.due_at) == ("DV-3", NOON + timedelta(minutes=30))
    assert quick.channel is Channel.API
    slow = taken(flexem, K.REBIND, counts=Counts(rebinds_this_month=3))
    assert slow.channel is Channel.DESK  # OP-7: from the fourth of a month on
    assert (slow.due.rule, slow.due.due_on) == ("SL-1", date(2024, 6, 13))
    assert taken(a_sim(STANDARD, Carrier.CTCC), K.REBIND, counts=Counts(rebinds_this_month=99)).consumes == {}


def test_a_rebind_names_a_valid_imei_or_none() -> None:
    """DV-5."""
    assert taken(a_sim(), K.REBIND, {"imei": f" {IMEI} "}).arguments == {"imei": IMEI}
    assert taken(a_sim(), K.REBIND, {}).arguments == {}
    with pytest.raises(Malformed):
        ask(a_sim(), K.REBIND, {"imei": "490154203237519"})


@pytest.mark.parametrize(
    ("kind", "arguments", "code"),
    [
        (K.CHANGE_REGION, {}, "PROVINCE_MISSING"),
        (K.CHANGE_REGION, {"province": ""}, "PROVINCE_MISSING"),
        (K.RENEW, {"months": True}, "MONTHS_MISSING"),
        (K.RENEW, {"months": "12"}, "MONTHS_MISSING"),
        (K.RENEW, {"months": -1}, "MONTHS_OUT_OF_RANGE"),
        (K.CHANGE_PLAN, {"plan": 7}, "PLAN_MISSING"),
        (K.JOIN_POOL, {}, "POOL_MISSING"),
        (K.SET_THRESHOLD, {}, "BYTES_MISSING"),
        (K.SET_THRESHOLD, {"bytes": -1}, "BYTES_OUT_OF_RANGE"),
        (K.SET_THRESHOLD, {"bytes": True}, "BYTES_OUT_OF_RANGE"),
        (K.SET_THRESHOLD, {"bytes": "5"}, "BYTES_OUT_OF_RANGE"),
    ],
)
def test_an_argument_that_is_none_is_malformed(kind: OperationKind, arguments: dict[str, Any], code: str) -> None:
    """OP-2: malformed input raises, before any rule is asked."""
    with pytest.raises(Malformed) as wrong:
        ask(a_sim(state=S.CANCELLED), kind, arguments)
    assert wrong.value.code == code


def test_only_a_card_with_a_region_limit_changes_its_region() -> None:
    """RG-1, RG-3, SL-2."""
    held = a_sim(FLEXEM, Carrier.CMCC, S.ACTIVE, H.OUT_OF_REGION)
    answer = taken(held, K.CHANGE_REGION, channel=Channel.DESK)
    assert (answer.due.rule, answer.due.due_on) == ("SL-2", date(2024, 6, 13))
    assert answer.due.earliest == datetime(2024, 6, 13, tzinfo=SHANGHAI)
    assert refused(a_sim(GSL, Carrier.CMCC), K.CHANGE_REGION).rule == "RG-3"
    assert refused(a_sim(FLEXEM, Carrier.CUCC), K.CHANGE_REGION).rule == "RG-1"


def test_real_name_out_of_its_region_is_the_suppliers_to_hand_in() -> None:
    """RG-3, ST-9: not by itself."""
    held = a_sim(FLEXEM, Carrier.CMCC, S.ACTIVE, H.OUT_OF_REGION)
    assert taken(held, K.VERIFY_REAL_NAME).channel is Channel.DESK
    unnamed = a_sim(STANDARD, Carrier.CMCC, S.ACTIVE, H.NOT_REAL_NAMED)
    assert taken(unnamed, K.VERIFY_REAL_NAME).channel is Channel.API


def test_on_which_cards_a_threshold_may_be_set() -> None:
    """QT-4: any Telecom card, pool members of the others; by standard any card."""
    assert taken(a_sim(GSL, Carrier.CTCC), K.SET_THRESHOLD).channel is Channel.API
    assert refused(a_sim(GSL, Carrier.CUCC), K.SET_THRESHOLD).rule == "QT-4"
    first = a_sim(GSL, Carrier.CUCC, pool="p")
    assert taken(first, K.SET_THRESHOLD).channel is Channel.DESK
    assert taken(replace(first, threshold=5 * MB), K.SET_THRESHOLD, channel=Channel.GATEWAY).channel is Channel.GATEWAY
    assert refused(a_sim(GSL, Carrier.OVERSEAS), K.SET_THRESHOLD).rule == "QT-4"
    assert refused(a_sim(FLEXEM, Carrier.CTCC), K.SET_THRESHOLD).rule == "QT-4"
    assert taken(a_sim(STANDARD, Carrier.CUCC, threshold=MB), K.SET_THRESHOLD, {"bytes": None}).arguments == {
        "bytes": None
    }
    assert refused(a_sim(STANDARD, Carrier.CUCC), K.SET_THRESHOLD, {"bytes": None}).rule == "OP-7"
    assert taken(a_sim(STANDARD, Carrier.CUCC, pool="p"), K.SET_THRESHOLD).channel is Channel.API


def test_flexem_mobile_takes_the_cap_of_100_mb_and_nothing_else() -> None:
    """QT-6, RG-3: handed in to the supplier; once over it only the next cycle helps."""
    set_cap = taken(a_sim(), K.SET_THRESHOLD, {"bytes": 100 * MB}, channel=Channel.GATEWAY)
    assert (set_cap.due.rule, set_cap.channel) == ("SL-2", Channel.DESK)
    assert taken(a_sim(threshold=100 * MB), K.SET_THRESHOLD, {"bytes": None}).channel is Channel.DESK
    away = a_sim(FLEXEM, Carrier.CMCC, S.ACTIVE, H.OUT_OF_REGION)
    assert taken(away, K.SET_THRESHOLD, {"bytes": 100 * MB}).channel is Channel.DESK
    assert refused(replace(away, terms=GSL), K.SET_THRESHOLD).code is RefusalCode.INCOMPATIBLE_STATE
    assert refused(a_sim(), K.SET_THRESHOLD, {"bytes": 99 * MB}).rule == "QT-6"
    over = refused(a_sim(FLEXEM, Carrier.CMCC, S.ACTIVE, H.OVER_THRESHOLD), K.SET_THRESHOLD)
    assert (over.rule, over.earliest_retry_at) == ("QT-6", datetime(2024, 7, 1, tzinfo=SHANGHAI))


def test_a_threshold_is_rounded_up_to_the_carriers_megabytes_where_the_carrier_keeps_it() -> None:
    """QT-4: the arguments show what is sent."""
    telecom = a_sim(GSL, Carrier.CTCC)
    assert taken(telecom, K.SET_THRESHOLD, {"bytes": MB + 1}).arguments == {"bytes": 2 * MB}
    assert taken(telecom, K.SET_THRESHOLD, {"bytes": MB}).arguments == {"bytes": MB}
    kept = taken(a_sim(STANDARD), K.SET_THRESHOLD, {"bytes": MB + 1}, channel=Channel.GATEWAY)
    assert kept.arguments == {"bytes": MB + 1}


def test_add_ons_are_not_for_overseas_nor_for_backward_pools() -> None:
    """QT-7."""
    for terms in Supplier:
        assert taken(a_sim(terms, Carrier.CUCC), K.ORDER_ADDON)
        assert refused(a_sim(terms, Carrier.OVERSEAS), K.ORDER_ADDON).rule == "QT-7"
    backward = a_sim(GSL, Carrier.CMCC, plan=a_plan(kind=PlanKind.POSTPAID_POOL))
    assert refused(backward, K.ORDER_ADDON).rule == "QT-7"


def test_a_renewal_waits_for_its_window_and_counts() -> None:
    """RN-1, RN-2, RN-3, RN-6, RN-9."""
    may = a_sim(expires_on=date(2024, 5, 31), plan=a_plan(price_fen=1200, renewals_max=2))
    accepted = taken(may, K.RENEW)
    assert (accepted.cost_fen, accepted.consumes, accepted.due.due_at) == (1200, {"renewals": 1}, None)
    late_june = datetime(2024, 6, 23, tzinfo=SHANGHAI)
    assert refused(may, K.RENEW, now=late_june).rule == "RN-1"
    longer = replace(may, expires_on=date(2024, 6, 30))
    paused = refused(longer, K.RENEW, now=late_june)
    assert (paused.rule, paused.earliest_retry_at) == ("RN-2", datetime(2024, 7, 1, tzinfo=SHANGHAI))
    assert refused(a_sim(GSL, expires_on=date(2024, 6, 11)), K.RENEW).rule == "RN-3"
    assert refused(may, K.RENEW, counts=Counts(renewals=2)).rule == "RN-6"
    assert refused(may, K.RENEW, counts=Counts(profile_complete=False)).rule == "RN-9"
    assert taken(a_sim(expires_on=None), K.RENEW)


def test_renewing_a_stopped_card_brings_it_back_in_hours() -> None:
    """SL-4."""
    answer = taken(a_sim(state=S.EXPIRED), K.RENEW)
    assert (answer.due.rule, answer.due.due_at) == ("SL-4", NOON + timedelta(hours=4))
    assert answer.assumed == ("SL-4",)


def test_gsl_changes_no_plan() -> None:
    """OR-2, RN-4."""
    assert refused(a_sim(GSL), K.CHANGE_PLAN).rule == "OR-2"
    assert taken(a_sim(FLEXEM), K.CHANGE_PLAN)


def test_joining_a_pool_is_for_cards_not_yet_in_one_and_not_yet_shipped() -> None:
    """PL-5, PL-6."""
    assert refused(a_sim(GSL, Carrier.CMCC), K.JOIN_POOL).rule == "PL-5"
    assert refused(a_sim(GSL, Carrier.CTCC), K.JOIN_POOL).rule == "PL-5"
    assert taken(a_sim(GSL, Carrier.CTCC, S.SILENT), K.JOIN_POOL)
    assert taken(a_sim(GSL, Carrier.CTCC), K.JOIN_POOL, counts=Counts(order_shipped=False))
    assert refused(a_sim(GSL, Carrier.CTCC, S.SILENT, pool="q"), K.JOIN_POOL).rule == "PL-6"
    assert taken(a_sim(STANDARD), K.JOIN_POOL)


def test_a_retained_number_costs_and_buys_no_time() -> None:
    """LC-10: 500 fen a month at Mobile, through 2024-04-30 for a last valid day of 2024-01-31."""
    card = a_sim(STANDARD, Carrier.CMCC, S.EXPIRED, expires_on=date(2024, 1, 31))
    in_april = datetime(2024, 4, 30, 23, 0, tzinfo=SHANGHAI)
    accepted = taken(card, K.RETAIN_NUMBER, now=in_april)
    assert (accepted.cost_fen, accepted.notes) == (500, ("retention_buys_no_time",))
    over = refused(card, K.RETAIN_NUMBER, now=in_april + timedelta(hours=1))
    assert (over.rule, over.detail) == ("LC-10", "retention_over")
    assert refused(replace(card, retained_until=date(2024, 4, 30)), K.RETAIN_NUMBER, now=in_april).rule == "LC-10"
    unicom = taken(a_sim(STANDARD, Carrier.CUCC, S.EXPIRED), K.RETAIN_NUMBER)
    assert (unicom.cost_fen, unicom.notes) == (None, ())
    assert refused(a_sim(FLEXEM, Carrier.CMCC, S.EXPIRED), K.RETAIN_NUMBER).rule == "LC-10"
    assert refused(a_sim(FLEXEM, Carrier.CMCC), K.RETAIN_NUMBER).rule == "OP-5"
    unknown = a_sim(STANDARD, Carrier.CMCC, S.EXPIRED, expires_on=None)
    assert taken(unknown, K.RETAIN_NUMBER)


def test_a_card_back_in_its_first_device_is_resumed_by_the_supplier_in_minutes() -> None:
    """DV-4, ST-20: under `flexem`."""
    card = a_sim(FLEXEM, Carrier.CMCC, S.ACTIVE, H.DEVICE_MISMATCH)
    answer = taken(card, K.RESUME)
    assert (answer.due.rule, answer.due.earliest) == ("DV-4", NOON + timedelta(minutes=10))
    assert answer.due.due_at == NOON + timedelta(minutes=20)
    assert refused(replace(card, terms=STANDARD), K.RESUME).remedies[0].action == "rebind"


def test_unicom_under_flexem_unlocks_by_itself() -> None:
    """DV-3, ST-6: nobody has to do anything."""
    card = a_sim(FLEXEM, Carrier.CUCC, S.ACTIVE, H.DEVICE_MISMATCH, H.MANUAL)
    remedy = refused(card, K.SUSPEND).remedies[0]
    assert (remedy.action, remedy.actor, remedy.automatic, remedy.allowed_now) == ("wait", Actor.NOBODY, True, False)
    assert remedy.latest == NOON + timedelta(minutes=30)


def test_a_remedy_tells_whether_it_is_allowed_now_and_what_it_costs() -> None:
    """DG-2, RN-2, DV-3."""
    may = {"plan": a_plan(price_fen=900), "expires_on": date(2024, 5, 31)}
    expired = a_sim(FLEXEM, Carrier.CMCC, S.EXPIRED, **may)
    renew = refused(expired, K.SUSPEND).remedies[0]
    assert (renew.action, renew.allowed_now, renew.cost_fen) == ("renew", True, 900)
    assert not refused(expired, K.SUSPEND, now=datetime(2024, 6, 24, tzinfo=UTC)).remedies[0].allowed_now
    open_end = replace(expired, expires_on=None)
    assert refused(open_end, K.SUSPEND).remedies[0].allowed_now
    stuck = a_sim(GSL, Carrier.CTCC, S.ACTIVE, H.DEVICE_MISMATCH)
    twice = refused(stuck, K.SUSPEND, counts=Counts(rebinds_this_month=2))
    assert not twice.remedies[0].allowed_now
    assert twice.holds == (H.DEVICE_MISMATCH,)


def test_an_operation_that_the_protocol_lacks_says_so() -> None:
    """CP-1, QT-5."""
    answer = refused(a_sim(), K.CUT_NETWORK, channel=None)
    assert (answer.code, answer.rule, answer.facts["kind"]) == ("NOT_SUPPORTED_BY_CARRIER", "CP-1", "cut_network")


def test_a_hold_of_the_carrier_is_named_like_any_other() -> None:
    """ST-11."""
    card = replace(a_sim(), holds=(a_hold(H.CARRIER_CONTROL),))
    remedy = refused(card, K.SUSPEND).remedies[0]
    assert (remedy.actor, remedy.rule) == (Actor.CARRIER, "ST-11")
