"""What an automation does where its condition is met: an operation, a notification, or a tag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from app.domain.operation.arguments import Argument
from app.domain.vocabulary import OperationKind

NEVER_AUTOMATED = frozenset({OperationKind.TERMINATE})
"""Kinds that no automation may carry out: what ends a SIM for good is confirmed by a person each time (LC-11; D)."""

STOPPING = frozenset({OperationKind.SUSPEND, OperationKind.CUT_NETWORK})
"""Kinds that stop a SIM: the brake counts them (ST-25)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operate:
    """Request an operation, as a caller would; the rules decide on it."""

    kind: OperationKind
    arguments: Mapping[str, Argument] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Say so: the event `automation.fired` carries the message."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTag:
    """Set one tag of the SIM; the others stay."""

    key: str
    value: str


Action = Operate | Notify | SetTag


class AutomationStatus(StrEnum):
    """Where an automation stands. Only an armed one is evaluated."""

    DISARMED = "disarmed"
    AWAITING_APPROVAL = "awaiting_approval"
    ARMED = "armed"


class FiringStatus(StrEnum):
    """What became of a firing. `lapsed`: what it waited for did not come, or its automation was disarmed.

    `waiting`: for the time a state must last; `braked`: behind the brake, for a person (ST-25); `refused`: by a rule.
    """

    WAITING = "waiting"
    BRAKED = "braked"
    FIRED = "fired"
    REFUSED = "refused"
    LAPSED = "lapsed"


def stops_sims(action: Action) -> bool:
    """Whether the action stops SIMs, and so goes under the brake (ST-25)."""
    return isinstance(action, Operate) and action.kind in STOPPING
