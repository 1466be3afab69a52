"""The `usage` object of a SIM (US-4, US-5): a cycle's counters merged by the domain, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from app.domain.usage.figures import CarrierFigure, MergedUsage, merge_usage

Row = Mapping[str, Any]

_ONCE_ACTIVATED = frozenset({"active", "expired"})
"""Underlying states that only activation leads to; a cancelled SIM may never have been activated."""

_NOTHING = merge_usage(None, 0, 0)


def shows_used(underlying: str, activated_on: date | None) -> bool:
    """US-4: used and remaining show only for SIMs once activated."""
    return activated_on is not None or underlying in _ONCE_ACTIVATED


def usage_view(counters: Row | None, sim: Row, cycle: Mapping[str, str]) -> dict[str, Any]:
    """The usage of a cycle in bytes. `counters`: its `usage_cycles` row, None if there is none yet.

    Of the SIM are needed `underlying`, `activated_on` and `allowance`. `carrier` is what stands of the carrier's
    figures, those of later days included: with `reported_since`, less `before_activation`, it makes `used`.
    """
    merged = _NOTHING if counters is None else _merged(counters)
    addons = counters["addons"] if counters else 0
    used = merged.used if shows_used(sim["underlying"], sim["activated_on"]) else None
    remaining = None if used is None or sim["allowance"] is None else sim["allowance"] + addons - used
    figure = merged.carrier
    return {
        "cycle": dict(cycle),
        "used": used,
        "source": merged.source.value,
        "allowance": sim["allowance"],
        "addons": addons,
        "remaining": remaining,
        "as_of": merged.as_of.isoformat() if merged.as_of else None,
        "carrier": {"bytes": figure.used, "as_of": figure.as_of.isoformat()} if figure else None,
        "reported_since": merged.reported_since,
        "reported": merged.reported,
        "before_activation": counters["tested"] if counters else 0,
    }


def _merged(counters: Row) -> MergedUsage:
    figures = counters["figures"]
    carrier = None if figures is None else CarrierFigure(used=figures, as_of=counters["figures_to"])
    return merge_usage(
        carrier,
        counters["reported_since"],
        counters["reported"],
        counters["reported_at"],
        before_activation=counters["tested"],
    )
