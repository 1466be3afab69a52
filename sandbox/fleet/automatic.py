"""What a card does by itself: first use, forced activation, limits the carrier watches, device and region locks.

Kept modest: the gateway enforces its terms itself (ST-24). A carrier stops at the allowance only where the card was
opened so (`auto_stop`), at a threshold set on it, on another device where its terms bind it, out of its region.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sandbox.fleet.card import BEFORE_ACTIVATION, Card, allowance_of, count
from sandbox.fleet.changes import activate
from sandbox.time import MINUTE

if TYPE_CHECKING:
    from sandbox.fleet.world import World

CYCLE_HOLDS = ("over_quota", "over_threshold", "pool_exhausted", "pool_threshold")
"""Holds that the next cycle lifts by itself (ST-21)."""
_UNLOCKS_AFTER = 20 * MINUTE
_TEST_END: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "cmcc": (30 << 20, "active"),
        "cucc": (20 << 10, "silent"),
        "ctcc": (30 << 20, "active"),
        "overseas": (1, "active"),
    }
)
"""Test traffic and what follows it: LC-1, Jasper's default threshold of 20 KB (A1.5), LC-2 for overseas."""


def _forced(world: World, card: Card, args: Mapping[str, Any], at: int) -> None:
    if activate(card, args, at):
        count(card.automatic, "activate")


def _unlock(world: World, card: Card, args: Mapping[str, Any], at: int) -> None:
    if card.holds.pop("device_mismatch", None) is not None:
        card.bound_imei = card.imei
        count(card.automatic, "resume")


def _limit(world: World, card: Card, args: Mapping[str, Any], at: int) -> None:
    card.extra.pop("limit", None)
    begun = world.zone(card).start(world.cycle(card, at).first)
    for hold in CYCLE_HOLDS:
        if card.holds.get(hold, begun) < begun:
            del card.holds[hold]
            count(card.automatic, "resume")
    for hold, limit in world.limits.of(card, at):
        if hold not in card.holds and world.usage(card, world.cycle(card, at), at) >= limit:
            card.holds[hold] = at
            count(card.automatic, "suspend")


AUTOMATIC_CHANGES: Mapping[str, Callable[[World, Card, Mapping[str, Any], int], None]] = MappingProxyType(
    {"forced": _forced, "heal": _unlock, "limit": _limit}
)


class Limits:
    """The volumes at which a carrier stops a card, and when it will have to look next."""

    def __init__(self, world: World) -> None:
        self._world = world

    def of(self, card: Card, at: int) -> list[tuple[str, int]]:
        """The holds and the bytes of this cycle at which each comes."""
        found: list[tuple[str, int]] = []
        allowance = allowance_of(card.plan)
        addon = card.addons.get(self._world.cycle(card, at).id, 0)
        if card.auto_stop and allowance is not None and card.state == "active":
            found.append(("over_quota", allowance + addon))
        if card.threshold is not None and card.threshold["mb"] >= 0 and card.state == "active":
            beyond = (allowance or 0) + addon if card.threshold["type"] == "2" else 0
            found.append(("over_threshold", beyond + (card.threshold["mb"] << 20)))
        return found

    def plan(self, card: Card, at: int) -> None:
        """Look again when the card will have reached a limit, or when its cycle ends."""
        store, number = self._world.store, card.extra.pop("limit", None)
        if number is not None:
            store.drop(number)
        limits = self.of(card, at)
        held = any(hold in card.holds for hold in CYCLE_HOLDS)
        if not limits and not held:
            return
        cycle, zone = self._world.cycle(card, at), self._world.zone(card)
        reached = [
            instant
            for hold, limit in limits
            if hold not in card.holds
            and (instant := self._world.meter.reaches(card, zone, cycle, limit, at)) is not None
        ]
        if reached or held or card.flow_from is not None:
            due = min([*reached, zone.start(cycle.end)])
            card.extra["limit"] = store.plan(due, card, "own", "limit", "limit", {}).id

    def lift_raised(self, card: Card, at: int) -> None:
        """A limit was raised above what is used, or taken away where it may be: its hold goes."""
        used = self._world.usage(card, self._world.cycle(card, at), at)
        limits = dict(self.of(card, at))
        limits.setdefault(
            "over_quota", (allowance_of(card.plan) or 0) + card.addons.get(self._world.cycle(card, at).id, 0)
        )
        for hold, limit in limits.items():
            if hold in card.holds and used < limit:
                del card.holds[hold]
                count(card.automatic, "resume")


def use(world: World, card: Card, amount: int) -> None:
    """Traffic is counted: in the test period aside, on a silent card as its first use (LC-4), else for the day."""
    now = world.now()
    with world.changing(card, now):
        if card.state == "testing":
            amount = _tested(card, amount, now)
        elif card.state in BEFORE_ACTIVATION and not _first_use(card, now):
            return
        day = world.zone(card).day(now)
        if amount:
            card.days[day] = card.days.get(day, 0) + amount
    world.settle(now)


def _first_use(card: Card, now: int) -> bool:
    if card.real_name == "individual" and not card.verified:
        if card.terms != "gsl":
            return False
        card.holds["not_real_named"] = now
    count(card.automatic, "activate")
    return activate(card, {}, now)


def _tested(card: Card, amount: int, now: int) -> int:
    """Take test traffic off; what is left of the amount once the test is over."""
    limit, after = _TEST_END[card.carrier]
    card.test_used += amount
    if card.test_used < limit:
        return 0
    left = card.test_used - limit
    if after == "active":
        count(card.automatic, "activate")
        activate(card, {}, now)
        return left
    card.state = after
    return left if left and _first_use(card, now) else 0


def insert_into_device(world: World, card: Card, imei: str | None, province: str | None) -> bool:
    """Put a card into a device at a place; whether the IMEI changed."""
    now = world.now()
    changed = bool(imei) and imei != card.imei
    with world.changing(card, now):
        if imei:
            card.imei = imei
            _bind_or_lock(world, card, now)
        if province:
            card.place = province
            _region(card, now)
    return changed


def _bind_or_lock(world: World, card: Card, now: int) -> None:
    binds = card.terms == "flexem" or (card.terms == "gsl" and card.state == "active")
    if card.bound_imei is None:
        card.bound_imei = card.imei if binds else None
        return
    same = 8 if card.terms == "flexem" else 15
    if not binds or card.imei[:same] == card.bound_imei[:same] or card.state not in ("active", "testing"):
        return
    if "device_mismatch" not in card.holds:
        card.holds["device_mismatch"] = now
        count(card.automatic, "suspend")
    if card.carrier == "cucc" and card.terms == "flexem":
        world.store.plan(now + _UNLOCKS_AFTER, card, "own", "heal", "resume", {})


def _region(card: Card, now: int) -> None:
    if card.carrier != "cmcc" or card.terms != "flexem" or card.state != "active":
        return
    if card.province is None:
        card.province = card.place
    elif card.place != card.province and "out_of_region" not in card.holds:
        card.holds["out_of_region"] = now
        count(card.automatic, "suspend")
