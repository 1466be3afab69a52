"""Device binding (机卡绑定): what a device does to the SIM in it, and how many rebinds are left (DV)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from enum import StrEnum

from app.domain.identifiers import IMEI_BODY, canonical_imei, same_device, tac
from app.domain.sim.model import DeviceSeen, Sim
from app.domain.sim.transitions import NOT_YET_ACTIVATED
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


def with_device(sim: Sim, imei: str, at: datetime, on: date) -> Sim:
    """The SIM after its carrier named the device that it is in (DV-6): the first one binds where DV-1 says so.

    `imei`: as the carrier writes it, of 14 to 16 digits; anything else, and a sighting older than the last, changes
    nothing. A device beside the bound one is kept as seen and binds nothing.
    """
    found = canonical_imei(imei)
    if found is None or (sim.seen is not None and at < sim.seen.at):
        return sim
    seen = replace(sim, seen=DeviceSeen(imei=found, at=at))
    if sim.imei is None and _binds(sim, on):
        return replace(seen, imei=found, devices=(found[:IMEI_BODY],))
    if sim.imei is None or tac(sim.imei) != tac(found):
        return seen
    known = sim.devices or (sim.imei[:IMEI_BODY],)
    most = terms_in_force(sim.terms, sim.carrier, on).bound_devices.value or 1
    new = found[:IMEI_BODY] not in known and len(known) <= most
    return replace(seen, devices=(*known, found[:IMEI_BODY]) if new else known)


def _binds(sim: Sim, on: date) -> bool:
    """Whether the first device binds the SIM in its state: at its insertion, or only once it is activated (DV-1)."""
    at = terms_in_force(sim.terms, sim.carrier, on).binds_at.value
    return at == "first_insertion" or (at == "first_activation" and sim.underlying not in NOT_YET_ACTIVATED)


def check_seen(sim: Sim, on: date) -> DeviceCheck | None:
    """The effect of the device last seen on a bound SIM; None: none is bound, or none was seen (DV-2, DV-6)."""
    if sim.imei is None or sim.seen is None:
        return None
    key = sim.seen.imei[:IMEI_BODY]
    before = sim.devices.index(key) if key in sim.devices else len(sim.devices)
    return check_device(sim, sim.seen.imei, on, devices_before=max(before, 1))


def rebinds_left(budget: int | None, rebinds_this_month: int) -> int | None:
    """Rebinds left in the calendar month of the terms' `budget`; None: no limit, or none published (DV-3).

    Under `flexem` at `ctcc` further ones are slower (desk), not refused.
    """
    return None if budget is None else max(0, budget - rebinds_this_month)
