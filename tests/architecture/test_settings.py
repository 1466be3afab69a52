"""Every setting is read by something, and every variable that a document names is a setting."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from app.settings import PROJECT, Settings

OWN = PROJECT / "app" / "settings.py"
OTHERS = {"SIMGATE_SDK_PYTHON", "SIMGATE_TEST_RUN", "SIMGATE_TEST_DATABASE_URL", "SIMGATE_CARRIERS_DIR"}
"""Of the tests, and of `ops/compose.yaml` itself (which folder it mounts)."""


def read_of(tree: ast.AST, name: str) -> Iterator[str]:
    """The attributes of a variable, or of an attribute, of this name."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr=attribute) if owner == name:
                yield attribute


def unread(fields: Iterable[str], settings: ast.Module, others: Iterable[ast.Module]) -> set[str]:
    """The fields that no module reads, neither by themselves nor through a property of the settings."""
    read = {attribute for tree in others for attribute in read_of(tree, "settings")}
    functions = [node for node in ast.walk(settings) if isinstance(node, ast.FunctionDef)]
    for function in functions:
        if function.name in read:
            read |= set(read_of(function, "self"))
    return set(fields) - read


def modules() -> Iterator[Path]:
    return (path for path in (PROJECT / "app").rglob("*.py") if path != OWN)


def test_every_setting_is_read_by_the_gateway() -> None:
    parsed = [ast.parse(path.read_text(encoding="utf-8")) for path in modules()]
    assert unread(Settings.model_fields, ast.parse(OWN.read_text(encoding="utf-8")), parsed) == set()


def test_a_setting_that_nothing_reads_is_found() -> None:
    own = ast.parse("class Settings:\n def base_url(self): return self.host\n def unused(self): return self.port")
    other = ast.parse("client(settings.base_url, container.settings.key)")
    assert unread(["host", "port", "key", "brake"], own, [other]) == {"port", "brake"}


def test_every_variable_that_is_named_anywhere_is_a_setting() -> None:
    known = {str(field.alias) for field in Settings.model_fields.values()} | OTHERS
    places = [PROJECT / "README.md", PROJECT / "Makefile", PROJECT / "Dockerfile", *(PROJECT / "docs").rglob("*.md")]
    places += [path for path in (PROJECT / "ops").rglob("*") if path.is_file()]
    named = {(path.name, name) for path in places for name in re.findall(r"SIMGATE_[A-Z_]*[A-Z]", path.read_text())}
    assert {(place, name) for place, name in named if name not in known} == set()
