"""The given vectors of the calendar, whole (BC-1, BC-2, VD-2, VD-3, LC-1 to LC-3, LC-9, RN-1 to RN-3, SL-1, SL-3)."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

from app.domain.calendar.cycles import cycle_on
from app.domain.operation.service_levels import due
from app.domain.sim.lifecycle import forced_activation
from app.domain.sim.renewal import renewal
from app.domain.sim.validity import validity
from app.domain.vocabulary import Carrier, Supplier
from tests.domain.cards import SHANGHAI, WORKDAYS

VECTORS: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "calendar.json").read_text(encoding="utf-8")
)


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _who(case: dict[str, Any]) -> tuple[Supplier, Carrier]:
    return Supplier(case["terms"]), Carrier(case["carrier"])


def test_every_given_cycle_is_found() -> None:
    """BC-1, BC-2."""
    for case in VECTORS["cycle"]:
        cycle = cycle_on(Carrier(case["carrier"]), date.fromisoformat(case["on"]))
        found = (cycle.id, cycle.start, cycle.end, cycle.last_day)
        assert found == (case["id"], _day(case["start"]), _day(case["end"]), _day(case["last_day"])), case


def test_every_given_validity_is_found() -> None:
    """VD-2, VD-3, LC-9."""
    for case in VECTORS["expiry"]:
        answer = validity(*_who(case), date.fromisoformat(case["activated_on"]), case["months"])
        assert (answer.last_valid_day, answer.cancels_on) == (_day(case["last_valid_day"]), _day(case["cancels_on"])), (
            case
        )


def test_every_given_renewal_is_found() -> None:
    """RN-1, RN-2, RN-3."""
    for case in VECTORS["renewal"]:
        answer = renewal(*_who(case), date.fromisoformat(case["expires_on"]), date.fromisoformat(case["on"]))
        assert answer.renewable == case["renewable"], case


def test_every_given_due_day_is_found() -> None:
    """SL-1, SL-3, SL-8, DV-3."""
    for case in VECTORS["due"]:
        at = datetime.fromisoformat(case["at"])
        answer = due(*_who(case), case["kind"], at, SHANGHAI, WORKDAYS)
        assert (answer.due_on, answer.provisional) == (_day(case["due_on"]), case["provisional"]), case


def test_every_given_forced_activation_is_found() -> None:
    """LC-1, LC-2, LC-3."""
    for case in VECTORS["forced"]:
        answer = forced_activation(*_who(case), date.fromisoformat(case["opened_on"]), case["test_months"])
        assert answer.forced_on == _day(case["forced_on"]), case
