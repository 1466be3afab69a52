"""What is found about SIMs without being asked: the table of findings, each with its rule and its source.

The conditions are in `app.domain.findings.rules`; their texts below `finding.` and `advice_of_finding.`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

OURS = "D"
"""Source of a threshold that is a decision of ours, or of a practice of the trade that none of the sources states."""


class FindingKind(StrEnum):
    """What is at stake: money spent for nothing, a stop that threatens, or a rule of the authorities."""

    WASTE = "waste"
    RISK = "risk"
    COMPLIANCE = "compliance"


class FindingCode(StrEnum):
    """What was found."""

    NO_TRAFFIC = "no_traffic"
    PLAN_TOO_LARGE = "plan_too_large"
    PLAN_TOO_SMALL = "plan_too_small"
    NEAR_LIMIT = "near_limit"
    HIGH_RISK_REGION = "high_risk_region"
    BORDER_REGION = "border_region"
    DEVICE_CHANGES = "device_changes"
    UNUSUAL_USAGE = "unusual_usage"
    GENERAL_WITHOUT_REAL_NAME = "general_without_real_name"
    CARDS_PER_PERSON = "cards_per_person"


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRule:
    """The kind of a finding, the rule of the catalogue that it rests on, and where its threshold comes from."""

    kind: FindingKind
    rule: str
    source: str


def _rule(kind: FindingKind, rule: str, source: str = OURS) -> FindingRule:
    return FindingRule(kind=kind, rule=rule, source=source)


_W, _R, _C = FindingKind.WASTE, FindingKind.RISK, FindingKind.COMPLIANCE

FINDINGS: Mapping[FindingCode, FindingRule] = MappingProxyType(
    {
        FindingCode.NO_TRAFFIC: _rule(_W, "US-1"),
        FindingCode.PLAN_TOO_LARGE: _rule(_W, "RN-4"),
        FindingCode.PLAN_TOO_SMALL: _rule(_W, "QT-3", "OVR 一, 三"),
        FindingCode.NEAR_LIMIT: _rule(_R, "QT-8", "FM 一.3.3, GSL 10.2, SIX 4"),
        FindingCode.HIGH_RISK_REGION: _rule(_R, "RG-4", "GSL 3.2"),
        FindingCode.BORDER_REGION: _rule(_R, "RG-5", "GSL 10.1"),
        FindingCode.DEVICE_CHANGES: _rule(_R, "DV-2", "FM 一.3.1"),
        FindingCode.UNUSUAL_USAGE: _rule(_R, "US-1"),
        FindingCode.GENERAL_WITHOUT_REAL_NAME: _rule(_C, "DR-3", "GSL 9.4"),
        FindingCode.CARDS_PER_PERSON: _rule(_C, "LC-5"),
    }
)
"""Every finding. One of `NEAR_LIMIT` cites the rule of its limit instead (QT-1 to QT-4, QT-6)."""

ADVICE = (
    "suspend_or_let_expire",
    "change_plan",
    "order_addon",
    "watch_limit",
    "use_a_local_card",
    "find_out_who_moves_it",
    "look_at_the_device",
    "verify_real_name",
    "direct_or_verify",
    "count_cards_by_document",
)
"""What can be advised."""

QUIET_CYCLES = 2
"""Whole cycles without a byte after which an active SIM is found (D)."""

HABIT_CYCLES = 3
"""Whole cycles that a habit, or the size of a plan, is judged by (D)."""

HEADROOM_PERCENT = 125
"""What a smaller plan must hold of the largest of those cycles (D)."""

NEAR_PERCENT = 80
"""Share of a limit from which on a SIM is near it, as RM-1's first threshold."""

PACE_DAYS = 7
"""Days of a cycle after which its pace is extrapolated (D)."""

DEVICE_CHANGES, DEVICE_DAYS = 3, 90
"""Changes of device that are repeated, and the days within which rebinds count (D)."""

UNUSUAL_TIMES, UNUSUAL_BYTES = 3, 10 << 20
"""How many times the median of its cycles, and how far above it, a cycle is out of its habit (D)."""

GENERAL_BYTES = 100 << 20
"""General traffic a month beyond which personal real-name is asked for (practice of the trade, D)."""

CARDS_A_PERSON = 10
"""Cards that one identity document may hold (practice of the trade, D)."""
