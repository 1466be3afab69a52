"""The states and holds in which each kind of operation may be requested, as a table (OP-5, OP-6, ST-20)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from app.domain.operation.refusal import Refusal, RefusalCode
from app.domain.operation.remedies import RuleContext, remedies
from app.domain.sim.holds import codes, resume_lifts, shown_state
from app.domain.sim.model import Sim
from app.domain.sim.transitions import NOT_YET_ACTIVATED
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


def _on(rule: str, *states: SimState, held: HoldCode | None = None, free: bool = False) -> Precondition:
    or_held = frozenset() if held is None else frozenset({held})
    return Precondition(rule=rule, states=frozenset(states), or_held=or_held, free=free)


PRECONDITIONS: Mapping[OperationKind, Precondition] = MappingProxyType(
    {
        _K.ACTIVATE: _on("OP-6", _S.TESTING, _S.SILENT),
        _K.SUSPEND: _on("OP-6", _S.ACTIVE, free=True),
        _K.RESUME: _on("ST-20"),
        _K.REBIND: _on("OP-5", _S.ACTIVE, held=HoldCode.DEVICE_MISMATCH),
        _K.CHANGE_REGION: _on("OP-5", _S.ACTIVE, held=HoldCode.OUT_OF_REGION),
        _K.SET_THRESHOLD: _on("OP-5", _S.ACTIVE, held=HoldCode.OVER_THRESHOLD),
        _K.CUT_NETWORK: _on("OP-5", _S.ACTIVE, free=True),
        _K.RESET_NETWORK: _on("OP-5", _S.ACTIVE, free=True),
        _K.RESTORE_NETWORK: _on("OP-5", held=HoldCode.NETWORK_CUT),
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


def _fits(sim: Sim, kind: OperationKind, context: RuleContext) -> bool:
    """Whether state and holds allow the kind."""
    row, held = PRECONDITIONS[kind], codes(sim.holds)
    if kind is OperationKind.RESUME:
        return bool(held) and held <= resume_lifts(sim, context.today)
    if kind is OperationKind.VERIFY_REAL_NAME and sim.real_name is RealName.INDIVIDUAL:
        return True
    if held & row.or_held and sim.underlying is not SimState.EXPIRED:
        return True
    if (row.free and held) or (row.activated and sim.underlying in NOT_YET_ACTIVATED):
        return False
    return shown_state(sim.underlying, sim.holds, sim.carrier) in row.states


def state_refusal(sim: Sim, kind: OperationKind, context: RuleContext) -> Refusal | None:
    """The refusal by state and holds, with every hold and its remedies; None: not refused (ST-20, OP-6)."""
    cancelled = sim.underlying is SimState.CANCELLED
    if not cancelled and _fits(sim, kind, context):
        return None
    detail = "held" if sim.holds else "state"
    return Refusal(
        code=RefusalCode.INCOMPATIBLE_STATE,
        rule="LC-11" if cancelled else PRECONDITIONS[kind].rule,
        detail="cancelled" if cancelled else detail,
        facts=MappingProxyType(
            {"kind": kind, "state": shown_state(sim.underlying, sim.holds, sim.carrier)},
        ),
        holds=() if cancelled else tuple(hold.code for hold in sim.holds),
        remedies=() if cancelled else remedies(sim, context),
    )
