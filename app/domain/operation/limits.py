"""Refusals by window, count and real-name, once state and holds allow an operation (OP-5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from types import MappingProxyType

from app.domain.calendar.cycles import cycle_at, end_instant
from app.domain.calendar.days import ONE_DAY, add_months, add_to_month, start_of_day
from app.domain.operation.prices import is_for
from app.domain.operation.refusal import Refusal, RefusalCode
from app.domain.operation.request import OperationRequest
from app.domain.sim.holds import codes
from app.domain.sim.model import Sim
from app.domain.sim.renewal import renewal
from app.domain.terms.book import terms_in_force
from app.domain.terms.model import PoolForming, ThresholdRight
from app.domain.vocabulary import Carrier, HoldCode, OperationKind, PlanKind, RealName, SimState


def _violation(
    rule: str,
    detail: str,
    *,
    retry_at: datetime | None = None,
    holds: tuple[HoldCode, ...] = (),
    first: OperationKind | None = None,
    assumed: tuple[str, ...] = (),
) -> Refusal:
    return Refusal(
        code=RefusalCode.RULE_VIOLATION,
        rule=rule,
        detail=detail,
        earliest_retry_at=retry_at,
        holds=holds,
        first=first,
        assumed=assumed,
    )


def _needs_real_name(request: OperationRequest) -> Refusal | None:
    """LC-5: a SIM that needs personal real-name is not activated before verification."""
    if request.sim.real_name is not RealName.INDIVIDUAL:
        return None
    return _violation("LC-5", "real_name_first", first=OperationKind.VERIFY_REAL_NAME)


def _arrears_unpaid(request: OperationRequest) -> Refusal | None:
    """ST-20: arrears are lifted on request only once paid, which the caller states (`paid`)."""
    if HoldCode.ARREARS not in codes(request.sim.holds) or request.arguments.get("paid") is True:
        return None
    return _violation("ST-20", "arrears_unpaid", holds=(HoldCode.ARREARS,))


def _rebind_budget(request: OperationRequest) -> Refusal | None:
    """DV-3: the rebind budget of the calendar month is spent, under terms that refuse beyond it."""
    budget = request.terms.rebinds_a_month.value
    if not request.terms.rebind_refused_beyond.value or budget is None:
        return None
    if request.counts.rebinds_this_month < budget:
        return None
    return _violation("DV-3", "rebinds_used_up", retry_at=_at(add_to_month(request.context.today, 1), request))


def _at(day: date, request: OperationRequest) -> datetime:
    return start_of_day(day, request.context.zone)


def _region_limit(request: OperationRequest) -> Refusal | None:
    """RG-1, RG-3: only a SIM with a region limit has a region to change."""
    if request.terms.region_limited.value:
        return None
    return _violation("RG-3" if request.sim.carrier is Carrier.CMCC else "RG-1", "no_region_limit")


def _threshold(request: OperationRequest) -> Refusal | None:
    """QT-4, QT-6: on which SIMs a threshold may be set, and to which values."""
    right, sim = request.terms.threshold_right.value, request.sim
    if right is ThresholdRight.POOL_MEMBERS and sim.pool is None:
        return _violation("QT-4", "threshold_pool_members_only")
    if right is ThresholdRight.CAP_ONLY:
        return _cap(request)
    allowed = right in (ThresholdRight.ANY, ThresholdRight.POOL_MEMBERS)
    return None if allowed else _violation("QT-4", "threshold_not_offered")


def _no_threshold(request: OperationRequest) -> Refusal | None:
    """OP-7: removing a threshold that the SIM does not have, and is not held for, would change nothing."""
    removes = request.arguments.get("bytes") is None and request.sim.threshold is None
    if not removes or HoldCode.OVER_THRESHOLD in codes(request.sim.holds):
        return None
    return _violation("OP-7", "no_threshold_set")


def _cap(request: OperationRequest) -> Refusal | None:
    """QT-6: only the 100 MB cap may be set; once it is passed, only the next cycle lifts the hold."""
    if HoldCode.OVER_THRESHOLD in codes(request.sim.holds):
        next_cycle = end_instant(
            cycle_at(request.sim.carrier, request.context.now, request.context.zone), request.context.zone
        )
        return _violation("QT-6", "cap_lifts_next_cycle", retry_at=next_cycle, holds=(HoldCode.OVER_THRESHOLD,))
    wanted = request.arguments.get("bytes")
    return None if wanted in (None, request.terms.threshold_cap.value) else _violation("QT-6", "cap_only")


def _addon(request: OperationRequest) -> Refusal | None:
    """QT-7, OP-7: offered neither overseas nor for postpaid pools; a pool member's allowance is its pool's."""
    if request.sim.pool is not None:
        return _violation("OP-7", "addon_of_pool_member")
    offered = request.terms.addons.value and request.sim.plan.kind is not PlanKind.POSTPAID_POOL
    if not offered:
        return _violation("QT-7", "addon_not_offered")
    pack = request.context.catalogue.addons.get(str(request.arguments.get("addon")))
    return None if pack is None or is_for(pack, request.sim) else _violation("QT-7", "addon_of_other_cards")


def _renewal_window(request: OperationRequest) -> Refusal | None:
    """RN-1 to RN-3: outside the renewal window; a SIM without a known end date is not refused."""
    sim = request.sim
    if sim.expires_on is None:
        return None
    answer = renewal(sim.terms, sim.carrier, sim.expires_on, request.context.window_day)
    if answer.renewable:
        return None
    retry = None if answer.opens_on is None else _at(answer.opens_on, request)
    return _violation(answer.rule, f"renewal_{answer.reason}", retry_at=retry, assumed=answer.assumed)


def _renewal_count(request: OperationRequest) -> Refusal | None:
    """RN-6: the plan's maximum of renewals is reached."""
    most = request.sim.plan.renewals_max
    return None if most is None or request.counts.renewals < most else _violation("RN-6", "renewals_used_up")


