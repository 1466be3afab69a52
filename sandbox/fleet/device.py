"""What happens to a card from outside: traffic, a device, a place."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sandbox.fleet.automatic import AUTOMATIC
from sandbox.fleet.card import BEFORE_ACTIVATION, Card, count
from sandbox.fleet.changes import activate
from sandbox.fleet.world import World
from sandbox.time import MINUTE

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


def count_traffic(world: World, card: Card, amount: int) -> None:
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
        world.store.plan(now + _UNLOCKS_AFTER, card, AUTOMATIC, "heal", "resume", {})


def _region(card: Card, now: int) -> None:
    if card.carrier != "cmcc" or card.terms != "flexem" or card.state != "active":
        return
    if card.province is None:
        card.province = card.place
    elif card.place != card.province and "out_of_region" not in card.holds:
        card.holds["out_of_region"] = now
        count(card.automatic, "suspend")
