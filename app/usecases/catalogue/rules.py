"""The rule catalogue as JSON: each rule with its texts, sources, values and what lifts the hold it is about."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from app.domain.sim.hold_table import HoldRemedy, HoldRule
from app.domain.terms.book import BOOK, terms_in_force
from app.texts.catalogue import LANGUAGES, text
from app.texts.rule_search import search
from app.texts.rule_values import RuleValue, values_by_rule
from app.texts.rules import Rule, rules
from app.usecases.errors import NotFound


def rule_view(rule_id: str, on: date) -> dict[str, Any]:
    """One rule with the values in force on a day. Raises `NotFound`."""
    found = rules().get(rule_id)
    if found is None:
        raise NotFound("rule")
    return _view(found, on)


def found_rules(query: str | None, section: str | None) -> tuple[Rule, ...]:
    """The rules that answer a query, the best first, of a section if one is named; without a query in their order."""
    found = search(query) if query is not None else tuple(rules().values())
    return tuple(rule for rule in found if section is None or rule.id.partition("-")[0] == section)


def rules_page(found: tuple[Rule, ...], start: int, limit: int, on: date) -> tuple[list[dict[str, Any]], str | None]:
    """Some rules from a position on as JSON, and the last one's id if others follow."""
    page = found[start : start + limit]
    more = start + limit < len(found)
    return [_view(rule, on) for rule in page], page[-1].id if more else None


def _view(rule: Rule, on: date) -> dict[str, Any]:
    return {
        "id": rule.id,
        "section": rule.id.partition("-")[0],
        "title": dict(rule.title),
        "text": dict(rule.text),
        "symptoms": {language: list(said) for language, said in rule.symptoms.items()},
        "statement": rule.statement,
        "sources": list(rule.sources),
        "decision": rule.decision,
        "hold": rule.hold.code.value if rule.hold else None,
        "lifted_by": [_way(way, rule.hold, on) for way in rule.hold.lifted_by] if rule.hold else [],
        "values": [_value(value) for value in values_by_rule(on).get(rule.id, ())],
        "related": list(rule.related),
        "url": f"/v1/rules/{rule.id}",
    }


def _way(way: HoldRemedy, hold: HoldRule, on: date) -> dict[str, Any]:
    """One way to lift a hold, and the terms that have it."""
    return {
        "action": way.by.value,
        "text": {language: text(f"remedy.{way.by.value}", language) for language in LANGUAGES},
        "actor": way.actor.value if way.actor else None,
        "automatic": way.automatic,
        "terms": list(dict.fromkeys(_offering(way, hold, on))),
    }


def _offering(way: HoldRemedy, hold: HoldRule, on: date) -> Iterator[str]:
    """The suppliers whose terms, for any carrier, have a way to lift a hold."""
    for supplier, carrier in BOOK:
        if way.offered(hold.code, terms_in_force(supplier, carrier, on)):
            yield supplier.value


def _value(value: RuleValue) -> dict[str, Any]:
    return {
        "name": value.name,
        "supplier": value.supplier.value,
        "carriers": list(value.carriers),
        "value": value.value,
        "source": value.source,
        "assumed": list(value.assumed),
    }
