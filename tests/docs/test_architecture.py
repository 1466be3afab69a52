"""`docs/architecture.md` is true: the files, functions and rooms that it names are there."""

from __future__ import annotations

import ast
import re
import tomllib

from app.texts.rulebook import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
FUNCTION = re.compile(r"`([a-z_]+)`\s+\(`(app/[a-z_/]+\.py)`")
ROW = re.compile(r"^\| `(domain|usecases|db)` \| (`.+`)", re.MULTILINE)


def test_every_file_and_folder_of_ours_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`((?:app|sandbox|demo|docs)/[a-z_/]*(?:\.[a-z]+)?)`", PAGE))
    assert len(named) > 30
    assert not [name for name in sorted(named) if not (ROOT / name).exists()]


def test_every_function_that_the_page_names_with_its_file_is_defined_there() -> None:
    found = FUNCTION.findall(PAGE)
    assert len(found) >= 3
    for name, path in found:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}, (
            name,
            path,
        )


def test_the_rooms_stand_in_the_order_of_the_contracts() -> None:
    """A row names layers from the top down; names of one layer are joined by commas, layers by dots."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    for room, row in ROW.findall(PAGE):
        layers = next(c["layers"] for c in contracts if c.get("containers") == [f"app.{room}"])
        place = {name.strip(): number for number, layer in enumerate(layers) for name in layer.split("|")}
        order = [[place[name] for name in re.findall(r"`([a-z_]+)`", part)] for part in row.split("·")]
        assert all(len(set(group)) == 1 for group in order), (room, order)
        assert [group[0] for group in order] == sorted({group[0] for group in order}), room
