"""LC-17: what a carrier's first snapshot since an import makes of the holds that came with it, and what later ones do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.sim.carrier_holds import CarrierHolds
from app.domain.sim.model import Sim
from app.domain.sim.snapshot import SnapshotApplied, apply_snapshot
from app.domain.vocabulary import HoldCode, HoldSource, ProtocolName, SimState
from tests.domain.cards import NOON, a_hold, a_sim

S, H, P = SimState, HoldCode, ProtocolName
HOUR = timedelta(hours=1)


def imported(*codes: HoldCode) -> Sim:
    return replace(a_sim(), holds=tuple(a_hold(code, HoldSource.IMPORT) for code in codes))


def seen(
    sim: Sim, state: SimState, *holds: tuple[HoldCode, str], protocol: ProtocolName = P.ONELINK, later: int = 1
) -> SnapshotApplied:
    at = NOON + later * HOUR
    reported: CarrierHolds = holds
    return apply_snapshot(sim, state, reported, at=at, on=at.date(), protocol=protocol)


def codes(sim: Sim) -> set[tuple[HoldCode, HoldSource]]:
    return {(hold.code, hold.source) for hold in sim.holds}


@pytest.mark.parametrize("protocol", list(ProtocolName))
@pytest.mark.parametrize("code", [code for code in HoldCode if code is not HoldCode.MANUAL])
def test_stopped_at_the_carrier_it_stays_and_is_the_carriers(code: HoldCode, protocol: ProtocolName) -> None:
    """Whatever the carrier names as its reason, and where it names none."""
    for reported in ((), ((H.MANUAL, "8"),), ((code, "1"),)):
        taken = seen(imported(code), S.SUSPENDED, *reported, protocol=protocol)
        assert (codes(taken.sim), taken.changes, taken.drift) == ({(code, HoldSource.CARRIER)}, (), None)


def test_another_reason_that_the_carrier_names_is_added() -> None:
    taken = seen(imported(H.OVER_QUOTA), S.SUSPENDED, (H.ARREARS, "4"))
    assert codes(taken.sim) == {(H.OVER_QUOTA, HoldSource.CARRIER), (H.ARREARS, HoldSource.CARRIER)}


def test_running_at_the_carrier_it_leaves() -> None:
    taken = seen(imported(H.ARREARS, H.MANUAL), S.ACTIVE)
    assert (taken.sim.holds, [change.rule for change in taken.changes], taken.drift) == ((), ["ST-14", "ST-1"], None)


def test_a_snapshot_from_before_the_import_has_no_say() -> None:
    before = imported(H.ARREARS)
    for state in (S.ACTIVE, S.SUSPENDED):
        taken = seen(before, state, later=-1)
        assert (codes(taken.sim), taken.changes, taken.drift) == ({(H.ARREARS, HoldSource.IMPORT)}, (), None)


def test_a_later_snapshot_lifts_what_its_protocol_would_have_named() -> None:
    """LC-15: arrears are 4 at OneLink; over quota it can only say 8, stopped on request."""
    first = seen(imported(H.ARREARS, H.OVER_QUOTA), S.SUSPENDED, (H.MANUAL, "8"))
    assert {code for code, _ in codes(first.sim)} == {H.ARREARS, H.OVER_QUOTA}

    second = seen(first.sim, S.SUSPENDED, (H.MANUAL, "8"), later=2)
    assert codes(second.sim) == {(H.OVER_QUOTA, HoldSource.CARRIER)}

    third = seen(second.sim, S.SUSPENDED, (H.ARREARS, "4"), later=3)
    assert codes(third.sim) == {(H.ARREARS, HoldSource.CARRIER)}
    assert codes(seen(first.sim, S.SUSPENDED, (H.MANUAL, "5"), protocol=P.GSL, later=2).sim) == {
        (H.ARREARS, HoldSource.CARRIER)
    }


def test_ours_beside_it_stays_ours() -> None:
    both = replace(a_sim(), holds=(a_hold(H.ARREARS, HoldSource.IMPORT), a_hold(H.OVER_QUOTA, HoldSource.GATEWAY)))
    assert codes(seen(both, S.SUSPENDED, (H.MANUAL, "8")).sim) == {
        (H.ARREARS, HoldSource.CARRIER),
        (H.OVER_QUOTA, HoldSource.GATEWAY),
    }


def test_beside_a_reason_that_the_carrier_names_its_stop_on_request_is_what_it_cannot_name() -> None:
    """LC-15: two imported reasons at OneLink, which knows the device and says 8 for the other: no third one is added."""
    stacked = imported(H.POLICY_CUTOFF, H.DEVICE_MISMATCH)
    for reported in (((H.DEVICE_MISMATCH, "1"), (H.MANUAL, "8")), ((H.MANUAL, "8"), (H.DEVICE_MISMATCH, "1"))):
        first = seen(stacked, S.SUSPENDED, *reported)
        second = seen(first.sim, S.SUSPENDED, *reported, later=2)
        both = {(H.POLICY_CUTOFF, HoldSource.CARRIER), (H.DEVICE_MISMATCH, HoldSource.CARRIER)}
        assert (codes(first.sim), codes(second.sim), second.changes) == (both, both, ())
    alone = seen(imported(H.DEVICE_MISMATCH), S.SUSPENDED, (H.DEVICE_MISMATCH, "1"), (H.MANUAL, "8"))
    assert {code for code, _ in codes(alone.sim)} == {H.DEVICE_MISMATCH, H.MANUAL}
