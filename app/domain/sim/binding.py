"""Device binding (机卡绑定): which device a card is bound to, when another locks it, how many rebinds are left (DV)."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from app.domain.identifiers import tac
from app.domain.sim.model import Sim
from app.domain.terms.book import terms_in_force


class DeviceCheck(StrEnum):
    """What comes of a card being seen in a device."""

    BINDS = "binds"
    PASSES = "passes"
    LOCKS = "locks"


def check_device(sim: Sim, imei: str, on: date, devices_before: int = 1, *, first_device: bool = False) -> DeviceCheck:
    """What the terms make of a device (DV-1, DV-2).

    `devices_before`: how many devices of the bound type the card was in, the first included, without this one;
    `first_device`: back in the first device, which may lock all the same (DV-4), so it is told as passing.
    """
    policy = terms_in_force(sim.terms, sim.carrier, on)
    if sim.imei is None:
        only_if_sold = policy.binds_at.value == "where_sold_with_the_limit"
        return DeviceCheck.PASSES if only_if_sold else DeviceCheck.BINDS
    if first_device or sim.imei == imei:
        return DeviceCheck.PASSES
    most = policy.bound_devices.value
    if most is None or tac(sim.imei) != tac(imei):
        return DeviceCheck.LOCKS
    return DeviceCheck.PASSES if devices_before < most else DeviceCheck.LOCKS


def rebinds_left(sim: Sim, on: date, rebinds_this_month: int) -> int | None:
    """How many rebinds the month still has; None: no limit, or none published (DV-3).

    Under `flexem` at `ctcc` those beyond are slower, not refused.
    """
    budget = terms_in_force(sim.terms, sim.carrier, on).rebinds_a_month.value
    return None if budget is None else max(0, budget - rebinds_this_month)
