"""Directed traffic (定向): what may be put on the list, and when an entry may be taken off (DR)."""

from __future__ import annotations

import ipaddress
import re
from enum import StrEnum

from app.domain.errors import Malformed
from app.domain.operation.refusal import Refusal, RefusalCode
from app.domain.terms.model import Terms
from app.domain.units import MB
from app.domain.vocabulary import Supplier


class EntryState(StrEnum):
    """Where an entry of the list stands (DR-2)."""

    SUBMITTED = "submitted"
    NOT_IN_FORCE = "not_in_force"
    IN_FORCE = "in_force"
    REJECTED = "rejected"
    CHANGING = "changing"


DELETABLE = frozenset({EntryState.NOT_IN_FORCE, EntryState.IN_FORCE, EntryState.REJECTED, EntryState.CHANGING})
"""The states in which an entry may be deleted (DR-2, GSL 4.3)."""

GENERAL_UP_TO = 100 * MB
"""Plans of no more are general by default outside pools (DR-3, GSL 9.4)."""

_DOMAIN = re.compile(r"(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}", re.IGNORECASE)


def _refused(rule: str, detail: str) -> Refusal:
    return Refusal(code=RefusalCode.RULE_VIOLATION, rule=rule, detail=detail)


def target_kind(target: str) -> str:
    """Whether a target is an `ip` or a `domain`. Raises `Malformed`."""
    try:
        ipaddress.ip_network(target, strict=False)
    except ValueError:
        if _DOMAIN.fullmatch(target) is None:
            raise Malformed("TARGET_MALFORMED", "a target is an IP address, a network or a domain") from None
        return "domain"
    return "ip"


def entry_refusal(terms: Terms, target: str, protocol: str | None = None) -> Refusal | None:
    """Why an entry may not be put on the list under these terms (DR-1, DR-4). Raises `Malformed`."""
    kinds, protocols = terms.directed_by.value, terms.directed_protocols.value
    kind = target_kind(target)
    if kinds is not None and kind not in kinds:
        return _refused("DR-4" if not kinds else "DR-1", "not_directed" if not kinds else "directed_by_ip_only")
    if protocol is not None and protocols is not None and protocol.lower() not in protocols:
        return _refused("DR-1", "protocol_by_supplier")
    return None


def deletion_refusal(terms: Terms, state: EntryState, entries: int) -> Refusal | None:
    """Why an entry may not be deleted: one stays, and not in every state (DR-2); `flexem`'s list may empty (DR-4)."""
    if terms.directed_may_be_empty.value is False and entries <= 1:
        return _refused("DR-2", "last_directed_entry")
    by_state = terms.supplier is Supplier.GSL and state not in DELETABLE
    return _refused("DR-2", "directed_entry_busy") if by_state else None


def back_to_general_refusal(terms: Terms) -> Refusal | None:
    """DR-2: under `gsl` a directed order never becomes general again; elsewhere nothing is published."""
    return _refused("DR-2", "never_general_again") if terms.supplier is Supplier.GSL else None


def general_by_default(terms: Terms, allowance: int, *, pooled: bool) -> bool | None:
    """DR-3: whether a plan is general unless asked otherwise; None where nothing is published."""
    return not pooled and allowance <= GENERAL_UP_TO if terms.supplier is Supplier.GSL else None
