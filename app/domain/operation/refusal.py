"""Refusals and remedies: what a rule says instead of yes, as values that can be counted, told and translated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from app.domain.operation.service_levels import DueReason
from app.domain.vocabulary import Actor, HoldCode


class RefusalCode(StrEnum):
    """The codes of docs/api.md under which a rule refuses; the first two of 409, the others of 422."""

    INCOMPATIBLE_STATE = "INCOMPATIBLE_STATE"
    OPERATION_IN_PROGRESS = "OPERATION_IN_PROGRESS"
    NOT_SUPPORTED_BY_CARRIER = "NOT_SUPPORTED_BY_CARRIER"
    RULE_VIOLATION = "RULE_VIOLATION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """One way out: who does what, by itself or not, whether it is allowed now, what it costs (fen), and by when.

    `action` is a text key below `remedy.`; `earliest` and `latest` are None where nothing is published (SL-7).
    """

    action: str
    actor: Actor
    automatic: bool
    allowed_now: bool
    rule: str
    hold: HoldCode | None = None
    cost_fen: int | None = None
    earliest: datetime | None = None
    latest: datetime | None = None
    provisional: bool = False
    reasons: tuple[DueReason, ...] = ()
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why an operation is not taken: the rule, the holds in the way, and what can be done.

    `detail` is a text key below `refusal.`, `facts` what its text names; `earliest_retry_at` None: no such time.
    """

    code: RefusalCode
    rule: str
    detail: str
    facts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    holds: tuple[HoldCode, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    earliest_retry_at: datetime | None = None
    assumed: tuple[str, ...] = ()
