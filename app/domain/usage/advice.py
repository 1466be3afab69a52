"""What a gateway is told of a card it reports: what is left, what holds it, whether to slow down (US-7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from app.domain.sim.holds import codes
from app.domain.sim.model import Sim
from app.domain.usage.quota import limits
from app.domain.vocabulary import HoldCode, SimState

SLOW_DOWN_PERCENT = 90
"""A card that has used so much of what stops it is to slow down (D)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """`remaining`: bytes to the nearest limit, negative beyond it; None: it has none. `holds`: what stops the SIM."""

    remaining: int | None
    holds: tuple[HoldCode, ...]
    slow_down: bool


def advise(sim: Sim, used: int, addons: int, today: date) -> Advice | None:
    """The advice on a SIM that has used so many bytes of its cycle; None where there is nothing to heed.

    `addons`: bytes of the packs in force. Limits count for active SIMs alone (US-4).
    """
    active = sim.underlying is SimState.ACTIVE
    nearest = min((limit.at for limit in limits(sim, addons, today)), default=None) if active else None
    slow_down = nearest is not None and used * 100 >= nearest * SLOW_DOWN_PERCENT
    held = tuple(sorted(codes(sim.holds)))
    if not held and not slow_down:
        return None
    return Advice(remaining=None if nearest is None else nearest - used, holds=held, slow_down=slow_down)
