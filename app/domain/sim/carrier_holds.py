"""Holds of the carrier: which its protocol can report, and what its snapshot makes of imported ones (LC-15, LC-17)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from app.domain.sim.model import Hold, Sim
from app.domain.vocabulary import HoldCode, HoldSource, ProtocolName, SimState

CarrierHolds = Sequence[tuple[HoldCode, str]]
"""The stop reasons that a carrier reports: hold (LC-15) and raw code, `""` where it sends none."""

_BY_TELECOM = frozenset(
    {
        HoldCode.MANUAL,
        HoldCode.ARREARS,
        HoldCode.VIOLATION,
        HoldCode.NOT_REAL_NAMED,
        HoldCode.CARRIER_CONTROL,
        HoldCode.DEVICE_MISMATCH,
        HoldCode.NETWORK_CUT,
    }
)
REPORTED_HOLDS: Mapping[ProtocolName, frozenset[HoldCode]] = MappingProxyType(
    {
        ProtocolName.ONELINK: frozenset(
            {
                HoldCode.MANUAL,
                HoldCode.PLAN_EXPIRED,
                HoldCode.DEVICE_MISMATCH,
                HoldCode.ARREARS,
                HoldCode.OUT_OF_REGION,
                HoldCode.CARRIER_CONTROL,
                HoldCode.NOT_REAL_NAMED,
                HoldCode.NETWORK_CUT,
            }
        ),
        ProtocolName.CTCC_CMP: _BY_TELECOM,
        ProtocolName.CTWING: _BY_TELECOM,
        ProtocolName.GSL: frozenset(
            {
                HoldCode.MANUAL,
                HoldCode.OVER_QUOTA,
                HoldCode.OVER_THRESHOLD,
                HoldCode.POOL_EXHAUSTED,
                HoldCode.POOL_FROZEN,
                HoldCode.PLAN_EXPIRED,
                HoldCode.VIOLATION,
                HoldCode.NOT_REAL_NAMED,
                HoldCode.DEVICE_MISMATCH,
                HoldCode.CARRIER_CONTROL,
                HoldCode.NETWORK_CUT,
            }
        ),
    }
)
"""The holds that a protocol can report (LC-15) beside `manual`, which stands for any other; not of those without it."""


def kept_by_a_stop(
    sim: Sim, state: SimState, holds: CarrierHolds, protocol: ProtocolName | None, at: datetime
) -> frozenset[HoldCode]:
    """The holds that stay on while the carrier's state is stopped: imported ones over which it decides now (LC-17).

    Under `manual` also those of the carrier that its protocol cannot report otherwise.
    """
    if state not in (SimState.SUSPENDED, SimState.EXPIRED):
        return frozenset()
    decided = frozenset(hold.code for hold in sim.holds if _decides(hold, at))
    if protocol is None or protocol not in REPORTED_HOLDS or all(code is not HoldCode.MANUAL for code, _ in holds):
        return decided
    theirs = {hold.code for hold in sim.holds if hold.source is HoldSource.CARRIER and hold.reported is None}
    return decided | (theirs - REPORTED_HOLDS[protocol])


def with_imported_holds_decided(sim: Sim, state: SimState, holds: CarrierHolds, at: datetime) -> Sim:
    """LC-17: under a stop at the carrier, imported holds become the carrier's. A snapshot before the import has no say.

    Nor has an active state at `ctcc` that does not tell whether the network is cut (`holds_from_network_cut`).
    """
    raw = dict(holds)
    stopped = state in (SimState.SUSPENDED, SimState.EXPIRED)
    return replace(
        sim,
        holds=tuple(
            replace(hold, source=HoldSource.CARRIER, carrier_code=raw.get(hold.code) or None)
            if _decides(hold, at) and (stopped or raw.get(hold.code))
            else hold
            for hold in sim.holds
        ),
    )


def with_carrier_words(sim: Sim, words: Sequence[tuple[HoldCode, str, str | None]]) -> Sim:
    """The SIM whose holds by the carrier have its newest code and reason; `words`: hold, code and reason (LC-15).

    Neither changes what the hold is: since when it is on, and what evidence has named, stay. A hold that the rules have
    named otherwise than the carrier's code does is found by that code.
    """

    def newest(hold: Hold) -> Hold:
        if hold.source is not HoldSource.CARRIER:
            return hold
        alike = [word for word in words if word[0] is (hold.reported or hold.code)]
        found = alike or [word for word in words if word[1] and word[1] == hold.carrier_code]
        if not found:
            return hold
        _, code, reason = found[0]
        return replace(hold, carrier_code=code or hold.carrier_code, carrier_reason=reason)

    return replace(sim, holds=tuple(newest(hold) for hold in sim.holds))


def _decides(hold: Hold, at: datetime) -> bool:
    """Whether a snapshot as of `at` decides over an imported hold: from the import on (LC-17)."""
    return hold.source is HoldSource.IMPORT and at >= hold.since


def follows_carrier(hold: Hold, at: datetime) -> bool:
    """Whether the hold leaves where a snapshot as of `at` does not report it: the carrier's, and imported ones."""
    return hold.source is HoldSource.CARRIER or _decides(hold, at)
