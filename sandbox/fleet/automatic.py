"""What a carrier does to a card without a request: forced activation, unlocking, and the limits it watches.

Kept modest: the gateway enforces its terms itself (ST-24). A carrier stops a card at the allowance only where the card
was opened with `auto_stop`, and at a threshold set on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sandbox.fleet.card import Card, allowance_of, count
from sandbox.fleet.changes import activate
from sandbox.fleet.readings import Readings

AUTOMATIC = "own"
"""In place of a protocol in `Pending.protocol`: nobody requested the change."""

CYCLE_HOLDS = ("over_quota", "over_threshold", "pool_exhausted", "pool_threshold")
"""Holds that the next cycle lifts by itself (ST-21)."""


class Limits:
    """The volumes at which a carrier stops a card, and when it will have to look next."""

    def __init__(self, readings: Readings) -> None:
        self._readings = readings

    def of(self, card: Card, at: int) -> list[tuple[str, int]]:
        """The holds and the bytes of this cycle at which each comes."""
        found: list[tuple[str, int]] = []
        allowance = allowance_of(card.plan)
        addon = card.addons.get(self._readings.cycle(card, at).id, 0)
        if card.auto_stop and allowance is not None and card.state == "active":
            found.append(("over_quota", allowance + addon))
        if card.threshold is not None and card.threshold["mb"] >= 0 and card.state == "active":
            beyond = (allowance or 0) + addon if card.threshold["type"] == "2" else 0
            found.append(("over_threshold", beyond + (card.threshold["mb"] << 20)))
        return found

    def apply(self, card: Card, at: int) -> None:
        """Lift the holds of earlier cycles, and stop a card that has reached a limit."""
        readings = self._readings
        cycle = readings.cycle(card, at)
        begun = readings.zone(card).start(cycle.first)
        for hold in CYCLE_HOLDS:
            if card.holds.get(hold, begun) < begun:
                del card.holds[hold]
                count(card.automatic, "resume")
        for hold, limit in self.of(card, at):
            if hold not in card.holds and readings.usage(card, cycle, at) >= limit:
                card.holds[hold] = at
                count(card.automatic, "suspend")

    def plan(self, card: Card, at: int) -> None:
        """Look again when the card will have reached a limit, or when its cycle ends."""
        store, number = self._readings.store, card.extra.pop("limit", None)
        if number is not None:
            store.drop(number)
        limits = self.of(card, at)
        held = any(hold in card.holds for hold in CYCLE_HOLDS)
        if not limits and not held:
            return
        cycle, zone = self._readings.cycle(card, at), self._readings.zone(card)
        reached = [
            instant
            for hold, limit in limits
            if hold not in card.holds
            and (instant := self._readings.meter.reaches(card, zone, cycle, limit, at)) is not None
        ]
        if reached or held or card.flow_from is not None:
            due = min([*reached, zone.start(cycle.end)])
            card.extra["limit"] = store.plan(due, card, AUTOMATIC, "limit", "limit", {}).id

    def lift_raised(self, card: Card, at: int) -> None:
        """A limit was raised above what is used, or taken away where it may be: its hold goes."""
        used = self._readings.usage(card, self._readings.cycle(card, at), at)
        limits = dict(self.of(card, at))
        limits.setdefault(
            "over_quota", (allowance_of(card.plan) or 0) + card.addons.get(self._readings.cycle(card, at).id, 0)
        )
        for hold, limit in limits.items():
            if hold in card.holds and used < limit:
                del card.holds[hold]
                count(card.automatic, "resume")


def _forced(limits: Limits, card: Card, at: int) -> None:
    if activate(card, {}, at):
        count(card.automatic, "activate")


def _unlock(limits: Limits, card: Card, at: int) -> None:
    if card.holds.pop("device_mismatch", None) is not None:
        card.bound_imei = card.imei
        count(card.automatic, "resume")


def _limit(limits: Limits, card: Card, at: int) -> None:
    card.extra.pop("limit", None)
    limits.apply(card, at)


AUTOMATIC_CHANGES: Mapping[str, Callable[[Limits, Card, int], None]] = MappingProxyType(
    {"forced": _forced, "heal": _unlock, "limit": _limit}
)
