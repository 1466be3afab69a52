"""The life cycle as a table: the transitions between neutral states, and their possible causes (LC, LC-12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from types import MappingProxyType

from app.domain.sim.model import Sim
from app.domain.vocabulary import HoldCode, HoldSource, SimState


class Cause(StrEnum):
    """The cause of a recorded change: a transition, a hold, or an event about the SIM (LC-12)."""

    OPENING = "opening"
    TEST_TIME_UP = "test_time_up"
    TEST_USED_UP = "test_used_up"
    FORCED_ACTIVATION = "forced_activation"
    FIRST_USE = "first_use"
    OPERATION = "operation"
    EXPIRY = "expiry"
    CANCELLATION = "cancellation"
    CARRIER_WORD = "carrier_word"
    USAGE = "usage"
    BALANCE = "balance"
    POOL = "pool"
    CYCLE_START = "cycle_start"
    EVIDENCE = "evidence"
    IMPORT = "import"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One transition of the underlying state; `effective_on`: the day in the carrier's zone (LC-12)."""

    from_state: SimState
    to_state: SimState
    cause: Cause
    rule: str
    effective_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldChange:
    """One hold set (`on`) or lifted; `source`: who set it."""

    code: HoldCode
    on: bool
    rule: str
    source: HoldSource


Change = Transition | HoldChange

_BEFORE_ACTIVATION = (SimState.INVENTORY, SimState.TESTING, SimState.SILENT)
_ACTIVATING = frozenset({Cause.FORCED_ACTIVATION, Cause.FIRST_USE, Cause.OPERATION})
_CANCELLING = frozenset({Cause.OPERATION, Cause.CARRIER_WORD})

TRANSITIONS: Mapping[tuple[SimState, SimState], frozenset[Cause]] = MappingProxyType(
    {
        (SimState.INVENTORY, SimState.TESTING): frozenset({Cause.OPENING}),
        (SimState.INVENTORY, SimState.SILENT): frozenset({Cause.OPENING}),
        (SimState.INVENTORY, SimState.ACTIVE): _ACTIVATING,
        (SimState.TESTING, SimState.SILENT): frozenset({Cause.TEST_TIME_UP, Cause.TEST_USED_UP}),
        (SimState.TESTING, SimState.ACTIVE): _ACTIVATING | {Cause.TEST_USED_UP},
        (SimState.SILENT, SimState.ACTIVE): _ACTIVATING,
        (SimState.ACTIVE, SimState.EXPIRED): frozenset({Cause.EXPIRY}),
        (SimState.EXPIRED, SimState.ACTIVE): frozenset({Cause.OPERATION}),
        (SimState.EXPIRED, SimState.CANCELLED): _CANCELLING | {Cause.CANCELLATION},
        (SimState.ACTIVE, SimState.CANCELLED): _CANCELLING,
        **{(state, SimState.CANCELLED): _CANCELLING for state in _BEFORE_ACTIVATION},
    },
)
"""Every transition; what is missing cannot happen. `cancelled` is final (LC-11)."""

NOT_YET_ACTIVATED = frozenset(_BEFORE_ACTIVATION)


def move(sim: Sim, to_state: SimState, cause: Cause, rule: str, effective_on: date) -> tuple[Sim, Transition]:
    """The SIM in its new state, and the record. Raises `ValueError` for a transition that the table lacks: a bug."""
    if cause not in TRANSITIONS.get((sim.underlying, to_state), frozenset()):
        raise ValueError(f"no move from {sim.underlying} to {to_state} by {cause}")
    record = Transition(
        from_state=sim.underlying,
        to_state=to_state,
        cause=cause,
        rule=rule,
        effective_on=effective_on,
    )
    return replace(sim, underlying=to_state), record
