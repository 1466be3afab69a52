"""Which tests prove each rule, read from their source: those that drive it through the HTTP API, and the others.

A test names its rules in its source. It drives them through the API if it, or a function of the tests that it calls,
sends a request to the gateway's API.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from app.texts.rules import ROOT, RULE_ID

TESTS = ROOT / "tests"

OTHER_SERVICES = frozenset({"carriers", "contracts", "sandbox", "sdk"})
"""Folders whose tests speak HTTP with a carrier, not with the gateway."""

_METHODS = frozenset({"get", "post", "put", "patch", "delete", "request", "stream"})
_PATH = "/v1/"
_CATALOGUE = "/v1/rules"
"""Reading a rule's text drives nothing."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTests:
    """The tests that cite a rule, as `path::function`: through the API, of the rule's own function, and others.

    Those most about the rule first: whose docstring names it, then those in files with the fewest that cite it.
    """

    through_api: tuple[str, ...] = ()
    of_the_domain: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Module:
    """A module of the tests: its functions, and the functions of other such modules that it imports."""

    functions: Mapping[str, Function]
    imports: Mapping[str, tuple[Path, str]]


def cited(folder: Path, pattern: str) -> Iterator[tuple[str, str]]:
    """Every (rule id, `path::name`) that the Python files below a folder cite; `name`: the function or class."""
    for path in sorted(folder.rglob(pattern)):
        source = path.read_text(encoding="utf-8")
        for node in ast.parse(source).body:
            start = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))])
            lines = source.splitlines()[start - 1 : node.end_lineno]
            name = node.name if isinstance(node, Function) else ""
            test = f"{path.relative_to(ROOT)}::{name}"
            yield from ((rule, test) for rule in dict.fromkeys(RULE_ID.findall("\n".join(lines))))


@cache
def _module(path: Path) -> _Module:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    imports: dict[str, tuple[Path, str]] = {}
    for node in body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests."):
            target = ROOT / f"{(node.module or '').replace('.', '/')}.py"
            imports |= {name.asname or name.name: (target, name.name) for name in node.names if target.exists()}
    functions = {node.name: node for node in body if isinstance(node, Function)}
    return _Module(functions=functions, imports=imports)


def _text_of(node: ast.expr) -> str:
    """The constant text of an argument, what is filled in left out."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "".join(part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str))


def _is_request(node: ast.AST) -> bool:
    """Whether a node sends a request to the gateway: `….api.get(…)`, or a method with a path of the API."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS):
        return False
    paths = [text for argument in node.args if (text := _text_of(argument))]
    if any(path.startswith(_CATALOGUE) for path in paths):
        return False
    receiver = node.func.value
    names = {getattr(receiver, "attr", None), getattr(receiver, "id", None)}
    return "api" in names or any(path.startswith(_PATH) for path in paths)


def _sends(path: Path, name: str, seen: set[tuple[Path, str]]) -> bool:
    """Whether a function of the tests sends a request to the API, itself or through the functions that it names."""
    if (path, name) in seen or name not in _module(path).functions:
        return False
    seen.add((path, name))
    node = _module(path).functions[name]
    if any(map(_is_request, ast.walk(node))):
        return True
    named = {leaf.id for leaf in ast.walk(node) if isinstance(leaf, ast.Name)}
    named |= {argument.arg for argument in node.args.args}
    imports = _module(path).imports
    return any(_sends(*imports.get(one, (path, one)), seen) for one in sorted(named))


def _drives_the_api(test: str) -> bool:
    """Whether the test at `path::function` drives the gateway through its API."""
    path, _, name = test.partition("::")
    return Path(path).parts[1] not in OTHER_SERVICES and _sends(ROOT / path, name, set())


@cache
def tests_by_rule() -> Mapping[str, RuleTests]:
    """The tests that cite each rule; a rule that none cites is not in it."""
    found: dict[str, list[str]] = {}
    for rule, test in cited(TESTS, "test_*.py"):
        if "::test_" in test:
            found.setdefault(rule, []).append(test)
    driving = {test for test_names in found.values() for test in test_names if _drives_the_api(test)}
    return MappingProxyType({rule: _parted(_ordered(rule, names), driving) for rule, names in found.items()})


def _ordered(rule: str, test_names: list[str]) -> list[str]:
    """The tests of a rule, those most about it first."""
    in_file = Counter(test.partition("::")[0] for test in test_names)
    return sorted(test_names, key=lambda test: (not _is_named(rule, test), in_file[test.partition("::")[0]], test))


def _is_named(rule: str, test: str) -> bool:
    """Whether the docstring of the test at `path::function` names a rule."""
    path, _, name = test.partition("::")
    return rule in RULE_ID.findall(ast.get_docstring(_module(ROOT / path).functions[name]) or "")


def _parted(test_names: list[str], driving: set[str]) -> RuleTests:
    rest = [test for test in test_names if test not in driving]
    return RuleTests(
        through_api=tuple(test for test in test_names if test in driving),
        of_the_domain=tuple(test for test in rest if test.startswith("tests/domain/")),
        others=tuple(test for test in rest if not test.startswith("tests/domain/")),
    )
