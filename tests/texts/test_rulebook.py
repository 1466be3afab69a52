"""Every rule of the catalogue is cited, told, proven and in the book; the domain is what it promises to be."""

from __future__ import annotations

import ast
from datetime import date
from pathlib import Path

import pytest

from app.domain.terms.model import Terms
from app.texts.catalogue import texts
from app.texts.rule_fields import RULES_OF_FIELD
from app.texts.rulebook import BOOK_FILE, ROOT, cited, entry, rendered, sections, statements

NOT_YET_BUILT: frozenset[str] = frozenset()
"""Rules that neither code nor test cites yet. This list only gets shorter."""

TODAY = date(2026, 11, 21)
DOMAIN = ROOT / "app" / "domain"


def _cited() -> dict[str, set[str]]:
    places: dict[str, set[str]] = {}
    for folder in ("app", "tests"):
        for rule, place in cited(ROOT / folder, "*.py"):
            if place.startswith("tests/texts/test_rulebook.py"):
                continue  # the list of what is not yet built proves nothing
            places.setdefault(rule, set()).add(place)
    return places


def test_every_rule_of_the_catalogue_is_cited_by_code_or_test() -> None:
    found = set(_cited())
    assert set(statements()) - found == NOT_YET_BUILT
    assert found <= set(statements()), "a rule that the catalogue does not have"


def test_the_catalogue_is_read_whole() -> None:
    assert len(statements()) == 138
    assert list(sections()) == [
        "TM",
        "BC",
        "VD",
        "LC",
        "ST",
        "QT",
        "US",
        "PL",
        "DV",
        "RG",
        "SL",
        "OP",
        "CP",
        "AC",
        "RN",
        "OR",
        "DR",
        "RM",
        "IV",
        "EX",
        "DG",
    ]
    assert {rule[:2] for rule in statements()} == set(sections())


def test_every_rule_has_its_text_in_both_languages() -> None:
    assert {key.removeprefix("rule.") for key in texts() if key.startswith("rule.")} == set(statements())


def test_every_value_of_the_terms_belongs_to_a_rule() -> None:
    """TM-2, TM-3."""
    described = set(Terms.__dataclass_fields__) - {"supplier", "carrier", "since", "period_rule", "service"}
    assert set(RULES_OF_FIELD) == described


def test_the_book_in_docs_is_current() -> None:
    assert BOOK_FILE.read_text(encoding="utf-8") == rendered(), "run: python -m app.texts.rulebook"


def test_a_rule_is_found_by_its_id_with_values_sources_and_tests() -> None:
    """RN-2."""
    rule = entry("RN-2", TODAY)
    assert rule.sources == ("FM 三.2.1 注意 2",)
    assert [(value.name, value.supplier, value.carriers, value.value) for value in rule.values] == [
        ("renewal_pause_from_day", "flexem", ("cmcc",), "23")
    ]
    assert any("test_renewal.py" in place for place in rule.tests)
    assert "23rd" in rule.english
    assert "22" in rule.chinese
    assert "2024-05-31" in rule.statement
    assert entry("VD-2", TODAY).values[0].value == "calendar_months"
    assert entry("ST-20", TODAY).statement.startswith("Resume on request")
    with pytest.raises(KeyError):
        entry("RN-99", TODAY)


def test_the_files_of_the_domain_are_short_enough_to_read() -> None:
    for path in DOMAIN.rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 300, path


def _nodes(folder: Path) -> list[tuple[Path, ast.AST]]:
    return [
        (path, node) for path in folder.rglob("*.py") for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    ]


def test_the_domain_has_no_float_no_clock_and_no_waiting() -> None:
    for path, node in _nodes(DOMAIN):
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), path
        assert not isinstance(node, ast.Div | ast.AsyncFunctionDef | ast.Await), path
        assert not (isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today"} and _is_clock(node)), (
            path
        )


def _is_clock(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id in {"datetime", "date", "time"}
