"""Device binding (机卡绑定): what a device does to the SIM in it, and how many rebinds are left (DV)."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from app.domain.identifiers import same_device, tac
from app.domain.sim.model import Sim
from app.domain.terms.book import terms_in_force


class DeviceCheck(StrEnum):
    """The effect of a SIM being seen in a device."""

    BINDS = "binds"
    PASSES = "passes"
    LOCKS = "locks"


def check_device(sim: Sim, imei: str, on: date, devices_before: int = 1, *, first_device: bool = False) -> DeviceCheck:
    """Whether a device binds, passes or locks the SIM under its terms (DV-1, DV-2).

    `imei`: 15 digits; `devices_before`: devices of the bound TAC that the SIM was in, the first included, without this
    one; `first_device`: back in the first device, which may lock all the same (DV-4) and counts as passing.
    """
    policy = terms_in_force(sim.terms, sim.carrier, on)
    if sim.imei is None:
        only_if_sold = policy.binds_at.value == "where_sold_with_the_limit"
        return DeviceCheck.PASSES if only_if_sold else DeviceCheck.BINDS
    if first_device or same_device(sim.imei, imei):
        return DeviceCheck.PASSES
    most = policy.bound_devices.value
    if most is None or tac(sim.imei) != tac(imei):
        return DeviceCheck.LOCKS
    return DeviceCheck.PASSES if devices_before < most else DeviceCheck.LOCKS


def rebinds_left(sim: Sim, on: date, rebinds_this_month: int) -> int | None:
    """Rebinds left in the calendar month; None: no limit, or none published (DV-3).

    Under `flexem` at `ctcc` further ones are slower (desk), not refused.
    """
    budget = terms_in_force(sim.terms, sim.carrier, on).rebinds_a_month.value
    return None if budget is None else max(0, budget - rebinds_this_month)
