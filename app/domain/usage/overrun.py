"""Overrun beyond the allowance that is charged to the balance (QT-3): of which SIMs, and how many megabytes."""

from __future__ import annotations

from datetime import date

from app.domain.sim.model import Sim
from app.domain.terms.book import terms_in_force
from app.domain.terms.model import AllowanceStop
from app.domain.units import MB, ceil_div
from app.domain.vocabulary import PlanKind


def is_charged(sim: Sim, today: date) -> bool:
    """Whether overrun of the SIM is charged: terms that let the stop be chosen, none chosen, and a price (QT-3).

    Not before activation, nor in a pool, whose allowance is the members' together (PL-3).
    """
    plan = sim.plan
    if plan.overrun_fen_per_mb is None or sim.activated_on is None or sim.pool is not None:
        return False
    chosen = plan.auto_stop if sim.auto_stop is None else sim.auto_stop
    policy = terms_in_force(sim.terms, sim.carrier, today)
    return policy.allowance_stop.value is AllowanceStop.CHOSEN and not chosen and plan.kind is PlanKind.CARD


def overrun_mb(used: int, allowance: int) -> int:
    """The begun megabytes beyond an allowance, add-on packs included; both in bytes (QT-3, D: rounded up)."""
    return ceil_div(max(0, used - allowance), MB)


def next_charge_at(used: int, allowance: int) -> int:
    """The used bytes at which the next megabyte of overrun begins."""
    return allowance + overrun_mb(used, allowance) * MB + 1
