"""Recovery plans as values: steps in order, one date, one price; and what nobody can lift (DG-2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from app.domain.operation.arguments import Arguments
from app.domain.operation.service_levels import DueReason
from app.domain.vocabulary import Actor, Channel, HoldCode, OperationKind

AWAIT_OPERATION = "await_operation"
"""The step that waits for the operation that is open on the SIM (OP-4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a plan: an operation, work of a person, or an event that comes by itself.

    `action`: a text key below `remedy.`; `after`: the numbers, from 1, of the steps that must have ended before;
    `lifts`: the holds that leave with it. `allowed_now`: it is its turn, and the gateway would accept it (ST-26);
    `choose`: names of arguments that the caller adds; `not_before`: when a window opens, None: no such wait.
    `cost_fen` None: not known, 0: nothing is bought. `earliest` and `latest` None: not published (SL-7).
    """

    action: str
    actor: Actor
    automatic: bool
    allowed_now: bool
    rule: str
    lifts: tuple[HoldCode, ...]
    after: tuple[int, ...] = ()
    operation: OperationKind | None = None
    arguments: Arguments = field(default_factory=lambda: MappingProxyType({}))
    choose: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    not_before: datetime | None = None
    cost_fen: int | None = 0
    earliest: datetime | None = None
    latest: datetime | None = None
    provisional: bool = False
    reasons: tuple[DueReason, ...] = ()
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryPlan:
    """Steps that together lift every hold. `unpriced`: the actions whose price is not known, for which there is no sum.

    `earliest`: a bound from the steps whose times are published; `latest` None: the time of a step is not published.
    """

    steps: tuple[Step, ...]
    cost_fen: int | None
    unpriced: tuple[str, ...]
    earliest: datetime | None
    latest: datetime | None
    provisional: bool
    reasons: tuple[DueReason, ...]
    assumed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotLifted:
    """A hold that nothing lifts, and why: `text` is a text key with its `facts`."""

    hold: HoldCode
    rule: str
    text: str
    facts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """How a stopped SIM comes back; both plans None: it does not, for the reasons in `not_lifted`."""

    cheapest: RecoveryPlan | None
    fastest: RecoveryPlan | None
    not_lifted: tuple[NotLifted, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOperation:
    """The operation that is open on the SIM; `due_at` None: no time is published."""

    kind: OperationKind
    arguments: Arguments
    channel: Channel
    due_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a plan rests on beside SIM and rules.

    `used` and `addons`: bytes of the running cycle, `used` None: not known; `pool_remaining`: bytes left in the prepaid
    pool, None: not looked at; `province`: where the caller says that the device is.
    """

    used: int | None = None
    addons: int = 0
    pool_remaining: int | None = None
    province: str | None = None
    open_operation: OpenOperation | None = None
