"""Adds and lifts holds of a SIM, with the record of each change for its timeline (LC-12)."""

from __future__ import annotations

from app.domain.sim.holds import HOLDS, codes, with_hold, without_hold
from app.domain.sim.model import Hold, Sim
from app.domain.sim.transitions import Change, HoldChange
from app.domain.vocabulary import HoldCode

SimUpdate = tuple[Sim, tuple[Change, ...]]
"""The SIM after an update, and the changes in order."""


def lift_holds(sim: Sim, leaving: frozenset[HoldCode]) -> SimUpdate:
    """The SIM without those of the holds that it has, and the record of each."""
    gone = tuple(hold for hold in sim.holds if hold.code in leaving)
    for hold in gone:
        sim = without_hold(sim, hold.code)
    return sim, tuple(hold_lifted(hold) for hold in gone)


def hold_lifted(hold: Hold) -> HoldChange:
    """The record of a lifted hold."""
    return HoldChange(code=hold.code, on=False, rule=HOLDS[hold.code].rule, source=hold.source)


def add_hold(sim: Sim, hold: Hold) -> SimUpdate:
    """The SIM with the hold, and the record; unchanged and without a record if it has such a hold already."""
    if hold.code in codes(sim.holds):
        return sim, ()
    record = HoldChange(code=hold.code, on=True, rule=HOLDS[hold.code].rule, source=hold.source)
    return with_hold(sim, hold), (record,)
