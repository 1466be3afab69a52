"""Approval by a second person: what waits for it, who may decide, and until when (docs/api.md, Approvals; D).

The sources are silent on it: sizes and times are settings of a tenant, and their defaults decisions of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

VALIDITY = timedelta(hours=72)
"""How long an approval is waited for where the tenant sets no other time (D): over a weekend."""

MAX_HOURS = 720
"""The longest time that a tenant may set: a month. What was selected longer ago is selected anew."""


class ApprovalSubject(StrEnum):
    """What an approval is about."""

    BULK_OPERATION = "bulk_operation"
    AUTOMATION = "automation"


class ApprovalStatus(StrEnum):
    """Where an approval stands; all but `waiting` are final. `withdrawn`: its subject was cancelled meanwhile."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class Objection(StrEnum):
    """Why a decision is not taken."""

    NOT_WAITING = "not_waiting"
    SAME_KEY = "same_key"
    OTHER_TENANT = "other_tenant"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalPolicy:
    """A tenant's settings: work on more SIMs than `above` waits (None: nothing does), for `valid_for` at the most."""

    above: int | None = None
    valid_for: timedelta = VALIDITY

    def is_needed(self, cards: int) -> bool:
        """Whether work on so many SIMs waits for approval: more than the set size, not as many."""
        return self.above is not None and cards > self.above


def status_at(status: ApprovalStatus, expires_at: datetime, now: datetime) -> ApprovalStatus:
    """Where an approval stands at an instant: one that waits has expired from `expires_at` on, recorded or not."""
    ended = status is ApprovalStatus.WAITING and now >= expires_at
    return ApprovalStatus.EXPIRED if ended else status


def objection_to(status: ApprovalStatus, *, requested_by: str, decided_by: str, own_key: bool) -> Objection | None:
    """Why this actor may not decide an approval of that status now; None: it may.

    `own_key`: whether the deciding key is one of the tenant's own. The key that asked never decides, whatever its
    scopes.
    """
    if not own_key:
        return Objection.OTHER_TENANT
    if requested_by == decided_by:
        return Objection.SAME_KEY
    return None if status is ApprovalStatus.WAITING else Objection.NOT_WAITING
