"""Refusals of entries and items as they are stored, and as callers see them in their language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.domain.errors import Malformed
from app.domain.operation.refusal import Refusal
from app.texts.catalogue import problem_detail, text

UNKNOWN: Mapping[str, Any] = {"code": "NOT_FOUND", "text": "no such SIM"}
"""An ICCID that the tenant does not have."""


def refusal_json(refused: Refusal | Malformed) -> dict[str, Any]:
    """A refusal as it is stored: the key of its text with its facts, so that each reader gets it in their language."""
    if isinstance(refused, Malformed):
        return {"code": refused.code, "text": refused.detail}
    return {
        "code": refused.code.value,
        "rule": refused.rule,
        "detail": refused.detail,
        "facts": {name: str(fact) for name, fact in refused.facts.items()},
        "holds": [hold.value for hold in refused.holds],
        "earliest_retry_at": refused.earliest_retry_at.isoformat() if refused.earliest_retry_at else None,
        "assumed": list(refused.assumed),
    }


def refusal_text(stored: Mapping[str, Any], language: str) -> str:
    """What a stored refusal says."""
    if "detail" in stored:
        return text(f"refusal.{stored['detail']}", language, **stored["facts"])
    return problem_detail(stored["code"], language, stored["text"])


def stored_refusal_view(stored: Mapping[str, Any], language: str) -> dict[str, Any]:
    """A stored refusal as a JSON object."""
    return {
        "code": stored["code"],
        "rule": stored.get("rule"),
        "detail": refusal_text(stored, language),
        "holds": stored.get("holds", []),
        "earliest_retry_at": stored.get("earliest_retry_at"),
        "assumed": stored.get("assumed", []),
    }
