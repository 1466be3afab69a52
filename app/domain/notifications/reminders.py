"""Which events are reminders to people, and what each says: a text's key and its facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.units import MB

REMINDERS = ("usage.threshold_crossed", "reminder.due", "pool.threshold_crossed", "pool.exhausted")
"""What a channel takes that names no types: what RM-1 and RM-2 remind of, and a pool at its end."""

TYPES = (*REMINDERS, "sim.suspended", "operation.overdue", "order.failed")
"""Everything that a channel can take."""

BY_A_PERSON = "operation"
"""The cause of a suspension that somebody requested: who asked for it needs no reminder."""

TEXT_KEYS = (
    "usage", "expiry", "expiry_late", "pool_left", "pool_percent", "pool_used", "pool_exhausted", "suspended",
    "overdue", "order_failed",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one reminder says: the key of its text, and the facts put into it besides the card."""

    key: str
    facts: Mapping[str, str | int]


def is_reminder(kind: str, data: Mapping[str, Any]) -> bool:
    """Whether an event of a type in `TYPES` is one to send: a stop that somebody requested is not."""
    return kind != "sim.suspended" or data.get("cause") != BY_A_PERSON


def said_by(kind: str, data: Mapping[str, Any], source: str) -> Said:
    """What an event's reminder says; `source`: the path of what it is about. Raises `KeyError` for another type."""
    if kind == "reminder.due":
        return _expiry(data) if data.get("reminder") == "expiry" else _pool("pool_left", data)
    if kind == "pool.threshold_crossed":
        return _pool("pool_percent" if "threshold_pct" in data else "pool_used", data)
    if kind == "pool.exhausted":
        return _pool("pool_exhausted", data)
    if kind == "order.failed":
        reason = (data.get("order") or {}).get("failure_reason") or "–"
        return Said(key="order_failed", facts={"order": source.rpartition("/")[2], "reason": reason})
    return _OTHERS[kind](data)


def _expiry(data: Mapping[str, Any]) -> Said:
    key = "expiry_late" if data.get("late") else "expiry"
    return Said(key=key, facts={name: data[name] for name in ("days_left", "expires_on", "due_on")})


def _pool(key: str, data: Mapping[str, Any]) -> Said:
    usage = data.get("after") or {}
    facts = {
        "pool": data["pool"],
        "percent": data.get("threshold_pct", 0),
        "used_mb": (usage.get("used") or 0) // MB,
        "left_mb": (usage.get("remaining") or 0) // MB,
        "cycle": data["cycle"],
    }
    return Said(key=key, facts=facts)


def _usage(data: Mapping[str, Any]) -> Said:
    facts = {
        "threshold_mb": data["threshold_mb"],
        "used_mb": data["after"]["used"] // MB,
        "cycle": f"{data['cycle'] // 100}-{data['cycle'] % 100:02d}",
    }
    return Said(key="usage", facts=facts)


def _suspended(data: Mapping[str, Any]) -> Said:
    return Said(key="suspended", facts={"rule": data.get("rule") or ""})


def _overdue(data: Mapping[str, Any]) -> Said:
    return Said(key="overdue", facts={"kind": data["operation"]["kind"]})


_OTHERS = {
    "usage.threshold_crossed": _usage,
    "sim.suspended": _suspended,
    "operation.overdue": _overdue,
}
