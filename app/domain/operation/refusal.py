"""Refusals and remedies as values, which can be compared, counted and translated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from app.domain.operation.arguments import Arguments
from app.domain.operation.service_levels import DueReason
from app.domain.vocabulary import Actor, HoldCode, OperationKind


class RefusalCode(StrEnum):
    """The problem codes of a refusal (docs/api.md): the first two with status 409, the others with 422."""

    INCOMPATIBLE_STATE = "INCOMPATIBLE_STATE"
    OPERATION_IN_PROGRESS = "OPERATION_IN_PROGRESS"
    NOT_SUPPORTED_BY_CARRIER = "NOT_SUPPORTED_BY_CARRIER"
    RULE_VIOLATION = "RULE_VIOLATION"
    NOT_PRICED = "NOT_PRICED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """One way to lift a hold: who does what, whether by itself, whether now, at what cost (fen) and by when.

    `action` is a text key below `remedy.`; `earliest` and `latest` are None where nothing is published (SL-7).
    `operation` is the kind of operation that carries it out, None where the gateway has none for it, and `arguments`
    what that operation must state. `allowed_now`: whether it would be accepted now (ST-26). `conditions`: what must be
    so for it to help, text keys below `condition.`
    """

    action: str
    actor: Actor
    automatic: bool
    allowed_now: bool
    rule: str
    hold: HoldCode | None = None
    operation: OperationKind | None = None
    arguments: Arguments = field(default_factory=lambda: MappingProxyType({}))
    conditions: tuple[str, ...] = ()
    cost_fen: int | None = None
    earliest: datetime | None = None
    latest: datetime | None = None
    provisional: bool = False
    reasons: tuple[DueReason, ...] = ()
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why an operation is refused: the rule, the holds that prevent it, and the remedies.

    `detail` is a text key below `refusal.`, `facts` the values that its text names; `earliest_retry_at` None: no such
    time is known. `first`: an operation that must have been done before.
    """

    code: RefusalCode
    rule: str
    detail: str
    facts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    holds: tuple[HoldCode, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    first: OperationKind | None = None
    earliest_retry_at: datetime | None = None
    assumed: tuple[str, ...] = ()
