"""The rule book: each rule of the catalogue with its texts, its values, its source and its tests, from one table.

`python -m app.texts.rulebook` writes `docs/rules.md`; `entry(id)` is what `simgate rule <id>` shows.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from types import MappingProxyType

from app.domain.terms.book import BOOK, TermLine, describe, terms_in_force
from app.domain.terms.model import Terms
from app.domain.vocabulary import Supplier
from app.texts.catalogue import CHINESE, ENGLISH, text
from app.texts.reachability import RULE_ID, rules_not_reached
from app.texts.rule_fields import RULES_OF_FIELD, RULES_OF_LEVEL

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = ROOT / "docs" / "catalogue.md"
BOOK_FILE = ROOT / "docs" / "rules.md"

_ITEM = re.compile(rf"(?:- |\| )({RULE_ID.pattern})(?: \|)? (.*)")
_SECTION = re.compile(r"## ([A-Z]{2}) (.+)")
_SOURCE = re.compile(r"(?:FM|GSL|SIX|OVR) (?:FAQ |Q)?[一二三四五0-9][0-9一二三四五′.,– 注意]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleValue:
    """One value that the rule gives, for the carriers of a supplier under whose terms it is the same."""

    name: str
    supplier: Supplier
    carriers: tuple[str, ...]
    value: str
    source: str
    assumed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleEntry:
    """One rule: its texts, the catalogue's own words, its sources (none: a decision of ours), its values and tests."""

    id: str
    english: str
    chinese: str
    statement: str
    sources: tuple[str, ...]
    values: tuple[RuleValue, ...]
    tests: tuple[str, ...]
    reached: bool
    """Whether the product runs it; else the tests prove a function that nothing calls yet."""


@cache
def statements() -> Mapping[str, str]:
    """Every rule of the catalogue by its id, in its own words and order."""
    found: dict[str, str] = {}
    current = ""
    for line in CATALOGUE.read_text(encoding="utf-8").splitlines():
        item = _ITEM.match(line)
        if item is not None:
            current = item[1]
            found[current] = item[2].strip()
        elif line.startswith("  ") and current:
            found[current] += "\n" + line.strip()
        else:
            current = ""
    return MappingProxyType(found)


@cache
def sections() -> Mapping[str, str]:
    """The catalogue's sections by their two letters."""
    lines = CATALOGUE.read_text(encoding="utf-8").splitlines()
    return MappingProxyType({found[1]: found[2] for line in lines if (found := _SECTION.match(line)) is not None})


def cited(folder: Path, pattern: str) -> Iterator[tuple[str, str]]:
    """Every (rule id, place) that the Python files below a folder cite; the place of a test is its function."""
    for path in sorted(folder.rglob(pattern)):
        source = path.read_text(encoding="utf-8")
        for node in ast.parse(source).body:
            lines = source.splitlines()[node.lineno - 1 : node.end_lineno]
            name = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else ""
            place = f"{path.relative_to(ROOT)}::{name}"
            yield from ((rule, place) for rule in dict.fromkeys(RULE_ID.findall("\n".join(lines))))


@cache
def tests_by_rule() -> Mapping[str, tuple[str, ...]]:
    """The tests that cite each rule: those of the rules themselves, else those elsewhere."""
    near: dict[str, list[str]] = {}
    far: dict[str, list[str]] = {}
    for rule, place in cited(ROOT / "tests", "test_*.py"):
        if "::test_" in place:
            (near if place.startswith("tests/domain/") else far).setdefault(rule, []).append(place)
    return MappingProxyType({rule: tuple(near.get(rule) or far[rule]) for rule in near | far})


