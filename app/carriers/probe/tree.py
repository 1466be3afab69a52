"""An answer as a tree of named values, JSON and XML alike, and the paths in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from xml.etree.ElementTree import Element

from app.carriers.errors import CarrierProtocolError
from app.carriers.expectations import Kind
from app.carriers.http import parse

ITEM, VALUE = "[]", "{}"
_PLAIN = re.compile(r"(-?\d{1,12})[：: ]?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Node:
    """A value at a path. `steps` are the names on the way, `[]` for an item of a list."""

    steps: tuple[str, ...]
    value: object

    @property
    def path(self) -> str:
        """The steps as a table writes them: `result[].cardStatus`."""
        return ".".join(self.steps).replace(f".{ITEM}", ITEM)

    @property
    def kind(self) -> Kind:
        """The JSON type."""
        return kind_of(self.value)


def kind_of(value: object) -> Kind:
    """The JSON type of a value."""
    if value is None:
        return Kind.NULL
    if isinstance(value, bool):
        return Kind.BOOLEAN
    if isinstance(value, int | float | Decimal):
        return Kind.NUMBER
    if isinstance(value, str):
        return Kind.TEXT
    return Kind.LIST if isinstance(value, list) else Kind.OBJECT


def answer_tree(body: bytes) -> object:
    """The answer as nested objects, lists and scalars; an XML element is an object of its children by local name.

    A plain text `<code>：<text>` (B1.4) is `{"code", "message"}`. Raises `CarrierProtocolError`.
    """
    content = body.strip()
    if content[:1] in (b"{", b"["):
        return parse.json_value(content)
    if content[:1] == b"<":
        root = parse.xml_root(content)
        return {local_name(root): _element(root)}
    try:
        match = _PLAIN.fullmatch(content.decode())
    except UnicodeDecodeError:
        match = None
    if match is None:
        raise CarrierProtocolError(f"an answer that is neither JSON, XML nor a code ({len(body)} bytes)")
    return {"code": match[1], "message": match[2]}


def nodes(value: object, steps: tuple[str, ...] = ()) -> Iterator[Node]:
    """Every value below the root with its path, parents before children."""
    if steps:
        yield Node(steps, value)
    if isinstance(value, Mapping):
        for name, child in value.items():
            yield from nodes(child, (*steps, str(name)))
    elif isinstance(value, list):
        for child in value:
            yield from nodes(child, (*steps, ITEM))


def matches(pattern: str, steps: tuple[str, ...]) -> bool:
    """Whether a table's path stands for these steps; `{}` stands for any one name, a leading `*.` for any depth."""
    wanted = pattern_steps(pattern)
    if wanted[:1] == ("*",):
        wanted, steps = wanted[1:], steps[-len(wanted) + 1 :]
    return len(wanted) == len(steps) and all(a in (b, VALUE) for a, b in zip(wanted, steps, strict=True))


def pattern_steps(pattern: str) -> tuple[str, ...]:
    """`a[].b` → `("a", "[]", "b")`."""
    return tuple(step for step in pattern.replace(ITEM, f".{ITEM}").split(".") if step)


def local_name(element: Element) -> str:
    """An element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _element(element: Element) -> object:
    """Children by local name; a name that repeats keeps one entry per element, as a list. A leaf is its text."""
    if len(element) == 0:
        return element.text or ""
    children: dict[str, list[object]] = {}
    for child in element:
        children.setdefault(local_name(child), []).append(_element(child))
    return {name: found if len(found) > 1 else found[0] for name, found in children.items()}
