"""Directed traffic (定向): which entries the allow list takes, and when one may be deleted (DR)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable

from app.domain.errors import Malformed
from app.domain.operation.refusal import Refusal, RefusalCode
from app.domain.terms.model import Terms
from app.domain.vocabulary import DirectedEntryState

_DOMAIN = re.compile(r"(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}", re.IGNORECASE)


def _refused(rule: str, detail: str) -> Refusal:
    return Refusal(code=RefusalCode.RULE_VIOLATION, rule=rule, detail=detail)


def normal_target(target: str) -> tuple[str, str]:
    """The kind of a target and its one form: a network without bits of a host, a domain in lower case.

    Raises `Malformed`.
    """
    kind = target_kind(target)
    if kind == "domain":
        return kind, target.lower()
    network = ipaddress.ip_network(target, strict=False)
    return kind, str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def unreached(targets: Iterable[str], entries: Collection[str]) -> tuple[str, ...]:
    """Which targets no entry of a list lets through: an address in one of its networks, a domain by its name (DR-1).

    Raises `Malformed` for what is no target.
    """
    networks = [ipaddress.ip_network(one) for one in entries if target_kind(one) == "ip"]
    missing = []
    for target in targets:
        kind, value = normal_target(target)
        if kind == "domain":
            reached = value in entries
        else:
            wanted = ipaddress.ip_network(value)
            reached = any(wanted.version == one.version and wanted.subnet_of(one) for one in networks)  # type: ignore[arg-type]
        if not reached:
            missing.append(value)
    return tuple(missing)


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
    """Why an entry may not be added under these terms; None: it may (DR-1, DR-4). Raises `Malformed`.

    `target`: an IP address, a network or a domain; `protocol`: `http`, `tcp` …, None: not given.
    """
    kinds, protocols = terms.directed_by.value, terms.directed_protocols.value
    kind = target_kind(target)
    if kinds is not None and kind not in kinds:
        return _refused("DR-4" if not kinds else "DR-1", "not_directed" if not kinds else "directed_by_ip_only")
    if protocol is not None and protocols is not None and protocol.lower() not in protocols:
        return _refused("DR-1", "protocol_by_supplier")
    return None


def deletion_refusal(terms: Terms, state: DirectedEntryState, entries: int) -> Refusal | None:
    """Why an entry of a list of `entries` may not be deleted; None: it may.

    One entry stays (DR-2) unless the terms let the list be empty (DR-4), and some states are busy.
    """
    if terms.directed_may_be_empty.value is False and entries <= 1:
        return _refused("DR-2", "last_directed_entry")
    deletable = terms.directed_deletable.value
    busy = deletable is not None and state not in deletable
    return _refused("DR-2", "directed_entry_busy") if busy else None


def back_to_general_refusal(terms: Terms) -> Refusal | None:
    """Why a directed order may not become general again; None: it may, or nothing is published (DR-2)."""
    return _refused("DR-2", "never_general_again") if terms.directed_reversible.value is False else None


def general_by_default(terms: Terms, allowance: int, *, pooled: bool) -> bool | None:
    """Whether a plan of this allowance (bytes) is general unless ordered otherwise; None: not published (DR-3)."""
    limit = terms.general_up_to.value
    return None if limit is None else not pooled and allowance <= limit
