"""The values that each rule gives under each supplier's terms, with their sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from types import MappingProxyType

from app.domain.terms.book import BOOK, TermLine, describe, terms_in_force
from app.domain.terms.model import Terms
from app.domain.vocabulary import Supplier
from app.texts.rule_fields import RULES_OF_FIELD, RULES_OF_LEVEL


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleValue:
    """One value that the rule gives, for the carriers of a supplier under whose terms it is the same."""

    name: str
    supplier: Supplier
    carriers: tuple[str, ...]
    value: str
    source: str
    assumed: tuple[str, ...]


@lru_cache(maxsize=8)
def values_by_rule(on: date) -> Mapping[str, tuple[RuleValue, ...]]:
    """The values in force on a day by rule, the carriers of a supplier that share one put together."""
    grouped: dict[tuple[str, str, Supplier, str, str, tuple[str, ...]], list[str]] = {}
    for supplier, carrier in BOOK:
        terms = terms_in_force(supplier, carrier, on)
        for line in (line for line in describe(supplier, carrier, on) if line.value is not None):
            for rule in _rules_of(line, terms):
                key = (rule, line.name, supplier, _shown(line.value), line.source, line.assumed)
                grouped.setdefault(key, []).append(str(carrier))
    found: dict[str, list[RuleValue]] = {}
    for (rule, name, supplier, value, source, assumed), carriers in sorted(grouped.items()):
        found.setdefault(rule, []).append(
            RuleValue(
                name=name, supplier=supplier, carriers=tuple(carriers), value=value, source=source, assumed=assumed
            )
        )
    return MappingProxyType({rule: tuple(values) for rule, values in found.items()})


def _rules_of(line: TermLine, terms: Terms) -> frozenset[str]:
    """Which rules a value of the terms belongs to."""
    if line.name.startswith("service.") and isinstance(line.value, dict):
        return frozenset({str(line.value["rule"]), *RULES_OF_LEVEL.get(line.name.removeprefix("service."), ())})
    named = RULES_OF_FIELD[line.name]
    return frozenset(named(terms) if callable(named) else named)


def _shown(value: object) -> str:
    """A value as the book shows it."""
    if isinstance(value, dict):
        published = {key: part for key, part in value.items() if part is not None}
        return ", ".join(f"{key} {_shown(part)}" for key, part in published.items())
    return ", ".join(map(_shown, value)) if isinstance(value, list) else str(value)
