"""Data that is off under an active state (停网不停机): the hold it is, by carrier and what is known (ST-16, ST-22)."""

from __future__ import annotations

from app.domain.sim.carrier_holds import REPORTED_HOLDS, CarrierHolds
from app.domain.sim.holds import is_ours
from app.domain.sim.model import Hold, Sim
from app.domain.vocabulary import Carrier, HoldCode, ProtocolName, SimState

NETWORK_CUT_CODE = "已断网"
"""China Telecom's code for data cut off under an active state (ST-22)."""

THRESHOLD_CUT_CODE = "是否已达量断网: 是"
"""China Telecom's code for data cut off under an active state because the threshold is reached (ST-3)."""


def holds_from_network_cut(
    sim: Sim,
    state: SimState | None,
    *,
    network_cut: bool | None,
    code: str,
    protocol: ProtocolName | None,
) -> CarrierHolds:
    """The hold that data off under `active` implies, with the carrier's `code` for it.

    At `ctcc` another device (LC-15, ST-22), elsewhere a cut network (ST-16), unless the carrier has named one of them
    before. `network_cut` None: not reported, so that what was reported before stands where the `protocol` can report
    it. A cut by the gateway itself is sorted out by `apply_snapshot`.
    """
    if state is not SimState.ACTIVE or network_cut is False:
        return ()
    theirs = tuple(hold for hold in sim.holds if not is_ours(hold) and _is_cut(sim, hold))
    if network_cut is None:
        reports = protocol is not None and HoldCode.NETWORK_CUT in REPORTED_HOLDS.get(protocol, ())
        return tuple((hold.code, hold.carrier_code or "") for hold in theirs) if reports else ()
    named: list[HoldCode] = [hold.code for hold in theirs if hold.code is not HoldCode.OVER_THRESHOLD]
    implied: HoldCode = HoldCode.DEVICE_MISMATCH if sim.carrier is Carrier.CTCC else HoldCode.NETWORK_CUT
    return tuple((each, code) for each in named or [implied])


def _is_cut(sim: Sim, hold: Hold) -> bool:
    """Whether a hold is one that leaves the state active; a changed device does at `ctcc` alone (ST-22)."""
    if hold.code is HoldCode.OVER_THRESHOLD:
        return hold.carrier_code == THRESHOLD_CUT_CODE
    return hold.code is HoldCode.NETWORK_CUT or (hold.code is HoldCode.DEVICE_MISMATCH and sim.carrier is Carrier.CTCC)
