"""Refusals and remedies of the domain as callers see them, in their language (`docs/api.md`, Errors)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from app.domain.operation.measured import Expected
from app.domain.operation.refusal import Refusal, Remedy
from app.domain.preflight.irreversible import Irreversible
from app.domain.vocabulary import OperationKind
from app.texts.catalogue import text
from app.usecases.operations.service_levels import expected_view


def remedy_view(
    remedy: Remedy, language: str, measured: Mapping[OperationKind, Expected] = MappingProxyType({})
) -> dict[str, Any]:
    """A remedy: who does what, whether it is allowed now, what it costs (fen), by when, and what was `measured`."""
    return {
        "action": remedy.action,
        "text": text(f"remedy.{remedy.action}", language),
        "actor": remedy.actor.value,
        "automatic": remedy.automatic,
        "allowed_now": remedy.allowed_now,
        "rule": remedy.rule,
        "hold": remedy.hold.value if remedy.hold else None,
        "operation": remedy.operation.value if remedy.operation else None,
        "arguments": dict(remedy.arguments),
        "conditions": [{"code": one, "text": text(f"condition.{one}", language)} for one in remedy.conditions],
        "cost_fen": remedy.cost_fen,
        "eta": {
            "earliest": remedy.earliest.isoformat() if remedy.earliest else None,
            "latest": remedy.latest.isoformat() if remedy.latest else None,
            "provisional": remedy.provisional,
            "because": [reason.key for reason in remedy.reasons],
            "expected": expected_if(remedy.allowed_now, remedy.operation, measured),
        },
        "assumed": list(remedy.assumed),
    }


def expected_if(
    allowed_now: bool,
    operation: OperationKind | None,
    measured: Mapping[OperationKind, Expected],
) -> dict[str, Any] | None:
    """When an operation that may begin now ends by what was measured (SL-9); null: later, or too few were measured."""
    return expected_view(measured.get(operation)) if allowed_now and operation else None


def irreversible_line(one: Irreversible, language: str) -> dict[str, Any]:
    """One thing that cannot be undone, in words."""
    return {
        "what": one.what,
        "text": text(f"irreversible.{one.what}", language),
        "rule": one.rule,
        "source": one.source,
        "assumed": one.assumed,
    }


def refusal_view(refused: Refusal, language: str) -> dict[str, Any]:
    """A refusal: code, rule, text, holds and what can be done."""
    return {
        "code": str(refused.code),
        "detail": text(f"refusal.{refused.detail}", language, **refused.facts),
        "rule": refused.rule,
        "holds": [{"code": hold.value, "text": text(f"hold.{hold.value}", language)} for hold in refused.holds],
        "remedies": [remedy_view(remedy, language) for remedy in refused.remedies],
        "earliest_retry_at": refused.earliest_retry_at.isoformat() if refused.earliest_retry_at else None,
        "assumed": list(refused.assumed),
    }
