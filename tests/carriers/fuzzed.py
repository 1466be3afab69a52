"""Answers fuzzed by structure: every field of a document dropped, retyped, renamed, nested, repeated."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, fromstring, tostring

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Mutation:
    """A document with one thing wrong: `field` is the name it is wrong with, `how` what was done."""

    field: str
    how: str
    body: bytes


def mutations(body: bytes) -> Iterator[Mutation]:
    """Every mutation of a JSON or XML document."""
    yield from _of_xml(body) if body.lstrip().startswith(b"<") else _of_json(body)


def _of_json(body: bytes) -> Iterator[Mutation]:
    document = json.loads(body)
    for path in _paths(document):
        name = next((str(part) for part in reversed(path) if isinstance(part, str)), "row")
        for how, value in _json_changes(_at(document, path)):
            yield Mutation(name, how, json.dumps(_with(document, path, value), ensure_ascii=False).encode())
        dropped = "dropped" if isinstance(path[-1], str) else "without a row"
        yield Mutation(name, dropped, json.dumps(_without(document, path), ensure_ascii=False).encode())
        if isinstance(path[-1], str):
            yield Mutation(name, "renamed", json.dumps(_renamed(document, path), ensure_ascii=False).encode())
        else:
            yield Mutation(name, "repeated", json.dumps(_repeated(document, path), ensure_ascii=False).encode())
    yield Mutation("document", "nested", json.dumps([document]).encode())
    yield Mutation("document", "nested", json.dumps({"data": document}).encode())
    yield Mutation("document", "repeated", body + body)
    yield Mutation("document", "torn", body[: len(body) // 2])


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from _paths(item, (*path, key))


def _json_changes(value: Any) -> list[tuple[str, Any]]:
    """Other types and nestings of a value; where a text holds a number, or the reverse, the value stays the same."""
    changes: list[tuple[str, Any]] = [("null", None), ("a list", [value]), ("an object", {"value": value})]
    changes += [("blank", ""), ("blank", " "), ("an empty list", []), ("an empty object", {})]
    if not isinstance(value, bool):
        changes += [("true", True), ("false", False)]
    if isinstance(value, str):
        changes.append(("spaces around", f" {value} "))
    if isinstance(value, int | float) and not isinstance(value, bool):
        changes.append(("the same as text", str(value)))
    if isinstance(value, str) and value.isdigit() and str(int(value)) == value:
        changes.append(("the same as a number", int(value)))
    return changes


def _at(document: Any, path: Path) -> Any:
    for part in path:
        document = document[part]
    return document


def _with(document: Any, path: Path, value: Any) -> Any:
    changed = copy.deepcopy(document)
    _at(changed, path[:-1])[path[-1]] = value
    return changed


def _without(document: Any, path: Path) -> Any:
    changed = copy.deepcopy(document)
    del _at(changed, path[:-1])[path[-1]]
    return changed


def _renamed(document: Any, path: Path) -> Any:
    changed = copy.deepcopy(document)
    parent = _at(changed, path[:-1])
    parent[f"x{path[-1]}"] = parent.pop(path[-1])
    return changed


def _repeated(document: Any, path: Path) -> Any:
    changed = copy.deepcopy(document)
    rows = _at(changed, path[:-1])
    rows.append(copy.deepcopy(rows[path[-1]]))
    return changed


def _of_xml(body: bytes) -> Iterator[Mutation]:
    for number, element in enumerate(fromstring(body).iter()):  # noqa: S314 - our own sample
        name = element.tag.rpartition("}")[2]
        for how in ("dropped", "blank", "renamed", "nested", "repeated", "spaces around"):
            changed = _xml_changed(body, number, how)
            if changed is not None:
                yield Mutation(name, how, changed)
    yield Mutation("document", "torn", body[: len(body) // 2])
    yield Mutation("document", "repeated", body + body)


def _xml_changed(body: bytes, number: int, how: str) -> bytes | None:
    root = fromstring(body)  # noqa: S314 - our own sample
    element = list(root.iter())[number]
    parent = next((one for one in root.iter() if element in list(one)), None)
    if how == "renamed":
        element.tag += "x"
    elif how in ("blank", "spaces around"):
        if len(element):
            return None
        element.text = "" if how == "blank" else f" {element.text or ''} "
    elif parent is None:
        return None
    elif how == "dropped":
        parent.remove(element)
    else:
        place = list(parent).index(element)
        if how == "nested":
            around = Element("x")
            around.append(element)
            parent.remove(element)
            parent.insert(place, around)
        else:
            parent.insert(place, copy.deepcopy(element))
    return tostring(root)
