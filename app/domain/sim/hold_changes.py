"""Puts holds on a SIM and takes them off, with the record of each change for the timeline (LC-12)."""

from __future__ import annotations

from app.domain.sim.holds import HOLDS, codes, with_hold, without_hold
from app.domain.sim.model import Hold, Sim
from app.domain.sim.transitions import Change, HoldChange
from app.domain.vocabulary import HoldCode

SimUpdate = tuple[Sim, tuple[Change, ...]]
"""The SIM afterwards, and what changed on it."""


def lift_holds(sim: Sim, leaving: frozenset[HoldCode]) -> SimUpdate:
    """The card without those holds it bears, and the record of each."""
    gone = tuple(hold for hold in sim.holds if hold.code in leaving)
    for hold in gone:
        sim = without_hold(sim, hold.code)
    return sim, tuple(hold_lifted(hold) for hold in gone)


def hold_lifted(hold: Hold) -> HoldChange:
    """The record of a hold that left."""
    return HoldChange(code=hold.code, on=False, rule=HOLDS[hold.code].rule, source=hold.source)


def add_hold(sim: Sim, hold: Hold) -> SimUpdate:
    """The card with a hold on, and the record; nothing where it was on already."""
    if hold.code in codes(sim.holds):
        return sim, ()
    record = HoldChange(code=hold.code, on=True, rule=HOLDS[hold.code].rule, source=hold.source)
    return with_hold(sim, hold), (record,)