def _values(rule: str, on: date) -> Iterator[RuleValue]:
    """The values of a rule, the carriers of a supplier that share one put together."""
    grouped: dict[tuple[str, Supplier, str, str, tuple[str, ...]], list[str]] = {}
    for supplier, carrier in BOOK:
        for line in describe(supplier, carrier, on):
            if line.value is not None and rule in _rules_of(line, terms_in_force(supplier, carrier, on)):
                key = (line.name, supplier, _shown(line.value), line.source, line.assumed)
                grouped.setdefault(key, []).append(str(carrier))
    for (name, supplier, value, source, assumed), carriers in sorted(grouped.items()):
        yield RuleValue(
            name=name, supplier=supplier, carriers=tuple(carriers), value=value, source=source, assumed=assumed
        )


def _rules_of(line: TermLine, terms: Terms) -> frozenset[str]:
    """Which rules a value of the terms belongs to."""
    if line.name.startswith("service.") and isinstance(line.value, dict):
        return frozenset({str(line.value["rule"]), *RULES_OF_LEVEL.get(line.name.removeprefix("service."), ())})
    named = RULES_OF_FIELD[line.name]
    return frozenset(named(terms) if callable(named) else named)


def _shown(value: object) -> str:
    """A value as the book shows it."""
    if isinstance(value, dict):
        told = {key: part for key, part in value.items() if part is not None}
        return ", ".join(f"{key} {_shown(part)}" for key, part in told.items())
    return ", ".join(map(_shown, value)) if isinstance(value, list) else str(value)


def entry(rule: str, on: date) -> RuleEntry:
    """Everything about one rule, with the values in force on a day. Raises `KeyError` for an id of no rule."""
    statement = statements()[rule]
    return RuleEntry(
        id=rule,
        english=text(f"rule.{rule}", ENGLISH),
        chinese=text(f"rule.{rule}", CHINESE),
        statement=statement,
        sources=tuple(dict.fromkeys(found.strip(" .,") for found in _SOURCE.findall(statement))),
        values=tuple(_values(rule, on)),
        tests=tests_by_rule().get(rule, ()),
        reached=rule not in rules_not_reached(),
    )


SHOWN_AS_OF = date(2026, 11, 1)
"""The day whose terms the book shows; a version that holds from a later day asks for a later one."""

_HEAD = """# The rules

Generated by `python -m app.texts.rulebook` from `docs/catalogue.md` (the specification, kept as it was given), the
terms in `app/domain/terms/`, the texts in `app/texts/texts.json` and the tests. Do not edit by hand.

Values are those in force on {day}; what is not listed for a supplier is not published. "assumed" names the decisions
of ours that a value rests on. A rule without a source is such a decision, or about the gateway itself. "Not reachable
through the API yet": the rule is written and tested, and no product code calls it (`app/texts/reachability.py`).
"""


def rendered() -> str:
    """The whole book as Markdown."""
    parts = [_HEAD.format(day=SHOWN_AS_OF.isoformat())]
    for letters, title in sections().items():
        parts.append(f"## {letters} {title}\n")
        of_section = [rule for rule in statements() if rule.startswith(f"{letters}-")]
        parts.extend(_page(entry(rule, SHOWN_AS_OF)) for rule in of_section)
    return "\n".join(parts)


def _page(rule: RuleEntry) -> str:
    """One rule as Markdown."""
    parts = [f"### {rule.id}", rule.english, rule.chinese, f"Source: {'; '.join(rule.sources) or 'ours'}"]
    if rule.values:
        parts.append("\n".join(map(_line, rule.values)))
    if not rule.reached:
        parts.append("Not reachable through the API yet.")
    if rule.tests:
        word = "proven" if rule.reached else "tested"
        parts.append("\n".join(f"- {word} by `{place}`" for place in rule.tests))
    return "\n\n".join(parts) + "\n"


def _line(value: RuleValue) -> str:
    """One value as Markdown."""
    assumed = f", assumed {', '.join(value.assumed)}" if value.assumed else ""
    who = f"{value.supplier} {'/'.join(value.carriers)}"
    return f"- `{value.name}` {who}: {value.value} ({value.source}{assumed})"


if __name__ == "__main__":
    BOOK_FILE.write_text(rendered(), encoding="utf-8")
    sys.stdout.write(f"{BOOK_FILE.relative_to(ROOT)} written\n")
