"""The rules that no test drives through the HTTP API, and why; the rule book lists them so."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

UNPROVEN: Mapping[str, str] = MappingProxyType(
    {
        "TM-2": "no request shows it: `tests/domain/terms/test_open_terms.py` adds a supplier and a version as data",
    }
)
"""It only gets shorter: a rule that a test drives through the API leaves it."""
