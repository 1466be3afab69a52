"""Every rule of the catalogue is cited, told, proven and in the book; the domain is what it promises to be."""

from __future__ import annotations

import ast
from datetime import date
from pathlib import Path

import pytest

from app.domain.terms.model import Terms
from app.texts import rule_tests
from app.texts.rule_fields import RULES_OF_FIELD
from app.texts.rule_tests import cited
from app.texts.rulebook import BOOK_FILE, entry, rendered
from app.texts.rules import ROOT, RULE_ID, sections, statements
from app.texts.unproven import UNPROVEN

NOT_YET_BUILT: frozenset[str] = frozenset()
"""Rules that neither code nor test cites yet. This list only gets shorter."""

TODAY = date(2026, 11, 21)
DOMAIN = ROOT / "app" / "domain"


def _cited() -> dict[str, set[str]]:
    places: dict[str, set[str]] = {}
    for folder in ("app", "tests"):
        for rule, place in cited(ROOT / folder, "*.py"):
            if place.startswith(("tests/texts/test_rulebook.py", "app/texts/unproven.py")):
                continue  # the list of what is not yet built proves nothing
            places.setdefault(rule, set()).add(place)
    return places


def test_every_rule_of_the_catalogue_is_cited_by_code_or_test() -> None:
    found = set(_cited())
    assert set(statements()) - found == NOT_YET_BUILT
    assert found <= set(statements()), "a rule that the catalogue does not have"


def test_the_catalogue_is_read_whole() -> None:
    assert len(statements()) == 141
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


def test_every_value_of_the_terms_belongs_to_a_rule() -> None:
    """TM-2, TM-3."""
    described = set(Terms.__dataclass_fields__) - {"supplier", "carrier", "since", "period_rule", "service"}
    assert set(RULES_OF_FIELD) == described


def test_the_book_in_docs_is_current() -> None:
    assert BOOK_FILE.read_text(encoding="utf-8") == rendered(), "run: python -m app.texts.rulebook"


def test_a_rule_is_found_by_its_id_with_values_sources_and_tests() -> None:
    """RN-2."""
    rule = entry("RN-2", TODAY)
    assert rule.rule.sources == ("FM 三.2.1 注意 2",)
    assert [(value.name, value.supplier, value.carriers, value.value) for value in rule.values] == [
        ("renewal_pause_from_day", "flexem", ("cmcc",), "23")
    ]
    assert any("test_renewal.py" in place for place in rule.tests.of_the_domain)
    assert "23rd" in rule.rule.text["en"]
    assert "22" in rule.rule.text["zh"]
    assert "2024-05-31" in rule.rule.statement
    assert entry("VD-2", TODAY).values[0].value == "calendar_months"
    assert entry("ST-20", TODAY).rule.statement.startswith("Resume on request")
    with pytest.raises(KeyError):
        entry("RN-99", TODAY)


def test_every_rule_is_driven_through_the_api_by_a_test_or_listed_with_the_reason() -> None:
    driven = {rule for rule, tests in rule_tests.tests_by_rule().items() if tests.through_api}
    assert set(statements()) - driven == set(UNPROVEN)
    assert all(UNPROVEN.values())


def test_only_a_test_that_sends_requests_to_the_gateway_counts_as_driving_a_rule_through_the_api() -> None:
    """By request in the test, in a function it calls, and not at all: of the domain, or of a carrier's interface."""
    driving = {place for tests in rule_tests.tests_by_rule().values() for place in tests.through_api}
    assert "tests/e2e/rules/test_remedies.py::test_the_fourth_rebind_of_a_month_goes_to_the_desk" in driving
    through_a_helper = "test_what_is_told_as_allowed_is_accepted_and_what_is_refused_is_not_told_as_allowed"
    assert f"tests/e2e/rules/test_remedies.py::{through_a_helper}" in driving
    assert not [place for place in driving if place.startswith(("tests/domain/", "tests/sandbox/", "tests/carriers/"))]


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


def test_the_first_proof_of_a_rule_names_it_in_its_docstring_wherever_one_does() -> None:
    entries = rule_tests.tests_by_rule()
    assert "test_run.py" not in entries["RN-2"].through_api[0]
    for rule, tests in entries.items():
        named = [place for place in tests.through_api if rule in _docstring(place)]
        assert set(tests.through_api[: len(named)]) == set(named), rule


def _docstring(place: str) -> list[str]:
    path, _, name = place.partition("::")
    body = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    [test] = [one for one in body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and one.name == name]
    return RULE_ID.findall(ast.get_docstring(test) or "")
