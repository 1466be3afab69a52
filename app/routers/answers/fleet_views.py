"""The explanation of a fleet as JSON, in the caller's language (`docs/api.md`, Explanation)."""

from __future__ import annotations

from typing import Any

from app.domain.diagnosis.recovery.groups import SAMPLES, Group
from app.routers.answers.explanation_views import lost_view, plan_view
from app.texts.catalogue import text
from app.usecases.bulk.explain import FleetExplanation

MOST_GROUPS = 200
"""Groups that are shown, the largest first."""


def fleet_view(found: FleetExplanation, language: str) -> dict[str, Any]:
    """The stopped SIMs of a selection by cause and remedy."""
    groups = sorted(found.groups.values(), key=lambda group: -group.count)
    return {
        "selected": found.selected,
        "stopped": found.stopped,
        "complete": found.complete,
        "groups": [_group_view(group, language) for group in groups[:MOST_GROUPS]],
        "other_groups": sum(group.count for group in groups[MOST_GROUPS:]),
        "unreadable": found.unreadable,
    }


def _group_view(group: Group, language: str) -> dict[str, Any]:
    recovery = group.cause_and_remedy.recovery
    return {
        "causes": [
            {"code": cause, "text": text(f"cause.{cause}", language)} for cause in group.cause_and_remedy.causes
        ],
        "holds": [hold.value for hold in group.cause_and_remedy.holds],
        "count": group.count,
        "samples": group.iccids[:SAMPLES],
        "fastest": plan_view(recovery.fastest, language),
        "cheapest": plan_view(recovery.cheapest, language),
        "not_lifted": [lost_view(lost, language) for lost in recovery.not_lifted],
        "bulk_operation": _operation_view(group, language),
    }


def _operation_view(group: Group, language: str) -> dict[str, Any] | None:
    common = group.cause_and_remedy
    if common.kind is None:
        return None
    return {
        "request": {
            "kind": common.kind.value,
            "selector": {"iccids": group.iccids},
            "arguments": dict(common.arguments),
        },
        "choose": list(common.choose),
        "covers": len(group.iccids),
        "accepted": group.count - group.refused.total(),
        "cost_fen": group.cost_fen,
        "refused": [
            {
                "count": count,
                "code": refused.code,
                "rule": refused.rule,
                "text": text(refused.text, language, **dict(refused.facts)),
            }
            for refused, count in group.refused.most_common()
        ],
    }
