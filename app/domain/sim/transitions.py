"""The lifecycle as a table: which move between neutral states there is, and what may cause it (LC, LC-12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from types import MappingProxyType

from app.domain.sim.model import Sim
from app.domain.vocabulary import HoldCode, HoldSource, SimState


class Cause(StrEnum):
    """Why a card moved (LC-12)."""

    OPENING = "opening"
    TEST_TIME_UP = "test_time_up"
    TEST_USED_UP = "test_used_up"
    FORCED_ACTIVATION = "forced_activation"
    FIRST_USE = "first_use"
    OPERATION = "operation"
    EXPIRY = "expiry"
    CANCELLATION = "cancellation"
    CARRIER_WORD = "carrier_word"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One move of the underlying state, with its cause, its rule and the day it took effect (LC-12)."""

    from_state: SimState
    to_state: SimState
    cause: Cause
    rule: str
    effective_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldChange:
    """One hold put on (`on`) or lifted, by which rule and whose word."""

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
"""Every move there is; what is missing does not happen. Nothing leaves `cancelled` (LC-11)."""

NOT_YET_ACTIVATED = frozenset(_BEFORE_ACTIVATION)


def move(sim: Sim, to_state: SimState, cause: Cause, rule: str, effective_on: date) -> tuple[Sim, Transition]:
    """The card moved, and the record of it. A move that the table does not know is a bug: `ValueError`."""
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