def _renewal_months(request: OperationRequest) -> Refusal | None:
    """RN-10: the months by which the card type is renewed are data of its plan; any where none are told."""
    taken = request.sim.plan.renewal_months
    months = request.arguments.get("months")
    return None if taken is None or months in taken else _violation("RN-10", "renewal_months_not_offered")


def _profile(request: OperationRequest) -> Refusal | None:
    """RN-9: the buyer's profile is incomplete."""
    return None if request.counts.profile_complete else _violation("RN-9", "profile_incomplete")


def _plan_change(request: OperationRequest) -> Refusal | None:
    """OR-2, RN-4: the terms offer no plan change, or not for the card type; the desk changes pools' cards."""
    if request.terms.plan_change.value is False:
        return _violation("OR-2", "plan_change_not_offered")
    plan = request.sim.plan
    refused = plan.plan_change_online is False and plan.kind is PlanKind.CARD
    return _violation("RN-4", "plan_change_not_of_card_type") if refused else None


def _pool_joining(request: OperationRequest) -> Refusal | None:
    """PL-5, PL-6: a member never leaves its pool, a test card joins none, and most pools form at purchase only."""
    if request.sim.pool is not None:
        return _violation("PL-6", "already_in_pool")
    if request.sim.underlying is SimState.TESTING:
        return _violation("PL-5", "pool_no_test_cards")
    forming = request.terms.pool_forming.value
    postpaid = request.sim.plan.kind is PlanKind.POSTPAID_POOL
    if forming is PoolForming.AT_PURCHASE or (forming is not None and postpaid):
        return _violation("PL-5", "pool_at_purchase_only")
    known = request.counts.order_shipped
    shipped = request.sim.underlying is SimState.ACTIVE if known is None else known
    late = forming is PoolForming.BEFORE_SHIPPING and shipped
    return _violation("PL-5", "pool_before_shipping_only") if late else None


def retention_end(sim: Sim, on: date) -> date | None:
    """The last possible day of a number retention (LC-10); None where its length is not published.

    Raises `Malformed` as `add_months`.
    """
    months = terms_in_force(sim.terms, sim.carrier, on).retention_months.value
    if months is None or sim.expires_on is None:
        return None
    return add_months(sim.expires_on + ONE_DAY, months) - ONE_DAY


def _retention(request: OperationRequest) -> Refusal | None:
    """LC-10: offered by the terms, once, and within its longest time."""
    if not request.terms.retention_offered.value:
        return _violation("LC-10", "retention_not_offered")
    if request.sim.retained_until is not None:
        return _violation("LC-10", "already_retained")
    last = retention_end(request.sim, request.context.today)
    return _violation("LC-10", "retention_over") if last is not None and request.context.today > last else None


Check = Callable[[OperationRequest], Refusal | None]

CHECKS: Mapping[OperationKind, tuple[Check, ...]] = MappingProxyType(
    {
        OperationKind.ACTIVATE: (_needs_real_name,),
        OperationKind.RESUME: (_arrears_unpaid,),
        OperationKind.REBIND: (_rebind_budget,),
        OperationKind.CHANGE_REGION: (_region_limit,),
        OperationKind.SET_THRESHOLD: (_threshold, _no_threshold),
        OperationKind.ORDER_ADDON: (_addon,),
        OperationKind.RENEW: (_renewal_window, _renewal_count, _renewal_months, _profile),
        OperationKind.CHANGE_PLAN: (_plan_change,),
        OperationKind.JOIN_POOL: (_pool_joining,),
        OperationKind.RETAIN_NUMBER: (_retention,),
    },
)
"""The checks of each kind, in order: windows, counts, real-name (OP-5); a kind that is missing has none."""


def rule_refusal(request: OperationRequest) -> Refusal | None:
    """The first refusal by window, count or real-name; None: no check refuses."""
    found = (check(request) for check in CHECKS.get(request.kind, ()))
    return next((refused for refused in found if refused is not None), None)
