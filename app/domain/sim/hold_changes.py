"""Puts holds on a SIM and takes them off, with the record of each change for the timeline (LC-12)."""

from __future__ import annotations

from app.domain.sim.holds import HOLDS, codes, with_hold, without_hold
from app.domain.sim.model import Hold, Sim
from app.domain.sim.transitions import Change, HoldChange
from app.domain.vocabulary import HoldCode

Outcome = tuple[Sim, tuple[Change, ...]]
"""The SIM afterwards, and what changed on it."""


def lift(sim: Sim, leaving: frozenset[HoldCode]) -> Outcome:
    """The card without those holds it bears, and the record of each."""
    gone = tuple(hold for hold in sim.holds if hold.code in leaving)
    for hold in gone:
        sim = without_hold(sim, hold.code)
    return sim, tuple(lifted(hold) for hold in gone)


def lifted(hold: Hold) -> HoldChange:
    """The record of a hold that left."""
    return HoldChange(code=hold.code, on=False, rule=HOLDS[hold.code].rule, source=hold.source)


def put_on(sim: Sim, hold: Hold) -> Outcome:
    """The card with a hold on, and the record; nothing where it was on already."""
    if hold.code in codes(sim.holds):
        return sim, ()
    record = HoldChange(code=hold.code, on=True, rule=HOLDS[hold.code].rule, source=hold.source)
    return with_hold(sim, hold), (record,)
