"""The states and holds in which each kind of operation may be requested, as a table (OP-5, OP-6, ST-20)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from app.domain.operation.refusal import Refusal, RefusalCode
from app.domain.operation.request import OperationRequest
from app.domain.sim.holds import codes, resume_lifts, shown_state
from app.domain.sim.transitions import NOT_YET_ACTIVATED
from app.domain.terms.model import ThresholdRight
from app.domain.vocabulary import HoldCode, OperationKind, RealName, SimState

_K, _S = OperationKind, SimState
_ALIVE = frozenset(_S) - {_S.CANCELLED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Precondition:
    """The shown states in which a kind may be requested.

    `or_held`: or under one of these holds; `free`: without any hold; `activated`: only after activation.
    """

    rule: str
    states: frozenset[SimState] = frozenset()
    or_held: frozenset[HoldCode] = frozenset()
    free: bool = False
    activated: bool = False


def _on(rule: str, *states: SimState, held: tuple[HoldCode, ...] = (), free: bool = False) -> Precondition:
    return Precondition(rule=rule, states=frozenset(states), or_held=frozenset(held), free=free)


PRECONDITIONS: Mapping[OperationKind, Precondition] = MappingProxyType(
    {
        _K.ACTIVATE: _on("OP-6", _S.TESTING, _S.SILENT),
        _K.SUSPEND: _on("OP-6", _S.ACTIVE, free=True),
        _K.RESUME: _on("ST-20"),
        _K.REBIND: _on("OP-5", _S.ACTIVE, held=(HoldCode.DEVICE_MISMATCH,)),
        _K.CHANGE_REGION: _on("OP-5", _S.ACTIVE, held=(HoldCode.OUT_OF_REGION,)),
        _K.SET_THRESHOLD: _on("OP-5", _S.ACTIVE, held=(HoldCode.OVER_THRESHOLD, HoldCode.OUT_OF_REGION)),
        _K.CUT_NETWORK: _on("OP-5", _S.ACTIVE, free=True),
        _K.RESET_NETWORK: _on("OP-5", _S.ACTIVE, free=True),
        _K.RESTORE_NETWORK: _on("OP-5", held=(HoldCode.NETWORK_CUT,)),
        _K.VERIFY_REAL_NAME: Precondition(
            rule="OP-5",
            or_held=frozenset({HoldCode.NOT_REAL_NAMED, HoldCode.OUT_OF_REGION}),
        ),
        _K.ORDER_ADDON: Precondition(
            rule="OP-5",
            states=frozenset({_S.ACTIVE, _S.SUSPENDED}),
            activated=True,
        ),
        _K.RENEW: Precondition(
            rule="OP-5",
            states=frozenset({_S.ACTIVE, _S.SUSPENDED, _S.EXPIRED}),
            activated=True,
        ),
        _K.CHANGE_PLAN: Precondition(rule="OP-5", states=_ALIVE - {_S.EXPIRED}),
        _K.JOIN_POOL: Precondition(rule="OP-5", states=_ALIVE - {_S.EXPIRED}),
        _K.RETAIN_NUMBER: _on("OP-5", _S.EXPIRED),
        _K.REFRESH: Precondition(rule="OP-5", states=_ALIVE),
        _K.TERMINATE: Precondition(rule="OP-5", states=_ALIVE),
    },
)
"""The precondition of every kind, with the rule that a refusal cites."""


def _counting_holds(request: OperationRequest) -> frozenset[HoldCode]:
    """The holds under which the kind may be requested besides its states.

    `out_of_region` only where the terms bind a SIM to a region, as its remedies are those terms' (RG-3, TM-4); for a
    threshold this is the cap (QT-6).
    """
    row = PRECONDITIONS[request.kind].or_held
    capped = request.terms.threshold_right.value is ThresholdRight.CAP_ONLY
    offered = capped if request.kind is OperationKind.SET_THRESHOLD else bool(request.terms.region_limited.value)
    return row if offered else row - {HoldCode.OUT_OF_REGION}


def _fits(request: OperationRequest) -> bool:
    """Whether state and holds allow the kind."""
    sim, kind = request.sim, request.kind
    row, held = PRECONDITIONS[kind], codes(sim.holds)
    if kind is OperationKind.RESUME:
        return bool(held) and held <= resume_lifts(sim, request.context.today)
    if kind is OperationKind.VERIFY_REAL_NAME and sim.real_name is RealName.INDIVIDUAL:
        return True
    if held & _counting_holds(request) and sim.underlying is not SimState.EXPIRED:
        return True
    if (row.free and held) or (row.activated and sim.underlying in NOT_YET_ACTIVATED):
        return False
    return shown_state(sim.underlying, sim.holds, sim.carrier) in row.states


def state_refusal(request: OperationRequest) -> Refusal | None:
    """The refusal by state and holds, naming every hold; None: not refused (ST-20, OP-6)."""
    sim = request.sim
    cancelled = sim.underlying is SimState.CANCELLED
    if not cancelled and _fits(request):
        return None
    detail = "held" if sim.holds else "state"
    return Refusal(
        code=RefusalCode.INCOMPATIBLE_STATE,
        rule="LC-11" if cancelled else PRECONDITIONS[request.kind].rule,
        detail="cancelled" if cancelled else detail,
        facts=MappingProxyType(
            {"kind": request.kind, "state": shown_state(sim.underlying, sim.holds, sim.carrier)},
        ),
        holds=() if cancelled else tuple(hold.code for hold in sim.holds),
    )
