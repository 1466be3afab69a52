"""Holds (停机原因, ST): the stacking reasons why data is off; which state shows, what lifts them, what a cycle ends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta

from app.domain.calendar.cycles import cycle_on
from app.domain.sim.hold_table import HOLDS, HoldRemedy, HoldRule, RemedyAction
from app.domain.sim.model import Hold, Sim
from app.domain.terms.book import terms_in_force
from app.domain.terms.model import Terms
from app.domain.vocabulary import Carrier, HoldCode, HoldSource, SimState, Supplier

__all__ = [
    "HOLDS",
    "HoldRemedy",
    "HoldRule",
    "RemedyAction",
    "codes",
    "ended_by_cycle",
    "is_ours",
    "lag_ends_on",
    "lagging",
    "leaves_by_next_cycle",
    "network_allowed",
    "resume_lifts",
    "shown_state",
    "start_cycle",
    "with_hold",
    "without_hold",
]

LAG = timedelta(days=3)
"""How long carriers' data may lag at the start of a cycle (ST-21, GSL 10.8)."""


def codes(holds: Iterable[Hold]) -> frozenset[HoldCode]:
    """The set of codes of the holds."""
    return frozenset([hold.code for hold in holds])


def _leaves_the_state(code: HoldCode, carrier: Carrier) -> bool:
    """Whether the state reads active under this hold: a network cut (ST-16), at `ctcc` a changed device (ST-22)."""
    return code is HoldCode.NETWORK_CUT or (code is HoldCode.DEVICE_MISMATCH and carrier is Carrier.CTCC)


def shown_state(underlying: SimState, holds: Iterable[Hold], carrier: Carrier) -> SimState:
    """The state that callers see: `suspended` under any hold, but expired and cancelled SIMs read as such (ST)."""
    if underlying in (SimState.EXPIRED, SimState.CANCELLED):
        return underlying
    stopped = any(not _leaves_the_state(code, carrier) for code in codes(holds))
    return SimState.SUSPENDED if stopped else underlying


def network_allowed(underlying: SimState, holds: Iterable[Hold]) -> bool:
    """Whether data may flow: not under any hold (ST), even one that leaves the state reading active (ST-16, ST-22)."""
    return underlying in (SimState.TESTING, SimState.SILENT, SimState.ACTIVE) and not codes(holds)


def is_ours(hold: Hold) -> bool:
    """Whether a caller or a rule of the gateway set the hold, rather than the carrier or an import (ST-24, LC-17)."""
    return hold.source in (HoldSource.CALLER, HoldSource.GATEWAY)


def with_hold(sim: Sim, hold: Hold) -> Sim:
    """The SIM with the hold; unchanged if it has a hold of that code."""
    return sim if hold.code in codes(sim.holds) else replace(sim, holds=(*sim.holds, hold))


def without_hold(sim: Sim, code: HoldCode) -> Sim:
    """The SIM without holds of this code (ST)."""
    return replace(sim, holds=tuple(hold for hold in sim.holds if hold.code is not code))


def resume_lifts(sim: Sim, on: date) -> frozenset[HoldCode]:
    """The holds that a resume on request lifts under the SIM's terms (ST-20); a stop without a reason too (ST-18)."""
    by_terms = terms_in_force(sim.terms, sim.carrier, on).resume_lifts.value or frozenset({HoldCode.MANUAL})
    return by_terms | {HoldCode.UNEXPLAINED}


def leaves_by_next_cycle(code: HoldCode, terms: Terms) -> bool:
    """Whether the hold leaves by itself at the next cycle under these terms (ST-2, ST-3, ST-4, ST-13, ST-15)."""
    ways = HOLDS[code].lifted_by
    return any(way.by is RemedyAction.NEXT_CYCLE and way.offered(code, terms) for way in ways)


def start_cycle(sim: Sim, on: date) -> tuple[Sim, tuple[HoldCode, ...]]:
    """The SIM at the start of the cycle that opens `on`, and which holds left (ST-21, BC-4).

    Only holds of the gateway: a hold set by the carrier leaves when the carrier no longer reports it (LC-15, ST-24).
    A cancelled SIM stays as it is (LC-11).
    """
    if sim.underlying is SimState.CANCELLED:
        return sim, ()
    policy = terms_in_force(sim.terms, sim.carrier, on)
    leaving = tuple(hold.code for hold in sim.holds if is_ours(hold) and leaves_by_next_cycle(hold.code, policy))
    return replace(sim, holds=tuple(hold for hold in sim.holds if hold.code not in leaving)), leaving


def ended_by_cycle(carrier: Carrier, code: HoldCode, terms: Supplier, today: date, since: date | None = None) -> bool:
    """Whether the running cycle should have lifted a hold set `since` a day, None: not known (ST-21).

    A hold set in the running cycle is not ended by it: nothing was to lift it yet.
    """
    earlier = since is None or since < cycle_on(carrier, today).start
    return earlier and leaves_by_next_cycle(code, terms_in_force(terms, carrier, today))


def lag_ends_on(carrier: Carrier, today: date) -> date | None:
    """The first day after the carriers' lag at a cycle's start, 3 days long; None: no lag today (ST-21).

    For `cucc` data also lag within the first 3 days of the month (D).
    """
    starts = [cycle_on(carrier, today).start, *([today.replace(day=1)] if carrier is Carrier.CUCC else [])]
    return max((start + LAG for start in starts if today - start < LAG), default=None)


def lagging(carrier: Carrier, code: HoldCode, terms: Supplier, today: date, since: date | None = None) -> bool:
    """Whether a hold that is still on is the carrier's lag at a cycle's start, not a fault (ST-21)."""
    return lag_ends_on(carrier, today) is not None and ended_by_cycle(carrier, code, terms, today, since)
