"""To which rules of the catalogue each value of the terms belongs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from app.domain.sim.validity import COUNT
from app.domain.terms.model import AllowanceStop, Terms

Rules = tuple[str, ...]

_STOP_RULES: Mapping[AllowanceStop, Rules] = MappingProxyType(
    {
        AllowanceStop.NEVER: ("QT-1",),
        AllowanceStop.ALWAYS: ("QT-2", "QT-8"),
        AllowanceStop.CHOSEN: ("QT-3", "QT-8"),
    },
)


def _periods(terms: Terms) -> Rules:
    return (terms.period_rule,)


def _counting(terms: Terms) -> Rules:
    return () if terms.counting.value is None else (COUNT[terms.counting.value][0],)


def _stops(terms: Terms) -> Rules:
    return () if terms.allowance_stop.value is None else _STOP_RULES[terms.allowance_stop.value]


RULES_OF_FIELD: Mapping[str, Rules | Callable[[Terms], Rules]] = MappingProxyType(
    {
        "test_months": _periods,
        "test_bytes": _periods,
        "test_choice_months": _periods,
        "test_choice_bytes": _periods,
        "test_bytes_of_plan": _periods,
        "test_ends_in": _periods,
        "test_order_shows_unused": _periods,
        "test_overrun_charged": _periods,
        "silent_months": _periods,
        "forced_day": _periods,
        "unverified_is_held": ("LC-5", "ST-10"),
        "counting": _counting,
        "cancels_on_day": ("LC-9", "RN-1"),
        "cancels_after_days": ("LC-9",),
        "retention_months": ("LC-10",),
        "retention_fee_fen": ("LC-10",),
        "retention_offered": ("LC-10",),
        "renewable_until_day": ("RN-1",),
        "renewable_after_days": ("RN-3",),
        "renewal_pause_from_day": ("RN-2",),
        "renewal_last_safe_day": ("RN-1",),
        "renewal_reminder_months": ("RN-3",),
        "plan_change": ("RN-4", "OR-2"),
        "allowance_stop": _stops,
        "allowance_edge": _stops,
        "cutoffs": ("QT-1",),
        "threshold_right": ("QT-4",),
        "threshold_cap": ("QT-6",),
        "threshold_edge": ("QT-8",),
        "addons": ("QT-7",),
        "resume_lifts": ("ST-20",),
        "binds_at": ("DV-1",),
        "bound_digits": ("DV-2",),
        "bound_devices": ("DV-2",),
        "rebind_by": ("DV-3",),
        "rebinds_a_month": ("DV-3",),
        "rebind_refused_beyond": ("DV-3",),
        "region_limited": ("RG-1", "RG-2"),
        "networks": ("CP-1",),
        "card_type": ("CP-1", "DR-4"),
        "directed_by": ("DR-1",),
        "directed_protocols": ("DR-1",),
        "directed_may_be_empty": ("DR-2", "DR-4"),
        "directed_deletable": ("DR-2",),
        "directed_reversible": ("DR-2",),
        "general_up_to": ("DR-3",),
        "after_sales_refused": ("OR-2",),
        "profile_required": ("RN-9",),
        "small_order_cards": ("OR-3",),
        "invoice_over_fen": ("IV-1",),
        "invoice_within_months": ("IV-1",),
        "invoice_details": ("IV-1",),
        "pool_forming": ("PL-5",),
        "pool_retention_days": ("PL-4",),
        "industrial_over": ("SL-6",),
    },
)
"""By the value's name; a function where the terms decide which rule states it."""

RULES_OF_LEVEL: Mapping[str, Rules] = MappingProxyType(
    {
        "rebind": ("DV-3",),
        "rebind_over_budget": ("DV-3",),
        "resume_in_first_device": ("DV-4",),
        "activate": ("SL-3",),
        "suspend": ("SL-3",),
        "resume": ("SL-3",),
        "change_region": ("RG-3",),
        "set_threshold": ("RG-3", "QT-6"),
        "verify_real_name": ("RG-3",),
    },
)
"""By the service level's name, beside the rule that the level itself names."""
